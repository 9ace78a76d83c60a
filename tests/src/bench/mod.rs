//! Whole-process figures: what a person who runs the gateway would see.

mod connection;
mod load;
mod report;
mod usage;

use std::time::{Duration, Instant};

use reqwest::Method;

pub use report::Report;

use crate::{Gateway, GatewayOptions, Simulator, WebhookReceiver, until};
use load::{Fleet, Round};
use report::median;
use usage::Usage;

const SECRET: &str = "bench-webhook-secret";

/// How large a run is.
pub struct Plan {
    /// Instances that are paired, left idle and restarted.
    pub instances: usize,
    /// Length of one round of sending.
    pub round: Duration,
    /// Rounds per figure; the median is reported.
    pub rounds: usize,
}

impl Plan {
    /// The default plan, scaled by `BENCH_INSTANCES`, `BENCH_SECONDS` and `BENCH_ROUNDS`.
    pub fn from_environment() -> Self {
        let number = |name: &str, default: usize| {
            std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
        };
        Self {
            instances: number("BENCH_INSTANCES", 500),
            round: Duration::from_secs(number("BENCH_SECONDS", 10) as u64),
            rounds: number("BENCH_ROUNDS", 3),
        }
    }
}

/// Runs the plan and returns its figures.
///
/// # Panics
/// When the gateway or the simulator does not do what it should: a figure of a broken run is worth nothing.
pub async fn run(plan: &Plan) -> Report {
    let mut report = Report::new(plan);
    let simulator = Simulator::start().await;
    let receiver = WebhookReceiver::listen(SECRET).await;
    let folder = tempfile::tempdir().expect("temporary folder");
    let options = GatewayOptions { folder: folder.path(), listen: "127.0.0.1:0".to_owned() };
    let mut gateway = Gateway::start(&simulator, &options).await;
    let empty = Usage::of(gateway.process().pid());

    progress(&format!("pairing {} instances", plan.instances));
    let fleet = Fleet::pair(&simulator, &gateway, plan.instances, &receiver.url(), SECRET).await;
    let paired = Usage::of(gateway.process().pid());
    report.cpu_ms("cpu_ms_per_pairing", "CPU per pairing", paired.cpu - empty.cpu, plan.instances, 60.0);

    progress("restarting the gateway");
    assert!(gateway.process().stop(), "the gateway stops cleanly");
    let restarted = Instant::now();
    let mut gateway = Gateway::start(&simulator, &options).await;
    all_connected(&gateway, plan.instances).await;
    let seconds = restarted.elapsed().as_secs_f64();
    report.at_most(
        "restart_seconds",
        "seconds until all are back",
        seconds,
        5.0 * plan.instances as f64 / 500.0,
    );
    let back = Usage::of(gateway.process().pid());
    report.cpu_ms("cpu_ms_per_login", "CPU per re-login", back.cpu, plan.instances, 4.0);

    progress("idle");
    tokio::time::sleep(Duration::from_secs(5)).await;
    let idle = Usage::of(gateway.process().pid());
    let per_instance = (idle.resident_kb.saturating_sub(empty.resident_kb)) as f64 / plan.instances as f64;
    report.at_most("idle_kb_per_instance", "resident KB per idle instance", per_instance, 200.0);

    progress("warming sessions");
    fleet.warm(&gateway).await;
    send_rounds(plan, &mut report, &mut gateway, &fleet).await;
    receive_rounds(plan, &mut report, &simulator, &mut gateway, &fleet, &receiver).await;
    report
}

async fn send_rounds(plan: &Plan, report: &mut Report, gateway: &mut Gateway, fleet: &Fleet) {
    let mut rounds = Vec::new();
    let mut cpu = Vec::new();
    for round in 1..=plan.rounds {
        progress(&format!("sending through REST, round {round}"));
        let before = Usage::of(gateway.process().pid());
        let done = fleet.send_for(gateway, plan.round).await;
        let after = Usage::of(gateway.process().pid());
        cpu.push((after.cpu - before.cpu).as_secs_f64() * 1e3 / done.count.max(1) as f64);
        rounds.push(done);
    }
    let of = |figure: fn(&Round) -> f64| median(rounds.iter().map(figure).collect());
    report.at_least("sends_per_second", "texts sent/s through REST", of(Round::per_second), 2_000.0);
    report.figure("send_p50_ms", "send, p50 ms", of(|r| r.percentile_ms(0.50)));
    report.figure("send_p99_ms", "send, p99 ms", of(|r| r.percentile_ms(0.99)));
    report.at_most("cpu_ms_per_send", "CPU ms per text sent (REST included)", median(cpu), 0.25);
}

async fn receive_rounds(
    plan: &Plan,
    report: &mut Report,
    simulator: &Simulator,
    gateway: &mut Gateway,
    fleet: &Fleet,
    receiver: &WebhookReceiver,
) {
    let mut rates = Vec::new();
    let mut cpu = Vec::new();
    for round in 1..=plan.rounds {
        progress(&format!("receiving with webhooks, round {round}"));
        // Status events of the sends before must not be counted as receives.
        fleet.settle(receiver).await;
        let before = Usage::of(gateway.process().pid());
        let done = fleet.receive(simulator, receiver, plan.round.as_secs() as usize * 2_000).await;
        let after = Usage::of(gateway.process().pid());
        cpu.push((after.cpu - before.cpu).as_secs_f64() * 1e3 / done.count.max(1) as f64);
        rates.push(done.per_second());
    }
    report.at_least("receives_per_second", "texts received/s, webhook delivered", median(rates), 3_000.0);
    report.at_most("cpu_ms_per_receive", "CPU ms per text received (webhook included)", median(cpu), 0.15);
}

async fn all_connected(gateway: &Gateway, count: usize) {
    until("all instances are back", Duration::from_secs(300), || async {
        let (_, list) = gateway.call(Method::GET, "/api/instances", None).await?;
        let ready = |i: &&serde_json::Value| i["connectionStatus"]["ready"] == true;
        (list["instances"].as_array()?.iter().filter(ready).count() == count).then_some(())
    })
    .await;
}

fn progress(step: &str) {
    eprintln!("bench: {step} …");
}
