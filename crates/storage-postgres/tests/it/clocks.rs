//! A clock that jumps.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use storage::conformance::clocks;
use storage::{Clock, Timestamp};
use storage_postgres::{Options, PostgresDatabase};
use storage_sql::MasterKey;
use test_support::postgres::Scratch;

use crate::fixture::{KEY, at};

async fn database() -> (Scratch, PostgresDatabase, impl Fn(Timestamp)) {
    let scratch = Scratch::new().await;
    let time = Arc::new(AtomicI64::new(0));
    let shown = Arc::clone(&time);
    let mut options = Options::default();
    options.clock = Some(Clock::new(move || Timestamp::from_millis(shown.load(Ordering::SeqCst))));
    let key = MasterKey::from_bytes(KEY);
    let database = PostgresDatabase::open_with(&at(&scratch.url()), key, options).await.unwrap();
    (scratch, database, move |now: Timestamp| time.store(now.millis(), Ordering::SeqCst))
}

#[tokio::test]
async fn event_times_come_back_from_the_future() {
    let (_scratch, database, set) = database().await;
    clocks::event_times_come_back_from_the_future(&database, set).await;
}

#[tokio::test]
async fn event_times_never_fall() {
    let (_scratch, database, set) = database().await;
    clocks::event_times_never_fall(&database, set).await;
}

#[tokio::test]
async fn a_lease_from_the_future_ends() {
    let (_scratch, database, set) = database().await;
    clocks::a_lease_from_the_future_ends(&database, set).await;
}
