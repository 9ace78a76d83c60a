//! The limits that owners set: what an instance may do in a day or a month.
//!
//! What was done is read from the counts in the store, together with those that aren't stored yet, and only for instances
//! that have limits. What only others can do is told when it is too much, and never dropped.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use storage::{
    Claim, Day, Epoch, EventData, Instance, InstanceId, Journal, Json, LimitData, LimitName, LimitSpan,
    Listener, NewEvent, Record, Recorded, Storage, StorageError, Usage, UsageLimits, UserId,
};
use tokio::sync::OwnedMutexGuard;
use webhook::{CallOutcome, Observer};

use crate::clock::now;
use crate::error::{Exceeded, ServiceError};
use crate::meter::Meter;
use crate::running::RunningInstance;

/// How often the count of what is on its way out is compared before and after the look into the store.
const LOOKS: usize = 3;

/// Holds the instances that this process carries to their limits. Clones are the same.
///
/// It counts calls on their way to the [`Meter`], and hears what is recorded.
#[derive(Clone)]
pub struct Quotas {
    inner: Arc<Inner>,
}

struct Inner {
    storage: Arc<dyn Storage>,
    meter: Meter,
    journal: OnceLock<Journal>,
    /// The instances that have limits.
    limited: RwLock<HashMap<InstanceId, Arc<Quota>>>,
}

/// An instance with limits.
struct Quota {
    instance: InstanceId,
    owner: UserId,
    epoch: Epoch,
    limits: UsageLimits,
    /// Held from the look at what was sent until the next message is among it.
    turn: Arc<tokio::sync::Mutex<()>>,
    /// Whether somebody is about to look whether a limit is exceeded.
    is_looking: AtomicBool,
    /// Whether somebody is about to read how many calls there were.
    is_reading: AtomicBool,
    /// How many calls of webhooks there were in the period, once that is known.
    calls: Mutex<Option<Calls>>,
    /// What was told by this process; the store knows the rest.
    told: Mutex<BTreeSet<(LimitName, Day)>>,
}

struct Calls {
    begin: Day,
    made: u64,
}

impl Quotas {
    pub(crate) fn new(storage: Arc<dyn Storage>, meter: Meter) -> Self {
        let inner = Inner { storage, meter, journal: OnceLock::new(), limited: RwLock::default() };
        Self { inner: Arc::new(inner) }
    }

    /// What is told goes there.
    pub(crate) fn accompany(&self, journal: Journal) {
        // There is one.
        let _ = self.inner.journal.set(journal);
    }

    /// This process carries the instance, under this epoch; these are its limits from now on.
    pub(crate) fn know(&self, instance: &Instance, epoch: Epoch) {
        if !instance.limits.is_any() {
            return self.forget(instance.id);
        }
        let quota = Arc::new(Quota {
            instance: instance.id,
            owner: instance.owner,
            epoch,
            limits: instance.limits.clone(),
            turn: Arc::default(),
            is_looking: AtomicBool::new(false),
            is_reading: AtomicBool::new(false),
            calls: Mutex::default(),
            told: Mutex::default(),
        });
        self.inner.limited.write().insert(instance.id, quota);
    }

    /// Another process carries it, or it is gone.
    pub(crate) fn forget(&self, instance: InstanceId) {
        if !self.inner.limited.read().is_empty() {
            self.inner.limited.write().remove(&instance);
        }
    }

    /// Whether calls of the API about this instance are limited, for this user.
    pub fn limits_calls(&self, user: UserId, instance: InstanceId) -> bool {
        self.find(instance).is_some_and(|quota| quota.owner == user && quota.limits.api_calls.is_some())
    }

    /// Lets a call of the API about an instance pass.
    ///
    /// # Errors
    /// `LimitExceeded`.
    pub async fn check_call(&self, instance: InstanceId) -> Result<(), ServiceError> {
        let Some(quota) = self.find(instance) else { return Ok(()) };
        let span = quota.limits.period.at(now());
        let usage = self.usage(&quota, span).await?;
        let wish = Usage { api_calls: usage.api_calls.saturating_add(1), ..Usage::default() };
        self.refuse_beyond(&quota, span, &usage, &wish).await
    }

