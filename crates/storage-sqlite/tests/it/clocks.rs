//! A clock that jumps, also over a restart.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use storage::conformance::clocks;
use storage::{Clock, Timestamp};
use storage_sqlite::{MasterKey, Options, SqliteDatabase};
use tempfile::TempDir;

use crate::fixture::KEY;

fn database() -> (TempDir, SqliteDatabase, impl Fn(Timestamp)) {
    let folder = tempfile::tempdir().unwrap();
    let time = Arc::new(AtomicI64::new(0));
    let shown = Arc::clone(&time);
    let clock = Clock::new(move || Timestamp::from_millis(shown.load(Ordering::SeqCst)));
    let path = folder.path().join("gateway.db");
    let mut options = Options::default();
    options.clock = clock;
    let database =
        SqliteDatabase::open_with(path.to_str().unwrap(), MasterKey::from_bytes(KEY), options).unwrap();
    (folder, database, move |now: Timestamp| time.store(now.millis(), Ordering::SeqCst))
}

#[tokio::test]
async fn event_times_come_back_from_the_future() {
    let (_folder, database, set) = database();
    clocks::event_times_come_back_from_the_future(&database, set).await;
}

#[tokio::test]
async fn event_times_never_fall() {
    let (_folder, database, set) = database();
    clocks::event_times_never_fall(&database, set).await;
}

#[tokio::test]
async fn a_lease_from_the_future_ends() {
    let (_folder, database, set) = database();
    clocks::a_lease_from_the_future_ends(&database, set).await;
}
