use chrono::{DateTime, Datelike as _, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::user::set;
use super::word::words;
use crate::{Day, Timestamp, Usage};

words! {
    /// A limit that an owner may set.
    LimitName, "limit" {
        /// On [`Usage::messages_sent`].
        MessagesSent = "maxMessagesSent",
        /// On [`Usage::messages_received`].
        MessagesReceived = "maxMessagesReceived",
        /// On [`Usage::media_size`].
        MediaSize = "maxMediaSize",
        /// On [`Usage::api_calls`].
        ApiCalls = "maxApiCalls",
        /// On [`Usage::webhook_calls`].
        Webhooks = "maxWebhooks",
    }
}

words! {
    /// For how long an instance's limits hold, in UTC.
    LimitPeriod, "period" {
        /// A day.
        Day = "day",
        /// A month of the calendar.
        Month = "month",
    }
}

/// What an instance may do in a period; `None` is without a limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageLimits {
    /// Messages of the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub messages_sent: Option<u64>,
    /// Messages of others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub messages_received: Option<u64>,
    /// Bytes of files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_size: Option<u64>,
    /// Calls of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_calls: Option<u64>,
    /// Calls of webhooks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhooks: Option<u64>,
    /// For how long.
    pub period: LimitPeriod,
}

impl Default for UsageLimits {
    /// None, by the month.
    fn default() -> Self {
        Self {
            messages_sent: None,
            messages_received: None,
            media_size: None,
            api_calls: None,
            webhooks: None,
            period: LimitPeriod::Month,
        }
    }
}

impl UsageLimits {
    /// How much of it is allowed.
    pub const fn max(&self, name: LimitName) -> Option<u64> {
        match name {
            LimitName::MessagesSent => self.messages_sent,
            LimitName::MessagesReceived => self.messages_received,
            LimitName::MediaSize => self.media_size,
            LimitName::ApiCalls => self.api_calls,
            LimitName::Webhooks => self.webhooks,
        }
    }

    /// Whether anything is limited.
    pub fn is_any(&self) -> bool {
        LimitName::ALL.iter().any(|name| self.max(*name).is_some())
    }
}

impl LimitName {
    /// What the API calls that which the limit is on.
    pub const fn counted(self) -> &'static str {
        match self {
            Self::MessagesSent => "messagesSent",
            Self::MessagesReceived => "messagesReceived",
            Self::MediaSize => "mediaSize",
            Self::ApiCalls => "apiCalls",
            Self::Webhooks => "webhooks",
        }
    }

    /// What the limit is on.
    pub const fn of(self, usage: &Usage) -> u64 {
        match self {
            Self::MessagesSent => usage.messages_sent,
            Self::MessagesReceived => usage.messages_received,
            Self::MediaSize => usage.media_size,
            Self::ApiCalls => usage.api_calls,
            Self::Webhooks => usage.webhook_calls,
        }
    }
}

/// A period that has a beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitSpan {
    /// Its first day.
    pub begin: Day,
    /// When the next one begins.
    pub end: Timestamp,
}

impl LimitPeriod {
    /// The period that it is now.
    pub fn at(self, now: Timestamp) -> LimitSpan {
        let today = Day::of(now);
        let day = LimitSpan { begin: today, end: today.before(-1).start() };
        match self {
            Self::Day => day,
            // Beyond the calendar there are no months.
            Self::Month => month(now).unwrap_or(day),
        }
    }
}

fn month(now: Timestamp) -> Option<LimitSpan> {
    let date = DateTime::<Utc>::from_timestamp_millis(now.millis())?.date_naive();
    let first = date.with_day(1)?;
    let next = first.checked_add_months(chrono::Months::new(1))?;
    let start = |date: NaiveDate| Timestamp::from(date.and_time(chrono::NaiveTime::MIN).and_utc());
    Some(LimitSpan { begin: Day::of(start(first)), end: start(next) })
}

/// Changes to limits; `None` leaves one as it is, `Some(None)` removes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LimitsPatch {
    /// New limit on messages of the account.
    pub messages_sent: Option<Option<u64>>,
    /// New limit on messages of others.
    pub messages_received: Option<Option<u64>>,
    /// New limit on bytes of files.
    pub media_size: Option<Option<u64>>,
    /// New limit on calls of the API.
    pub api_calls: Option<Option<u64>>,
    /// New limit on calls of webhooks.
    pub webhooks: Option<Option<u64>>,
    /// Another period.
    pub period: Option<LimitPeriod>,
}

impl LimitsPatch {
    /// Removes all.
    pub fn none() -> Self {
        let gone = Some(None);
        Self {
            messages_sent: gone,
            messages_received: gone,
            media_size: gone,
            api_calls: gone,
            webhooks: gone,
            period: Some(UsageLimits::default().period),
        }
    }

    /// Applies the changes.
    pub fn apply(self, limits: &mut UsageLimits) {
        set(&mut limits.messages_sent, self.messages_sent);
        set(&mut limits.messages_received, self.messages_received);
        set(&mut limits.media_size, self.media_size);
        set(&mut limits.api_calls, self.api_calls);
        set(&mut limits.webhooks, self.webhooks);
        set(&mut limits.period, self.period);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(period: LimitPeriod, now: &str) -> (String, String) {
        let LimitSpan { begin, end } = period.at(now.parse().unwrap());
        (begin.start().to_string()[..10].to_owned(), end.to_string())
    }

    #[test]
    fn periods_are_those_of_the_calendar() {
        let (begin, end) = span(LimitPeriod::Day, "2024-02-29T23:59:59.999Z");
        assert_eq!((&*begin, &*end), ("2024-02-29", "2024-03-01T00:00:00.000Z"));
        let (begin, end) = span(LimitPeriod::Month, "2024-02-29T23:59:59.999Z");
        assert_eq!((&*begin, &*end), ("2024-02-01", "2024-03-01T00:00:00.000Z"));
        let (begin, end) = span(LimitPeriod::Month, "2023-12-01T00:00:00Z");
        assert_eq!((&*begin, &*end), ("2023-12-01", "2024-01-01T00:00:00.000Z"));
        let beyond = Timestamp::from_millis(i64::MAX);
        assert_eq!(LimitPeriod::Month.at(beyond), LimitPeriod::Day.at(beyond));
    }

    #[test]
    fn a_patch_changes_what_it_names_and_none_removes_all() {
        let mut limits = UsageLimits::default();
        let patch = LimitsPatch {
            api_calls: Some(Some(5)),
            period: Some(LimitPeriod::Day),
            ..LimitsPatch::default()
        };
        patch.apply(&mut limits);
        assert_eq!(
            limits,
            UsageLimits { api_calls: Some(5), period: LimitPeriod::Day, ..UsageLimits::default() }
        );
        assert!(limits.is_any() && limits.max(LimitName::ApiCalls) == Some(5));
        LimitsPatch::none().apply(&mut limits);
        assert_eq!(limits, UsageLimits::default());
    }
}
