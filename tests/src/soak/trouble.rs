use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use super::pause;
use super::talker::Talker;
use crate::{Gateway, GatewayOptions, Simulator};

/// Between two troubles, in milliseconds.
const PACE: std::ops::Range<u64> = 300..1_500;
/// How long a condition lasts, in milliseconds.
const LASTS: std::ops::Range<u64> = 500..6_000;
/// One trouble in so many is a restart, one a jump of the clock, and two are changes of who is who.
const RARE: u32 = 40;
/// Devices that one account has beside its phone and the gateway.
const MOST_DEVICES: usize = 2;
/// How far WhatsApp's clock goes ahead of the machine's or falls behind it, in days: its certificates outlast that.
const DAYS: std::ops::RangeInclusive<i64> = -9..=9;
const DAY_MILLIS: i64 = 24 * 60 * 60 * 1_000;

/// What happened how often.
#[derive(Clone, Default)]
pub(super) struct Counts(BTreeMap<String, usize>);

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts: Vec<String> = self.0.iter().map(|(what, count)| format!("{what} {count}")).collect();
        f.write_str(&counts.join(", "))
    }
}

/// Places faults and breaks connections at random, and counts what it did.
pub(super) struct Troubles<'a> {
    simulator: &'a Arc<Simulator>,
    talkers: &'a [Arc<Talker>],
    seed: u64,
    rng: ChaCha8Rng,
    began: Instant,
    counts: Counts,
    /// Devices that were linked, by the number of their account.
    devices: BTreeMap<String, Vec<u64>>,
}

impl<'a> Troubles<'a> {
    pub(super) fn new(simulator: &'a Arc<Simulator>, talkers: &'a [Arc<Talker>], seed: u64) -> Self {
        let rng = ChaCha8Rng::seed_from_u64(seed);
        let (counts, devices) = (Counts::default(), BTreeMap::new());
        Self { simulator, talkers, seed, rng, began: Instant::now(), counts, devices }
    }

    /// One after another until then; with a gateway, it is killed and restarted, too.
    pub(super) async fn make_until(
        &mut self,
        end: Instant,
        mut gateway: Option<(&mut Gateway, &GatewayOptions<'_>)>,
    ) {
        while Instant::now() < end {
            pause(&mut self.rng, PACE).await;
            match self.rng.random_range(0..RARE) {
                0 => self.turn_clock().await,
                1 => {
                    if let Some((gateway, options)) = &mut gateway {
                        self.restart(gateway, options);
                    }
                }
                2 | 3 => self.change_who_is_who().await,
                _ => self.strike().await,
            }
        }
    }

    /// Ends all that still lasts.
    pub(super) async fn end(&self) {
        self.simulator.delete("/sim/faults").await;
        self.simulator.post("/sim/clock", json!({ "offsetMs": 0 })).await;
    }

    /// What there was.
    pub(super) fn counts(&self) -> &Counts {
        &self.counts
    }

    async fn turn_clock(&mut self) {
        let offset = self.rng.random_range(DAYS) * DAY_MILLIS;
        self.simulator.post("/sim/clock", json!({ "offsetMs": offset })).await;
        self.count("jump of the clock");
    }

    fn restart(&mut self, gateway: &mut Gateway, options: &GatewayOptions<'_>) {
        if self.rng.random() {
            gateway.process().kill();
            self.count("kill");
        } else {
            assert!(gateway.process().stop(), "the gateway stops cleanly");
            self.count("restart");
        }
        gateway.start_again(self.simulator, options);
    }

    /// The peer of a talker has a new phone, of which others are told or not; or it, or the talker, links a device or unlinks
    /// one.
    async fn change_who_is_who(&mut self) {
        let Talker { number, peer, .. } = &**self.talkers.choose(&mut self.rng).expect("talkers");
        if self.rng.random_ratio(1, 3) {
            // Its devices are gone with the old one.
            self.devices.remove(peer);
            let quiet: bool = self.rng.random();
            self.simulator.post(&format!("/sim/phones/{peer}/reinstall"), json!({ "quiet": quiet })).await;
            self.count(if quiet { "new phone, untold" } else { "new phone" });
            return;
        }
        let number = if self.rng.random() { peer } else { number };
        let linked = self.devices.entry(number.clone()).or_default();
        let path = format!("/sim/phones/{number}/devices");
        let is_more = linked.is_empty() || linked.len() < MOST_DEVICES && self.rng.random();
        if is_more {
            let device = self.simulator.post(&path, json!({})).await;
            linked.push(device["device"].as_u64().expect("device"));
        } else if let Some(device) = linked.pop() {
            self.simulator.delete(&format!("{path}/{device}")).await;
        }
        self.count(if is_more { "device linked" } else { "device unlinked" });
    }

    /// A fault for one of the talkers.
    async fn strike(&mut self) {
        let talker = self.talkers.choose(&mut self.rng).expect("talkers");
        let mut fault = once().choose(&mut self.rng).expect("faults").clone();
        let lasts = self.rng.random_ratio(1, 4);
        if lasts {
            fault = lasting().choose(&mut self.rng).expect("faults").clone();
        }
        fault["number"] = json!(talker.number);
        self.count(fault["kind"].as_str().expect("kind"));
        let placed = self.simulator.post("/sim/faults", fault).await;
        if lasts {
            pause(&mut self.rng, LASTS).await;
            self.simulator.delete(&format!("/sim/faults/{}", placed["id"])).await;
        }
    }

    fn count(&mut self, what: &str) {
        *self.counts.0.entry(what.to_owned()).or_default() += 1;
    }
}

impl Drop for Troubles<'_> {
    /// A run that fails has no other report.
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Self { seed, began, counts, .. } = self;
            eprintln!("soak: FAILED after {:?}, SOAK_SEED={seed}\ntroubles: {counts}", began.elapsed());
        }
    }
}

/// Faults that strike a few times.
fn once() -> Vec<Value> {
    let moments = ["now", "login", "send", "sent", "deliver"];
    let drops = moments.map(|when| json!({ "kind": "drop", "when": when }));
    let mut faults = vec![
        json!({ "kind": "stream_error", "code": 503, "when": "now" }),
        json!({ "kind": "stream_error", "code": 515, "when": "deliver" }),
        json!({ "kind": "failure", "reason": 503 }),
        json!({ "kind": "duplicate", "count": 3 }),
        json!({ "kind": "reorder", "window": 3 }),
        json!({ "kind": "undecryptable", "count": 1 }),
        json!({ "kind": "undecryptable", "count": 2 }),
        json!({ "kind": "no_ack" }),
        json!({ "kind": "wrong_phash" }),
        json!({ "kind": "stanza", "tag": "status" }),
        json!({ "kind": "stanza", "tag": "novelty" }),
        json!({ "kind": "iq_silence", "xmlns": "encrypt" }),
        json!({ "kind": "iq_error", "xmlns": "usync", "code": 500, "text": "internal-server-error" }),
    ];
    faults.extend(drops);
    faults
}

/// Conditions, which last until they are ended.
fn lasting() -> Vec<Value> {
    vec![
        json!({ "kind": "delay", "millis": 300 }),
        json!({ "kind": "backlog" }),
        json!({ "kind": "silence" }),
        json!({ "kind": "empty_prekeys" }),
    ]
}
