//! Signals that end the process.

use std::io;

/// Resolves at the first SIGTERM or SIGINT (Ctrl-C).
pub async fn signalled() {
    if let Err(error) = signal().await {
        tracing::error!(%error, "can't listen for signals; only SIGKILL ends this process");
        std::future::pending::<()>().await;
    }
}

#[cfg(unix)]
async fn signal() -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => tracing::info!("SIGTERM: stopping"),
        _ = interrupt.recv() => tracing::info!("SIGINT: stopping"),
    }
    Ok(())
}

#[cfg(not(unix))]
async fn signal() -> io::Result<()> {
    tokio::signal::ctrl_c().await
}
