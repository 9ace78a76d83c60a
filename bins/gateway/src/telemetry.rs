//! Log lines on stderr (stdout belongs to the commands), and traces for whoever asks for them.

mod traces;

mod layer;

mod otlp;
mod told;

use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry};

use crate::config::{Config, LogFormat};
use crate::names;

pub(crate) use traces::{Traces, TracesError, probe};

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

/// Starts logging as it is configured, and sends traces if a collector is. A second call, as tests make it, changes nothing.
///
/// # Errors
/// [`TracesError`] when the collector can't be called.
pub(crate) fn start_with_traces(config: &Config) -> Result<Option<Traces>, TracesError> {
    let Some(settings) = &config.traces else {
        start(&config.log, config.log_format);
        return Ok(None);
    };
    let (spans, traces) = Traces::start(settings, names::resolver(config))?;
    let filter = EnvFilter::new(format!("{QUIET},{}", config.log));
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()));
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match config.log_format {
        LogFormat::Text => lines.with_filter(filter).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_filter(filter).boxed(),
    };
    if tracing_subscriber::registry().with(lines).with(spans.with_filter(told::filter())).try_init().is_err()
    {
        tracing::debug!("logging was started before");
    }
    Ok(Some(traces))
}
