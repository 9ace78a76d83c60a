use std::error::Error;
use std::io;

use tokio_util::sync::CancellationToken;

use super::{configure, say};
use crate::application::{Application, FirstStart};
use crate::shutdown;

/// `trunkline serve`.
pub(super) async fn run() -> Result<(), Box<dyn Error>> {
    let application = Application::build(configure()?).await?;
    if let Some(first) = application.first_start() {
        introduce(first)?;
    }
    say(&format!("Listening on {}", application.url()))?;
    let stop = CancellationToken::new();
    let stopped_by_signal = stop.clone();
    tokio::spawn(async move {
        shutdown::signalled().await;
        stopped_by_signal.cancel();
        // Whoever asks twice doesn't want to wait.
        shutdown::signalled().await;
        std::process::exit(130);
    });
    application.run(stop).await?;
    Ok(())
}

/// What nobody can be told again: the password is stored as a hash only.
fn introduce(first: &FirstStart) -> io::Result<()> {
    say("First start: this administrator was created. It is shown this once.")?;
    say(&format!("  e-mail    {}", first.email))?;
    if let Some(password) = &first.password {
        say(&format!("  password  {password}"))?;
    }
    say(&format!("  API key   {}", first.api_key))
}
