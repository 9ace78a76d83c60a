//! Following the logs of all instances of a user at once.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use storage::{
    Event, EventKind, EventQuery, EventStart, InstanceId, Storage, StorageError, Timestamp, UserId,
};

use super::stream::piece;
use super::{EventService, not_too_late};
use crate::auth::Caller;
use crate::clock::now;
use crate::error::ServiceError;
use crate::feed::{Follower, News, Scope};

/// Events of one instance that are read at once.
const BATCH: u64 = 32;
/// Instances that are looked at at once for what they have recorded.
const INSTANCES: u64 = 100;
/// How long it may take until an event that has its time is heard of: a commit and a ring, on a slow disk. Whoever goes on
/// later hears that much again.
const MARGIN: Duration = Duration::from_secs(30);

/// The events of all instances of a user that this process carries, those of each in their order. Instances have logs
/// of their own, so it goes on by time: whoever comes back misses nothing, and hears some events again.
pub struct Overview {
    storage: Arc<dyn Storage>,
    owner: UserId,
    follower: Follower,
    /// What it tells of an instance that it has not told of yet begins here.
    since: Timestamp,
    /// How far it has told of each instance that it has told of.
    positions: HashMap<InstanceId, i64>,
    /// What is to be read before anything that is heard of is told.
    unread: VecDeque<Unread>,
    search: Option<Search>,
    /// When it last took what it was told.
    looked: Timestamp,
}

/// An instance whose log is to be read up to a position at least.
struct Unread {
    instance: InstanceId,
    up_to: i64,
}

/// A walk through all instances, for those that have recorded something since a time.
struct Search {
    since: Timestamp,
    skip: u64,
}

impl EventService {
    /// Follows the logs of all instances of the caller that this process carries: from now on, or from a time that
    /// [`Overview::resumes_at`] gave.
    pub fn follow_all(&self, caller: &Caller, after: Option<Timestamp>, kinds: &[EventKind]) -> Overview {
        let follower = self.feed.follow(Scope::Owner(caller.user), kinds);
        let now = now();
        let since = after.map_or(now, |after| not_too_late(after, now));
        Overview {
            storage: Arc::clone(&self.storage),
            owner: caller.user,
            follower,
            since,
            positions: HashMap::new(),
            unread: VecDeque::new(),
            search: after.map(|_| Search { since, skip: 0 }),
            looked: now,
        }
    }
}

impl Overview {
    /// Whoever goes on from this time misses nothing; `None` while what was missed is still being read.
    pub fn resumes_at(&self) -> Option<Timestamp> {
        (self.search.is_none() && self.unread.is_empty()).then(|| self.looked.before(MARGIN))
    }

    /// The next events: one at least. A call that is dropped loses nothing.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn next(&mut self) -> Result<Vec<Arc<Event>>, ServiceError> {
        loop {
            let told = if let Some(Unread { instance, .. }) = self.unread.front() {
                self.read(*instance).await?
            } else if self.search.is_some() {
                self.search().await?;
                continue;
            } else {
                self.listen()
            };
            if !told.is_empty() {
                return Ok(told);
            }
            if self.unread.is_empty() && self.search.is_none() {
                self.follower.rung().await;
            }
        }
    }

    /// Looks at some more instances for what they have recorded.
    async fn search(&mut self) -> Result<(), ServiceError> {
        let Some(Search { since, skip }) = self.search else { return Ok(()) };
        let page = self.storage.instances(self.owner, INSTANCES, skip).await?;
        let found = page.items.len() as u64;
        for (instance, _) in page.items {
            if instance.last_activity.is_some_and(|last| last > since) {
                self.unread.push_back(Unread { instance: instance.id, up_to: 0 });
            }
        }
        self.search = (page.has_more && found > 0).then(|| Search { since, skip: skip + found });
        Ok(())
    }

    /// Reads on in the log of the first unread instance.
    async fn read(&mut self, instance: InstanceId) -> Result<Vec<Arc<Event>>, ServiceError> {
        let start = match self.positions.get(&instance) {
            Some(position) => EventStart::AfterSeq(*position),
            None => EventStart::AfterTime(self.since),
        };
        let query = EventQuery { start, kinds: self.follower.kinds().to_vec(), limit: BATCH };
        let page = match self.storage.events(self.owner, instance, &query).await {
            Ok(page) => page,
            Err(StorageError::NotFound { .. }) => {
                self.unread.pop_front();
                self.positions.remove(&instance);
                return Ok(Vec::new());
            }
            Err(error) => return Err(error.into()),
        };
        let (told, is_all) = piece(page.events.into_iter().map(Arc::new));
        if let Some(last) = told.last() {
            self.positions.insert(instance, last.seq);
        }
        if is_all && !page.has_more {
            let up_to = self.unread.pop_front().map_or(0, |unread| unread.up_to);
            let position = self.positions.entry(instance).or_insert(up_to);
            *position = up_to.max(*position);
        }
        Ok(told)
    }

    /// Takes what it was told. What doesn't follow on what it has told is read.
    fn listen(&mut self) -> Vec<Arc<Event>> {
        let looks = now();
        let mail = self.follower.take();
        if mail.missed {
            self.search = Some(Search { since: self.looked.before(MARGIN), skip: 0 });
        }
        self.looked = looks;
        let mut heard = Vec::new();
        for news in mail.news {
            match self.positions.get_mut(&news.instance) {
                Some(position) if news.after <= *position && !is_among(&self.unread, news.instance) => {
                    let new = news.events.iter();
                    let new = new.filter(|event| event.seq > *position && self.follower.wants(event));
                    heard.extend(new.cloned());
                    *position = news.up_to.max(*position);
                }
                _ => self.put_off(&news),
            }
        }
        heard
    }

    fn put_off(&mut self, news: &News) {
        match self.unread.iter_mut().find(|unread| unread.instance == news.instance) {
            Some(unread) => unread.up_to = unread.up_to.max(news.up_to),
            None => self.unread.push_back(Unread { instance: news.instance, up_to: news.up_to }),
        }
    }
}

fn is_among(unread: &VecDeque<Unread>, instance: InstanceId) -> bool {
    unread.iter().any(|unread| unread.instance == instance)
}

impl std::fmt::Debug for Overview {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Overview").field("instances", &self.positions.len()).finish_non_exhaustive()
    }
}
