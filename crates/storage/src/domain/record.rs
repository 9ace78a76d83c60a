use crate::{
    Amendment, Claim, ContactChange, Due, Epoch, Event, InstanceId, MediaUpdate, NewEvent, NewMessage,
    StateChange, StatusUpdate, StoredClaim,
};

/// What happened to one instance: everything in it is stored in one commit, or nothing.
///
/// ```
/// # use storage::{Epoch, InstanceId, InstanceStatus, NewEvent, Record, StateChange};
/// # fn example(instance: InstanceId, epoch: Epoch, connected: NewEvent) -> Record {
/// Record::new(instance, epoch).state(StateChange::status(InstanceStatus::Connected, None)).event(connected)
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The instance whose log it goes to.
    pub instance: InstanceId,
    /// The epoch under which this node holds the instance; under an older one nothing is stored.
    pub epoch: Epoch,
    /// If this key is taken already, nothing of the record is stored and [`Recorded::taken`] holds the earlier claim.
    pub claim: Option<Claim>,
    /// A scheduled message that is taken together with the rest. If it is not there any more in this version, nothing of the
    /// record is stored, and the error is [`StorageError::Stale`](crate::StorageError::Stale).
    pub due: Option<Due>,
    /// How soon it is to be durable.
    pub urgency: Urgency,
    /// New state of the instance.
    pub state: Option<StateChange>,
    /// Applied in order; the events in them are appended in this order.
    pub entries: Vec<Entry>,
}

impl Record {
    /// A record of nothing yet.
    pub fn new(instance: InstanceId, epoch: Epoch) -> Self {
        Self {
            instance,
            epoch,
            claim: None,
            due: None,
            urgency: Urgency::Now,
            state: None,
            entries: Vec::new(),
        }
    }

    /// Takes an idempotency key together with the rest.
    #[must_use]
    pub fn claim(mut self, claim: Option<Claim>) -> Self {
        self.claim = claim;
        self
    }

    /// Takes a scheduled message together with the rest.
    #[must_use]
    pub fn due(mut self, due: Option<Due>) -> Self {
        self.due = due;
        self
    }

    /// Says how soon it is to be durable.
    #[must_use]
    pub fn urgency(mut self, urgency: Urgency) -> Self {
        self.urgency = urgency;
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

    /// Adds a change to the content of a stored message.
    #[must_use]
    pub fn amend(mut self, amendment: Amendment) -> Self {
        self.entries.push(Entry::Amend(Box::new(amendment)));
        self
    }

    /// Says how far the file of a message has come.
    #[must_use]
    pub fn media(mut self, update: MediaUpdate) -> Self {
        self.entries.push(Entry::Media(Box::new(update)));
        self
    }

    /// Moves all messages of one chat to another: both turned out to be the same person's.
    #[must_use]
    pub fn merge_chats(mut self, from: impl Into<String>, into: impl Into<String>) -> Self {
        self.entries.push(Entry::MergeChats { from: from.into(), into: into.into() });
        self
    }

    /// Adds what was learned of somebody.
    #[must_use]
    pub fn contact(mut self, change: ContactChange) -> Self {
        self.entries.push(Entry::Contact(Box::new(change)));
        self
    }

    /// Adds an event.
    #[must_use]
    pub fn event(mut self, event: NewEvent) -> Self {
        self.entries.push(Entry::Event(event));
        self
    }
}

/// How soon something is to be durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Urgency {
    /// Somebody waits for it.
    #[default]
    Now,
    /// Nobody does: it may wait a few milliseconds, so that it shares the commit of something else.
    Soon,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A message; does nothing when it is stored already.
    Message(Box<NewMessage>),
    /// A status update; does nothing when it brings no message forward.
    Status(StatusUpdate),
    /// A change to the content of a message; does nothing when it was made already.
    Amend(Box<Amendment>),
    /// The file of a message has come further; does nothing when the message is gone.
    Media(Box<MediaUpdate>),
    /// Two chats turned out to be the same person's: the messages of the first belong to the second from now on, so that
    /// what is recorded after it finds them there, and two contacts become one.
    MergeChats {
        /// [`Message::chat`](crate::Message::chat) of the messages to move: the LID's JID.
        from: String,
        /// Their new chat: the phone number's JID.
        into: String,
    },
    /// What was learned of somebody; does nothing when it is known.
    Contact(Box<ContactChange>),
    /// An event on its own.
    Event(NewEvent),
}

/// What became of a [`Record`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    /// One outcome per entry, in the same order; empty when the claim was taken.
    pub outcomes: Vec<Outcome>,
    /// Position of the last event before this record; 0 if there was none.
    pub after: i64,
    /// The events that were appended, as the log has them: a reader that stands at `after` need not read them again.
    pub events: Vec<Event>,
    /// The earlier claim, when the record's key was taken already.
    pub taken: Option<StoredClaim>,
}

impl Recorded {
    /// With what was recorded after it, of the same instance and in the same commit.
    #[must_use]
    pub fn followed_by(mut self, later: Self) -> Self {
        if self.events.is_empty() {
            return later;
        }
        self.events.extend(later.events);
        self
    }
}

/// What became of one [`Entry`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The message or the contact was new, or the event was appended. For an amendment with a carrier: the carrier was new, whatever
    /// became of the target.
    Added,
    /// The message is stored already: no change, no event. For an amendment: its carrier is.
    Duplicate,
    /// At least one message got the new status, the new content (by an amendment without carrier) or the new chat; or the contact was changed.
    Advanced,
    /// The message is known, but was as far or further already, or can't be read: no change, no event.
    Unchanged,
    /// No message with this id in these chats: no event, and no change but one that [waits](crate::Change::is_kept) for
    /// the message.
    Unknown,
}
