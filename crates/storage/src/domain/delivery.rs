use super::word::words;
use crate::{Attempt, Cursor, Epoch, InstanceId, Timestamp};

/// A reader of an instance's event log with a cursor of its own.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Consumer {
    /// The instance whose log it reads.
    pub instance: InstanceId,
    /// Distinguishes the consumers of one instance: for a webhook, its name.
    pub name: String,
}

impl Consumer {
    /// A webhook of an instance.
    pub fn webhook(instance: InstanceId, name: impl Into<String>) -> Self {
        Self { instance, name: name.into() }
    }
}

words! {
    /// What is to become of a delivery.
    DeliveryState, "delivery state" {
        /// To be tried at `next_attempt`.
        Pending = "pending",
        /// Given up; kept, and can be replayed.
        Dead = "dead",
    }
}

/// An event whose delivery did not succeed at once, or that waits behind such a one of its chat.
///
/// A delivered event has no row: the cursor has passed it and no delivery names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The consumer that it is owed to.
    pub consumer: Consumer,
    /// The event, by its position in the instance's log. Unique per consumer.
    pub seq: i64,
    /// The event's chat, so that order can be kept without reading the event.
    pub chat: Option<String>,
    /// Whether it is still tried.
    pub state: DeliveryState,
    /// How often it was tried.
    pub attempts: u32,
    /// When it is to be tried (again).
    pub next_attempt: Timestamp,
    /// What went wrong last, for the owner to read. No response bodies.
    pub last_error: Option<String>,
    /// HTTP status of the last attempt, when there was an answer.
    pub status_code: Option<u16>,
    /// Whether somebody has asked for it again; then its calls say so.
    pub replayed: bool,
    /// When the row was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl Delivery {
    /// One that somebody asks for again, whatever became of it; due at once.
    pub fn again(consumer: Consumer, seq: i64, chat: Option<String>, now: Timestamp) -> Self {
        Self {
            consumer,
            seq,
            chat,
            state: DeliveryState::Pending,
            attempts: 0,
            next_attempt: now,
            last_error: None,
            status_code: None,
            replayed: true,
            created_at: now,
            updated_at: now,
        }
    }
}

/// Which deliveries of a consumer, ascending by `seq`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeliveryQuery {
    /// Those in this state. Whatever isn't pending is dead, also what is in no known state.
    pub state: DeliveryState,
    /// Only those after this place.
    pub after: Option<Cursor>,
    /// How many to return at most.
    pub limit: u64,
    /// How many to leave out first.
    pub skip: u64,
}

impl DeliveryQuery {
    /// The first `limit` in this state.
    pub fn first(state: DeliveryState, limit: u64) -> Self {
        Self { state, after: None, limit, skip: 0 }
    }
}

/// What a consumer has achieved; stored atomically.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// The consumer that achieved it.
    pub consumer: Consumer,
    /// The epoch under which this node holds the instance.
    pub epoch: Epoch,
    /// Everything up to this position is delivered, or has a delivery of its own. Never moves back.
    pub cursor: Option<i64>,
    /// Deliveries to insert or replace, by `seq`.
    pub put: Vec<Delivery>,
    /// Deliveries that succeeded, or are dropped: their rows go.
    pub done: Vec<i64>,
    /// What was tried, in the order in which it ended.
    pub attempts: Vec<Attempt>,
}

impl Settlement {
    /// A settlement of nothing, which [`Settlement::cursor`] and the lists are added to.
    pub fn new(consumer: Consumer, epoch: Epoch) -> Self {
        let (put, done, attempts) = (Vec::new(), Vec::new(), Vec::new());
        Self { consumer, epoch, cursor: None, put, done, attempts }
    }
}

/// What a consumer has before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerWork {
    /// The webhook or other consumer.
    pub consumer: Consumer,
    /// Where the consumer stands; 0 before the first event.
    pub cursor: i64,
    /// The newest position of the log; beyond `cursor` when there is something new.
    pub last_seq: i64,
    /// How many deliveries are pending.
    pub pending: u64,
    /// When the first of them is due.
    pub next_attempt: Option<Timestamp>,
}
