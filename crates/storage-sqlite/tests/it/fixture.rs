use std::sync::Arc;

use async_trait::async_trait;
use diesel::connection::SimpleConnection;
use diesel::{Connection, SqliteConnection};
use storage::conformance::{sample_instance, sample_user};
use storage::{Fleet, InstanceId, InstanceStore, Storage, User, UserStore};
use storage_sqlite::{MasterKey, SqliteDatabase};
use tempfile::TempDir;

/// A database in a folder that goes with it.
pub(crate) struct Fixture {
    pub(crate) folder: TempDir,
    pub(crate) database: SqliteDatabase,
}

impl Fixture {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = open(&folder);
        Self { folder, database }
    }

    pub(crate) async fn restart(&mut self) {
        self.database.close().await;
        self.database = open(&self.folder);
    }

    /// Runs SQL on the closed database, as a tool of its administrator would.
    pub(crate) fn sql(&self, statements: &str) {
        let path = self.folder.path().join("gateway.db");
        let mut connection = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
        connection.batch_execute(statements).unwrap();
    }

    /// A new user with a new instance.
    pub(crate) async fn instance(&self) -> (User, InstanceId) {
        let user = sample_user(&InstanceId::generate().to_string());
        let instance = sample_instance(user.id, "instance");
        self.database.create_user(user.clone()).await.unwrap();
        self.database.create_instance(instance.clone()).await.unwrap();
        (user, instance.id)
    }
}

pub(crate) const KEY: [u8; 32] = [7; 32];

pub(crate) fn open(folder: &TempDir) -> SqliteDatabase {
    let path = folder.path().join("gateway.db");
    SqliteDatabase::open(path.to_str().unwrap(), MasterKey::from_bytes(KEY)).unwrap()
}

#[async_trait]
impl storage::conformance::Backend for Fixture {
    async fn storage(&self) -> Arc<dyn Storage> {
        Arc::new(self.database.clone())
    }

    async fn reopen(&mut self) {
        self.restart().await;
    }
}

#[async_trait]
impl wa_store::conformance::Backend for Fixture {
    async fn companion(&self, companion: u8) -> Arc<dyn wa_store::Store> {
        let id = InstanceId::from_bytes([companion; 16]);
        if self.database.fleet_instance(id).await.unwrap().is_none() {
            let user = sample_user(&format!("owner of {companion}"));
            let instance = storage::Instance { id, ..sample_instance(user.id, "companion") };
            self.database.create_user(user).await.unwrap();
            self.database.create_instance(instance).await.unwrap();
        }
        self.database.companion_store(id)
    }

    async fn reopen(&mut self) {
        self.restart().await;
    }
}
