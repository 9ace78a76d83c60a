//! Wakes whoever waits for events of an instance.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;
use storage::{Event, EventData, EventKind, InstanceId, Listener, Recorded};
use tokio::sync::oneshot;

/// Rings for each recorded event that somebody waits for. Costs nothing while nobody does. Clones are the same bell.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bell {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// How many wait, so that records of busy instances need not take the lock to find nobody.
    count: AtomicUsize,
    numbers: AtomicU64,
    waiting: Mutex<HashMap<InstanceId, Vec<Waiting>>>,
}

#[derive(Debug)]
struct Waiting {
    number: u64,
    wanted: Wanted,
    wake: oneshot::Sender<()>,
}

/// What wakes somebody.
#[derive(Debug)]
enum Wanted {
    /// An event of these kinds; none named: any.
    Kinds(Vec<EventKind>),
    /// What becomes of a message of ours, by WhatsApp's id.
    Message(String),
}

/// Waits for one ring. Whoever drops it is forgotten.
pub(crate) struct Ring {
    bell: Bell,
    instance: InstanceId,
    number: u64,
    rung: oneshot::Receiver<()>,
}

impl Bell {
    /// Waits from now on for an event of these kinds (none named: any). Look at the log after this call, not before it,
    /// so that nothing falls in between.
    pub(crate) fn listen(&self, instance: InstanceId, kinds: &[EventKind]) -> Ring {
        self.wait_for(instance, Wanted::Kinds(kinds.to_vec()))
    }

    /// Waits from now on for what becomes of a message of ours, by WhatsApp's id; as above.
    pub(crate) fn listen_to_message(&self, instance: InstanceId, message_id: &str) -> Ring {
        self.wait_for(instance, Wanted::Message(message_id.to_owned()))
    }

    fn wait_for(&self, instance: InstanceId, wanted: Wanted) -> Ring {
        let (wake, rung) = oneshot::channel();
        let number = self.inner.numbers.fetch_add(1, Ordering::Relaxed);
        let mut waiting = self.inner.waiting.lock();
        waiting.entry(instance).or_default().push(Waiting { number, wanted, wake });
        self.inner.count.fetch_add(1, Ordering::SeqCst);
        Ring { bell: self.clone(), instance, number, rung }
    }

    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        let waiting = self.inner.waiting.lock();
        let count = waiting.values().map(Vec::len).sum();
        assert_eq!(count, self.inner.count.load(Ordering::SeqCst));
        count
    }
}

impl Inner {
    /// Takes out those of an instance that a predicate names.
    fn take(&self, instance: InstanceId, mut named: impl FnMut(&Waiting) -> bool) -> Vec<Waiting> {
        let mut waiting = self.waiting.lock();
        let Some(all) = waiting.get_mut(&instance) else { return Vec::new() };
        let taken: Vec<_> = all.extract_if(.., |one| named(one)).collect();
        if all.is_empty() {
            waiting.remove(&instance);
        }
        self.count.fetch_sub(taken.len(), Ordering::SeqCst);
        taken
    }
}

impl Listener for Bell {
    fn rang(&self, instance: InstanceId, recorded: &Recorded) {
        if self.inner.count.load(Ordering::SeqCst) == 0 {
            return;
        }
        let is_wanted =
            |waiting: &Waiting| recorded.events.iter().any(|event| waiting.wanted.is_met_by(event));
        for waiting in self.inner.take(instance, is_wanted) {
            // Whoever has left meanwhile needs no waking.
            let _ = waiting.wake.send(());
        }
    }
}

impl Wanted {
    fn is_met_by(&self, event: &Event) -> bool {
        match self {
            Self::Kinds(kinds) => kinds.is_empty() || kinds.contains(&event.kind()),
            Self::Message(id) => match &event.data {
                EventData::MessageStatus(told) => told.from_me && told.message_id == *id,
                EventData::MessageSent(told) => told.message_id == *id,
                _ => false,
            },
        }
    }
}

impl Ring {
    /// Resolves when it has rung since [`Bell::listen`].
    pub(crate) async fn rung(&mut self) {
        // The sender is never dropped unsent while this is there.
        let _ = (&mut self.rung).await;
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        drop(self.bell.inner.take(self.instance, |waiting| waiting.number == self.number));
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use storage::{Chat, ConnectedData, EventId, MessageStatus, QrData, StatusData, Timestamp};

    use super::*;

    fn recorded(data: EventData) -> Recorded {
        let event = Event {
            seq: 1,
            id: EventId::generate(),
            instance: InstanceId::generate(),
            chat: None::<Chat>,
            timestamp: Timestamp::default(),
            data,
        };
        Recorded { events: vec![event], ..Recorded::default() }
    }

    fn connected() -> Recorded {
        recorded(EventData::Connected(ConnectedData { jid: None }))
    }

    #[test]
    fn it_wakes_those_who_wait_for_such_an_event_of_this_instance() {
        let bell = Bell::default();
        let (here, there) = (InstanceId::generate(), InstanceId::generate());
        bell.rang(here, &connected());
        let mut any = bell.listen(here, &[]);
        let mut connects = bell.listen(here, &[EventKind::Connected]);
        let mut codes = bell.listen(here, &[EventKind::QrReceived]);
        let mut elsewhere = bell.listen(there, &[]);
        bell.rang(here, &connected());
        assert!(any.rung().now_or_never().is_some() && connects.rung().now_or_never().is_some());
        assert!(codes.rung().now_or_never().is_none() && elsewhere.rung().now_or_never().is_none());
        assert_eq!(bell.waiting(), 2);
        bell.rang(
            here,
            &recorded(EventData::QrReceived(QrData { code: String::new(), attempt: 1, expires_at: None })),
        );
        assert!(codes.rung().now_or_never().is_some());
    }

    #[test]
    fn it_wakes_those_who_wait_for_a_message() {
        let bell = Bell::default();
        let here = InstanceId::generate();
        let (mut one, mut other) = (bell.listen_to_message(here, "A"), bell.listen_to_message(here, "B"));
        let status = |id: &str, from_me| {
            let (message_id, status) = (id.to_owned(), MessageStatus::Read);
            recorded(EventData::MessageStatus(StatusData {
                message_id,
                status,
                from_me,
                timestamp: 0,
                failure: None,
            }))
        };
        bell.rang(here, &connected());
        bell.rang(here, &status("A", false));
        assert!(one.rung().now_or_never().is_none(), "it is another's message");
        bell.rang(here, &status("A", true));
        assert!(one.rung().now_or_never().is_some() && other.rung().now_or_never().is_none());
    }

    #[test]
    fn whoever_leaves_is_forgotten() {
        let bell = Bell::default();
        let here = InstanceId::generate();
        let (one, other) = (bell.listen(here, &[]), bell.listen(here, &[]));
        drop(one);
        assert_eq!(bell.waiting(), 1);
        bell.rang(here, &connected());
        drop(other);
        assert_eq!(bell.waiting(), 0);
        assert!(bell.inner.waiting.lock().is_empty());
    }
}
