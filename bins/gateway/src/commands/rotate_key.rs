use std::error::Error;

use storage_sql::Resealed;

use super::{configure, say};
use crate::cli::Start;
use crate::rotation;

/// `trunkline rotate-key`.
pub(super) async fn run() -> Result<(), Box<dyn Error>> {
    let config = configure(Start::default())?;
    let Resealed { anew, unreadable } = rotation::rotate_key(&config).await?;
    say(&format!("{anew} values are sealed with the new key."))?;
    if unreadable > 0 {
        say(&format!("{unreadable} can't be read, and stay as they are; the log names them."))?;
    }
    if config.master_key.is_some() {
        say("MASTER_KEY_PREVIOUS is needed no more.")?;
    } else {
        say(
            "Keep a copy of the new DATA_DIR/master.key; copies of the database from before need the old one.",
        )?;
    }
    Ok(())
}
