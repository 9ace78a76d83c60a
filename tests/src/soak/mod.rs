//! A fleet on a hostile WhatsApp for many minutes: texts go both ways through every instance, while connections break,
//! messages arrive damaged, twice or in another order, people have new phones and more or fewer devices, the gateway is
//! killed and restarted, and WhatsApp's clock jumps by days. At the end nothing is lost, nothing is there twice, no instance is stuck, and memory has not grown.

mod report;
mod talker;
mod trouble;
mod verdict;

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::task::JoinSet;

use crate::usage::Usage;
use crate::{Gateway, GatewayOptions, Simulator, WebhookReceiver};
pub use report::Report;
use talker::{Door, Talker};
use trouble::Troubles;

const SECRET: &str = "soak-webhook-secret";
/// Linkings under way at once.
const LINKING: usize = 8;
/// The last part of the time is for the figure of memory: faults go on, but the process stays.
const CALM: f64 = 0.4;
/// Between two looks at the memory.
const SAMPLE: Duration = Duration::from_secs(5);

/// How large a run is.
pub struct Plan {
    /// How long texts go to and fro.
    pub length: Duration,
    /// Instances, each with a peer of its own.
    pub instances: usize,
    /// Chooses troubles, moments and texts.
    pub seed: u64,
}

impl Plan {
    /// The default plan, changed by `SOAK_SECONDS`, `SOAK_INSTANCES` and `SOAK_SEED`.
    pub fn from_environment() -> Self {
        let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
        Self {
            length: Duration::from_secs(number("SOAK_SECONDS").unwrap_or(600)),
            instances: number("SOAK_INSTANCES").map_or(50, |count| count as usize),
            seed: number("SOAK_SEED").unwrap_or_else(rand::random),
        }
    }
}

/// Runs the plan.
///
/// # Panics
/// When anything was lost, is there twice, is stuck or grows.
pub async fn run(plan: &Plan) -> Report {
    eprintln!("soak: {} instances for {:?}, SOAK_SEED={}", plan.instances, plan.length, plan.seed);
    let simulator = Arc::new(Simulator::start_hostile().await);
    let receiver = WebhookReceiver::listen(SECRET).await;
    let folder = tempfile::tempdir().expect("temporary folder");
    let mut options = GatewayOptions::of(folder.path());
    let mut gateway = Gateway::start(&simulator, &options).await;
    // The same address after every start, as a supervised service has.
    options.listen = gateway.url().trim_start_matches("http://").to_owned();
    let talkers = linked(plan.instances, &simulator, &gateway, &receiver).await;

    let end = Instant::now() + plan.length;
    let door = Door::of(&gateway);
    let mut talks = JoinSet::new();
    for (talker, n) in talkers.iter().zip(1..) {
        let rng = ChaCha8Rng::seed_from_u64(plan.seed ^ (n << 32));
        talks.spawn(Arc::clone(talker).talk(Arc::clone(&simulator), door.clone(), rng, end));
    }
    let calm = end - plan.length.mul_f64(CALM);
    let mut troubles = Troubles::new(&simulator, &talkers, plan.seed);
    let troubling = async {
        troubles.make_until(calm, Some((&mut gateway, &options))).await;
        let memory = resident_until(gateway.process().pid(), end);
        let ((), memory) = tokio::join!(troubles.make_until(end, None), memory);
        troubles.end().await;
        memory
    };
    let talking = async {
        while let Some(talk) = talks.join_next().await {
            talk.expect("a talker talks to its end");
        }
    };
    // The first talker that fails ends the run.
    let (memory, ()) = tokio::join!(troubling, talking);

    let verdict = verdict::of(&talkers, &simulator, &gateway, &receiver).await;
    let counts = troubles.counts().clone();
    Report { length: plan.length, instances: plan.instances, seed: plan.seed, counts, verdict, memory }
}

/// Links all instances, a few at a time.
async fn linked(
    count: usize,
    simulator: &Simulator,
    gateway: &Gateway,
    receiver: &WebhookReceiver,
) -> Vec<Arc<Talker>> {
    let url = receiver.url();
    let mut talkers = Vec::new();
    let numbers: Vec<usize> = (0..count).collect();
    for some in numbers.chunks(LINKING) {
        let linkings = some.iter().map(|n| Talker::link(*n, simulator, gateway, (&url, SECRET)));
        talkers.extend(join_all(linkings).await.into_iter().map(Arc::new));
    }
    eprintln!("soak: all are linked");
    talkers
}

/// Looks at the process's memory until the end; kilobytes.
async fn resident_until(pid: u32, end: Instant) -> Vec<u64> {
    let mut samples = Vec::new();
    while Instant::now() < end {
        samples.push(Usage::of(pid).resident_kb);
        tokio::time::sleep(SAMPLE).await;
    }
    samples
}

/// A pause of random length.
async fn pause(rng: &mut ChaCha8Rng, millis: std::ops::Range<u64>) {
    tokio::time::sleep(Duration::from_millis(rng.random_range(millis))).await;
}
