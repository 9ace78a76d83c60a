use std::path::Path;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use diesel::connection::SimpleConnection;
use diesel::{Connection, SqliteConnection};
use storage::conformance::{Handles, sample_leased, sample_user};
use storage::{Epoch, InstanceId, Record, Storage, User, UserStore};
use storage_sqlite::{MasterKey, SqliteDatabase};
use tempfile::TempDir;
use wa_store::Store;

/// A database in a folder that goes with it.
pub(crate) struct Fixture {
    pub(crate) folder: TempDir,
    pub(crate) database: SqliteDatabase,
    /// The same file opened once more, as another process would.
    second: OnceLock<SqliteDatabase>,
}

/// An instance that a test holds.
#[derive(Clone)]
pub(crate) struct Held {
    pub(crate) user: User,
    pub(crate) id: InstanceId,
    pub(crate) epoch: Epoch,
}

impl Held {
    /// An empty record.
    pub(crate) fn record(&self) -> Record {
        Record::new(self.id, self.epoch)
    }

    /// The store of its companion.
    pub(crate) fn companion(&self, database: &SqliteDatabase) -> Store {
        database.companion_store(self.id, self.epoch)
    }
}

impl Fixture {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = open(&folder);
        Self { folder, database, second: OnceLock::new() }
    }

    pub(crate) async fn restart(&mut self) {
        self.database.close().await;
        if let Some(second) = self.second.take() {
            second.close().await;
        }
        self.database = open(&self.folder);
    }

    pub(crate) fn second(&self) -> &SqliteDatabase {
        self.second.get_or_init(|| open(&self.folder))
    }

    /// Runs SQL on the closed database, as a tool of its administrator would.
    pub(crate) fn sql(&self, statements: &str) {
        connect(&self.folder.path().join("gateway.db")).batch_execute(statements).unwrap();
    }

    /// A new user with a new instance.
    pub(crate) async fn instance(&self) -> Held {
        let user = sample_user(&InstanceId::generate().to_string());
        self.database.create_user(user.clone()).await.unwrap();
        let (instance, epoch) = sample_leased(&self.database, user.id, "instance").await.unwrap();
        Held { user, id: instance.id, epoch }
    }
}

pub(crate) const KEY: [u8; 32] = [7; 32];

/// A connection beside the database's own, which waits while the database writes of itself: tasks after a start, the index of
/// texts.
pub(crate) fn connect(database: &Path) -> SqliteConnection {
    let mut connection = SqliteConnection::establish(database.to_str().unwrap()).unwrap();
    connection.batch_execute("PRAGMA busy_timeout = 30000").unwrap();
    connection
}

pub(crate) fn open(folder: &TempDir) -> SqliteDatabase {
    let path = folder.path().join("gateway.db");
    SqliteDatabase::open(path.to_str().unwrap(), MasterKey::from_bytes(KEY)).unwrap()
}

#[async_trait]
impl storage::conformance::Backend for Fixture {
    async fn storage(&self) -> Handles {
        Handles::from(Arc::new(self.database.clone()) as Arc<dyn Storage>)
    }

    async fn second(&self) -> Arc<dyn Storage> {
        Arc::new(Fixture::second(self).clone())
    }

    async fn reopen(&mut self) {
        self.restart().await;
    }
}
