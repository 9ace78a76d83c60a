use std::error::Error;

use super::{configure, say};
use crate::application;

/// `trunkline migrate`.
pub(super) async fn run() -> Result<(), Box<dyn Error>> {
    let config = configure()?;
    let database = config.database.to_string();
    application::migrate(&config).await?;
    say(&format!("The schema of {database} is up to date."))?;
    Ok(())
}
