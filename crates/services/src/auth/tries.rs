//! Which tries to log in are looked at at all.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use storage::UserId;
use tokio::time::Instant;

use super::throttle::{Key, Keys, Throttle};

/// Tries that one address has for one account before it must wait.
pub(super) const FREE_TRIES: u32 = 5;
/// Tries that one address has for all accounts together.
pub(super) const FREE_TRIES_PER_ADDRESS: u32 = 30;
/// Keys of instances that open nothing which one address may show before it must wait.
pub(super) const FREE_MISSES: u32 = 30;
/// How long a guesser of one account waits at most.
const LONGEST_WAIT: Duration = Duration::from_secs(15 * 60);
/// Shorter, since many clients may share an address.
const LONGEST_WAIT_OF_ADDRESS: Duration = Duration::from_secs(60);
/// Wrong tries that an account takes in [`PERIOD`] from all addresses together; whoever has many addresses has no more.
pub(super) const FREE_TRIES_PER_ACCOUNT: u32 = 100;
const PERIOD: Duration = Duration::from_secs(60 * 60);
/// Between two tries for an account beyond that: a guesser gets 3,600 an hour, and whoever is right still finds a gap.
const PACE: Duration = Duration::from_secs(1);
/// Pairs of account and address that are known to belong together: only a right password makes one.
const MOST_FAMILIAR: usize = 1_000;

/// Counts tries by address, by account and address, and by account.
pub(super) struct Tries {
    keys: Keys,
    addresses: Throttle,
    accounts: Throttle,
    /// Keys of instances that open nothing, by address.
    misses: Throttle,
    /// Of users that exist, so there are no more of them than users.
    everywhere: HashMap<UserId, Failures>,
    /// When somebody was last right about an account from an address. What others do to the account elsewhere doesn't
    /// concern them.
    familiar: HashMap<Key, Instant>,
}

struct Failures {
    count: u32,
    since: Instant,
    last: Instant,
}

/// A try that was admitted.
#[derive(Clone, Copy)]
pub(super) struct Try {
    pub(super) address: Key,
    account: Key,
}

impl Tries {
    pub(super) fn new() -> Self {
        Self {
            keys: Keys::new(),
            addresses: Throttle::new(FREE_TRIES_PER_ADDRESS, LONGEST_WAIT_OF_ADDRESS),
            accounts: Throttle::new(FREE_TRIES, LONGEST_WAIT),
            misses: Throttle::new(FREE_MISSES, LONGEST_WAIT_OF_ADDRESS),
            everywhere: HashMap::new(),
            familiar: HashMap::new(),
        }
    }

    /// Admits a try, or says how long to wait. The address is asked first; a refused try leaves nothing behind.
    pub(super) fn admit(&mut self, email: &str, from: IpAddr, now: Instant) -> Result<Try, Duration> {
        let address = self.keys.address(from);
        self.addresses.ask(address, now)?;
        let account = self.keys.account(email, address);
        self.accounts.ask(account, now)?;
        self.addresses.count(address, now);
        self.accounts.count(account, now);
        Ok(Try { address, account })
    }

    /// Admits the try for this user, whose account it is, over all addresses. It tells that there is such an account, but
    /// only those who have tried it a hundred times from twenty addresses; counting for accounts that don't exist would
    /// let junk push out those that do.
    pub(super) fn admit_to(&mut self, user: UserId, attempt: Try, now: Instant) -> Result<(), Duration> {
        let fresh = || Failures { count: 0, since: now, last: now };
        let failures = self.everywhere.entry(user).or_insert_with(fresh);
        if now - failures.since >= PERIOD {
            *failures = fresh();
        }
        let next = failures.last + PACE;
        if failures.count >= FREE_TRIES_PER_ACCOUNT
            && next > now
            && !self.familiar.contains_key(&attempt.account)
        {
            return Err(next - now);
        }
        failures.count += 1;
        failures.last = now;
        Ok(())
    }

