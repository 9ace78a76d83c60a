use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;
use test_support::postgres::Scratch;

use super::crowd::{Crowd, Times};
use super::listeners::{LISTENERS, Listeners};
use super::load::{Call, Fleet, Round, settle};
use super::report::{Figure, Samples};
use crate::usage::Usage;
use crate::{FileTraffic, Gateway, GatewayOptions, Simulator, WebhookReceiver};

const SECRET: &str = "bench-webhook-secret";
/// Texts that come in the moment before the gateway is killed.
const BURST: usize = 256;
/// Calls of many at once, and of one alone.
const CALLERS: usize = 64;
/// Pairings of a round that have the machine to themselves.
const LONE_PAIRINGS: usize = 5;
/// The largest file that is taken, in bytes.
const LARGE: usize = 100 << 20;
/// How long a process rests before its memory counts as that of an idle one.
const REST: Duration = Duration::from_secs(5);

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Another binary, on SQLite.
    Baseline,
    /// The binary under test, on SQLite.
    Now,
    /// The same, on PostgreSQL: figures of the process are those of a client of the database.
    Postgres,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Baseline => "baseline",
            Self::Now => "now",
            Self::Postgres => "postgres",
        })
    }
}

/// One of those that are compared, with a simulator, a database and a webhook receiver of its own.
pub(super) struct Side {
    kind: Kind,
    binary: PathBuf,
    folder: TempDir,
    simulator: Simulator,
    receiver: WebhookReceiver,
    gateway: Gateway,
    fleet: Fleet,
    /// What the process had used before its first instance.
    empty: Usage,
    samples: Samples,
    /// The database, where it isn't a file in the folder. It goes after the gateway.
    scratch: Option<Scratch>,
}

impl Side {
    /// Starts a gateway.
    pub(super) async fn start(kind: Kind, binary: PathBuf, scratch: Option<Scratch>) -> Self {
        let simulator = Simulator::start_with_tls().await;
        let receiver = WebhookReceiver::listen(SECRET).await;
        let folder = tempfile::tempdir().expect("temporary folder");
        let options = options(&binary, &folder, scratch.as_ref());
        let mut gateway = Gateway::start(&simulator, &options).await;
        let empty = Usage::of(gateway.process().pid());
        let mut samples = Samples::default();
        let size = std::fs::metadata(&binary).expect("a binary").len();
        samples.add(Figure::BinaryMegabytes, size as f64 / 1e6);
        let fleet = Fleet::default();
        Self { kind, binary, folder, simulator, receiver, gateway, fleet, empty, samples, scratch }
    }

    pub(super) fn into_samples(self) -> (Kind, Samples) {
        (self.kind, self.samples)
    }

    pub(super) async fn pair(&mut self, count: usize) {
        self.progress(&format!("pairing {count} instances"));
        let before = self.usage();
        let url = self.receiver.url();
        self.fleet.pair(&self.simulator, &self.gateway, count, (&url, SECRET)).await;
        let after = self.usage();
        self.samples.add(Figure::CpuPerPairing, after.cpu_ms_since(before) / count as f64);
        self.samples.add(Figure::PairedKilobytes, self.kilobytes_per_instance(after));
    }

    /// Pairs a few more, one after another.
    pub(super) async fn pair_alone(&mut self) {
        self.progress("pairing one by one");
        let url = self.receiver.url();
        for _ in 0..LONE_PAIRINGS {
            let taken = self.fleet.pair_timed(&self.simulator, &self.gateway, (&url, SECRET)).await;
            self.samples.add(Figure::QrToOpen, taken.as_secs_f64() * 1e3);
        }
    }

    pub(super) async fn restart(&mut self) {
        self.progress("restarting");
        assert!(self.gateway.process().stop(), "the gateway stops cleanly");
        let started = Instant::now();
        self.gateway
            .start_again(&self.simulator, &options(&self.binary, &self.folder, self.scratch.as_ref()));
        self.fleet.ready(&self.gateway).await;
        self.samples.add(Figure::SecondsUntilBack, started.elapsed().as_secs_f64());
        tokio::time::sleep(REST).await;
        let usage = self.usage();
        self.samples.add(Figure::CpuPerLogin, usage.cpu_ms_since(Usage::default()) / self.fleet.len() as f64);
        self.samples.add(Figure::IdleKilobytes, self.kilobytes_per_instance(usage));
        self.samples.add(Figure::ResidentMegabytes, usage.resident_kb as f64 / 1e3);
    }

    pub(super) async fn warm(&mut self) {
        self.progress("warming sessions");
        self.fleet.warm(&self.gateway).await;
        settle(&self.receiver).await;
    }

    /// Sends from many callers at once.
    pub(super) async fn send(&mut self, length: Duration) {
        let (round, cpu) = self.sent(CALLERS, length).await;
        self.samples.add(Figure::SendsPerSecond, round.per_second());
        self.samples.add(Figure::SendP50, round.percentile_ms(0.50));
        self.samples.add(Figure::SendP99, round.percentile_ms(0.99));
        self.samples.add(Figure::CpuPerSend, cpu);
    }

    /// Sends from one caller.
    pub(super) async fn send_alone(&mut self, length: Duration) {
        let (round, cpu) = self.sent(1, length).await;
        self.samples.add(Figure::LoneSendP50, round.percentile_ms(0.50));
        self.samples.add(Figure::CpuPerLoneSend, cpu);
    }

    /// Asks how instances are, from many callers at once.
    pub(super) async fn ask(&mut self, length: Duration) {
        self.progress("asking for the status");
        let round = self.fleet.call_for(&self.gateway, Call::Status, CALLERS, length).await;
        self.samples.add(Figure::StatusPerSecond, round.per_second());
        self.samples.add(Figure::StatusP99, round.percentile_ms(0.99));
    }

