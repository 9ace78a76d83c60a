use std::error::Error;
use std::io::{self, IsTerminal as _};

use super::{configure, say};
use crate::application::{self, Renewal};
use crate::cli::{Start, UserCommand};
use crate::private_file;

/// `trunkline user …`.
pub(super) async fn run(command: UserCommand) -> Result<(), Box<dyn Error>> {
    let config = configure(Start::default())?;
    let (email, renewal, file) = match command {
        UserCommand::ResetPassword { email } => (email, Renewal::Password, "new-password.txt"),
        UserCommand::RotateKey { email } => (email, Renewal::ApiKey, "new-api-key.txt"),
    };
    let text = application::renew(&config, &email, renewal).await?;
    if io::stdout().is_terminal() {
        say("This is shown this once.")?;
        for line in text.lines() {
            say(&format!("  {line}"))?;
        }
    } else {
        let file = private_file::keep(&config.data_dir, file, &text, "run the command again")?;
        say(&format!("It is in {}.", file.display()))?;
    }
    say("The old one and all login tokens have ended; a running gateway notices within 5 seconds.")?;
    Ok(())
}
