//! Two devices under loss, repetition, disorder, crashes and simultaneous session starts: whatever
//! happens, no message key is used twice and every message that arrives is read, once.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::collections::HashSet;

use proptest::prelude::*;
use prost::Message as _;
use support::Device;
use wa_protobuf::signal::{PreKeySignalMessage, SignalMessage};
use wa_signal::{Ciphertext, DecryptError, Kind};

/// A packet may be overtaken by as many others; more could run past the chains that are kept.
const PATIENCE: usize = 3;

#[derive(Clone, Copy, Debug)]
enum Happened {
    /// `side` encrypts, saves if it has to, and sends.
    Send { side: Side, lease: u32 },
    /// `side` receives one of the packets at the front, and saves.
    Deliver { side: Side, pick: usize, lease: u32 },
    /// `side` encrypts and saves if it has to, but dies before sending.
    DieBeforeSending { side: Side, lease: u32 },
    /// `side` encrypts, but dies before saving.
    DieBeforeSavingASend { side: Side },
    /// `side` receives, but dies before saving: the server will deliver again.
    DieBeforeSavingADelivery { side: Side, pick: usize },
    /// `side` starts again with what it had saved.
    Crash { side: Side },
    /// `side` saves although it needn't.
    Save { side: Side, lease: u32 },
    /// The packet is lost.
    Drop { side: Side, pick: usize },
    /// The packet arrives a second time.
    Duplicate { side: Side, pick: usize },
    /// `side` starts a session anew, as after a retry receipt.
    Initiate { side: Side },
}

type Side = usize;

struct Packet {
    number: usize,
    message: Ciphertext,
    overtaken: usize,
}

/// Two devices, and for each the packets on their way to it.
struct World {
    devices: [Device; 2],
    queues: [Vec<Packet>; 2],
    sent: usize,
    read: HashSet<usize>,
    used_keys: HashSet<(Vec<u8>, u32)>,
    next_prekey: [u32; 2],
}

impl World {
    fn new(seed: u64) -> Self {
        Self {
            devices: [Device::new(seed), Device::new(seed + 1)],
            queues: [Vec::new(), Vec::new()],
            sent: 0,
            read: HashSet::new(),
            used_keys: HashSet::new(),
            next_prekey: [1, 1],
        }
    }

    fn happen(&mut self, event: Happened) {
        match event {
            Happened::Send { side, lease } => {
                let message = self.encrypt(side, lease);
                self.send(side, message);
            }
            Happened::Deliver { side, pick, lease } => self.deliver(side, pick, lease),
            Happened::DieBeforeSending { side, lease } => {
                self.encrypt(side, lease);
                self.devices[side].reload();
            }
            Happened::DieBeforeSavingASend { side } => {
                if self.devices[side].session.is_some() {
                    self.devices[side].encrypt(b"never leaves");
                }
                self.devices[side].reload();
            }
            Happened::DieBeforeSavingADelivery { side, pick } => {
                if let Some(at) = self.pick(side, pick) {
                    let packet = &self.queues[side][at];
                    let _ = self.devices[side].decrypt(&packet.message);
                }
                self.devices[side].reload();
            }
            Happened::Crash { side } => self.devices[side].reload(),
            Happened::Save { side, lease } => self.devices[side].save(lease),
            Happened::Drop { side, pick } => {
                if let Some(at) = self.pick(side, pick) {
                    self.queues[side].remove(at);
                }
            }
            Happened::Duplicate { side, pick } => self.duplicate(side, pick),
            Happened::Initiate { side } => self.initiate(side),
        }
    }

    fn initiate(&mut self, side: Side) {
        let other = 1 - side;
        let prekey = (self.next_prekey[other] < 10).then_some(self.next_prekey[other]);
        self.next_prekey[other] += 1;
        let bundle = self.devices[other].bundle(prekey);
        self.devices[side].initiate(&bundle);
        self.devices[side].save(0);
    }

    /// Encrypts the next message; it may leave once this has saved what must be.
    fn encrypt(&mut self, side: Side, lease: u32) -> Ciphertext {
        if self.devices[side].session.is_none() {
            self.initiate(side);
        }
        let message = self.devices[side].encrypt(format!("message {}", self.sent).as_bytes());
        if self.devices[side].session.as_ref().unwrap().needs_save() {
            self.devices[side].save(lease);
        }
        message
    }

    fn send(&mut self, side: Side, message: Ciphertext) {
        let key = message_key(&message);
        assert!(self.used_keys.insert(key), "a message key was used twice");
        self.queues[1 - side].push(Packet { number: self.sent, message, overtaken: 0 });
        self.sent += 1;
    }

    /// One of the first packets; the first one if it has waited long enough.
    fn pick(&self, side: Side, pick: usize) -> Option<usize> {
        let queue = &self.queues[side];
        let first = queue.first()?;
        if first.overtaken >= PATIENCE { Some(0) } else { Some(pick % queue.len().min(PATIENCE)) }
    }

    fn deliver(&mut self, side: Side, pick: usize, lease: u32) {
        let Some(at) = self.pick(side, pick) else { return };
        let packet = self.queues[side].remove(at);
        self.queues[side][..at].iter_mut().for_each(|packet| packet.overtaken += 1);
        let before = self.devices[side].snapshot();
        let outcome = self.devices[side].decrypt(&packet.message);
        if self.read.insert(packet.number) {
            let expected = format!("message {}", packet.number).into_bytes();
            assert_eq!(outcome, Ok(expected), "message {}", packet.number);
            assert!(self.devices[side].session.as_ref().unwrap().needs_save());
            self.devices[side].save(lease);
        } else {
            assert!(
                matches!(outcome, Err(DecryptError::Duplicate { .. } | DecryptError::NoSession)),
                "{outcome:?}"
            );
            assert_eq!(self.devices[side].snapshot(), before);
        }
    }

