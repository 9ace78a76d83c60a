use std::fmt;
use std::time::{Duration, Instant};

use trunkline_tests::WebhookReceiver;

use super::super::seeded::Seeded;
use super::tenant::{Calls, Tenant};
use super::{LATEST, LOGGED_IN, QUICK, SLOWER};

/// What a tenant who does nothing wrong saw in some time.
pub(super) struct Phase {
    calls: Vec<Duration>,
    looks: Vec<Duration>,
    sends: Vec<Duration>,
    webhooks: Vec<Duration>,
    logins: Vec<Duration>,
    /// Cores that the gateway kept busy.
    cores: f64,
    /// Processes that wanted to run at the end, as a mean over a minute.
    load: String,
}

impl Phase {
    pub(super) async fn observe(
        stage: &Seeded,
        tenant: &Tenant,
        receiver: &WebhookReceiver,
        length: Duration,
    ) -> Self {
        let (begun, cpu) = (Instant::now(), stage.gateway.cpu());
        let end = begun + length;
        let (calls, logins, ()) = tokio::join!(
            tenant.call_until(stage, end),
            tenant.log_in_until(stage, end),
            tenant.receive_until(stage, end)
        );
        let cores = (stage.gateway.cpu() - cpu).as_secs_f64() / begun.elapsed().as_secs_f64();
        let webhooks = tenant.lateness(receiver).await;
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let load = load.split(' ').next().unwrap_or_default().to_owned();
        let Calls { looks, sends } = calls;
        Self {
            calls: sorted([&looks[..], &sends].concat()),
            looks: sorted(looks),
            sends: sorted(sends),
            webhooks: sorted(webhooks),
            logins: sorted(logins),
            cores,
            load,
        }
    }

    /// Whether attacks have left the tenant in peace, who saw this before them.
    ///
    /// # Panics
    /// When they have not.
    pub(super) fn judge(&self, quiet: &Self) {
        let (before, now) = (part(&quiet.calls, 0.99), part(&self.calls, 0.99));
        assert!(now <= (before * SLOWER).max(QUICK), "p99 of calls: {before:?} before, {now:?} under attack");
        let latest = part(&self.webhooks, 1.0);
        assert!(latest <= LATEST, "a webhook came after {latest:?}");
        let longest = part(&self.logins, 1.0);
        assert!(longest <= LOGGED_IN, "a log-in took {longest:?}");
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = [
            ("calls", &self.calls),
            ("looks among them", &self.looks),
            ("texts among them", &self.sends),
            ("webhooks", &self.webhooks),
            ("log-ins", &self.logins),
        ];
        for (what, taken) in kinds {
            let [half, most, all] = [0.5, 0.99, 1.0].map(|share| part(taken, share).as_millis());
            write!(f, "{} {what}: p50 {half} ms, p99 {most} ms, longest {all} ms; ", taken.len())?;
        }
        write!(f, "{:.2} cores, load {}", self.cores, self.load)
    }
}

fn sorted(mut taken: Vec<Duration>) -> Vec<Duration> {
    taken.sort_unstable();
    taken
}

/// The time within which this share of them was done; none if there are none.
fn part(sorted: &[Duration], share: f64) -> Duration {
    let nth = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(nth.saturating_sub(1)).copied().unwrap_or_default()
}