    /// Counts a key that opens nothing, or says how long to wait before the next.
    pub(super) fn miss(&mut self, from: IpAddr, now: Instant) -> Result<(), Duration> {
        let address = self.keys.address(from);
        self.misses.ask(address, now)?;
        self.misses.count(address, now);
        Ok(())
    }

    /// The try was not looked at.
    pub(super) fn take_back(&mut self, attempt: Try) {
        self.addresses.take_back(attempt.address);
        self.accounts.take_back(attempt.account);
    }

    /// The try was right.
    pub(super) fn succeeded(&mut self, user: UserId, attempt: Try, now: Instant) {
        self.addresses.take_back(attempt.address);
        self.accounts.clear(attempt.account);
        if let Some(failures) = self.everywhere.get_mut(&user) {
            failures.count = failures.count.saturating_sub(1);
        }
        if self.familiar.len() >= MOST_FAMILIAR
            && !self.familiar.contains_key(&attempt.account)
            && let Some(oldest) = self.familiar.iter().min_by_key(|(_, at)| **at).map(|(key, _)| *key)
        {
            self.familiar.remove(&oldest);
        }
        self.familiar.insert(attempt.account, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(n: u32) -> IpAddr {
        std::net::Ipv4Addr::from_bits(0x0a00_0000 + n).into()
    }

    #[tokio::test]
    async fn an_address_that_must_wait_cannot_touch_accounts() {
        let (mut tries, now) = (Tries::new(), Instant::now());
        for n in 0..FREE_TRIES_PER_ADDRESS {
            assert!(tries.admit(&format!("user{n}"), address(1), now).is_ok());
        }
        assert!(tries.admit("another", address(1), now).is_err());
        assert!(tries.admit("another", address(2), now).is_ok());
    }

    #[tokio::test]
    async fn many_addresses_share_the_tries_of_an_account() {
        let (mut tries, now, user) = (Tries::new(), Instant::now(), UserId::generate());
        let home = tries.admit("a", address(0), now).unwrap();
        tries.admit_to(user, home, now).unwrap();
        tries.succeeded(user, home, now);
        for n in 1..=FREE_TRIES_PER_ACCOUNT {
            let attempt = tries.admit("a", address(n), now).unwrap();
            tries.admit_to(user, attempt, now).unwrap();
        }
        let attempt = tries.admit("a", address(1_000), now).unwrap();
        assert_eq!(tries.admit_to(user, attempt, now), Err(PACE));
        tries.admit_to(user, home, now).unwrap();
        tries.admit_to(user, attempt, now + PACE).unwrap();
        assert_eq!(tries.admit_to(user, attempt, now + PACE), Err(PACE));
        tries.admit_to(UserId::generate(), attempt, now).unwrap();
        tries.admit_to(user, attempt, now + PERIOD).unwrap();
        tries.admit_to(user, attempt, now + PERIOD).unwrap();
    }

    #[tokio::test]
    async fn keys_that_open_nothing_make_their_address_wait() {
        let (mut tries, now) = (Tries::new(), Instant::now());
        for _ in 0..FREE_MISSES {
            tries.miss(address(1), now).unwrap();
        }
        assert_eq!(tries.miss(address(1), now), Err(Duration::from_secs(1)));
        tries.miss(address(2), now).unwrap();
        tries.miss(address(1), now + Duration::from_secs(1)).unwrap();
        assert!(tries.admit("a", address(1), now).is_ok(), "nothing is held against logins");
    }

    #[tokio::test]
    async fn what_is_familiar_is_bounded() {
        let (mut tries, now, user) = (Tries::new(), Instant::now(), UserId::generate());
        for n in 0..MOST_FAMILIAR as u32 + 50 {
            let attempt = tries.admit("a", address(n), now).unwrap();
            tries.succeeded(user, attempt, now);
        }
        assert_eq!(tries.familiar.len(), MOST_FAMILIAR);
    }
}
