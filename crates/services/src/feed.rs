//! Hands what is recorded to those who follow logs, so that none of them asks the store for it.

use std::collections::{HashMap, VecDeque};
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use storage::{Event, EventKind, InstanceId, Listener, Recorded, UserId};
use tokio::sync::Notify;
use webhook::Dispatcher;

/// Bytes of events that wait for one follower; what comes on top it reads from the log. They are shared: a thousand
/// followers of one log hold them once.
const MAX_HELD: usize = 64 << 10;
/// Records that wait for one follower before it is woken although it wants none of their events.
const MAX_UNWANTED: usize = 64;

/// Whose events somebody follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Scope {
    /// Those of one instance.
    Instance(InstanceId),
    /// Those of all instances of this user that this process carries.
    Owner(UserId),
}

/// Hears of every record and tells those who follow. Costs nothing while nobody does. Clones are the same feed.
#[derive(Clone)]
pub(crate) struct Feed {
    inner: Arc<Inner>,
}

struct Inner {
    dispatcher: Dispatcher,
    /// How many follow, so that records of busy instances need not take the lock to find nobody.
    count: AtomicUsize,
    followers: Mutex<HashMap<Scope, Vec<Arc<Mailbox>>>>,
}

/// Somebody who follows. Whoever drops it is forgotten.
pub(crate) struct Follower {
    feed: Feed,
    scope: Scope,
    mailbox: Arc<Mailbox>,
}

struct Mailbox {
    /// The kinds that it wants; empty means all.
    kinds: Vec<EventKind>,
    mail: Mutex<Mail>,
    bell: Notify,
}

/// What a follower was told since it last looked.
#[derive(Default)]
pub(crate) struct Mail {
    /// Records, in the order in which they were heard of.
    pub(crate) news: VecDeque<News>,
    /// There were more than are kept here.
    pub(crate) missed: bool,
    /// The instance is gone.
    pub(crate) ended: bool,
    held: usize,
}

/// The events of one record, or of several that follow each other.
#[derive(Clone)]
pub(crate) struct News {
    pub(crate) instance: InstanceId,
    /// Position of the last event before them.
    pub(crate) after: i64,
    /// Position of the last of them.
    pub(crate) up_to: i64,
    /// All of a record's events, or none where none was wanted.
    pub(crate) events: Arc<[Arc<Event>]>,
}

impl Feed {
    /// Whoever owns an instance is known to the dispatcher, which serves all that this process carries.
    pub(crate) fn new(dispatcher: Dispatcher) -> Self {
        Self {
            inner: Arc::new(Inner { dispatcher, count: AtomicUsize::new(0), followers: Mutex::default() }),
        }
    }

    /// Follows from now on. Look at the log after this call, not before it, so that nothing falls in between.
    pub(crate) fn follow(&self, scope: Scope, kinds: &[EventKind]) -> Follower {
        let mailbox =
            Arc::new(Mailbox { kinds: kinds.to_vec(), mail: Mutex::default(), bell: Notify::new() });
        self.inner.followers.lock().entry(scope).or_default().push(Arc::clone(&mailbox));
        self.inner.count.fetch_add(1, Ordering::SeqCst);
        Follower { feed: self.clone(), scope, mailbox }
    }

    /// Tells those who follow an instance that it is gone.
    pub(crate) fn end(&self, instance: InstanceId) {
        for mailbox in self.inner.followers.lock().get(&Scope::Instance(instance)).into_iter().flatten() {
            mailbox.mail.lock().ended = true;
            mailbox.bell.notify_one();
        }
    }

    #[cfg(test)]
    pub(crate) fn following(&self) -> usize {
        let count = self.inner.followers.lock().values().map(Vec::len).sum();
        assert_eq!(count, self.inner.count.load(Ordering::SeqCst));
        count
    }
}

impl Listener for Feed {
    fn rang(&self, instance: InstanceId, recorded: &Recorded) {
        if self.inner.count.load(Ordering::SeqCst) == 0 {
            return;
        }
        let Some(last) = recorded.events.last() else { return };
        let owner = self.inner.dispatcher.owner(instance).map(Scope::Owner);
        let followers = self.inner.followers.lock();
        let scopes = [Some(Scope::Instance(instance)), owner];
        let mut told = scopes.iter().flatten().filter_map(|scope| followers.get(scope)).flatten().peekable();
        if told.peek().is_none() {
            return;
        }
        let events = recorded.events.iter().cloned().map(Arc::new).collect();
        let news = News { instance, after: recorded.after, up_to: last.seq, events };
        told.for_each(|mailbox| mailbox.put(&news));
    }
}

