//! The gateway is killed again and again while messages come and go. Nothing may be lost, nothing stored twice, nothing
//! shown twice.

use std::sync::Arc;
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;
use test_support::postgres::{self, Scratch};
use trunkline_tests::{Gateway, GatewayOptions, Simulator};

use crate::traffic::{OURS, Traffic};

/// Messages around each kill that arrive damaged.
const UNREADABLE: usize = 3;

/// How often it is killed, and how many messages go each way meanwhile.
struct Size {
    kills: usize,
    messages: usize,
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_repeated_when_the_gateway_is_killed_again_and_again() {
    let folder = tempfile::tempdir().expect("temporary folder");
    kill(GatewayOptions::of(folder.path()), Size { kills: 20, messages: 1_000 }).await;
}

/// The same on PostgreSQL, and shorter: the rest of the gateway is the same.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_repeated_on_postgresql_when_the_gateway_is_killed() {
    let Some(scratch) = Scratch::find().await else { return postgres::skip() };
    let folder = tempfile::tempdir().expect("temporary folder");
    let environment = vec![("DATABASE_URL", scratch.url())];
    let options = GatewayOptions { environment, ..GatewayOptions::of(folder.path()) };
    kill(options, Size { kills: 6, messages: 300 }).await;
}

async fn kill(mut options: GatewayOptions<'_>, Size { kills, messages }: Size) {
    let seed =
        std::env::var("KILL_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or_else(rand::random::<u64>);
    println!("KILL_SEED={seed}");
    let simulator = Arc::new(Simulator::start().await);
    let mut gateway = Gateway::start(&simulator, &options).await;
    // The same address after every start, as a supervised service has.
    options.listen = gateway.process().url().trim_start_matches("http://").to_owned();
    let traffic = Traffic::start(&simulator, &gateway, messages).await;

    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    for kill in 0..kills {
        // A random moment within each piece of the traffic, so that no kill meets an idle gateway.
        let moment = kill * 2 * messages / kills + rng.random_range(0..2 * messages / kills - 10);
        traffic.reaches(moment).await;
        // Some of what comes around the kill can't be read at first.
        simulator.fault(json!({"kind": "undecryptable", "number": OURS, "count": UNREADABLE})).await;
        tokio::time::sleep(Duration::from_micros(rng.random_range(0..20_000))).await;
        gateway.process().kill();
        gateway = Gateway::start(&simulator, &options).await;
    }
    traffic.end_well(&gateway, kills * UNREADABLE).await;
}
