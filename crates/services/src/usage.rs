//! What instances have done: counted, and shown.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use storage::{Day, InstanceId, InstanceStatus, Role, Storage, Timestamp, Usage};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::auth::Caller;
use crate::clock::now;
use crate::error::ServiceError;
use crate::meter::Meter;

/// How long the sum over all instances is good: it reads a row for each day of each.
const FRESH: Duration = Duration::from_secs(5);

/// How far statistics reach back, in days (UTC) that end with today.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    /// Today alone.
    Today,
    /// 7 days.
    Week,
    /// 30 days.
    Month,
    /// 365 days.
    Year,
    /// All that was ever counted.
    All,
}

impl Period {
    /// The first of its days.
    fn begin(self, now: Timestamp) -> Day {
        let today = Day::of(now);
        match self {
            Self::Today => today,
            Self::Week => today.before(6),
            Self::Month => today.before(29),
            Self::Year => today.before(364),
            Self::All => Day::from_number(i64::MIN),
        }
    }
}

/// An instance and what it has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceUsage {
    /// Which one.
    pub instance: InstanceId,
    /// Its name.
    pub name: String,
    /// What it has done.
    pub usage: Usage,
}

/// The whole gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemUsage {
    /// How many instances there are.
    pub instances: u64,
    /// How many of them are connected.
    pub connected: u64,
    /// How many users there are.
    pub users: u64,
    /// How many of them may log in.
    pub enabled: u64,
    /// What all instances that there are have ever done.
    pub usage: Usage,
}

/// Use cases about statistics. Clones are the same service.
#[derive(Clone)]
pub struct UsageService {
    storage: Arc<dyn Storage>,
    meter: Meter,
    system: Arc<Mutex<Option<(Instant, SystemUsage)>>>,
}

impl UsageService {
    /// A service over these parts.
    pub(crate) fn new(storage: Arc<dyn Storage>, meter: Meter) -> Self {
        Self { storage, meter, system: Arc::default() }
    }

    /// What the caller's instances have done, oldest instance first.
    ///
    /// # Errors
    /// None but the store's.
    pub async fn of_user(&self, caller: &Caller, period: Period) -> Result<Vec<InstanceUsage>, ServiceError> {
        let from = period.begin(now());
        let stored = self.storage.usage_of_owner(caller.user, from).await?;
        let with_unstored = stored.into_iter().map(|(instance, name, mut usage)| {
            self.meter.unstored(instance, from).into_iter().for_each(|(_, more)| usage += more);
            InstanceUsage { instance, name, usage }
        });
        Ok(with_unstored.collect())
    }

    /// What an instance has done on each day, ascending; days without anything are left out.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn of_instance(
        &self,
        caller: &Caller,
        instance: InstanceId,
        period: Period,
    ) -> Result<Vec<(Day, Usage)>, ServiceError> {
        let from = period.begin(now());
        let stored = self.storage.usage_by_day(caller.user, instance, from).await?;
        let mut days: BTreeMap<Day, Usage> = stored.into_iter().collect();
        for (day, usage) in self.meter.unstored(instance, from) {
            *days.entry(day).or_default() += usage;
        }
        Ok(days.into_iter().collect())
    }

    /// What the whole gateway does and has done, as of some seconds ago at most.
    ///
    /// # Errors
    /// `Forbidden` unless the caller is an administrator.
    pub async fn of_system(&self, caller: &Caller) -> Result<SystemUsage, ServiceError> {
        if caller.role != Role::Admin {
            return Err(ServiceError::Forbidden { message: "this needs an administrator" });
        }
        // Whoever asks meanwhile waits for the same answer.
        let mut last = self.system.lock().await;
        if let Some((at, usage)) = &*last
            && at.elapsed() < FRESH
        {
            return Ok(usage.clone());
        }
        let counts = self.storage.instance_counts().await?;
        let users = self.storage.users(1, 0).await?.total;
        let disabled = self.storage.disabled_users().await?.len() as u64;
        let mut usage = self.storage.usage_of_all().await?;
        usage += self.meter.all_unstored();
        let system = SystemUsage {
            instances: counts.total,
            connected: counts.by_status.get(&InstanceStatus::Connected).copied().unwrap_or(0),
            users,
            enabled: users.saturating_sub(disabled),
            usage,
        };
        *last = Some((Instant::now(), system.clone()));
        Ok(system)
    }
}

impl std::fmt::Debug for UsageService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UsageService").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use storage::conformance::{sample_leased, sample_user};
    use storage::{MemoryStorage, UsageStore as _, UserStore as _};

    use super::*;

    #[tokio::test]
    async fn periods_end_with_today_and_hold_what_is_not_stored_yet() {
        let storage = Arc::new(MemoryStorage::new());
        let user = sample_user("zoe");
        storage.create_user(user.clone()).await.unwrap();
        let (instance, _) = sample_leased(&*storage, user.id, "shop").await.unwrap();
        let meter = Meter::default();
        let service = UsageService::new(storage.clone(), meter.clone());
        let today = Day::of(now());
        let sent = |messages_sent| Usage { messages_sent, ..Usage::default() };
        let ago = |days| (instance.id, today.before(days), sent(1));
        storage.add_usage([0, 6, 7, 29, 30, 364, 365].map(ago).to_vec()).await.unwrap();
        meter.api_call(instance.id);

        let caller = Caller::new(user.id, Role::User);
        let total = async |period| {
            let days = service.of_instance(&caller, instance.id, period).await.unwrap();
            assert!(days.is_sorted_by_key(|(day, _)| *day));
            let of_user = service.of_user(&caller, period).await.unwrap();
            let usage = days.into_iter().map(|(_, usage)| usage).sum::<Usage>();
            assert_eq!((of_user.len(), &*of_user[0].name, of_user[0].usage), (1, "shop", usage));
            (usage.messages_sent, usage.api_calls)
        };
        assert_eq!(total(Period::Today).await, (1, 1));
        assert_eq!(total(Period::Week).await, (2, 1));
        assert_eq!(total(Period::Month).await, (4, 1));
        assert_eq!(total(Period::Year).await, (6, 1));
        assert_eq!(total(Period::All).await, (7, 1));

        assert!(matches!(service.of_system(&caller).await, Err(ServiceError::Forbidden { .. })));
        let admin = Caller { role: Role::Admin, ..caller };
        let system = service.of_system(&admin).await.unwrap();
        let usage = Usage { api_calls: 1, ..sent(7) };
        assert_eq!(system, SystemUsage { instances: 1, connected: 0, users: 1, enabled: 1, usage });
    }
}
