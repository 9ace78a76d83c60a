use std::error::Error;

use super::{configure, say};
use crate::application;
use crate::cli::Start;

/// `trunkline migrate`.
pub(super) async fn run(start: Start) -> Result<(), Box<dyn Error>> {
    let config = configure(start)?;
    let database = config.database.to_string();
    application::migrate(&config).await?;
    say(&format!("The schema of {database} is up to date."))?;
    Ok(())
}
