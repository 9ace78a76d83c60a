//! Symmetric chains: one key per message, each forgotten when it is used. The double ratchet and
//! sender keys share them.

use wa_crypto::{Secret, mac};

/// How many keys a receiving chain skips at most for one message (protocol facts, section 10).
pub const MAX_AHEAD: u32 = 2000;

/// How many skipped keys one record keeps at most, over all its chains; the oldest go first.
pub const MAX_STORED_KEYS: usize = 2000;

/// How many counters a record reserves at most. Well below [`MAX_AHEAD`], so that a reload that
/// skips a whole reservation doesn't run away from the receiver.
pub const MAX_LEASE: u32 = 1000;

/// A position in a chain: the key from which that of message `counter` and all later ones follow.
#[derive(Clone)]
pub(crate) struct Chain {
    pub(crate) key: Secret<32>,
    pub(crate) counter: u32,
}

impl Chain {
    pub(crate) fn new(key: Secret<32>) -> Self {
        Self { key, counter: 0 }
    }

    /// From what the keys of message `counter` are derived.
    pub(crate) fn seed(&self) -> Secret<32> {
        Secret::new(mac::hmac_sha256(self.key.expose(), &[&[0x01]]))
    }

    /// Forgets the key of message `counter`. The last counter has no successor: `u32::MAX` is
    /// never handed out, so it doesn't wrap.
    pub(crate) fn advance(&mut self) {
        self.key = Secret::new(mac::hmac_sha256(self.key.expose(), &[&[0x02]]));
        self.counter = self.counter.saturating_add(1);
    }

    pub(crate) fn advance_to(&mut self, counter: u32) {
        while self.counter < counter {
            self.advance();
        }
    }
}

/// All 2^32 − 1 counters of a sending chain are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exhausted;

/// A sending chain with its counter lease: the stored record reserves counters ahead of use, so
/// that not every message waits for a write, and a reload skips what may have been used.
#[derive(Clone)]
pub(crate) struct Outbound {
    chain: Chain,
    lease: Lease,
}

/// What is known about the counters below `until`.
#[derive(Clone, Copy)]
enum Lease {
    /// The newest record reserves them for this value.
    Granted { until: u32 },
    /// The value came from a record that reserved them; an earlier life may have used them.
    Inherited { until: u32 },
}

impl Outbound {
    /// A new chain: no record knows it yet.
    pub(crate) fn new(key: Secret<32>) -> Self {
        Self { chain: Chain::new(key), lease: Lease::Granted { until: 0 } }
    }

    /// A stored chain, of which the counters up to `until` (exclusive) may be used up.
    pub(crate) fn from_stored(chain: Chain, until: u32) -> Self {
        Self { chain, lease: Lease::Inherited { until } }
    }

    /// Takes the next counter and its seed; the seed can't be had again.
    pub(crate) fn take(&mut self) -> Result<(u32, Secret<32>), Exhausted> {
        if let Lease::Inherited { until } = self.lease {
            self.chain.advance_to(until);
            self.lease = Lease::Granted { until };
        }
        let counter = self.chain.counter;
        if counter == u32::MAX {
            return Err(Exhausted);
        }
        let seed = self.chain.seed();
        self.chain.advance();
        Ok((counter, seed))
    }

    /// Whether the newest record covers all counters taken.
    pub(crate) fn is_covered(&self) -> bool {
        match self.lease {
            Lease::Granted { until } => self.chain.counter <= until,
            Lease::Inherited { .. } => true,
        }
    }

    /// The first counter that certainly was never used.
    pub(crate) fn unused(&self) -> u32 {
        match self.lease {
            Lease::Granted { .. } => self.chain.counter,
            Lease::Inherited { until } => until,
        }
    }

    /// The chain at its first counter that certainly was never used.
    pub(crate) fn unused_chain(&self) -> Chain {
        let mut chain = self.chain.clone();
        chain.advance_to(self.unused());
        chain
    }

    /// Reserves `lease` counters from here on. An inherited lease stays as it is: were it extended
    /// on every write, a session that only receives would drift away from its receiver with every
    /// reload.
    pub(crate) fn reserve(&mut self, lease: u32) {
        if let Lease::Granted { until } = &mut self.lease {
            *until = self.chain.counter.saturating_add(lease.min(MAX_LEASE));
        }
    }

    /// What to store: the chain, and up to where its counters may be used up by the time it is
    /// read. A chain that is not to send before the next write needs no reservation.
    pub(crate) fn stored(&self, sends: bool) -> (&Chain, u32) {
        let until = match self.lease {
            Lease::Granted { .. } if !sends => self.chain.counter,
            Lease::Granted { until } | Lease::Inherited { until } => until,
        };
        (&self.chain, until.max(self.chain.counter))
    }
}

/// Why a receiving chain has no key for a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoKey {
    /// Its key was used, or is so old that it was dropped.
    Used,
    /// More than [`MAX_AHEAD`] keys would have to be skipped.
    TooFarAhead,
}

/// A receiving chain and the keys of messages that were skipped.
#[derive(Clone)]
pub(crate) struct Inbound {
    pub(crate) chain: Chain,
    /// In ascending order of counters, all below the chain's.
    pub(crate) skipped: Vec<SkippedKey>,
}

/// The seed of a message that hasn't come yet.
#[derive(Clone)]
pub(crate) struct SkippedKey {
    pub(crate) counter: u32,
    pub(crate) seed: Secret<32>,
}

/// What changes in an [`Inbound`] once a message has proved genuine.
pub(crate) enum Step {
    /// A skipped key was used.
    Use { index: usize },
    /// The chain moved ahead.
    Advance { chain: Chain, skipped: Vec<SkippedKey> },
}