    /// Tells an event to many who listen. A binary that has no streams, or not so many, has no figures.
    pub(super) async fn tell_many(&mut self) {
        self.progress("telling 1,000 listeners");
        let before = self.usage();
        let Some(listeners) = Listeners::open(&self.gateway, self.fleet.first().0).await else { return };
        let grown = self.usage().resident_kb.saturating_sub(before.resident_kb);
        let (first, last) = listeners.hear(&self.simulator, &self.fleet).await;
        settle(&self.receiver).await;
        self.samples.add(Figure::FirstListener, first.as_secs_f64() * 1e3);
        self.samples.add(Figure::LastListener, last.as_secs_f64() * 1e3);
        self.samples.add(Figure::KilobytesPerListener, grown as f64 / LISTENERS as f64);
    }

    pub(super) async fn receive(&mut self, count: usize) {
        self.progress("receiving with webhooks");
        let before = self.usage();
        let round = self.fleet.receive(&self.simulator, &self.receiver, count).await;
        settle(&self.receiver).await;
        let cpu = self.usage().cpu_ms_since(before) / round.count as f64;
        self.samples.add(Figure::ReceivesPerSecond, round.per_second());
        self.samples.add(Figure::CpuPerReceive, cpu);
    }

    /// Writes to a group of 1,000 strangers. The first version knows no groups.
    pub(super) async fn write_to_a_crowd(&mut self, round: usize) {
        if self.kind == Kind::Baseline {
            return;
        }
        self.progress("writing to a group of 1,000");
        let crowd = Crowd::gather(&self.simulator, &self.fleet, round).await;
        settle(&self.receiver).await;
        let Times { first, beside, later } = crowd.write(&self.gateway).await;
        settle(&self.receiver).await;
        self.samples.add(Figure::FirstToCrowd, first.as_secs_f64());
        self.samples.add(Figure::BesideCrowd, beside.as_secs_f64() * 1e3);
        self.samples.add(Figure::LaterToCrowd, later.as_secs_f64() * 1e3);
    }

    /// Sends the largest file, and gets one as large. A binary that knows no files has no figures.
    pub(super) async fn move_files(&mut self) {
        self.progress("moving files");
        let (instance, number, peer) = self.fleet.first();
        let files =
            FileTraffic { simulator: &self.simulator, gateway: &self.gateway, instance, number, peer };
        // What the first one leaves behind counts for neither.
        if files.up(LARGE / 10).await.is_none() {
            return;
        }
        files.down(LARGE / 10).await;
        let started = Instant::now();
        let (_, up) = files.grown(files.up(LARGE)).await;
        let sent = started.elapsed();
        let started = Instant::now();
        let (_, down) = files.grown(files.down(LARGE)).await;
        let received = started.elapsed();
        settle(&self.receiver).await;
        // The simulator keeps half a gigabyte at most.
        self.simulator.fault(json!({ "kind": "lose_media" })).await;
        let rate = |taken: Duration| LARGE as f64 / 1e6 / taken.as_secs_f64();
        self.samples.add(Figure::FileUp, rate(sent));
        self.samples.add(Figure::FileDown, rate(received));
        self.samples.add(Figure::FileMegabytes, up.max(down) as f64 / 1e3);
    }

    /// Kills the process when the last webhook call of a burst has come, and counts what is said again.
    pub(super) async fn kill_in_a_burst(&mut self) {
        self.progress("killing it in a burst");
        let before = self.receiver.hooks().len();
        let round = self.fleet.receive(&self.simulator, &self.receiver, BURST).await;
        self.gateway.process().kill();
        self.gateway
            .start_again(&self.simulator, &options(&self.binary, &self.folder, self.scratch.as_ref()));
        self.fleet.ready(&self.gateway).await;
        settle(&self.receiver).await;
        let hooks = self.receiver.hooks();
        let received = hooks[before..].iter().filter(|hook| hook.event == "message_received");
        let ids: Vec<&str> = received.map(|hook| hook.id.as_str()).collect();
        let distinct: HashSet<&str> = ids.iter().copied().collect();
        assert_eq!(distinct.len(), round.count, "each text of the burst is told, under one id");
        self.samples.add(Figure::RepeatedCalls, (ids.len() - distinct.len()) as f64);
    }

    /// One round of sending, and our CPU milliseconds per text, with all that follows from it.
    async fn sent(&mut self, callers: usize, length: Duration) -> (Round, f64) {
        self.progress(&format!("sending through REST, callers: {callers}"));
        let before = self.usage();
        let round = self.fleet.call_for(&self.gateway, Call::Send, callers, length).await;
        settle(&self.receiver).await;
        let cpu = self.usage().cpu_ms_since(before) / round.count.max(1) as f64;
        (round, cpu)
    }

    fn usage(&mut self) -> Usage {
        Usage::of(self.gateway.process().pid())
    }

    fn kilobytes_per_instance(&self, usage: Usage) -> f64 {
        usage.resident_kb.saturating_sub(self.empty.resident_kb) as f64 / self.fleet.len() as f64
    }

    fn progress(&self, step: &str) {
        eprintln!("bench: {}: {step} …", self.kind);
    }
}

fn options<'a>(binary: &'a Path, folder: &'a TempDir, scratch: Option<&Scratch>) -> GatewayOptions<'a> {
    let environment = scratch.map(|scratch| ("DATABASE_URL", scratch.url())).into_iter().collect();
    GatewayOptions { binary: Some(binary), environment, ..GatewayOptions::of(folder.path()) }
}
