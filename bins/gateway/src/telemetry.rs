//! Log lines on stderr; stdout belongs to the commands.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::LogFormat;

/// Whoever sends what isn't HTTP could fill the disk with errors of the server. The filter that is configured may name it
/// once more.
const QUIET: &str = "actix_http::h1::dispatcher=off";

/// Starts logging for the whole process. A second call, as tests make it, changes nothing.
pub(crate) fn start(filter: &str, format: LogFormat) {
    let lines = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(format!("{QUIET},{filter}")))
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()));
    let started = match format {
        LogFormat::Text => lines.finish().try_init(),
        LogFormat::Json => lines.json().flatten_event(true).finish().try_init(),
    };
    if started.is_err() {
        tracing::debug!("logging was started before");
    }
}
