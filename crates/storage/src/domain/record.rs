use crate::{Claim, InstanceId, NewEvent, NewMessage, StateChange, StatusUpdate, StoredClaim};

/// What happened to one instance: everything in it is stored in one commit, or nothing.
///
/// ```
/// # use storage::{InstanceId, InstanceStatus, NewEvent, Record, StateChange};
/// # fn example(instance: InstanceId, connected: NewEvent) -> Record {
/// Record::new(instance).state(StateChange::status(InstanceStatus::Connected, None)).event(connected)
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Whose log it goes to.
    pub instance: InstanceId,
    /// If this key is taken already, nothing of the record is stored and [`Recorded::taken`] holds the earlier claim.
    pub claim: Option<Claim>,
    /// New state of the instance.
    pub state: Option<StateChange>,
    /// Applied in order; the events in them are appended in this order.
    pub entries: Vec<Entry>,
}

impl Record {
    /// A record of nothing yet.
    pub fn new(instance: InstanceId) -> Self {
        Self { instance, claim: None, state: None, entries: Vec::new() }
    }

    /// Takes an idempotency key together with the rest.
    #[must_use]
    pub fn claim(mut self, claim: Option<Claim>) -> Self {
        self.claim = claim;
        self
    }

    /// Changes the instance's state together with the rest.
    #[must_use]
    pub fn state(mut self, change: StateChange) -> Self {
        self.state = Some(change);
        self
    }

    /// Adds a message.
    #[must_use]
    pub fn message(mut self, message: NewMessage) -> Self {
        self.entries.push(Entry::Message(Box::new(message)));
        self
    }

    /// Adds a status update.
    #[must_use]
    pub fn status(mut self, update: StatusUpdate) -> Self {
        self.entries.push(Entry::Status(update));
        self
    }

    /// Adds an event.
    #[must_use]
    pub fn event(mut self, event: NewEvent) -> Self {
        self.entries.push(Entry::Event(event));
        self
    }
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A message; does nothing when it is stored already.
    Message(Box<NewMessage>),
    /// A status update; does nothing when it brings no message forward.
    Status(StatusUpdate),
    /// An event on its own.
    Event(NewEvent),
}

/// What became of a [`Record`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    /// One outcome per entry, in the same order; empty when the claim was taken.
    pub outcomes: Vec<Outcome>,
    /// Position of the last event that was appended.
    pub last_seq: Option<i64>,
    /// The earlier claim, when the record's key was taken already.
    pub taken: Option<StoredClaim>,
}

/// What became of one [`Entry`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The message was new, or the event was appended.
    Added,
    /// The message is stored already: no change, no event.
    Duplicate,
    /// At least one message got the new status.
    Advanced,
    /// The message is known, but was as far or further already: no change, no event.
    Unchanged,
    /// No message with this id in these chats: no change, no event.
    Unknown,
}