impl Follower {
    /// Takes what it was told in the meantime.
    pub(crate) fn take(&self) -> Mail {
        let mut mail = self.mailbox.mail.lock();
        let ended = mail.ended;
        mem::replace(&mut *mail, Mail { ended, ..Mail::default() })
    }

    /// Resolves when there is something to take.
    pub(crate) async fn rung(&self) {
        self.mailbox.bell.notified().await;
    }

    pub(crate) fn wants(&self, event: &Event) -> bool {
        self.mailbox.wants(event)
    }

    pub(crate) fn kinds(&self) -> &[EventKind] {
        &self.mailbox.kinds
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let inner = &self.feed.inner;
        let mut followers = inner.followers.lock();
        if let Some(all) = followers.get_mut(&self.scope) {
            all.retain(|mailbox| !Arc::ptr_eq(mailbox, &self.mailbox));
            if all.is_empty() {
                followers.remove(&self.scope);
            }
            inner.count.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

impl Mailbox {
    fn wants(&self, event: &Event) -> bool {
        self.kinds.is_empty() || self.kinds.contains(&event.kind())
    }

    fn put(&self, news: &News) {
        let is_wanted = news.events.iter().any(|event| self.wants(event));
        let mut mail = self.mail.lock();
        if mail.missed || mail.ended {
            return;
        }
        mail.add(news, is_wanted);
        let rings = is_wanted || mail.missed || mail.news.len() >= MAX_UNWANTED;
        drop(mail);
        if rings {
            self.bell.notify_one();
        }
    }
}

impl Mail {
    fn add(&mut self, news: &News, is_wanted: bool) {
        if !is_wanted {
            match self.news.back_mut() {
                Some(last) if last.instance == news.instance && last.up_to == news.after => {
                    last.up_to = news.up_to;
                }
                _ => self.news.push_back(News { events: Arc::default(), ..news.clone() }),
            }
            return;
        }
        self.held += news.events.iter().map(|event| event.size()).sum::<usize>();
        self.news.push_back(news.clone());
        // One record may be larger than all that is to be held: it comes by itself.
        if self.held > MAX_HELD && self.news.len() > 1 {
            self.news.clear();
            self.missed = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_util::FutureExt as _;
    use storage::{ConnectedData, EventData, EventId, MemoryStorage, Timestamp, WebhookData};
    use webhook::Options;

    use super::*;

    fn feed() -> Feed {
        Feed::new(Dispatcher::new(Arc::new(MemoryStorage::new()), Options::default()).unwrap())
    }

    fn recorded(instance: InstanceId, seq: i64, data: EventData) -> Recorded {
        let event = Event {
            seq,
            id: EventId::generate(),
            instance,
            chat: None,
            timestamp: Timestamp::default(),
            data,
        };
        Recorded { after: seq - 1, events: vec![event], ..Recorded::default() }
    }

    fn connected() -> EventData {
        EventData::Connected(ConnectedData { jid: None })
    }

    fn unwanted() -> EventData {
        EventData::WebhookUpdated(WebhookData { name: "a".into(), enabled: true, deleted: false })
    }

    #[tokio::test]
    async fn followers_hear_of_what_they_want_and_how_far_the_log_is() {
        let (feed, here, there) = (feed(), InstanceId::generate(), InstanceId::generate());
        let follower = feed.follow(Scope::Instance(here), &[EventKind::Connected]);
        feed.rang(there, &recorded(there, 1, connected()));
        feed.rang(here, &recorded(here, 1, unwanted()));
        feed.rang(here, &recorded(here, 2, unwanted()));
        assert!(follower.rung().now_or_never().is_none(), "it wants none of that");
        feed.rang(here, &recorded(here, 3, connected()));
        assert!(follower.rung().now_or_never().is_some());
        let news = follower.take().news;
        let told: Vec<_> = news.iter().map(|news| (news.after, news.up_to, news.events.len())).collect();
        assert_eq!(told, [(0, 2, 0), (2, 3, 1)]);
        assert!(follower.take().news.is_empty());
        drop(follower);
        assert_eq!(feed.following(), 0);
    }

    #[tokio::test]
    async fn whoever_does_not_look_holds_little_and_knows_it() {
        let (feed, here) = (feed(), InstanceId::generate());
        let follower = feed.follow(Scope::Instance(here), &[]);
        for seq in 1..10_000 {
            feed.rang(here, &recorded(here, seq, connected()));
        }
        let mail = follower.take();
        assert!(mail.missed && mail.news.is_empty());
        feed.rang(here, &recorded(here, 10_000, connected()));
        let mail = follower.take();
        assert!(!mail.missed && mail.news.len() == 1);
        feed.end(here);
        assert!(follower.rung().now_or_never().is_some() && follower.take().ended && follower.take().ended);
    }
}
