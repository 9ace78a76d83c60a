use std::sync::Arc;

use async_trait::async_trait;
use storage::UserStore;
use storage::conformance::{Handles, sample_leased, sample_user};
use storage::{Epoch, InstanceId, Record, Storage, User};
use storage_postgres::{DatabaseAddress, Options, PostgresDatabase};
use storage_sql::MasterKey;
use test_support::postgres::Scratch;
use tokio::sync::OnceCell;

/// A database in a schema that goes with it.
pub(crate) struct Fixture {
    pub(crate) database: PostgresDatabase,
    /// The same opened once more, as another process would.
    second: OnceCell<PostgresDatabase>,
    // Goes last.
    pub(crate) scratch: Scratch,
}

/// An instance that a test holds.
#[derive(Clone)]
pub(crate) struct Held {
    pub(crate) user: User,
    pub(crate) id: InstanceId,
    pub(crate) epoch: Epoch,
}

impl Held {
    /// The store of its companion.
    pub(crate) fn companion(&self, database: &PostgresDatabase) -> wa_store::Store {
        database.companion_store(self.id, self.epoch)
    }

    /// An empty record.
    pub(crate) fn record(&self) -> Record {
        Record::new(self.id, self.epoch)
    }
}

pub(crate) const KEY: [u8; 32] = [7; 32];

/// The address that a URL names.
pub(crate) fn at(url: &str) -> DatabaseAddress {
    url.parse().unwrap()
}

/// Few connections: many tests run at once.
pub(crate) async fn open(scratch: &Scratch) -> PostgresDatabase {
    let mut options = Options::default();
    options.readers = 3;
    PostgresDatabase::open_with(&at(&scratch.url()), MasterKey::from_bytes(KEY), options).await.unwrap()
}

impl Fixture {
    pub(crate) async fn start() -> Self {
        let scratch = Scratch::new().await;
        let database = open(&scratch).await;
        Self::over(scratch, database)
    }

    pub(crate) fn over(scratch: Scratch, database: PostgresDatabase) -> Self {
        Self { database, second: OnceCell::new(), scratch }
    }

    pub(crate) async fn restart(&mut self) {
        self.database.close().await;
        if let Some(second) = self.second.take() {
            second.close().await;
        }
        self.database = open(&self.scratch).await;
    }

    pub(crate) async fn second(&self) -> &PostgresDatabase {
        self.second.get_or_init(|| open(&self.scratch)).await
    }

    /// Runs SQL beside the database, as a tool of its administrator would.
    pub(crate) async fn sql(&self, statements: &str) {
        self.scratch.connect().await.batch_execute(statements).await.unwrap();
    }

    /// A new user with a new instance.
    pub(crate) async fn instance(&self) -> Held {
        let user = sample_user(&InstanceId::generate().to_string());
        self.database.create_user(user.clone()).await.unwrap();
        let (instance, epoch) = sample_leased(&self.database, user.id, "instance").await.unwrap();
        Held { user, id: instance.id, epoch }
    }
}

#[async_trait]
impl storage::conformance::Backend for Fixture {
    async fn storage(&self) -> Handles {
        Handles::from(Arc::new(self.database.clone()) as Arc<dyn Storage>)
    }

    async fn second(&self) -> Arc<dyn Storage> {
        Arc::new(Fixture::second(self).await.clone())
    }

    async fn reopen(&mut self) {
        self.restart().await;
    }
}
