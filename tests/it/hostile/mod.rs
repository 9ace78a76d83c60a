//! Hostile input: nothing that a peer can send may panic, hang or damage a session, and a bad peer costs only its
//! own connection. `HOSTILE_CASES` sets the number of cases over all tests here; `HOSTILE_SEED` repeats a run.

mod frames;
mod handshakes;
mod live;
mod media;
mod protobufs;
mod sessions;
mod stage;
mod synced;

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// At least this many cases run in `make test`.
const DEFAULT_CASES: usize = 150_000;

/// This test's part of all cases, in percent.
fn cases(percent: usize) -> usize {
    let all = std::env::var("HOSTILE_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(DEFAULT_CASES);
    (all * percent).div_ceil(100)
}

/// A generator that differs per run, and says how to repeat it.
fn rng(test: &str) -> ChaCha8Rng {
    let seed = std::env::var("HOSTILE_SEED").ok().and_then(|text| text.parse().ok());
    let seed = seed.unwrap_or_else(rand::random::<u64>);
    println!("{test}: HOSTILE_SEED={seed}");
    ChaCha8Rng::seed_from_u64(seed)
}

/// Random bytes, mostly short, at times long.
fn garbage(rng: &mut ChaCha8Rng) -> Vec<u8> {
    let limit = if rng.random_ratio(1, 50) { 5_000 } else { 80 };
    let mut bytes = vec![0; rng.random_range(0..limit)];
    rng.fill_bytes(&mut bytes);
    bytes
}

/// A valid input with a few things wrong: bits flipped, bytes replaced, removed, inserted, repeated, cut off.
fn mutated(rng: &mut ChaCha8Rng, valid: &[u8]) -> Vec<u8> {
    let mut bytes = valid.to_vec();
    for _ in 0..rng.random_range(1..=4) {
        if bytes.is_empty() {
            return garbage(rng);
        }
        let at = rng.random_range(0..bytes.len());
        match rng.random_range(0..6) {
            0 => bytes[at] ^= 1 << rng.random_range(0..8),
            1 => bytes[at] = rng.random(),
            2 => drop(bytes.remove(at)),
            3 => bytes.insert(at, rng.random()),
            4 => bytes.truncate(at),
            _ => bytes.extend_from_within(at..),
        }
    }
    bytes
}
