use std::time::{Duration, Instant};

use serde_json::json;

use super::connection::Connection;
use super::load::{Fleet, path_of};
use crate::{Gateway, Simulator};

/// Members beside the account that writes.
const OTHERS: usize = 999;
/// Messages after the first, of which the median counts.
const LATER: usize = 21;

/// A group of 1,000, nobody of whom the account has written to before.
pub(super) struct Crowd {
    path: String,
    group: String,
    /// To whom the account writes while it writes to the group for the first time.
    friend: String,
}

/// How long messages to the group took.
pub(super) struct Times {
    pub(super) first: Duration,
    /// The longest that somebody else's message took meanwhile.
    pub(super) beside: Duration,
    pub(super) later: Duration,
}

impl Crowd {
    /// Makes the group; other people for each round.
    pub(super) async fn gather(sim: &Simulator, fleet: &Fleet, round: usize) -> Self {
        let (instance, number, friend) = fleet.first();
        let first = 17_770_000_000 + round * OTHERS;
        sim.post("/sim/phones", json!({ "number": first, "count": OTHERS })).await;
        let members: Vec<usize> = (first..first + OTHERS).collect();
        let body = json!({ "creator": number, "subject": "Crowd", "members": members });
        let group = sim.post("/sim/groups", body).await;
        Self {
            path: path_of(instance),
            group: group["id"].as_str().expect("its address").to_owned(),
            friend: friend.to_owned(),
        }
    }

    /// Writes to it, and to somebody else meanwhile.
    pub(super) async fn write(&self, gateway: &Gateway) -> Times {
        let mut to_group = Connection::open(gateway.url(), gateway.api_key()).await;
        let mut to_friend = Connection::open(gateway.url(), gateway.api_key()).await;
        self.send(&mut to_friend, &self.friend).await;
        let mut beside = Duration::ZERO;
        let first = {
            let first = self.send(&mut to_group, &self.group);
            tokio::pin!(first);
            loop {
                tokio::select! {
                    taken = &mut first => break taken,
                    taken = self.send(&mut to_friend, &self.friend) => beside = beside.max(taken),
                }
            }
        };
        let mut later = Vec::with_capacity(LATER);
        for _ in 0..LATER {
            later.push(self.send(&mut to_group, &self.group).await);
        }
        later.sort_unstable();
        Times { first, beside, later: later[LATER / 2] }
    }

    async fn send(&self, connection: &mut Connection, to: &str) -> Duration {
        let sent = Instant::now();
        let body = json!({ "phone": to, "message": "hello from the bench", "allowDuplicate": true });
        let (status, body) = connection.post(&self.path, &body).await;
        assert_eq!(status, 200, "send: {body:?}");
        sent.elapsed()
    }
}
