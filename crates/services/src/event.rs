//! Reading: the event log, the messages of a chat, dead letters.

use std::sync::Arc;

use storage::{
    Delivery, Event, EventPage, EventQuery, InstanceId, Message, MessageQuery, Page, Storage, Timestamp,
};
use webhook::Dispatcher;

use crate::messaging::parse_chat;
use crate::supervisor::Supervisor;
use crate::{Caller, ServiceError};

/// Most items of one page.
pub const MAX_PAGE: u64 = 1_000;

/// Which messages of a chat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatQuery {
    /// Phone number in any usual notation, or JID of a person, group, channel or list.
    pub chat: String,
    /// Only messages written at or after this time.
    pub start: Option<Timestamp>,
    /// Only messages written at or before this time.
    pub end: Option<Timestamp>,
    /// How many to return, at most [`MAX_PAGE`].
    pub limit: u64,
    /// How many to leave out first.
    pub skip: u64,
}

/// An event that could not be delivered, with the event itself where the log still has it.
#[derive(Clone, Debug)]
pub struct DeadLetter {
    /// How and why it failed.
    pub delivery: Delivery,
    /// What wasn't delivered.
    pub event: Option<Event>,
}

/// Use cases about what has happened. Clones are the same service.
#[derive(Clone)]
pub struct EventService {
    storage: Arc<dyn Storage>,
    supervisor: Supervisor,
    dispatcher: Dispatcher,
}

impl EventService {
    /// A service over these parts.
    pub fn new(storage: Arc<dyn Storage>, supervisor: Supervisor, dispatcher: Dispatcher) -> Self {
        Self { storage, supervisor, dispatcher }
    }

    /// A page of the instance's event log, oldest first. Whoever asks again for what comes after the
    /// timestamp of the last event misses none and sees none twice.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` for a limit of 0 or above [`MAX_PAGE`].
    pub async fn events(
        &self,
        caller: &Caller,
        instance: InstanceId,
        query: &EventQuery,
    ) -> Result<EventPage, ServiceError> {
        check_limit(query.limit)?;
        Ok(self.storage.events(caller.user, instance, query).await?)
    }

    /// A page of a chat's messages, newest first. A person's chat is found by number and by LID.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` for a chat that can't be read or a limit of 0 or above [`MAX_PAGE`].
    pub async fn messages(
        &self,
        caller: &Caller,
        instance: InstanceId,
        query: ChatQuery,
    ) -> Result<Page<Message>, ServiceError> {
        check_limit(query.limit)?;
        let ChatQuery { chat, start, end, limit, skip } = query;
        let jid = parse_chat(&chat).map_err(|error| ServiceError::invalid("chatId", error.to_string()))?;
        let mut query = MessageQuery { chat: jid.to_string(), start, end, limit, skip };
        let page = self.storage.messages(caller.user, instance, &query).await?;
        if page.total > 0 || !jid.is_lid() {
            return Ok(page);
        }
        // Only now is it known that the instance is the caller's.
        let Some(number) = self.supervisor.number_of(instance, &jid.user).await else { return Ok(page) };
        query.chat = wa_binary::Jid::pn(number).to_string();
        Ok(self.storage.messages(caller.user, instance, &query).await?)
    }

    /// Events whose delivery was given up, oldest first.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` for a limit of 0 or above [`MAX_PAGE`].
    pub async fn dead_letters(
        &self,
        caller: &Caller,
        instance: InstanceId,
        limit: u64,
        skip: u64,
    ) -> Result<Page<DeadLetter>, ServiceError> {
        check_limit(limit)?;
        let page = self.dispatcher.dead_letters(caller.user, instance, limit, skip).await?;
        let mut items = Vec::with_capacity(page.items.len());
        for delivery in page.items {
            let event = self.storage.event(instance, delivery.seq).await?;
            items.push(DeadLetter { delivery, event });
        }
        Ok(Page { items, total: page.total })
    }

    /// Delivers dead letters again, those named by their position in the log or all; answers how many.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn replay(
        &self,
        caller: &Caller,
        instance: InstanceId,
        seqs: Option<Vec<i64>>,
    ) -> Result<u64, ServiceError> {
        Ok(self.dispatcher.replay(caller.user, instance, seqs).await?)
    }
}

impl std::fmt::Debug for EventService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventService").finish_non_exhaustive()
    }
}

fn check_limit(limit: u64) -> Result<(), ServiceError> {
    if (1..=MAX_PAGE).contains(&limit) {
        return Ok(());
    }
    Err(ServiceError::invalid("limit", format!("must be 1 to {MAX_PAGE}")))
}

#[cfg(test)]
mod tests;
