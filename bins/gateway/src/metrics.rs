//! What goes on in this process, for Prometheus.

mod exposition;

use storage::Distribution;

use crate::state::AppState;
use exposition::{Exposition, Kind};

/// The text format, version 0.0.4.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All figures. Labels have few values: states, outcomes, and the routes, methods and kinds of answers that occurred.
pub(crate) async fn text(state: &AppState) -> String {
    let mut text = Exposition::default();
    if let Some(counts) = state.counts().await {
        text.family("trunkline_instances", Kind::Gauge, "Instances by what they were last known to do.");
        for (status, count) in counts.iter().filter(|(status, _)| **status != "total") {
            text.sample("trunkline_instances", &[("state", status)], *count as f64);
        }
    }
    text.family("trunkline_ready", Kind::Gauge, "1 while instances are taken up and can be stored, else 0.");
    let is_ready = state.is_ready() && state.failure().is_none();
    text.sample("trunkline_ready", &[], f64::from(u8::from(is_ready)));
    traffic(&mut text, state);
    commits(&mut text, state);
    let name = "trunkline_http_request_seconds";
    text.family(
        name,
        Kind::Histogram,
        "Time until the head of an answer, by route, method and kind of answer.",
    );
    for (labels, times) in state.http.read() {
        // As `/api/instances/:id`: simple readers take a brace for the end of the labels.
        let route = labels.route.replace('{', ":").replace('}', "");
        let labels = [("route", route.as_str()), ("method", labels.method), ("status", labels.status)];
        text.histogram(name, &labels, &times);
    }
    if let Some(bytes) = resident_memory() {
        let name = "process_resident_memory_bytes";
        text.family(name, Kind::Gauge, "Memory that the process has in use.");
        text.sample(name, &[], bytes as f64);
    }
    text.into_text()
}

fn traffic(text: &mut Exposition, state: &AppState) {
    let traffic = state.services.meter.traffic();
    let name = "trunkline_messages_total";
    text.family(name, Kind::Counter, "Messages that were recorded, each once.");
    text.sample(name, &[("direction", "sent")], traffic.sent as f64);
    text.sample(name, &[("direction", "received")], traffic.received as f64);
    let name = "trunkline_webhook_calls_total";
    text.family(name, Kind::Counter, "Calls of webhooks, by how they ended.");
    let outcomes =
        [("delivered", traffic.delivered), ("failed", traffic.failed), ("given_up", traffic.given_up)];
    for (outcome, count) in outcomes {
        text.sample(name, &[("outcome", outcome)], count as f64);
    }
    family_of(text, "trunkline_webhook_lag_seconds", "Time from an event to its delivery.", &traffic.lag);
}

fn commits(text: &mut Exposition, state: &AppState) {
    let figures = state.backend.commit_figures();
    family_of(text, "trunkline_commit_writes", "Writes that shared a commit.", &figures.writes);
    family_of(
        text,
        "trunkline_commit_seconds",
        "Time of a batch of writes and its commit.",
        &figures.seconds,
    );
}

fn family_of(text: &mut Exposition, name: &'static str, help: &str, values: &Distribution) {
    text.family(name, Kind::Histogram, help);
    text.histogram(name, &[], values);
}

/// Bytes, where the system tells.
fn resident_memory() -> Option<u64> {
    // A file of the kernel's, which is made while it is read: nothing waits for a disk.
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}
