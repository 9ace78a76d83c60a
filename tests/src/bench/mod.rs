//! Whole-process figures: what a person who runs the gateway would see.

mod connection;
mod crowd;
mod listeners;
mod load;
mod report;
mod side;

use std::path::PathBuf;
use std::time::Duration;

pub use report::Report;
use side::{Kind, Side};
use test_support::postgres::{self, Scratch};

use crate::process::binary;

/// How large a run is.
pub struct Plan {
    /// Instances that are paired, left idle and restarted.
    pub instances: usize,
    /// Length of one round of sending.
    pub round: Duration,
    /// Rounds per figure; the median is reported.
    pub rounds: usize,
    /// Another `trunkline` binary that does the same, round by round in turn.
    pub baseline: Option<PathBuf>,
    /// Whether the binary does the same on PostgreSQL as well, where there is a server.
    pub postgres: bool,
}

impl Plan {
    /// The default plan, scaled by `BENCH_INSTANCES`, `BENCH_SECONDS` and `BENCH_ROUNDS`, against `BASELINE`, and without
    /// PostgreSQL when `BENCH_POSTGRES` is `0`.
    pub fn from_environment() -> Self {
        let number = |name: &str, default: usize| {
            std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
        };
        let baseline = std::env::var_os("BASELINE").filter(|path| !path.is_empty());
        Self {
            instances: number("BENCH_INSTANCES", 500),
            round: Duration::from_secs(number("BENCH_SECONDS", 10) as u64),
            rounds: number("BENCH_ROUNDS", 3),
            baseline: baseline.map(PathBuf::from),
            postgres: std::env::var_os("BENCH_POSTGRES").is_none_or(|value| value != "0"),
        }
    }
}

/// Texts received in a round, for each second that a round of sending takes.
const RECEIVED_PER_SECOND: usize = 2_000;

/// Runs the plan and returns its figures. WhatsApp's side speaks TLS, as WhatsApp does.
///
/// # Panics
/// When a gateway or a simulator does not do what it should: a figure of a broken run is worth nothing.
pub async fn run(plan: &Plan) -> Report {
    let mut sides = Vec::new();
    if let Some(path) = &plan.baseline {
        sides.push(Side::start(Kind::Baseline, path.clone(), None).await);
    }
    sides.push(Side::start(Kind::Now, binary().to_owned(), None).await);
    if plan.postgres {
        match Scratch::find().await {
            Some(scratch) => {
                sides.push(Side::start(Kind::Postgres, binary().to_owned(), Some(scratch)).await);
            }
            None => postgres::skip(),
        }
    }

    for side in &mut sides {
        side.pair(plan.instances).await;
    }
    // Warm sessions are measured, so that no figure holds the cost of first contact.
    for round in 0..plan.rounds {
        in_turn(&mut sides, round, async |side| {
            side.pair_alone().await;
            side.restart().await;
            side.warm().await;
        })
        .await;
    }
    let texts = plan.round.as_secs() as usize * RECEIVED_PER_SECOND;
    for round in 0..plan.rounds {
        in_turn(&mut sides, round, async |side| side.send(plan.round).await).await;
        in_turn(&mut sides, round, async |side| side.send_alone(plan.round).await).await;
        in_turn(&mut sides, round, async |side| side.receive(texts).await).await;
        in_turn(&mut sides, round, async |side| side.ask(plan.round).await).await;
    }
    for round in 0..plan.rounds {
        in_turn(&mut sides, round, async |side| side.tell_many().await).await;
    }
    for round in 0..plan.rounds {
        in_turn(&mut sides, round, async |side| side.write_to_a_crowd(round).await).await;
    }
    for round in 0..plan.rounds {
        in_turn(&mut sides, round, async |side| side.move_files().await).await;
    }
    for round in 0..plan.rounds {
        in_turn(&mut sides, round, async |side| side.kill_in_a_burst().await).await;
    }
    Report::new(plan, sides.into_iter().map(Side::into_samples).collect())
}

/// Lets each side do a step, another one first in every round: neither always meets the warmer machine.
async fn in_turn(sides: &mut [Side], round: usize, mut step: impl AsyncFnMut(&mut Side)) {
    let count = sides.len();
    for turn in 0..count {
        step(&mut sides[(round + turn) % count]).await;
    }
}
