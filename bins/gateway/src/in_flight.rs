//! How many requests each client behind a proxy has under way. Whoever connects directly is counted by their connections.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::networks;

/// Counts requests under way, by address of their client. Clones count the same.
#[derive(Clone)]
pub(crate) struct InFlight {
    /// Of one client. An IPv6 client's address is its /64.
    most: usize,
    /// As many clients as connections at most.
    by_client: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// A request that is under way, until this is dropped.
pub(crate) struct UnderWay {
    client: IpAddr,
    by_client: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl InFlight {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, by_client: Arc::default() }
    }

    /// A place for a request; `None` if the client has as many under way as may be.
    pub(crate) fn begin(&self, client: IpAddr) -> Option<UnderWay> {
        let client = networks::of_one_client(client);
        let mut by_client = self.by_client.lock();
        let own = by_client.get(&client).copied().unwrap_or_default();
        if own >= self.most {
            return None;
        }
        by_client.insert(client, own + 1);
        Some(UnderWay { client, by_client: Arc::clone(&self.by_client) })
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut by_client = self.by_client.lock();
        match by_client.get_mut(&self.client) {
            Some(own) if *own > 1 => *own -= 1,
            _ => {
                by_client.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_has_places_of_its_own_and_gets_them_back() {
        let of = |text: &str| text.parse::<IpAddr>().unwrap();
        let in_flight = InFlight::new(2);
        let (one, other) = (of("2001:db8::1"), of("2001:db8::2"));
        let places = [in_flight.begin(one), in_flight.begin(other)];
        assert!(places.iter().all(Option::is_some));
        assert!(in_flight.begin(one).is_none(), "they are one client");
        assert!(in_flight.begin(of("192.0.2.1")).is_some());
        drop(places);
        assert!(in_flight.begin(one).is_some());
        assert!(in_flight.by_client.lock().is_empty());
    }
}
