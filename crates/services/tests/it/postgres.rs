//! A PostgreSQL below services whose time is paused. It is used from a runtime with real time, and while anything is asked of
//! it, time stands still: paused time runs on whenever nothing else happens.

use std::ops::Range;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use bytes::Bytes;
use storage::{Epoch, InstanceId, Storage};
use storage_postgres::{Options, PostgresDatabase};
use storage_sql::{MasterKey, Sealer};
use test_support::postgres::Scratch;
use tokio::runtime::{Builder, Runtime};
use tokio::task::spawn_blocking;
use wa_client::{Store, StoreError};
use wa_store::{Batch, Commit, Key, Kind, Records};

static REAL: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap());

/// A database in a schema that goes with it.
#[derive(Clone)]
pub(crate) struct Postgres {
    database: PostgresDatabase,
    // Goes last.
    _scratch: Arc<Scratch>,
}

impl Postgres {
    /// A new one; without a server the tests end here, and say so loudly.
    pub(crate) async fn start() -> Self {
        let held = Held::new();
        let opening = REAL.spawn(async {
            let scratch = Scratch::new().await;
            let mut options = Options::default();
            options.readers = 2;
            let address = scratch.url().parse().unwrap();
            let database = PostgresDatabase::open_with(&address, master(), options).await.unwrap();
            Self { database, _scratch: Arc::new(scratch) }
        });
        let started = opening.await.unwrap();
        drop(held);
        started
    }

    pub(crate) fn companion_store(&self, instance: InstanceId, epoch: Epoch) -> Store {
        let records = HeldRecords(self.database.companion(instance, epoch));
        Store::new(Arc::new(records), Arc::new(Sealer::for_instance(&master(), instance)))
    }

    fn through(&self) -> (&dyn Storage, Held) {
        (&self.database, Held::new())
    }
}

fn master() -> MasterKey {
    MasterKey::from_bytes([7; 32])
}

storage::pass_on!(Postgres);

/// Keeps paused time from running on, as it does while something blocks.
struct Held {
    _end: Sender<()>,
}

impl Held {
    fn new() -> Self {
        let (end, ended) = channel::<()>();
        spawn_blocking(move || ended.recv());
        Self { _end: end }
    }
}

struct HeldRecords(Arc<dyn Records>);

#[async_trait]
impl Records for HeldRecords {
    async fn get(&self, kind: Kind, keys: &[Key]) -> Result<Vec<Option<Bytes>>, StoreError> {
        let _held = Held::new();
        self.0.get(kind, keys).await
    }

    async fn scan(
        &self,
        kind: Kind,
        range: Range<Key>,
        limit: usize,
    ) -> Result<Vec<(Key, Bytes)>, StoreError> {
        let _held = Held::new();
        self.0.scan(kind, range, limit).await
    }

    async fn count(&self, kind: Kind) -> Result<u64, StoreError> {
        let _held = Held::new();
        self.0.count(kind).await
    }

    fn apply(&self, batch: Batch) -> Commit {
        let (held, commit) = (Held::new(), self.0.apply(batch));
        Box::pin(async move {
            let outcome = commit.await;
            drop(held);
            outcome
        })
    }
}
