use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value, json};

use super::Plan;
use super::side::Kind;

/// What is measured, in the order of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Figure {
    SendsPerSecond,
    SendP50,
    SendP99,
    CpuPerSend,
    LoneSendP50,
    CpuPerLoneSend,
    ReceivesPerSecond,
    CpuPerReceive,
    StatusPerSecond,
    StatusP99,
    FirstListener,
    LastListener,
    KilobytesPerListener,
    QrToOpen,
    CpuPerPairing,
    PairedKilobytes,
    SecondsUntilBack,
    CpuPerLogin,
    IdleKilobytes,
    ResidentMegabytes,
    FirstToCrowd,
    BesideCrowd,
    LaterToCrowd,
    RepeatedCalls,
    FileUp,
    FileDown,
    FileMegabytes,
    BinaryMegabytes,
}

/// A figure's name in `bench.json`, its line in the table, and what is aimed at.
struct Description(Figure, &'static str, &'static str, Aim);

/// On which side of a number a figure should be.
#[derive(Clone, Copy)]
enum Aim {
    AtLeast(f64),
    AtMost(f64),
    /// So much for each instance of the plan.
    AtMostEach(f64),
    Open,
}

use Aim::{AtLeast, AtMost, AtMostEach, Open};

const DESCRIPTIONS: [Description; 28] = [
    Description(
        Figure::SendsPerSecond,
        "sends_per_second",
        "64 callers: texts sent/s through REST",
        AtLeast(4_500.0),
    ),
    Description(Figure::SendP50, "send_p50_ms", "64 callers: send, p50 ms", Open),
    Description(Figure::SendP99, "send_p99_ms", "64 callers: send, p99 ms", AtMost(60.0)),
    Description(Figure::CpuPerSend, "cpu_ms_per_send", "64 callers: CPU ms per text sent", AtMost(0.30)),
    Description(Figure::LoneSendP50, "lone_send_p50_ms", "1 caller: send, p50 ms", Open),
    Description(
        Figure::CpuPerLoneSend,
        "cpu_ms_per_lone_send",
        "1 caller: CPU ms per text sent",
        AtMost(0.60),
    ),
    Description(
        Figure::ReceivesPerSecond,
        "receives_per_second",
        "texts received/s, webhook delivered",
        AtLeast(3_000.0),
    ),
    Description(Figure::CpuPerReceive, "cpu_ms_per_receive", "CPU ms per text received", AtMost(0.07)),
    Description(Figure::StatusPerSecond, "status_per_second", "64 callers: GET …/status, calls/s", Open),
    Description(Figure::StatusP99, "status_p99_ms", "64 callers: GET …/status, p99 ms", Open),
    Description(Figure::FirstListener, "first_listener_ms", "event to the first of 1,000 streams, ms", Open),
    Description(Figure::LastListener, "last_listener_ms", "event to the last of 1,000 streams, ms", Open),
    Description(Figure::KilobytesPerListener, "kb_per_listener", "KB of memory per stream", Open),
    Description(Figure::QrToOpen, "qr_to_open_ms", "QR read until open, ms", AtMost(15.0)),
    Description(Figure::CpuPerPairing, "cpu_ms_per_pairing", "CPU ms per pairing", Open),
    Description(
        Figure::PairedKilobytes,
        "paired_kb_per_instance",
        "KB per instance right after pairing",
        AtMost(100.0),
    ),
    Description(
        Figure::SecondsUntilBack,
        "restart_seconds",
        "seconds until all are back",
        AtMostEach(0.0025),
    ),
    Description(Figure::CpuPerLogin, "cpu_ms_per_login", "CPU ms per re-login", AtMost(2.0)),
    Description(Figure::IdleKilobytes, "idle_kb_per_instance", "KB per idle instance", AtMost(45.0)),
    Description(Figure::ResidentMegabytes, "idle_resident_mb", "MB of the idle process", Open),
    Description(
        Figure::FirstToCrowd,
        "first_to_1000_seconds",
        "first message to a group of 1,000, s",
        AtMost(3.0),
    ),
    Description(Figure::BesideCrowd, "beside_1000_ms", "longest other text meanwhile, ms", Open),
    Description(
        Figure::LaterToCrowd,
        "later_to_1000_ms",
        "later message to a group of 1,000, ms",
        AtMost(100.0),
    ),
    Description(
        Figure::RepeatedCalls,
        "repeated_webhooks",
        "webhooks of a burst repeated after a kill",
        Open,
    ),
    Description(Figure::FileUp, "file_up_mb_per_second", "100 MB sent through REST, MB/s", Open),
    Description(Figure::FileDown, "file_down_mb_per_second", "100 MB received and kept, MB/s", Open),
    Description(
        Figure::FileMegabytes,
        "file_resident_mb",
        "MB of memory beyond that for 100 MB",
        AtMost(8.0),
    ),
    Description(Figure::BinaryMegabytes, "binary_mb", "MB of the binary", AtMost(20.0)),
];

