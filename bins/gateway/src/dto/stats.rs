use serde::Serialize;
use services::{InstanceUsage, Period, SystemUsage};
use storage::{Day, Usage};
use utoipa::{IntoParams, ToSchema};

use super::time::Time;
use crate::error::ApiError;
use crate::extract::{FromQuery, Parameters};
use crate::forms::{InstancePeriod, UserPeriod};
use crate::listing::Listing;

/// `GET /api/stats/user?period`.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct UserStatsQuery {
    /// Days that end with today, in UTC: `week` (7), `month` (30), `year` (365), `all`.
    #[param(inline, value_type = Option<UserPeriod>, example = "month")]
    pub(crate) period: Period,
}

impl FromQuery for UserStatsQuery {
    fn from_query(parameters: &mut Parameters) -> Result<Self, ApiError> {
        let words =
            [("week", Period::Week), ("month", Period::Month), ("year", Period::Year), ("all", Period::All)];
        Ok(Self { period: parameters.word("period", &words, Period::Month)? })
    }
}

/// `GET /api/stats/instances/{id}?period`.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct InstanceStatsQuery {
    /// Days that end with today, in UTC: `today`, `week` (7), `month` (30), `all`.
    #[param(inline, value_type = Option<InstancePeriod>, example = "today")]
    pub(crate) period: Period,
}

impl FromQuery for InstanceStatsQuery {
    fn from_query(parameters: &mut Parameters) -> Result<Self, ApiError> {
        let words = [
            ("today", Period::Today),
            ("week", Period::Week),
            ("month", Period::Month),
            ("all", Period::All),
        ];
        Ok(Self { period: parameters.word("period", &words, Period::Today)? })
    }
}

/// What was done.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Counts {
    messages_sent: u64,
    messages_received: u64,
    /// Messages sent that have a file.
    media_sent: u64,
    media_received: u64,
    /// Bytes of these files, as the messages say.
    total_media_size: u64,
    /// Calls of the API about an instance.
    api_calls: u64,
    /// Calls of webhooks that were delivered.
    webhook_sent: u64,
}

impl From<Usage> for Counts {
    fn from(usage: Usage) -> Self {
        Self {
            messages_sent: usage.messages_sent,
            messages_received: usage.messages_received,
            media_sent: usage.media_sent,
            media_received: usage.media_received,
            total_media_size: usage.media_size,
            api_calls: usage.api_calls,
            webhook_sent: usage.webhook_calls,
        }
    }
}

/// The caller's instances, oldest first.
#[derive(ToSchema)]
#[allow(dead_code, reason = "only described")]
pub(crate) struct UserStats {
    total: UserTotal,
    instances: Vec<OfInstance>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct UserTotal {
    #[serde(flatten)]
    counts: Counts,
    instance_count: usize,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct OfInstance {
    instance_id: String,
    name: String,
    #[serde(flatten)]
    counts: Counts,
}

/// What follows the instances.
#[derive(Serialize)]
struct UserEnd {
    total: UserTotal,
}

impl UserStats {
    pub(crate) fn of(
        instances: Vec<InstanceUsage>,
    ) -> Listing<impl Iterator<Item = impl Serialize> + 'static> {
        let total: Usage = instances.iter().map(|instance| instance.usage).sum();
        let end = UserEnd { total: UserTotal { counts: total.into(), instance_count: instances.len() } };
        Listing::new("instances", instances.into_iter().map(OfInstance::from), &end)
    }
}

impl From<InstanceUsage> for OfInstance {
    fn from(InstanceUsage { instance, name, usage }: InstanceUsage) -> Self {
        Self { instance_id: instance.to_string(), name, counts: usage.into() }
    }
}

/// One instance.
#[derive(Serialize, ToSchema)]
pub(crate) struct InstanceStats {
    usage: InstanceCounts,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct InstanceCounts {
    #[serde(flatten)]
    counts: Counts,
    /// The last ten years at most, oldest first; days without anything are left out.
    daily_stats: Vec<OfDay>,
}

#[derive(Serialize, ToSchema)]
struct OfDay {
    /// The day's first moment, in UTC.
    date: Time,
    #[serde(flatten)]
    counts: Counts,
}

impl InstanceStats {
    /// Days that are shown: ten years.
    const MAX_DAYS: usize = 3_660;

    pub(crate) fn of(days: &[(Day, Usage)]) -> Self {
        let total: Usage = days.iter().map(|(_, usage)| *usage).sum();
        let shown = &days[days.len().saturating_sub(Self::MAX_DAYS)..];
        let of_day =
            |(day, usage): &(Day, Usage)| OfDay { date: day.start().into(), counts: (*usage).into() };
        let daily_stats = shown.iter().map(of_day).collect();
        Self { usage: InstanceCounts { counts: total.into(), daily_stats } }
    }
}

/// The whole gateway.
#[derive(Serialize, ToSchema)]
pub(crate) struct SystemStats {
    instances: OfAll,
    users: OfAll,
    usage: Counts,
}

#[derive(Serialize, ToSchema)]
struct OfAll {
    total: u64,
    /// Instances that are connected; users who may log in.
    active: u64,
}

impl From<SystemUsage> for SystemStats {
    fn from(system: SystemUsage) -> Self {
        Self {
            instances: OfAll { total: system.instances, active: system.connected },
            users: OfAll { total: system.users, active: system.enabled },
            usage: system.usage.into(),
        }
    }
}
