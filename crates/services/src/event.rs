//! Reading: the event log, the messages of a chat, dead letters.

mod activity;
mod lists;
mod overview;
mod poll;
mod stream;

use std::sync::Arc;
use std::time::Duration;

use storage::{
    Consumer, Cursor, Delivery, DeliveryQuery, Event, EventPage, EventQuery, EventStart, InstanceId,
    MAX_EVENT_LEAD, Message, MessageQuery, Page, Storage, Timestamp,
};
use tokio::time::{Instant, timeout_at};
use webhook::Dispatcher;

use crate::auth::Caller;
use crate::bell::Bell;
use crate::clock::now;
use crate::error::ServiceError;
use crate::feed::Feed;
use crate::field::Field;
use crate::page::{MAX_PAGE, check_limit};
use crate::recipient::parse_chat;
use crate::supervisor::Supervisor;
use crate::turns::Turns;
pub use activity::{Activity, ActivityWish, ActivityWord};
pub use lists::{Found, MAX_FOUND, MAX_SEARCH, MemberReceipt, MessageView};
pub use overview::Overview;
pub use poll::PollResult;
pub use stream::EventStream;

/// How long a question for events may wait for an answer at most.
pub const MAX_WAIT: Duration = Duration::from_secs(60);
/// How often the store is asked while another process records what happens to the instance: its bell isn't heard here.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The query with a time that is none of the log's put right.
fn not_from_the_future(query: &EventQuery, now: Timestamp) -> EventQuery {
    let start = match query.start {
        EventStart::AfterTime(time) => EventStart::AfterTime(not_too_late(time, now)),
        start => start,
    };
    EventQuery { start, ..query.clone() }
}

/// A time that is none of the log's counts as one from before now.
fn not_too_late(time: Timestamp, now: Timestamp) -> Timestamp {
    if time > now.after(MAX_EVENT_LEAD) { now.before(MAX_EVENT_LEAD) } else { time }
}

/// Which messages of a chat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatQuery {
    /// Phone number in any usual notation, or JID of a person, group, channel or list.
    pub chat: String,
    /// Only messages written at or after this time.
    pub start: Option<Timestamp>,
    /// Only messages written at or before this time.
    pub end: Option<Timestamp>,
    /// How many to return, at most [`crate::MAX_PAGE`].
    pub limit: u64,
    /// How many to leave out first.
    pub skip: u64,
    /// Only those before this place.
    pub before: Option<Cursor>,
}

/// An event that a webhook has not had, with the event itself where the log still has it.
#[derive(Clone, Debug)]
pub struct Owed {
    /// How often it was tried, why it failed, and when it is tried again, if it is.
    pub delivery: Delivery,
    /// The event that wasn't delivered; `None` once it is no longer kept.
    pub event: Option<Event>,
}

/// What a replay has made due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// Dead letters, with all their retries before them.
    pub dead: u64,
    /// Pending deliveries that would have been tried later.
    pub pending: u64,
}

/// Users for whom it is searched at once: half of the connections that a store reads by, so that a search keeps nobody from
/// reading.
const SEARCHING: usize = 2;

/// Use cases about what has happened. Clones are the same service.
#[derive(Clone)]
pub struct EventService {
    storage: Arc<dyn Storage>,
    supervisor: Supervisor,
    dispatcher: Dispatcher,
    bell: Bell,
    feed: Feed,
    searches: Turns,
}

impl EventService {
    /// A service over these parts.
    pub(crate) fn new(
        storage: Arc<dyn Storage>,
        supervisor: Supervisor,
        dispatcher: Dispatcher,
        bell: Bell,
        feed: Feed,
    ) -> Self {
        Self { storage, supervisor, dispatcher, bell, feed, searches: Turns::of(SEARCHING) }
    }

