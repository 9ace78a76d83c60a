//! `trunkline doctor`: looks at everything that a gateway needs, says what it finds, and changes nothing.

mod database;
mod finding;
mod machine;
mod network;
mod settings;

use std::error::Error;

use thiserror::Error;

use self::finding::{Finding, Verdict};
use super::{quiet_telemetry, say};
use crate::application::install_crypto;
use crate::config::{Config, Environment};

/// Something is in the way of a gateway.
#[derive(Debug, Error)]
#[error("{0} of these would keep a gateway from working")]
struct Unwell(usize);

/// `trunkline doctor`. Each finding is written as soon as it is made: some take seconds.
pub(super) async fn run() -> Result<(), Box<dyn Error>> {
    quiet_telemetry();
    install_crypto();
    let mut broken = 0;
    let mut tell = |finding: Finding| {
        broken += usize::from(finding.verdict == Verdict::Broken);
        say(&finding.to_string())
    };
    let config = Environment::of_process().and_then(|environment| Config::from_environment(&environment));
    let config = match config {
        Ok(config) => config,
        Err(error) => {
            tell(Finding::broken("configuration", error.to_string()))?;
            return Err(Unwell(broken).into());
        }
    };
    for finding in settings::look(&config) {
        tell(finding)?;
    }
    for finding in database::look(&config).await.into_iter().chain(machine::look()) {
        tell(finding)?;
    }
    for finding in network::look(&config).await {
        tell(finding)?;
    }
    if broken > 0 {
        return Err(Unwell(broken).into());
    }
    say("Nothing is in the way of a gateway.")?;
    Ok(())
}
