//! Slows down whoever guesses passwords. Pure: time is an argument.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use tokio::time::Instant;

/// Without tries for this long, the past is forgiven.
const FORGIVEN: Duration = Duration::from_secs(60 * 60);
/// Most keys that are remembered: with what belongs to each, a megabyte.
const CAPACITY: usize = 10_000;

/// What tries are counted by: 16 bytes, however long the text is that a caller sends. It is keyed anew in each process, so
/// that nobody can choose texts that share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key([u8; 16]);

impl Key {
    /// For work of our own, which no caller asked for.
    pub(crate) const OURS: Self = Self([0; 16]);
}

/// Makes [`Key`]s.
pub(crate) struct Keys(ring::hmac::Key);

impl Keys {
    pub(crate) fn new() -> Self {
        Self(ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &rand::random::<[u8; 32]>()))
    }

    /// The key of an address. What one client can hold many of is counted as one: an IPv6 client has a whole /64.
    pub(crate) fn address(&self, address: IpAddr) -> Key {
        match address.to_canonical() {
            IpAddr::V6(v6) => self.of(&[b"6", &v6.octets()[..8]]),
            IpAddr::V4(v4) => self.of(&[b"4", &v4.octets()]),
        }
    }

    /// The key of an account that is tried from an address.
    pub(crate) fn account(&self, email: &str, address: Key) -> Key {
        self.of(&[b"@", &address.0, email.to_lowercase().as_bytes()])
    }

    fn of(&self, parts: &[&[u8]]) -> Key {
        let mut context = ring::hmac::Context::with_key(&self.0);
        parts.iter().for_each(|part| context.update(part));
        let mut key = [0; 16];
        key.iter_mut().zip(context.sign().as_ref()).for_each(|(byte, hashed)| *byte = *hashed);
        Key(key)
    }
}

/// Counts tries per key. The first `free` are immediate, each further one must wait twice as long as the one
/// before.
#[derive(Debug)]
pub(crate) struct Throttle {
    free: u32,
    longest: Duration,
    keys: HashMap<Key, Tries>,
}

#[derive(Clone, Copy, Debug)]
struct Tries {
    count: u32,
    last: Instant,
    next: Instant,
}

impl Throttle {
    /// `longest` bounds the wait between two tries.
    pub(crate) fn new(free: u32, longest: Duration) -> Self {
        Self { free, longest, keys: HashMap::new() }
    }

    /// Whether a try may be made now, or how long to wait. Remembers nothing: only tries that everybody admits are to be
    /// [counted](Self::count).
    pub(crate) fn ask(&self, key: Key, now: Instant) -> Result<(), Duration> {
        match self.before(key, now) {
            Some(tries) if tries.next > now => Err(tries.next - now),
            _ => Ok(()),
        }
    }

    /// Counts a try before it is made, so that many at once gain nothing.
    pub(crate) fn count(&mut self, key: Key, now: Instant) {
        let before = self.before(key, now);
        if before.is_none() {
            self.make_room(now);
        }
        let count = before.map_or(0, |tries| tries.count) + 1;
        let wait = match count.checked_sub(self.free) {
            Some(over) => Duration::from_secs(1 << over.min(20)).min(self.longest),
            None => Duration::ZERO,
        };
        self.keys.insert(key, Tries { count, last: now, next: now + wait });
    }

    /// The key starts afresh.
    pub(crate) fn clear(&mut self, key: Key) {
        self.keys.remove(&key);
    }

    /// The last try doesn't count after all.
    pub(crate) fn take_back(&mut self, key: Key) {
        if let Some(tries) = self.keys.get_mut(&key) {
            tries.count = tries.count.saturating_sub(1);
            tries.next = tries.last;
        }
    }

    fn before(&self, key: Key, now: Instant) -> Option<Tries> {
        self.keys.get(&key).copied().filter(|tries| now - tries.last < FORGIVEN)
    }

    /// Whoever has to wait is forgotten last: otherwise the wait would end for whoever sends enough junk.
    fn make_room(&mut self, now: Instant) {
        if self.keys.len() < CAPACITY {
            return;
        }
        self.keys.retain(|_, tries| now - tries.last < FORGIVEN);
        if self.keys.len() < CAPACITY {
            return;
        }
        let least = self.keys.iter().min_by_key(|(_, tries)| (tries.next.max(now), tries.last));
        if let Some(key) = least.map(|(key, _)| *key) {
            self.keys.remove(&key);
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

    fn key(n: u64) -> Key {
        let mut key = [1; 16];
        key[..8].copy_from_slice(&n.to_be_bytes());
        Key(key)
    }

    impl Throttle {
        fn admit(&mut self, key: Key, now: Instant) -> Result<(), Duration> {
            self.ask(key, now)?;
            self.count(key, now);
            Ok(())
        }
    }

    #[tokio::test]
    async fn the_first_tries_are_free_and_each_further_one_waits_twice_as_long() {
        let mut throttle = Throttle::new(3, LONGEST);
        let mut now = Instant::now();
        for wait in [0, 0, 1, 2, 4, 8, 16] {
            throttle.admit(key(1), now).unwrap();
            if wait > 0 {
                assert_eq!(throttle.admit(key(1), now), Err(secs(wait)));
            }
            now += secs(wait);
        }
        throttle.admit(key(2), now).unwrap();
    }

    #[tokio::test]
    async fn refused_tries_are_not_counted_and_waits_are_bounded() {
        let mut throttle = Throttle::new(1, LONGEST);
        let mut now = Instant::now();
        for _ in 0..60 {
            throttle.admit(key(1), now).unwrap();
            let wait = throttle.admit(key(1), now).unwrap_err();
            assert_eq!(throttle.admit(key(1), now), Err(wait));
            assert!(wait <= LONGEST);
            now += wait;
        }
        assert_eq!(throttle.admit(key(1), now), Ok(()));
    }

    #[tokio::test]
    async fn success_and_an_hour_of_peace_forgive() {
        let mut throttle = Throttle::new(1, LONGEST);
        let now = Instant::now();
        throttle.admit(key(1), now).unwrap();
        throttle.clear(key(1));
        throttle.admit(key(1), now).unwrap();
        throttle.take_back(key(1));
        throttle.admit(key(1), now).unwrap();
        assert!(throttle.admit(key(1), now).is_err());
        throttle.admit(key(1), now + FORGIVEN).unwrap();
        assert_eq!(throttle.admit(key(1), now + FORGIVEN), Err(secs(1)));
    }

    #[tokio::test]
    async fn junk_neither_grows_it_nor_ends_a_wait() {
        let mut throttle = Throttle::new(2, LONGEST);
        let now = Instant::now();
        throttle.admit(key(0), now).unwrap();
        throttle.admit(key(0), now).unwrap();
        assert_eq!(throttle.ask(key(0), now), Err(secs(1)));
        for junk in 1..CAPACITY as u64 + 50 {
            throttle.admit(key(junk), now + Duration::from_millis(1)).unwrap();
        }
        assert_eq!(throttle.keys.len(), CAPACITY);
        assert_eq!(throttle.ask(key(0), now), Err(secs(1)));
    }

    #[test]
    fn a_client_with_many_ipv6_addresses_is_one() {
        let keys = Keys::new();
        let of = |text: &str| keys.address(text.parse().unwrap());
        assert_eq!(of("2001:db8:1:2:3::4"), of("2001:db8:1:2:ffff::1"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(keys.account("a", of("192.0.2.1")), keys.account("a", of("192.0.2.2")));
        assert_eq!(keys.account("A@b", of("192.0.2.1")), keys.account("a@b", of("192.0.2.1")));
    }
}