impl Inbound {
    pub(crate) fn new(chain: Chain) -> Self {
        Self { chain, skipped: Vec::new() }
    }

    /// The seed of message `counter`, and the step that takes it. Changes nothing.
    pub(crate) fn find(&self, counter: u32) -> Result<(Secret<32>, Step), NoKey> {
        if counter < self.chain.counter {
            let index = self.skipped.binary_search_by_key(&counter, |key| key.counter);
            let index = index.map_err(|_| NoKey::Used)?;
            let key = self.skipped.get(index).ok_or(NoKey::Used)?;
            return Ok((key.seed.clone(), Step::Use { index }));
        }
        let ahead = counter - self.chain.counter;
        if ahead > MAX_AHEAD || counter == u32::MAX {
            return Err(NoKey::TooFarAhead);
        }
        let mut chain = self.chain.clone();
        let mut skipped = Vec::with_capacity(ahead as usize);
        while chain.counter < counter {
            skipped.push(SkippedKey { counter: chain.counter, seed: chain.seed() });
            chain.advance();
        }
        let seed = chain.seed();
        chain.advance();
        Ok((seed, Step::Advance { chain, skipped }))
    }

    pub(crate) fn apply(&mut self, step: Step) {
        match step {
            Step::Use { index } if index < self.skipped.len() => drop(self.skipped.remove(index)),
            Step::Use { .. } => {}
            Step::Advance { chain, mut skipped } => {
                self.chain = chain;
                self.skipped.append(&mut skipped);
            }
        }
    }

    /// Forgets the oldest skipped keys, at most `surplus`; gives how many are left to forget.
    pub(crate) fn forget_skipped(&mut self, surplus: usize) -> usize {
        let count = surplus.min(self.skipped.len());
        self.skipped.drain(..count);
        surplus - count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain() -> Chain {
        Chain::new(Secret::new([7; 32]))
    }

    /// What a process does that stores a record and then dies.
    fn reload(outbound: &mut Outbound, lease: u32) -> Outbound {
        outbound.reserve(lease);
        let (chain, until) = outbound.stored(true);
        Outbound::from_stored(chain.clone(), until)
    }

    #[test]
    fn an_outbound_chain_gives_each_counter_once() {
        let mut outbound = Outbound::new(Secret::new([7; 32]));
        let seeds: Vec<_> = (0..5).map(|_| outbound.take().unwrap()).collect();
        for (counter, seed) in &seeds {
            let mut expected = chain();
            expected.advance_to(*counter);
            assert!(*seed == expected.seed());
        }
        assert_eq!(seeds.iter().map(|(counter, _)| *counter).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn a_lease_covers_as_many_messages_as_it_says() {
        let mut outbound = Outbound::new(Secret::new([7; 32]));
        assert!(outbound.is_covered());
        outbound.take().unwrap();
        assert!(!outbound.is_covered());
        outbound.reserve(3);
        for _ in 0..3 {
            assert!(outbound.is_covered());
            outbound.take().unwrap();
        }
        assert!(outbound.is_covered());
        outbound.take().unwrap();
        assert!(!outbound.is_covered());
    }

    #[test]
    fn a_reload_skips_the_whole_lease_and_needs_a_new_one() {
        let mut outbound = Outbound::new(Secret::new([7; 32]));
        outbound.take().unwrap();
        let mut reloaded = reload(&mut outbound, 64);
        assert!(reloaded.is_covered());
        assert_eq!(reloaded.unused(), 65);
        assert_eq!(reloaded.take().unwrap().0, 65);
        assert!(!reloaded.is_covered());
    }

    #[test]
    fn reloads_without_sending_dont_drift() {
        let mut outbound = Outbound::new(Secret::new([7; 32]));
        outbound.take().unwrap();
        for _ in 0..100 {
            outbound = reload(&mut outbound, 64);
        }
        assert_eq!(outbound.unused(), 65);
        assert_eq!(outbound.unused_chain().counter, 65);
    }

    #[test]
    fn a_lease_is_capped() {
        let mut outbound = Outbound::new(Secret::new([7; 32]));
        outbound.reserve(u32::MAX);
        assert_eq!(outbound.stored(true).1, MAX_LEASE);
        assert_eq!(outbound.stored(false).1, 0);
    }

    #[test]
    fn the_last_counter_is_never_used() {
        let last = Chain { key: Secret::new([7; 32]), counter: u32::MAX - 1 };
        let mut outbound = Outbound::from_stored(last.clone(), u32::MAX - 1);
        assert_eq!(outbound.take().map(|(counter, _)| counter), Ok(u32::MAX - 1));
        assert_eq!(outbound.take().map(|(counter, _)| counter), Err(Exhausted));
        assert!(matches!(Inbound::new(last).find(u32::MAX), Err(NoKey::TooFarAhead)));
    }

    #[test]
    fn keys_are_found_out_of_order_and_only_once() {
        let mut inbound = Inbound::new(chain());
        let mut sender = chain();
        let seeds: Vec<_> = (0..6)
            .map(|_| {
                let seed = sender.seed();
                sender.advance();
                seed
            })
            .collect();
        for counter in [3, 0, 5, 1, 4, 2] {
            let (seed, step) = inbound.find(counter).unwrap();
            assert!(seed == seeds[counter as usize]);
            inbound.apply(step);
            assert!(matches!(inbound.find(counter), Err(NoKey::Used)));
        }
        assert!(inbound.skipped.is_empty());
    }

    #[test]
    fn looking_ahead_is_bounded() {
        let inbound = Inbound::new(chain());
        assert!(inbound.find(MAX_AHEAD).is_ok());
        assert!(matches!(inbound.find(MAX_AHEAD + 1), Err(NoKey::TooFarAhead)));
    }
}