    /// A page of the instance's event log, oldest first. Whoever asks again for what comes after the
    /// timestamp of the last event misses none and sees none twice.
    ///
    /// While there is nothing to tell, the answer waits up to `wait` (at most [`MAX_WAIT`]) for the first event of
    /// the query. Where this process carries the instance, that costs no look at the store, however many wait.
    ///
    /// A time further ahead than event times ever are was taken from a clock that was wrong; it counts as that much ago.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` for a limit of 0 or above [`crate::MAX_PAGE`], or a longer wait.
    pub async fn events(
        &self,
        caller: &Caller,
        instance: InstanceId,
        query: &EventQuery,
        wait: Duration,
    ) -> Result<EventPage, ServiceError> {
        check_limit(query.limit, MAX_PAGE)?;
        let query = &not_from_the_future(query, now());
        if wait > MAX_WAIT {
            return Err(ServiceError::invalid(
                Field::Wait,
                format!("must be 0 to {} seconds", MAX_WAIT.as_secs()),
            ));
        }
        self.catch_up(caller, instance).await;
        if wait.is_zero() {
            return Ok(self.storage.events(caller.user, instance, query).await?);
        }
        let deadline = Instant::now() + wait;
        loop {
            // Listening comes first, so that nothing falls between the look and the wait.
            let mut ring = self.bell.listen(instance, &query.kinds);
            let page = self.storage.events(caller.user, instance, query).await?;
            if !page.events.is_empty() || Instant::now() >= deadline {
                return Ok(page);
            }
            let is_here = self.supervisor.holds(instance);
            let until = if is_here { deadline } else { deadline.min(Instant::now() + LOOK_AGAIN) };
            // Whether it rang or the time is up, the next look shows what there is.
            let _ = timeout_at(until, ring.rung()).await;
        }
    }

    /// The position of the newest event of the instance; 0 while there is none.
    pub(crate) async fn end(&self, caller: &Caller, instance: InstanceId) -> Result<i64, ServiceError> {
        stream::end_of(&*self.storage, caller.user, instance).await
    }

    /// A page of a chat's messages, newest first. A person's chat is found by LID and by every number under
    /// which the account was written to.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` for a chat that can't be read or a limit of 0 or above [`crate::MAX_PAGE`].
    pub async fn messages(
        &self,
        caller: &Caller,
        instance: InstanceId,
        query: ChatQuery,
    ) -> Result<Page<Message>, ServiceError> {
        check_limit(query.limit, MAX_PAGE)?;
        let ChatQuery { chat, start, end, limit, skip, before } = query;
        let jid = parse_chat(&chat).map_err(|error| ServiceError::invalid(Field::Chat, error.to_string()))?;
        let mut query = MessageQuery { chat: jid.to_string(), start, end, limit, skip, before };
        self.catch_up(caller, instance).await;
        let page = self.storage.messages(caller.user, instance, &query).await?;
        if page.total > 0 {
            return Ok(page);
        }
        // Only now is it known that the instance is the caller's.
        let number = match jid.server {
            wa_binary::Server::Lid => self.supervisor.number_of(instance, &jid.user).await,
            wa_binary::Server::Pn => self.supervisor.alias_of(instance, &jid.user).await,
            _ => None,
        };
        let Some(number) = number else { return Ok(page) };
        query.chat = wa_binary::Jid::pn(number).to_string();
        Ok(self.storage.messages(caller.user, instance, &query).await?)
    }

    /// Whoever was told that a message was sent finds it so: what callers have heard is recorded before they read.
    async fn catch_up(&self, caller: &Caller, instance: InstanceId) {
        if let Some(running) = self.supervisor.find(caller.user, instance) {
            running.recorder.catch_up().await;
        }
    }

    /// Events whose delivery to a webhook was given up, or is still to be tried again, oldest first.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` for a limit of 0 or above [`crate::MAX_PAGE`].
    pub async fn owed(
        &self,
        caller: &Caller,
        consumer: &Consumer,
        query: &DeliveryQuery,
    ) -> Result<Page<Owed>, ServiceError> {
        check_limit(query.limit, MAX_PAGE)?;
        let page = self.dispatcher.deliveries(caller.user, consumer, query).await?;
        Ok(page.map(|(delivery, event)| Owed { delivery, event }))
    }

    /// Delivers dead letters of a webhook again, those named by their position in the log or all, and, if so wished, what
    /// is pending at once.
    ///
    /// # Errors
    /// `NotFound`; `Unavailable` when another process carries the instance.
    pub async fn replay(
        &self,
        caller: &Caller,
        consumer: &Consumer,
        seqs: Option<Vec<i64>>,
        with_pending: bool,
    ) -> Result<Replayed, ServiceError> {
        self.supervisor.check_holds(caller.user, consumer.instance).await?;
        // It comes first because it knows whose instance it is.
        let dead = self.dispatcher.replay(caller.user, consumer, seqs).await?;
        let pending = if with_pending { self.dispatcher.hasten(consumer).await? } else { 0 };
        Ok(Replayed { dead, pending })
    }
}

impl std::fmt::Debug for EventService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventService").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
