//! The store traits of `storage`, one file per concern: the row, its conversion, the statements, the trait.

use diesel_async::{AsyncPgConnection, RunQueryDsl as _};
use storage::{Clock, Timestamp};
use storage_sql::Fault;

use crate::statement::Now;

mod activity;
mod attempts;
mod audit;
mod burial;
mod claims;
mod consumers;
mod contacts;
mod deliveries;
mod dialects;
mod early;
mod events;
mod instances;
mod keys;
mod leases;
mod messages;
mod ownership;
mod prune;
mod receipts;
mod record;
mod resealing;
mod scheduled;
mod search;
mod settings;
mod storable;
mod usage;
mod users;
mod webhooks;

/// The present: the server's, unless another clock stands for it.
async fn present(db: &mut AsyncPgConnection, clock: Option<&Clock>) -> Result<Timestamp, Fault> {
    match clock {
        Some(clock) => Ok(clock.now()),
        None => Ok(Timestamp::from_millis(Now {}.get_result(db).await?)),
    }
}