/// What one binary was measured to do, every round of it.
#[derive(Default)]
pub(super) struct Samples(BTreeMap<Figure, Vec<f64>>);

impl Samples {
    pub(super) fn add(&mut self, figure: Figure, value: f64) {
        self.0.entry(figure).or_default().push(value);
    }

    fn median(&self, figure: Figure) -> f64 {
        self.0.get(&figure).map_or(f64::NAN, |values| median(values.clone()))
    }
}

/// The figures of one run, medians of its rounds, side by side, with what was aimed at.
pub struct Report {
    plan: Value,
    instances: usize,
    sides: BTreeMap<Kind, Samples>,
}

impl Report {
    pub(super) fn new(plan: &Plan, sides: BTreeMap<Kind, Samples>) -> Self {
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let instances = plan.instances;
        let plan = json!({
            "instances": instances, "roundSeconds": plan.round.as_secs(), "rounds": plan.rounds, "cores": cores,
        });
        Self { plan, instances, sides }
    }

    /// The figures as JSON, for comparing runs.
    pub fn to_json(&self) -> String {
        let figure = |&Description(figure, key, _, aim): &Description| {
            let json = json!({
                "value": self.median(Kind::Now, figure),
                "baseline": self.median(Kind::Baseline, figure),
                "postgres": self.median(Kind::Postgres, figure),
                "aim": aim.limit(self.instances),
            });
            (key.to_owned(), json)
        };
        let figures: Map<String, Value> = DESCRIPTIONS.iter().map(figure).collect();
        format!("{:#}\n", json!({ "plan": self.plan, "figures": figures }))
    }

    /// Nothing where a side wasn't measured, or can't do that.
    fn median(&self, kind: Kind, figure: Figure) -> Option<f64> {
        let samples = self.sides.get(&kind)?;
        Some(samples.median(figure)).filter(|median| !median.is_nan())
    }

    /// A side's figure, and how it compares with that of the binary under test on SQLite.
    fn beside_now(&self, kind: Kind, figure: Figure, ratio: impl Fn(f64, f64) -> f64) -> (String, String) {
        let shown = |value: Option<f64>, decimals: usize| {
            value.map(|value| format!("{value:.decimals$}")).unwrap_or_default()
        };
        let (there, now) = (self.median(kind, figure), self.median(Kind::Now, figure));
        (shown(there, 3), shown(there.zip(now).map(|(there, now)| ratio(there, now)), 2))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "plan: {}", self.plan)?;
        let [figure, aim] = ["figure (median)", "aim"];
        let [before, now, postgres] = [Kind::Baseline, Kind::Now, Kind::Postgres];
        writeln!(
            f,
            "{figure:<42}{before:>11}{now:>11}{:>8}{aim:>12}  met{postgres:>11}{:>8}",
            "ratio", "of now"
        )?;
        for &Description(figure, _, label, aim) in &DESCRIPTIONS {
            let value = self.median(Kind::Now, figure).unwrap_or(f64::NAN);
            let (before, ratio) = self.beside_now(Kind::Baseline, figure, |before, now| now / before);
            let (postgres, part) = self.beside_now(Kind::Postgres, figure, |there, now| there / now);
            let (wanted, met) = aim.judge(value, self.instances);
            writeln!(
                f,
                "{label:<42}{before:>11}{value:>11.3}{ratio:>8}{wanted:>12}  {met:<3}{postgres:>11}{part:>8}"
            )?;
        }
        Ok(())
    }
}

impl Aim {
    fn limit(self, instances: usize) -> Option<f64> {
        match self {
            AtLeast(limit) | AtMost(limit) => Some(limit),
            AtMostEach(limit) => Some(limit * instances as f64),
            Open => None,
        }
    }

    /// The aim in words, and whether a value meets it.
    fn judge(self, value: f64, instances: usize) -> (String, &'static str) {
        let Some(limit) = self.limit(instances) else { return Default::default() };
        let (sign, met) = match self {
            AtLeast(_) => ("≥", value >= limit),
            _ => ("≤", value <= limit),
        };
        (format!("{sign} {limit}"), if met { "yes" } else { "NO" })
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
