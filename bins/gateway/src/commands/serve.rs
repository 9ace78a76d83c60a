use std::error::Error;
use std::io::{self, IsTerminal as _};
use std::path::Path;
use std::pin::pin;
use std::time::Duration;

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{read, say};
use crate::application::{Application, StartError};
use crate::cli::Start;
use crate::config::Config;
use crate::first_start::FirstStart;
use crate::server;
use crate::shutdown::Signals;
use crate::telemetry;

/// How long a start that is to stop may take to its end.
const NEARLY_BUILT: Duration = Duration::from_secs(2);
/// As a shell tells of a process that SIGINT has ended.
const EXIT_AT_ONCE: i32 = 130;

/// `trunkline serve`.
pub(super) async fn run(start: Start) -> Result<(), Box<dyn Error>> {
    let mut signals = Signals::catch()?;
    let config = read(start)?;
    let traces = telemetry::start_with_traces(&config)?;
    let (before, descriptors) = server::raise_descriptor_limit();
    tracing::info!(before, now = descriptors, "open files and sockets that are allowed");
    let (public_url, data_dir) = (config.public_url.clone(), config.data_dir.clone());
    let stop = CancellationToken::new();
    let asked = stop.clone();
    tokio::spawn(async move {
        signals.next().await;
        asked.cancel();
        // Whoever asks twice doesn't want to wait.
        signals.next().await;
        std::process::exit(EXIT_AT_ONCE);
    });
    let Some(application) = built(config, &stop).await? else { return Ok(()) };
    if let Some(first) = application.first_start() {
        introduce(first, &data_dir)?;
    }
    say(&format!("Listening on {}", application.url()))?;
    if let Some(url) = public_url {
        say(&format!("Public at {url}"))?;
    }
    let ended = application.run(stop).await;
    if let Some(traces) = traces {
        traces.end().await;
    }
    Ok(ended?)
}

/// Builds the gateway, unless it is to stop before that is done. What hangs then, a step of the schema or a database that is
/// locked, is left to it, which undoes what is half done; what is nearly done, a first user above all, is told of.
async fn built(config: Config, stop: &CancellationToken) -> Result<Option<Application>, StartError> {
    let mut building = pin!(Application::build(config));
    tokio::select! {
        built = &mut building => built.map(Some),
        () = stop.cancelled() => timeout(NEARLY_BUILT, building).await.ok().transpose(),
    }
}

/// Shows the credentials to a person; where nobody watches, a file keeps them instead of the log.
fn introduce(first: &FirstStart, data_dir: &Path) -> Result<(), Box<dyn Error>> {
    if io::stdout().is_terminal() {
        say("First start: this administrator was created. It is shown this once.")?;
        for line in first.text().lines() {
            say(&format!("  {line}"))?;
        }
    } else {
        let file = first.keep(data_dir)?;
        say(&format!(
            "First start: an administrator was created. Its credentials are in {}.",
            file.display()
        ))?;
    }
    Ok(())
}