    fn duplicate(&mut self, side: Side, pick: usize) {
        let Some(at) = self.pick(side, pick) else { return };
        let packet = &self.queues[side][at];
        let copy =
            Packet { number: packet.number, message: packet.message.clone(), overtaken: packet.overtaken };
        self.queues[side].insert(at, copy);
    }

    /// Delivers all that is under way, then lets the devices answer each other.
    fn settle(&mut self) {
        while self.queues.iter().any(|queue| !queue.is_empty()) {
            self.deliver(0, 0, 64);
            self.deliver(1, 0, 64);
        }
        for side in [0, 1, 0, 1] {
            self.happen(Happened::Send { side, lease: 64 });
            self.deliver(1 - side, 0, 64);
        }
        let [alice, bob] = &mut self.devices;
        assert_eq!(alice.encrypt(b"x").kind, Kind::Message);
        assert_eq!(bob.encrypt(b"x").kind, Kind::Message);
        let base_keys = [alice, bob].map(|device| *device.session.as_ref().unwrap().base_key());
        assert_eq!(base_keys[0], base_keys[1]);
    }
}

/// What names the key a message was encrypted with: ratchet key and counter.
fn message_key(message: &Ciphertext) -> (Vec<u8>, u32) {
    let inner = match message.kind {
        Kind::PreKey => PreKeySignalMessage::decode(&message.bytes[1..]).unwrap().message.unwrap(),
        Kind::Message => message.bytes.clone().into(),
    };
    let body = SignalMessage::decode(&inner[1..inner.len() - 8]).unwrap();
    (body.ratchet_key.unwrap().to_vec(), body.counter.unwrap())
}

fn event() -> impl Strategy<Value = Happened> {
    let side = 0..2usize;
    let lease = prop_oneof![Just(0u32), 1..20u32];
    let pick = 0..PATIENCE;
    prop_oneof![
        8 => (side.clone(), lease.clone()).prop_map(|(side, lease)| Happened::Send { side, lease }),
        10 => (side.clone(), pick.clone(), lease.clone())
            .prop_map(|(side, pick, lease)| Happened::Deliver { side, pick, lease }),
        1 => (side.clone(), lease.clone())
            .prop_map(|(side, lease)| Happened::DieBeforeSending { side, lease }),
        1 => side.clone().prop_map(|side| Happened::DieBeforeSavingASend { side }),
        1 => (side.clone(), pick.clone())
            .prop_map(|(side, pick)| Happened::DieBeforeSavingADelivery { side, pick }),
        2 => side.clone().prop_map(|side| Happened::Crash { side }),
        1 => (side.clone(), lease).prop_map(|(side, lease)| Happened::Save { side, lease }),
        1 => (side.clone(), pick.clone()).prop_map(|(side, pick)| Happened::Drop { side, pick }),
        2 => (side.clone(), pick).prop_map(|(side, pick)| Happened::Duplicate { side, pick }),
        1 => side.prop_map(|side| Happened::Initiate { side }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_message_is_read_once_and_no_key_is_used_twice(
        seed in 0..1_000_000u64,
        events in proptest::collection::vec(event(), 1..70),
    ) {
        let mut world = World::new(seed);
        for event in events {
            world.happen(event);
        }
        world.settle();
    }
}

/// A conversation with turns on both sides, a monologue and a second session.
fn conversation() -> Vec<Happened> {
    let send = |side| Happened::Send { side, lease: 3 };
    let deliver = |side, pick| Happened::Deliver { side, pick, lease: 3 };
    vec![
        send(0),
        send(0),
        deliver(1, 1),
        send(1),
        deliver(1, 0),
        deliver(0, 0),
        send(0),
        send(0),
        send(0),
        send(0),
        send(0),
        deliver(1, 2),
        send(1),
        send(1),
        deliver(0, 1),
        send(0),
        deliver(1, 0),
        deliver(0, 0),
        Happened::Initiate { side: 1 },
        send(1),
        send(0),
        deliver(0, 0),
        deliver(1, 0),
        send(0),
        send(1),
        deliver(0, 0),
        deliver(1, 0),
        deliver(1, 0),
    ]
}

/// Either side dies at each point of a conversation, in each way there is.
#[test]
fn a_crash_at_any_point_loses_and_repeats_nothing() {
    let events = conversation();
    for at in 0..=events.len() {
        for side in [0, 1] {
            let crashes = [
                Happened::Crash { side },
                Happened::DieBeforeSending { side, lease: 3 },
                Happened::DieBeforeSavingASend { side },
                Happened::DieBeforeSavingADelivery { side, pick: 0 },
                Happened::DieBeforeSavingADelivery { side, pick: 1 },
            ];
            for crash in crashes {
                let mut world = World::new(at as u64);
                events[..at].iter().for_each(|&event| world.happen(event));
                world.happen(crash);
                events[at..].iter().for_each(|&event| world.happen(event));
                world.settle();
            }
        }
    }
}

/// Both sides crash before every single message they send, for many turns.
#[test]
fn crashing_all_the_time_still_works() {
    let mut world = World::new(5);
    for turn in 0..60 {
        let side = turn / 7 % 2;
        world.happen(Happened::Crash { side });
        world.happen(Happened::Send { side, lease: 64 });
        world.happen(Happened::Crash { side: 1 - side });
        world.happen(Happened::Deliver { side: 1 - side, pick: 0, lease: 64 });
    }
    world.settle();
}
