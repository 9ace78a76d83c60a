//! All attacks at once, for minutes, beside somebody who does nothing wrong: `make soak`.

mod attackers;
mod figures;
mod tenant;

use std::sync::Arc;
use std::time::{Duration, Instant};

use test_support::until_within;
use tokio::net::UdpSocket;
use trunkline_tests::WebhookReceiver;

use super::seeded::{Seeded, add_user};
use attackers::Attackers;
use figures::Phase;
use tenant::Tenant;

/// The key of the tenant who does harm.
const KEY: &str = "key-of-a-tenant-who-does-harm";
/// The quiet time before the attack, as a part of it, and at least so long: for a p99 that one slow call doesn't make.
const QUIET: (u32, Duration) = (5, Duration::from_secs(60));
/// The p99 of calls under attack may be so many times the quiet one.
const SLOWER: u32 = 3;
/// A p99 below this is quick, whatever it was before.
const QUICK: Duration = Duration::from_millis(100);
/// No webhook of a receiver that answers comes later.
const LATEST: Duration = Duration::from_secs(5);
/// Somebody who logs in beside a crowd that guesses is in by then, on a machine that is slow as well.
const LOGGED_IN: Duration = Duration::from_secs(120);
/// What may stay in memory once it is over, in kilobytes.
const STAYS: u64 = 20 * 1024;
/// By then the memory is free again.
const AFTERMATH: Duration = Duration::from_secs(180);

/// Lasts for `ABUSE_SECONDS` (600).
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes more than ten minutes: make soak"]
async fn all_attacks_together_leave_a_tenant_who_does_nothing_wrong_in_peace() {
    let length = std::env::var("ABUSE_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    let length = Duration::from_secs(length.unwrap_or(600));
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let servers = silent.local_addr().unwrap().to_string();
    let mut stage = Seeded::start_with(&[("DNS_SERVERS", servers)]).await;
    stage
        .restart_after(async |_, database| {
            add_user(database, "mallory", KEY).await;
        })
        .await;
    let receiver = WebhookReceiver::listen(tenant::SECRET).await;
    let tenant = Tenant::link(&stage, &receiver).await;
    let attackers = Attackers::gather(&stage).await;
    let stage = Arc::new(stage);

    let quiet = Phase::observe(&stage, &tenant, &receiver, (length / QUIET.0).max(QUIET.1)).await;
    println!("quiet: {quiet}");
    let before = stage.gateway.resident_kb();
    let attack = attackers.attack(&stage, Instant::now() + length);
    let (attack, attacked) = tokio::join!(attack, Phase::observe(&stage, &tenant, &receiver, length));
    println!("attacked: {attacked}\nby: {attack:?}");
    attackers.retreat(&stage).await;
    let stays = until_within("memory is free again", AFTERMATH, || async {
        let grown = stage.gateway.resident_kb().saturating_sub(before);
        (grown < STAYS).then_some(grown)
    });
    println!("memory: {before} kB before, {} kB more after", stays.await);
    attacked.judge(&quiet);
    assert!(attack.values().all(|count| *count > 0), "{attack:?}");
}
