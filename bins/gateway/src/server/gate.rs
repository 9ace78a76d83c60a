//! Who may connect.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use parking_lot::Mutex;
use thiserror::Error;
use tokio::time::Instant;

use crate::networks;

/// How often the log says that there are too many connections.
const SAID_EVERY: Duration = Duration::from_secs(60);

/// How many connections there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// From all addresses together.
    pub(crate) all: usize,
    /// From one address, except of trusted proxies. An IPv6 client's address is its /64.
    pub(crate) per_address: usize,
}

impl Limits {
    /// A connection whose client sends ahead and reads nothing takes some 100 KB, and the answer that is under way: so all
    /// of them fit in a gigabyte while answers are small.
    const MOST: usize = 4096;
    /// With fewer nobody could work.
    const FEWEST: usize = 16;

    /// A quarter of the files that may be open. The rest is for what must not fail because of strangers: a socket for each
    /// instance and for each webhook under way, the database, logs.
    pub(crate) fn of(descriptors: u64) -> Self {
        let all = usize::try_from(descriptors / 4).unwrap_or(usize::MAX).clamp(Self::FEWEST, Self::MOST);
        // Half of them, so that one client never shuts out all others, and a proxy that nobody named still works.
        Self { all, per_address: all / 2 }
    }
}

/// Why somebody may not connect.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(crate) enum Refused {
    #[error("its address isn't one that is served")]
    Stranger,
    #[error("its address has too many connections")]
    TooManyOfAddress,
    #[error("there are too many connections")]
    TooMany,
}

/// Lets connections in. Clones are the same gate.
#[derive(Clone)]
pub(crate) struct Gate {
    inner: Arc<Inner>,
}

struct Inner {
    served: Vec<IpNet>,
    proxies: Vec<IpNet>,
    limits: Limits,
    open: Mutex<Open>,
}

/// As many addresses as connections at most.
#[derive(Default)]
struct Open {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
    said: Option<Instant>,
}

/// The place of a connection; free again when it is dropped.
pub(crate) struct Place {
    gate: Gate,
    address: IpAddr,
}

impl Gate {
    /// Serves these networks, or everybody if there are none. Behind the trusted `proxies` it is for each request to say
    /// whom it comes from.
    pub(crate) fn new(served: Vec<IpNet>, proxies: Vec<IpNet>, limits: Limits) -> Self {
        let open = Mutex::new(Open::default());
        Self { inner: Arc::new(Inner { served, proxies, limits, open }) }
    }

    pub(crate) fn limits(&self) -> Limits {
        self.inner.limits
    }

    /// A place for a connection from this address.
    ///
    /// # Errors
    /// [`Refused`], if it may not connect at all, or not now.
    pub(crate) fn admit(&self, peer: IpAddr) -> Result<Place, Refused> {
        let Inner { served, proxies, limits, open } = &*self.inner;
        let peer = peer.to_canonical();
        let proxy = networks::contains(proxies, peer);
        if !proxy && !served.is_empty() && !networks::contains(served, peer) {
            return Err(Refused::Stranger);
        }
        let address = networks::of_one_client(peer);
        let mut open = open.lock();
        let own = open.by_address.get(&address).copied().unwrap_or_default();
        let refused = match () {
            () if open.all >= limits.all => Refused::TooMany,
            () if !proxy && own >= limits.per_address => Refused::TooManyOfAddress,
            () => {
                open.all += 1;
                open.by_address.insert(address, own + 1);
                return Ok(Place { gate: self.clone(), address });
            }
        };
        open.say(peer, refused);
        Err(refused)
    }
}

impl Open {
    fn say(&mut self, peer: IpAddr, refused: Refused) {
        let now = Instant::now();
        if self.said.is_none_or(|said| now - said >= SAID_EVERY) {
            self.said = Some(now);
            tracing::warn!(%peer, open = self.all, "a connection was refused: {refused}");
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.gate.inner.open.lock();
        open.all -= 1;
        match open.by_address.get_mut(&self.address) {
            Some(own) if *own > 1 => *own -= 1,
            _ => {
                open.by_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn nets(text: &[&str]) -> Vec<IpNet> {
        text.iter().map(|net| net.parse().unwrap()).collect()
    }

    const TINY: Limits = Limits { all: 4, per_address: 2 };

    #[test]
    fn limits_leave_most_descriptors_to_others() {
        assert_eq!(Limits::of(1024), Limits { all: 256, per_address: 128 });
        assert_eq!(Limits::of(1), Limits { all: 16, per_address: 8 });
        assert_eq!(Limits::of(u64::MAX).all, 4096);
    }

    #[tokio::test]
    async fn places_are_counted_by_address_and_given_back() {
        let gate = Gate::new(Vec::new(), nets(&["10.0.0.1/32"]), TINY);
        let mut places: Vec<Place> =
            ["2001:db8::1", "2001:db8::2"].iter().map(|address| gate.admit(ip(address)).unwrap()).collect();
        assert_eq!(gate.admit(ip("2001:db8::3")).err(), Some(Refused::TooManyOfAddress));
        places.push(gate.admit(ip("192.0.2.1")).unwrap());
        places.push(gate.admit(ip("::ffff:192.0.2.1")).unwrap());
        assert_eq!(gate.admit(ip("192.0.2.9")).err(), Some(Refused::TooMany));
        places.clear();
        assert!(gate.inner.open.lock().by_address.is_empty());
        let proxied: Vec<_> = (0..TINY.all).map(|_| gate.admit(ip("10.0.0.1"))).collect();
        assert!(proxied.iter().all(Result::is_ok));
    }

    #[tokio::test]
    async fn strangers_do_not_connect_unless_through_a_proxy() {
        let gate = Gate::new(nets(&["192.0.2.0/24"]), nets(&["10.0.0.1/32"]), TINY);
        assert_eq!(gate.admit(ip("198.51.100.1")).err(), Some(Refused::Stranger));
        assert!(gate.admit(ip("192.0.2.1")).is_ok() && gate.admit(ip("::ffff:192.0.2.1")).is_ok());
        assert!(gate.admit(ip("10.0.0.1")).is_ok());
    }
}
