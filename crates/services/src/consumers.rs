//! Named consumers of the event log: they pull, and say how far they have come.

use std::sync::Arc;
use std::time::Duration;

use storage::{
    ConsumerChange, EventPage, EventQuery, EventStart, InstanceId, Missing, NamedConsumer, Storage,
    StorageError,
};

use crate::auth::Caller;
use crate::clock::now;
use crate::error::ServiceError;
use crate::event::EventService;
use crate::field::Field;
use crate::text::is_path_name;

/// Most named consumers of one instance.
pub const MAX_CONSUMERS: u64 = 20;
/// Longest name of a consumer, in characters.
pub const MAX_CONSUMER_NAME: usize = 64;

/// Events that a consumer has not acknowledged.
#[derive(Clone, Debug)]
pub struct Pulled {
    /// They, oldest first.
    pub page: EventPage,
    /// What to acknowledge once all of them are done with: what it doesn't want is passed, too.
    pub position: i64,
}

/// Use cases about named consumers. Clones are the same service.
#[derive(Clone)]
pub struct ConsumerService {
    storage: Arc<dyn Storage>,
    events: EventService,
}

impl ConsumerService {
    /// A service over these parts.
    pub(crate) fn new(storage: Arc<dyn Storage>, events: EventService) -> Self {
        Self { storage, events }
    }

    /// An instance's named consumers, by name.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn list(
        &self,
        caller: &Caller,
        instance: InstanceId,
    ) -> Result<Vec<NamedConsumer>, ServiceError> {
        Ok(self.storage.consumers(caller.user, instance).await?)
    }

    /// One of them.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn find(
        &self,
        caller: &Caller,
        instance: InstanceId,
        name: &str,
    ) -> Result<NamedConsumer, ServiceError> {
        let found = self.list(caller, instance).await?.into_iter().find(|consumer| consumer.name == name);
        found.ok_or(ServiceError::NotFound { what: Missing::Consumer })
    }

    /// Changes a consumer, or makes one, which begins behind the newest event unless told otherwise. Answers whether it is
    /// new.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` for a name that can't stand in a path, no kinds, or a position that the log doesn't have;
    /// `Conflict` when there are [`MAX_CONSUMERS`].
    pub async fn put(
        &self,
        caller: &Caller,
        instance: InstanceId,
        name: &str,
        change: ConsumerChange,
    ) -> Result<(NamedConsumer, bool), ServiceError> {
        if !is_path_name(name, MAX_CONSUMER_NAME) {
            let message = format!("must have 1 to {MAX_CONSUMER_NAME} characters of a-z, 0-9, - and _");
            return Err(ServiceError::invalid(Field::ConsumerName, message));
        }
        if matches!(&change.kinds, Some(Some(kinds)) if kinds.is_empty()) {
            let message = "must name an event, or be left out for all of them";
            return Err(ServiceError::invalid(Field::ConsumerKinds, message));
        }
        let name = name.to_owned();
        let putting = self.storage.put_consumer(caller.user, instance, name, change, MAX_CONSUMERS, now());
        putting.await.map_err(|error| not_beyond(error, Field::ConsumerStart))
    }

    /// What a consumer has not acknowledged yet, oldest first; asked again, it gets the same. While there is nothing, the
    /// answer waits as [`EventService::events`] does.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` for a limit or a wait, as there.
    pub async fn pull(
        &self,
        caller: &Caller,
        instance: InstanceId,
        name: &str,
        limit: u64,
        wait: Duration,
    ) -> Result<Pulled, ServiceError> {
        let consumer = self.find(caller, instance, name).await?;
        let end = self.events.end(caller, instance).await?;
        let start = EventStart::AfterSeq(consumer.position);
        let query = EventQuery { start, kinds: consumer.kinds.unwrap_or_default(), limit };
        let page = self.events.events(caller, instance, &query, wait).await?;
        let last = page.events.last().map_or(consumer.position, |last| last.seq);
        let position = if page.has_more { last } else { last.max(end) };
        Ok(Pulled { page, position })
    }

    /// Says that a consumer has had everything up to a position. It never goes back.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` for a position that the log doesn't have.
    pub async fn acknowledge(
        &self,
        caller: &Caller,
        instance: InstanceId,
        name: &str,
        position: i64,
    ) -> Result<NamedConsumer, ServiceError> {
        if position < 0 {
            return Err(beyond(Field::Position));
        }
        let acknowledging = self.storage.acknowledge(caller.user, instance, name.to_owned(), position, now());
        acknowledging.await.map_err(|error| not_beyond(error, Field::Position))
    }

    /// Removes a consumer; nothing is kept for it any more.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn delete(
        &self,
        caller: &Caller,
        instance: InstanceId,
        name: &str,
    ) -> Result<(), ServiceError> {
        Ok(self.storage.delete_consumer(caller.user, instance, name.to_owned()).await?)
    }
}

/// The only thing that the store refuses of a consumer is a position.
fn not_beyond(error: StorageError, field: Field) -> ServiceError {
    match error {
        StorageError::Invalid { .. } => beyond(field),
        error => error.into(),
    }
}

fn beyond(field: Field) -> ServiceError {
    ServiceError::invalid(field, "must be a position that the log has")
}

impl std::fmt::Debug for ConsumerService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConsumerService").finish_non_exhaustive()
    }
}
