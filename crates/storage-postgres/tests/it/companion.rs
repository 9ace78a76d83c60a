//! The records of companions.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use storage::conformance::{sample_instance, sample_user};
use storage::{Epoch, Instance, InstanceId, NodeId};
use storage::{InstanceStore, LeaseStore, UserStore};
use tokio::sync::Mutex;
use wa_store::conformance::{Backend, SharedBackend, sample_device};
use wa_store::{Changes, DeviceAddress, Records, Store, StoreError};

use crate::fixture::Fixture as Database;

wa_store::conformance_tests!(Fixture::start().await);
wa_store::ownership_tests!(Fixture::start().await);

/// A database that two processes have open; the second one takes companions over.
struct Fixture {
    both: Database,
    /// Which process holds a companion, and under which epoch.
    owners: Mutex<HashMap<u8, (NodeId, Epoch)>>,
}

impl Fixture {
    async fn start() -> Self {
        Self { both: Database::start().await, owners: Mutex::default() }
    }

    /// Who holds the companion; it is made when there is none.
    async fn owner(&self, companion: u8) -> (NodeId, Epoch) {
        let mut owners = self.owners.lock().await;
        if let Some(owner) = owners.get(&companion) {
            return *owner;
        }
        let user = sample_user(&format!("owner of {companion}"));
        let instance = Instance { id: instance(companion), ..sample_instance(user.id, "companion") };
        self.both.database.create_user(user).await.unwrap();
        let node = NodeId::generate();
        let epoch = self.both.database.create_instance(instance, Vec::new(), node, 9).await.unwrap();
        owners.insert(companion, (node, epoch));
        (node, epoch)
    }

    async fn store(&self, companion: u8) -> Store {
        let (_, epoch) = self.owner(companion).await;
        self.both.database.companion_store(instance(companion), epoch)
    }
}

fn instance(companion: u8) -> InstanceId {
    InstanceId::from_bytes([companion; 16])
}

#[async_trait]
impl Backend for Fixture {
    async fn companion(&self, companion: u8) -> Arc<dyn Records> {
        let (_, epoch) = self.owner(companion).await;
        self.both.database.companion(instance(companion), epoch)
    }

    async fn reopen(&mut self) {
        self.both.restart().await;
    }
}

#[async_trait]
impl SharedBackend for Fixture {
    async fn take_over(&self, companion: u8) -> Arc<dyn Records> {
        let (old, _) = self.owner(companion).await;
        self.both.database.release(old, Some(instance(companion))).await.unwrap();
        let node = NodeId::generate();
        let second = self.both.second().await;
        let leased = second.acquire(node, true, 1, Duration::from_secs(60)).await.unwrap();
        assert_eq!(leased[0].instance.id, instance(companion));
        self.owners.lock().await.insert(companion, (node, leased[0].epoch));
        second.companion(instance(companion), leased[0].epoch)
    }
}

#[tokio::test]
async fn a_sealed_value_moved_to_another_row_is_refused() {
    let fixture = Fixture::start().await;
    let store = fixture.store(1).await;
    let address = |device| DeviceAddress::new("15550000002", device);
    let session = |device, record| (address(device), Some(Bytes::from_static(record)));
    let sessions = vec![session(1, b"one"), session(2, b"two")];
    store.commit(Changes { sessions, ..Changes::default() }).await.unwrap();
    let moved =
        "UPDATE companion_records SET value = (SELECT value FROM companion_records WHERE key LIKE '%/1')";
    fixture.both.sql(moved).await;
    assert_eq!(store.sessions(&[address(1)]).await.unwrap(), [Some(Bytes::from_static(b"one"))]);
    let refused = store.sessions(&[address(2)]).await.unwrap_err();
    assert!(matches!(refused, StoreError::Corrupt { what: "companion record", .. }), "{refused:?}");
}

#[tokio::test]
async fn an_instance_that_is_gone_has_no_records() {
    let fixture = Fixture::start().await;
    let store = fixture.store(1).await;
    store.commit(Changes { device: Some(sample_device()), ..Changes::default() }).await.unwrap();
    fixture.both.sql("DELETE FROM instances").await;
    assert!(store.commit(Changes::default()).await.is_err());
    let fresh = fixture.both.second().await.companion_store(instance(1), Epoch::default());
    assert!(fresh.device().await.is_err());
}