    /// Lets a message leave that has a file of so many bytes. The next one is looked at when the answer is dropped: until
    /// then the message has to be among those that the instance is about to send.
    ///
    /// # Errors
    /// `LimitExceeded`.
    pub(crate) async fn admit(
        &self,
        running: &RunningInstance,
        bytes: u64,
    ) -> Result<Option<OwnedMutexGuard<()>>, ServiceError> {
        let Some(quota) = self.find(running.instance) else { return Ok(None) };
        let turn = Arc::clone(&quota.turn).lock_owned().await;
        let span = quota.limits.period.at(now());
        let usage = self.with_what_leaves(&quota, span, running).await?;
        let wish = Usage {
            messages_sent: usage.messages_sent.saturating_add(1),
            media_size: if bytes > 0 { usage.media_size.saturating_add(bytes) } else { 0 },
            ..Usage::default()
        };
        self.refuse_beyond(&quota, span, &usage, &wish).await?;
        Ok(Some(turn))
    }

    /// What was done, and what is about to be sent.
    async fn with_what_leaves(
        &self,
        quota: &Quota,
        span: LimitSpan,
        running: &RunningInstance,
    ) -> Result<Usage, ServiceError> {
        // What callers have been told is counted first.
        running.recorder.catch_up().await;
        let mut look = 0;
        loop {
            look += 1;
            let leaving = running.recorder.leaving();
            let mut usage = self.usage(quota, span).await?;
            // What left meanwhile would count twice.
            if look == LOOKS || running.recorder.leaving() == leaving {
                usage += leaving;
                return Ok(usage);
            }
        }
    }

    async fn usage(&self, quota: &Quota, span: LimitSpan) -> Result<Usage, StorageError> {
        let mut usage = self.inner.storage.usage_since(quota.instance, span.begin).await?;
        let unstored = self.inner.meter.unstored(quota.instance, span.begin);
        unstored.into_iter().for_each(|(_, more)| usage += more);
        Ok(usage)
    }

    /// Refuses what would be more than is allowed, and tells so.
    async fn refuse_beyond(
        &self,
        quota: &Quota,
        span: LimitSpan,
        usage: &Usage,
        wish: &Usage,
    ) -> Result<(), ServiceError> {
        let exceeded = quota.exceeded_by(wish, usage);
        for one in &exceeded {
            self.tell(quota, *one, span).await;
        }
        if exceeded.is_empty() {
            Ok(())
        } else {
            Err(ServiceError::LimitExceeded { exceeded, until: span.end })
        }
    }

    /// Tells that a limit is exceeded: once for each limit, as it is set, and period, over restarts.
    async fn tell(&self, quota: &Quota, exceeded: Exceeded, span: LimitSpan) {
        let Some(journal) = self.inner.journal.get() else { return };
        let Exceeded { limit, allowed, used } = exceeded;
        if !quota.told.lock().insert((limit, span.begin)) {
            return;
        }
        let told = LimitData { limit: limit.as_str().to_owned(), allowed, used };
        let claim = Claim {
            scope: format!("limit:{}", quota.instance),
            key: format!("{limit} {allowed} {}", span.begin.number()),
            fingerprint: [0; 32],
            answer: Json::default(),
            // It is kept beyond the period.
            at: span.end,
        };
        let event = NewEvent::new(None, EventData::LimitExceeded(told));
        let record = Record::new(quota.instance, quota.epoch).claim(Some(claim)).event(event);
        if let Err(error) = journal.record(record).await {
            tracing::warn!(instance = %quota.instance, %error, "that a limit is exceeded could not be told");
            quota.told.lock().remove(&(limit, span.begin));
        }
    }

