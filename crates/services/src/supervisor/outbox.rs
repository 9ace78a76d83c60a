//! Which messages are under way, who waits for them, and whether older ones come first. Pure bookkeeping.

use std::collections::{HashMap, HashSet};

use tokio::sync::oneshot;

/// Most messages of one instance that wait for WhatsApp's ack.
const CAPACITY: usize = 1_024;

/// What became of a message, for whoever waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// WhatsApp has it.
    Sent,
    /// It will never be sent.
    Failed(Failure),
}

/// Why a message will never be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// For programs, snake case.
    pub(crate) cause: &'static str,
    /// WhatsApp's code, where it gave one.
    pub(crate) code: Option<u32>,
    /// For people.
    pub(crate) message: String,
}

/// The messages of one instance that were stored and are not acknowledged.
#[derive(Debug)]
pub(crate) struct Outbox {
    in_flight: HashSet<String>,
    waiters: HashMap<String, Vec<oneshot::Sender<Fate>>>,
    /// Older messages come first: new ones are only stored, and picked up with them.
    catching_up: bool,
    /// A message was left to the catch-up after it last looked at the store.
    deferred: bool,
    /// What was settled after that look, and may still be pending in what it saw.
    settled: HashSet<String>,
}

/// What to do with a message that has just been stored.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Submission {
    /// Send it.
    Send,
    /// The catch-up will find it in the store.
    Deferred,
}

impl Outbox {
    /// Before the first connection there may be messages from before.
    pub(crate) fn new() -> Self {
        Self {
            in_flight: HashSet::new(),
            waiters: HashMap::new(),
            catching_up: true,
            deferred: false,
            settled: HashSet::new(),
        }
    }

    /// Whether there is room for one more message.
    pub(crate) fn has_room(&self) -> bool {
        self.in_flight.len() < CAPACITY && self.waiters.len() < CAPACITY
    }

    /// A message was stored.
    pub(crate) fn submit(&mut self, id: &str) -> (Submission, oneshot::Receiver<Fate>) {
        let receiver = self.wait(id);
        if self.catching_up {
            self.deferred = true;
            return (Submission::Deferred, receiver);
        }
        self.in_flight.insert(id.to_owned());
        (Submission::Send, receiver)
    }

    /// Waits for a message that is under way, or will be.
    pub(crate) fn wait(&mut self, id: &str) -> oneshot::Receiver<Fate> {
        let (sender, receiver) = oneshot::channel();
        let waiters = self.waiters.entry(id.to_owned()).or_default();
        waiters.retain(|waiter| !waiter.is_closed());
        waiters.push(sender);
        receiver
    }

    /// Forgets those who have stopped waiting for this message.
    pub(crate) fn forget_closed(&mut self, id: &str) {
        if let Some(waiters) = self.waiters.get_mut(id) {
            waiters.retain(|waiter| !waiter.is_closed());
            if waiters.is_empty() {
                self.waiters.remove(id);
            }
        }
    }

    /// Lets go of everybody who waits.
    pub(crate) fn abandon(&mut self) {
        self.waiters.clear();
    }

    /// From now on, older messages come first.
    pub(crate) fn fall_behind(&mut self) {
        self.catching_up = true;
    }

    /// Whether older messages come first.
    pub(crate) fn is_behind(&self) -> bool {
        self.catching_up
    }

    /// Before the store is looked at: how many of its pending messages are under way already.
    pub(crate) fn look(&mut self) -> usize {
        self.deferred = false;
        self.settled.clear();
        self.in_flight.len()
    }

    /// Takes a pending message found in the store; false if it is under way already, or settled meanwhile.
    pub(crate) fn take(&mut self, id: &str) -> bool {
        !self.settled.contains(id) && self.in_flight.insert(id.to_owned())
    }

    /// Nothing was found in the store. True if that holds still, so that new messages are sent at once again.
    pub(crate) fn caught_up(&mut self) -> bool {
        self.catching_up = self.deferred;
        self.settled.clear();
        !self.catching_up
    }

    /// The message is settled; everybody who waits is told.
    pub(crate) fn finish(&mut self, id: &str, fate: &Fate) {
        self.in_flight.remove(id);
        if self.catching_up {
            self.settled.insert(id.to_owned());
        }
        for waiter in self.waiters.remove(id).into_iter().flatten() {
            // Whoever has stopped waiting finds the answer in the store.
            let _ = waiter.send(fate.clone());
        }
    }

    /// The message could not be sent now and stays pending.
    pub(crate) fn postpone(&mut self, id: &str) {
        self.in_flight.remove(id);
        self.catching_up = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caught_up() -> Outbox {
        let mut outbox = Outbox::new();
        outbox.look();
        assert!(outbox.caught_up());
        outbox
    }

    #[tokio::test]
    async fn before_the_first_look_at_the_store_messages_are_deferred() {
        let mut outbox = Outbox::new();
        let (submission, mut fate) = outbox.submit("1");
        assert_eq!(submission, Submission::Deferred);
        assert_eq!(outbox.look(), 0);
        assert!(outbox.take("1") && !outbox.take("1"));
        outbox.finish("1", &Fate::Sent);
        assert!(!outbox.take("1"), "the store was looked at before it was settled");
        assert_eq!(fate.try_recv().unwrap(), Fate::Sent);
    }

    #[tokio::test]
    async fn a_message_deferred_during_the_look_is_looked_for_again() {
        let mut outbox = Outbox::new();
        outbox.look();
        let _fate = outbox.submit("1");
        assert!(!outbox.caught_up() && outbox.is_behind());
        outbox.look();
        assert!(outbox.take("1"));
        outbox.look();
        assert!(outbox.caught_up());
        assert_eq!(outbox.submit("2").0, Submission::Send);
    }

    #[tokio::test]
    async fn a_postponed_message_comes_before_new_ones() {
        let mut outbox = caught_up();
        let (submission, mut fate) = outbox.submit("1");
        assert_eq!(submission, Submission::Send);
        outbox.postpone("1");
        assert_eq!(outbox.submit("2").0, Submission::Deferred);
        assert!(fate.try_recv().is_err(), "it is still waited for");
        outbox.look();
        assert!(outbox.take("1"));
        outbox.finish("1", &Fate::Sent);
        assert_eq!(fate.try_recv().unwrap(), Fate::Sent);
    }

    #[tokio::test]
    async fn several_may_wait_for_one_message() {
        let mut outbox = caught_up();
        let (_, mut first) = outbox.submit("1");
        let mut second = outbox.wait("1");
        drop(outbox.wait("1"));
        outbox.finish("1", &Fate::Sent);
        assert_eq!((first.try_recv().unwrap(), second.try_recv().unwrap()), (Fate::Sent, Fate::Sent));
    }

    #[tokio::test]
    async fn nobody_who_left_is_remembered() {
        let mut outbox = caught_up();
        let kept = outbox.wait("1");
        drop(outbox.wait("1"));
        outbox.forget_closed("1");
        assert_eq!(outbox.waiters["1"].len(), 1);
        drop(kept);
        outbox.forget_closed("1");
        assert!(outbox.waiters.is_empty());
    }

    #[tokio::test]
    async fn room_is_bounded() {
        let mut outbox = caught_up();
        let mut count = 0;
        while outbox.has_room() {
            count += 1;
            drop(outbox.submit(&count.to_string()));
        }
        assert_eq!(count, CAPACITY);
    }
}
