//! Slows down whoever guesses passwords. Pure: time is an argument.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use tokio::time::Instant;

/// Without tries for this long, the past is forgiven.
const FORGIVEN: Duration = Duration::from_secs(60 * 60);
/// Most keys that are remembered; the oldest go first.
const CAPACITY: usize = 10_000;

/// Counts tries per key. The first `free` are immediate, each further one must wait twice as long as the one
/// before.
#[derive(Debug)]
pub(crate) struct Throttle<K> {
    free: u32,
    longest: Duration,
    keys: HashMap<K, Tries>,
}

#[derive(Clone, Copy, Debug)]
struct Tries {
    count: u32,
    last: Instant,
    next: Instant,
}

impl<K: Clone + Eq + Hash> Throttle<K> {
    /// `longest` bounds the wait between two tries.
    pub(crate) fn new(free: u32, longest: Duration) -> Self {
        Self { free, longest, keys: HashMap::new() }
    }

    /// Counts a try before it is made, so that many at once gain nothing; or says how long to wait.
    pub(crate) fn admit(&mut self, key: &K, now: Instant) -> Result<(), Duration> {
        let before = self.keys.get(key).copied().filter(|tries| now - tries.last < FORGIVEN);
        if let Some(tries) = before
            && tries.next > now
        {
            return Err(tries.next - now);
        }
        if before.is_none() {
            self.make_room(now);
        }
        let count = before.map_or(0, |tries| tries.count) + 1;
        let wait = match count.checked_sub(self.free) {
            Some(over) => Duration::from_secs(1 << over.min(20)).min(self.longest),
            None => Duration::ZERO,
        };
        self.keys.insert(key.clone(), Tries { count, last: now, next: now + wait });
        Ok(())
    }

    /// The key starts afresh.
    pub(crate) fn clear(&mut self, key: &K) {
        self.keys.remove(key);
    }

    /// The last try was right after all and doesn't count.
    pub(crate) fn take_back(&mut self, key: &K) {
        if let Some(tries) = self.keys.get_mut(key) {
            tries.count = tries.count.saturating_sub(1);
            tries.next = tries.last;
        }
    }

    fn make_room(&mut self, now: Instant) {
        if self.keys.len() < CAPACITY {
            return;
        }
        self.keys.retain(|_, tries| now - tries.last < FORGIVEN);
        if self.keys.len() >= CAPACITY
            && let Some(oldest) =
                self.keys.iter().min_by_key(|(_, tries)| tries.last).map(|(key, _)| key.clone())
        {
            self.keys.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: Duration = secs(900);

    const fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[tokio::test]
    async fn the_first_tries_are_free_and_each_further_one_waits_twice_as_long() {
        let mut throttle = Throttle::new(3, LONGEST);
        let mut now = Instant::now();
        for wait in [0, 0, 1, 2, 4, 8, 16] {
            throttle.admit(&"a", now).unwrap();
            if wait > 0 {
                assert_eq!(throttle.admit(&"a", now), Err(secs(wait)));
            }
            now += secs(wait);
        }
        throttle.admit(&"b", now).unwrap();
    }

    #[tokio::test]
    async fn refused_tries_are_not_counted_and_waits_are_bounded() {
        let mut throttle = Throttle::new(1, LONGEST);
        let mut now = Instant::now();
        for _ in 0..60 {
            throttle.admit(&"a", now).unwrap();
            let wait = throttle.admit(&"a", now).unwrap_err();
            assert_eq!(throttle.admit(&"a", now), Err(wait));
            assert!(wait <= LONGEST);
            now += wait;
        }
        assert_eq!(throttle.admit(&"a", now), Ok(()));
    }

    #[tokio::test]
    async fn success_and_an_hour_of_peace_forgive() {
        let mut throttle = Throttle::new(1, LONGEST);
        let now = Instant::now();
        throttle.admit(&"a", now).unwrap();
        throttle.clear(&"a");
        throttle.admit(&"a", now).unwrap();
        throttle.take_back(&"a");
        throttle.admit(&"a", now).unwrap();
        assert!(throttle.admit(&"a", now).is_err());
        throttle.admit(&"a", now + FORGIVEN).unwrap();
        assert_eq!(throttle.admit(&"a", now + FORGIVEN), Err(secs(1)));
    }

    #[tokio::test]
    async fn memory_is_bounded() {
        let mut throttle = Throttle::new(1, LONGEST);
        let now = Instant::now();
        for key in 0..CAPACITY as u64 + 50 {
            throttle.admit(&key, now + Duration::from_millis(key)).unwrap();
        }
        assert_eq!(throttle.keys.len(), CAPACITY);
        assert!(!throttle.keys.contains_key(&0));
    }
}
