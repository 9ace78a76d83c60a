//! What was tried of a webhook's deliveries, and delivering it again.

use storage::{
    Attempt, AttemptQuery, Consumer, EventId, EventQuery, EventStart, InstanceId, KEPT_ATTEMPTS, Missing,
    Page, Timestamp,
};
use webhook::{Replay, Tested};

use super::WebhookService;
use crate::auth::Caller;
use crate::error::{ConflictCause, ServiceError};
use crate::field::Field;
use crate::page::{MAX_PAGE, check_limit};

/// A place in the log of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogPlace {
    /// The event at this position.
    Position(i64),
    /// What was recorded at this time.
    Time(Timestamp),
}

impl LogPlace {
    /// Whether it is known to be before another place, without a look at the log.
    fn is_before(self, other: Self) -> bool {
        match (self, other) {
            (Self::Position(this), Self::Position(other)) => this < other,
            (Self::Time(this), Self::Time(other)) => this < other,
            _ => false,
        }
    }
}

/// Which event is to be delivered again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redeliver {
    /// The one at this position.
    Position(i64),
    /// The one with this id, as far as it is among the attempts that are kept.
    Event(EventId),
}

impl WebhookService {
    /// What was tried of a webhook's deliveries, newest first: the last few hundred.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` for a limit of 0 or above [`crate::MAX_PAGE`].
    pub async fn attempts(
        &self,
        caller: &Caller,
        instance: InstanceId,
        name: &str,
        query: &AttemptQuery,
    ) -> Result<Page<Attempt>, ServiceError> {
        check_limit(query.limit, MAX_PAGE)?;
        self.find(caller, instance, name).await?;
        let consumer = Consumer::webhook(instance, name);
        Ok(self.inner.dispatcher.attempts(caller.user, &consumer, query).await?)
    }

    /// Delivers an event to a webhook once more, whatever became of it before.
    ///
    /// # Errors
    /// `NotFound`, also for an event that the log doesn't have (any more), or that the webhook has not come to yet;
    /// `Unavailable` when another process carries the instance.
    pub async fn redeliver(
        &self,
        caller: &Caller,
        instance: InstanceId,
        name: &str,
        event: Redeliver,
    ) -> Result<(), ServiceError> {
        const NO_EVENT: ServiceError = ServiceError::NotFound { what: Missing::Event };
        self.inner.supervisor.check_holds(caller.user, instance).await?;
        let seq = match event {
            Redeliver::Position(seq) => seq,
            Redeliver::Event(id) => {
                let query = AttemptQuery { outcome: None, before: None, limit: KEPT_ATTEMPTS as u64 };
                let tried = self.attempts(caller, instance, name, &query).await?.items;
                tried.into_iter().find(|attempt| attempt.event == id).ok_or(NO_EVENT)?.seq
            }
        };
        let consumer = Consumer::webhook(instance, name);
        match self.inner.dispatcher.redeliver(caller.user, &consumer, seq).await? {
            true => Ok(()),
            false => Err(NO_EVENT),
        }
    }

    /// Delivers a part of the log to a webhook once more: what it wants of it, in the order of the log. Without an end,
    /// up to the newest event that the webhook has come to.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` for a range that ends before it begins; `Unavailable` when another process carries the instance.
    pub async fn replay_range(
        &self,
        caller: &Caller,
        instance: InstanceId,
        name: &str,
        from: LogPlace,
        to: Option<LogPlace>,
    ) -> Result<Replay, ServiceError> {
        if matches!((from, to), (_, Some(to)) if to.is_before(from)) {
            return Err(ServiceError::invalid(Field::RangeTo, "must not be before the beginning"));
        }
        self.inner.supervisor.check_holds(caller.user, instance).await?;
        let webhook = self.find(caller, instance, name).await?;
        let from = match from {
            LogPlace::Position(seq) => seq,
            LogPlace::Time(time) => self.first_after(caller, instance, time.plus_millis(-1)).await?,
        };
        let to = match to {
            None => i64::MAX,
            Some(LogPlace::Position(seq)) => seq,
            Some(LogPlace::Time(time)) => self.first_after(caller, instance, time).await?.saturating_sub(1),
        };
        Ok(self.inner.dispatcher.replay_range(caller.user, &webhook, from, to).await?)
    }

    /// The position of the first event after a time; the end of all positions if there is none.
    async fn first_after(
        &self,
        caller: &Caller,
        instance: InstanceId,
        time: Timestamp,
    ) -> Result<i64, ServiceError> {
        let query = EventQuery { start: EventStart::AfterTime(time), kinds: Vec::new(), limit: 1 };
        let page = self.storage().events(caller.user, instance, &query).await?;
        Ok(page.events.first().map_or(i64::MAX, |event| event.seq))
    }

    /// Calls a webhook with an event `webhook_test`, as its settings say, whether it is on or not, and tells what the
    /// receiver says.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` for a webhook without a URL, or of which something can't be read; `RateLimited` while as many
    /// are under way as may be.
    pub async fn test(
        &self,
        caller: &Caller,
        instance: InstanceId,
        name: &str,
    ) -> Result<Tested, ServiceError> {
        let webhook = self.find(caller, instance, name).await?;
        let _trial = self.inner.trials.begin(caller.user)?;
        let tested = self.inner.dispatcher.test(caller.user, &webhook).await;
        tested.ok_or_else(|| ServiceError::Conflict {
            cause: ConflictCause::NoUrl,
            message: "the webhook has no URL that it could call, or something of it can't be read".to_owned(),
        })
    }
}
