use std::error::Error;
use std::io;

use tokio_util::sync::CancellationToken;

use super::{configure, say};
use crate::application::{Application, FirstStart};
use crate::shutdown::Signals;

/// As a shell tells of a process that SIGINT has ended.
const EXIT_AT_ONCE: i32 = 130;

/// `trunkline serve`.
pub(super) async fn run() -> Result<(), Box<dyn Error>> {
    let mut signals = Signals::catch()?;
    let config = configure()?;
    let public_url = config.public_url.clone();
    let application = Application::build(config).await?;
    if let Some(first) = application.first_start() {
        introduce(first)?;
    }
    say(&format!("Listening on {}", application.url()))?;
    if let Some(url) = public_url {
        say(&format!("Public at {url}"))?;
    }
    let stop = CancellationToken::new();
    let asked = stop.clone();
    tokio::spawn(async move {
        signals.next().await;
        asked.cancel();
        // Whoever asks twice doesn't want to wait.
        signals.next().await;
        std::process::exit(EXIT_AT_ONCE);
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
