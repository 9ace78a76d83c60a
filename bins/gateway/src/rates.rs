//! How often a credential may call, where `RATE_LIMIT` says so.

use std::collections::HashMap;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use parking_lot::Mutex;
use services::Identity;
use storage::{KeyId, UserId};
use tokio::time::Instant;

use crate::config::RateLimit;
use crate::error::ApiError;

/// Most credentials that are counted at once; only those that exist and have called lately are. Beyond, the one whose
/// bucket is the fullest is forgotten.
const CAPACITY: usize = 10_000;

/// A bucket of calls for each credential, which fills up again as time goes by.
#[derive(Debug)]
pub(crate) struct Rates {
    limit: Option<RateLimit>,
    /// When the bucket of each is full again; whose isn't here is full.
    full_at: Mutex<HashMap<Holder, Instant>>,
}

/// Whose calls are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Holder {
    /// A user's own credentials: the API key and all login tokens.
    User(UserId),
    Key(KeyId),
}

/// What is left in a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Left {
    limit: u32,
    calls: u32,
    /// When the bucket is full again.
    full_in: Duration,
}

impl Rates {
    /// Counts nothing without a limit.
    pub(crate) fn new(limit: Option<RateLimit>) -> Self {
        Self { limit, full_at: Mutex::default() }
    }

    /// Takes a call out of the bucket; answers what is left, where there is a limit.
    ///
    /// # Errors
    /// 429 with the time after which there is one again.
    pub(crate) fn take(&self, identity: &Identity) -> Result<Option<Left>, ApiError> {
        let Some(limit) = self.limit else { return Ok(None) };
        let holder = match &identity.key {
            Some(key) => Holder::Key(key.id),
            None => Holder::User(identity.caller.user),
        };
        self.take_at(holder, limit, Instant::now()).map(Some).map_err(refused)
    }

    fn take_at(&self, holder: Holder, limit: RateLimit, now: Instant) -> Result<Left, Duration> {
        let each = limit.period / limit.calls.max(1);
        let mut full_at = self.full_at.lock();
        let before = full_at.get(&holder).copied().unwrap_or(now).max(now);
        let after = before + each;
        if let Some(too_early) = (after - now).checked_sub(limit.period).filter(|wait| !wait.is_zero()) {
            return Err(too_early);
        }
        if full_at.len() >= CAPACITY && !full_at.contains_key(&holder) {
            make_room(&mut full_at, now);
        }
        full_at.insert(holder, after);
        let room = limit.period.saturating_sub(after - now);
        let calls = room.as_nanos().checked_div(each.as_nanos()).unwrap_or_default();
        let calls = u32::try_from(calls).unwrap_or(u32::MAX).min(limit.calls);
        Ok(Left { limit: limit.calls, calls, full_in: after - now })
    }
}

fn make_room(full_at: &mut HashMap<Holder, Instant>, now: Instant) {
    full_at.retain(|_, at| *at > now);
    if full_at.len() >= CAPACITY
        && let Some(fullest) = full_at.iter().min_by_key(|(_, at)| **at).map(|(holder, _)| *holder)
    {
        full_at.remove(&fullest);
    }
}

fn refused(wait: Duration) -> ApiError {
    let message = "This credential has called too often.";
    ApiError::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", message).with_retry_after(wait)
}

impl Left {
    /// Says it in the headers of an answer.
    pub(crate) fn tell(self, headers: &mut HeaderMap) {
        let full_in = self.full_in.as_secs() + u64::from(self.full_in.subsec_nanos() > 0);
        for (name, value) in [
            (HeaderName::from_static("x-ratelimit-limit"), u64::from(self.limit)),
            (HeaderName::from_static("x-ratelimit-remaining"), u64::from(self.calls)),
            (HeaderName::from_static("x-ratelimit-reset"), full_in),
        ] {
            headers.insert(name, HeaderValue::from(value));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: RateLimit = RateLimit { calls: 3, period: Duration::from_secs(3) };

    fn holder() -> Holder {
        Holder::User(UserId::generate())
    }

    #[tokio::test]
    async fn a_bucket_empties_and_fills_again() {
        let (rates, holder, now) = (Rates::new(Some(LIMIT)), holder(), Instant::now());
        for calls in [2, 1, 0] {
            assert_eq!(rates.take_at(holder, LIMIT, now).unwrap().calls, calls);
        }
        assert_eq!(rates.take_at(holder, LIMIT, now), Err(Duration::from_secs(1)));
        let later = now + Duration::from_millis(400);
        assert_eq!(rates.take_at(holder, LIMIT, later), Err(Duration::from_millis(600)));
        let left = rates.take_at(holder, LIMIT, now + Duration::from_secs(1)).unwrap();
        assert_eq!(left, Left { limit: 3, calls: 0, full_in: Duration::from_secs(3) });
        let left = rates.take_at(holder, LIMIT, now + Duration::from_secs(60)).unwrap();
        assert_eq!(left, Left { limit: 3, calls: 2, full_in: Duration::from_secs(1) });
        rates.take_at(self::holder(), LIMIT, now).unwrap();
    }

    #[tokio::test]
    async fn what_is_counted_is_bounded_and_the_emptiest_are_kept() {
        let (rates, busy, now) = (Rates::new(Some(LIMIT)), holder(), Instant::now());
        for _ in 0..3 {
            rates.take_at(busy, LIMIT, now).unwrap();
        }
        for _ in 0..CAPACITY + 50 {
            rates.take_at(holder(), LIMIT, now).unwrap();
        }
        assert_eq!(rates.full_at.lock().len(), CAPACITY);
        assert!(rates.take_at(busy, LIMIT, now).is_err());
    }
}