    /// Looks soon whether what was recorded is too much.
    fn look_soon(&self, quota: Arc<Quota>) {
        if quota.is_looking.swap(true, Ordering::AcqRel) {
            return;
        }
        let quotas = self.clone();
        tokio::spawn(async move {
            quota.is_looking.store(false, Ordering::Release);
            let span = quota.limits.period.at(now());
            match quotas.usage(&quota, span).await {
                Ok(usage) => {
                    for exceeded in quota.exceeded_by(&usage, &usage) {
                        quotas.tell(&quota, exceeded, span).await;
                    }
                }
                Err(error) => {
                    tracing::warn!(instance = %quota.instance, %error, "limits can't be looked at");
                }
            }
        });
    }

    /// Reads how many calls of webhooks there were.
    fn read_calls(&self, quota: Arc<Quota>, span: LimitSpan) {
        if quota.is_reading.swap(true, Ordering::AcqRel) {
            return;
        }
        let quotas = self.clone();
        tokio::spawn(async move {
            match quotas.usage(&quota, span).await {
                Ok(usage) => {
                    *quota.calls.lock() = Some(Calls { begin: span.begin, made: usage.webhook_calls });
                }
                Err(error) => {
                    tracing::warn!(instance = %quota.instance, %error, "calls of webhooks can't be counted");
                }
            }
            quota.is_reading.store(false, Ordering::Release);
        });
    }

    fn find(&self, instance: InstanceId) -> Option<Arc<Quota>> {
        self.inner.limited.read().get(&instance).cloned()
    }
}

impl Quota {
    /// The limits that so much would exceed, with what was used until now.
    fn exceeded_by(&self, wish: &Usage, used: &Usage) -> Vec<Exceeded> {
        let exceeded = LimitName::ALL.iter().filter_map(|name| {
            let allowed = self.limits.max(*name)?;
            (name.of(wish) > allowed).then(|| Exceeded { limit: *name, allowed, used: name.of(used) })
        });
        exceeded.collect()
    }
}

impl Observer for Quotas {
    fn called(&self, instance: InstanceId, outcome: CallOutcome, lag: Duration) {
        self.inner.meter.called(instance, outcome, lag);
        if outcome == CallOutcome::Delivered
            && let Some(quota) = self.find(instance)
            && let Some(calls) = &mut *quota.calls.lock()
        {
            calls.made = calls.made.saturating_add(1);
        }
    }

    fn room(&self, instance: InstanceId) -> Option<u64> {
        let quota = self.find(instance)?;
        let allowed = quota.limits.webhooks?;
        let span = quota.limits.period.at(now());
        let made =
            quota.calls.lock().as_ref().filter(|calls| calls.begin == span.begin).map(|calls| calls.made);
        if made.is_none() {
            self.read_calls(quota, span);
        }
        Some(made.map_or(0, |made| allowed.saturating_sub(made)))
    }

    fn waiting(&self, instance: InstanceId) {
        let Some(quota) = self.find(instance) else { return };
        let (Some(allowed), span) = (quota.limits.webhooks, quota.limits.period.at(now())) else { return };
        let made =
            quota.calls.lock().as_ref().filter(|calls| calls.begin == span.begin).map(|calls| calls.made);
        let is_told = quota.told.lock().contains(&(LimitName::Webhooks, span.begin));
        let Some(used) = made.filter(|made| *made >= allowed && !is_told) else { return };
        let quotas = self.clone();
        let exceeded = Exceeded { limit: LimitName::Webhooks, allowed, used };
        tokio::spawn(async move { quotas.tell(&quota, exceeded, span).await });
    }
}

impl Listener for Quotas {
    fn rang(&self, instance: InstanceId, recorded: &Recorded) {
        self.inner.meter.rang(instance, recorded);
        let Some(quota) = self.find(instance) else { return };
        if recorded.events.iter().any(|event| !Usage::of(&event.data).is_nothing()) {
            self.look_soon(quota);
        }
    }
}

impl std::fmt::Debug for Quotas {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Quotas").field("limited", &self.inner.limited.read().len()).finish_non_exhaustive()
    }
}
