use std::collections::HashMap;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use parking_lot::Mutex;
use storage::conformance::{sample_instance, sample_user};
use storage::{Instance, InstanceStore, LeaseStore, NodeId, UserId, UserStore};
use storage_sql::MasterKey;
use storage_sql::schema::{companion_records, instances, messages};
use tempfile::TempDir;
use wa_binary::Jid;
use wa_store::conformance::{Backend, SharedBackend, sample_device, sample_device_list};
use wa_store::{Changes, DeviceAddress, SenderKeyName};

use super::*;
use crate::records::old_tables;

wa_store::conformance_tests!(Fixture::start());
wa_store::ownership_tests!(Fixture::start());

const MASTER: [u8; 32] = [7; 32];

/// One file that two processes have open; the second one takes companions over.
struct Fixture {
    folder: TempDir,
    first: SqliteDatabase,
    second: SqliteDatabase,
    /// Which process holds a companion, and under which epoch.
    owners: Mutex<HashMap<u8, (NodeId, Epoch)>>,
}

impl Fixture {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (open(&folder), open(&folder));
        Self { folder, first, second, owners: Mutex::default() }
    }

    /// Who holds the companion; it is made when there is none.
    async fn owner(&self, companion: u8) -> (NodeId, Epoch) {
        let known = self.owners.lock().get(&companion).copied();
        if let Some(owner) = known {
            return owner;
        }
        let user = sample_user(&format!("owner of {companion}"));
        let instance = Instance { id: instance(companion), ..sample_instance(user.id, "companion") };
        self.first.create_user(user).await.unwrap();
        let node = NodeId::generate();
        let epoch = self.first.create_instance(instance, Vec::new(), node, 9).await.unwrap();
        self.owners.lock().insert(companion, (node, epoch));
        (node, epoch)
    }

    async fn store(&self) -> Store {
        let (_, epoch) = self.owner(1).await;
        self.first.companion_store(instance(1), epoch)
    }

    /// Runs SQL on the database, as a tool of its administrator would.
    fn sql(&self, statements: &str) {
        connect(&self.folder).batch_execute(statements).unwrap();
    }
}

fn instance(companion: u8) -> InstanceId {
    InstanceId::from_bytes([companion; 16])
}

fn open(folder: &TempDir) -> SqliteDatabase {
    let path = folder.path().join("gateway.db");
    SqliteDatabase::open(path.to_str().unwrap(), MasterKey::from_bytes(MASTER)).unwrap()
}

/// A connection of its own, which waits while the database writes of itself: tasks after a start, the index of texts.
fn connect(folder: &TempDir) -> SqliteConnection {
    let path = folder.path().join("gateway.db");
    let mut connection = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    connection.batch_execute("PRAGMA busy_timeout = 30000").unwrap();
    connection
}

#[async_trait]
impl Backend for Fixture {
    async fn companion(&self, companion: u8) -> Arc<dyn Records> {
        let (_, epoch) = self.owner(companion).await;
        self.first.companion(instance(companion), epoch)
    }

    async fn reopen(&mut self) {
        self.first.close().await;
        self.second.close().await;
        (self.first, self.second) = (open(&self.folder), open(&self.folder));
    }
}

#[async_trait]
impl SharedBackend for Fixture {
    async fn take_over(&self, companion: u8) -> Arc<dyn Records> {
        let (old, _) = self.owner(companion).await;
        self.first.release(old, Some(instance(companion))).await.unwrap();
        let node = NodeId::generate();
        let leased = self.second.acquire(node, true, 1, Duration::from_secs(60)).await.unwrap();
        assert_eq!(leased[0].instance.id, instance(companion));
        self.owners.lock().insert(companion, (node, leased[0].epoch));
        self.second.companion(instance(companion), leased[0].epoch)
    }
}

#[tokio::test]
async fn two_processes_see_each_others_records() {
    let fixture = Fixture::start();
    let one = fixture.store().await;
    let two = fixture.second.companion_store(instance(1), fixture.owner(1).await.1);
    let learn = |store: &Store, pn: &str, lid: &str| {
        store.commit(Changes { lid_mappings: vec![(pn.into(), lid.into())], ..Changes::default() })
    };
    learn(&one, "1001", "9001").await.unwrap();
    learn(&two, "1001", "9002").await.unwrap();
    assert_eq!(one.lid_of("1001").await.unwrap().as_deref(), Some("9002"));
    assert_eq!(one.pn_of("9001").await.unwrap(), None);
    // Whoever only reads needs no epoch, and can't write without one.
    let reader = fixture.second.companion_store(instance(1), Epoch::default());
    assert_eq!(reader.pn_of("9002").await.unwrap().as_deref(), Some("1001"));
    assert!(matches!(learn(&reader, "1001", "9003").await, Err(StoreError::Fenced)));
}

#[tokio::test]
async fn a_sealed_value_moved_to_another_row_is_refused() {
    let fixture = Fixture::start();
    let store = fixture.store().await;
    let address = |device| DeviceAddress::new("15550000002", device);
    let session = |device, record| (address(device), Some(Bytes::from_static(record)));
    let sessions = vec![session(1, b"one"), session(2, b"two")];
    store.commit(Changes { sessions, ..Changes::default() }).await.unwrap();
    let moved =
        "UPDATE companion_records SET value = (SELECT value FROM companion_records WHERE key LIKE '%/1')";
    fixture.sql(moved);
    assert_eq!(store.sessions(&[address(1)]).await.unwrap(), [Some(Bytes::from_static(b"one"))]);
    let refused = store.sessions(&[address(2)]).await.unwrap_err();
    assert!(matches!(refused, StoreError::Corrupt { what: "companion record", .. }), "{refused:?}");

    fixture.sql("UPDATE companion_records SET kind = 3 WHERE key LIKE '%/1'");
    assert!(matches!(store.identities(&[address(1)]).await, Err(StoreError::Corrupt { .. })));
    fixture.owner(2).await;
    fixture.sql("UPDATE companion_records SET instance = 2, kind = 2");
    let other = fixture.first.companion_store(instance(2), fixture.owner(2).await.1);
    assert!(matches!(other.sessions(&[address(1)]).await, Err(StoreError::Corrupt { .. })));
}

#[tokio::test]
async fn an_instance_that_is_gone_has_no_records() {
    let fixture = Fixture::start();
    let store = fixture.store().await;
    store.commit(Changes { device: Some(sample_device()), ..Changes::default() }).await.unwrap();
    fixture.sql("DELETE FROM instances");
    assert!(store.commit(Changes::default()).await.is_err());
    let fresh = fixture.second.companion_store(instance(1), Epoch::default());
    assert!(fresh.device().await.is_err());
}

#[tokio::test]
async fn deleting_an_instance_removes_its_secrets_at_once_and_the_rest_in_pieces() {
    let fixture = Fixture::start();
    let store = fixture.store().await;
    fixture.owner(2).await;
    let other = fixture.first.companion_store(instance(2), fixture.owner(2).await.1);
    for store in [&store, &other] {
        let changes = Changes {
            device: Some(sample_device()),
            prekeys_added: (0..800).map(|id| (id, [1; 32])).collect(),
            lid_mappings: (0..700).map(|n| (format!("pn{n}").into(), format!("lid{n}").into())).collect(),
            ..Changes::default()
        };
        store.commit(changes).await.unwrap();
    }
    let owner = instances::table.find(1).select(instances::owner);
    let owner: Vec<u8> = owner.first(&mut connect(&fixture.folder)).unwrap();
    let owner = UserId::from_bytes(owner.try_into().unwrap());
    fixture.first.delete_instance(owner, instance(1)).await.unwrap();
    let count = |secret| {
        let of_first = companion_records::table.filter(companion_records::instance.eq(1));
        let below = if secret { Kind::LID_OF_PN.number() } else { u8::MAX };
        let rows = of_first.filter(companion_records::kind.lt(i64::from(below))).count();
        rows.get_result::<i64>(&mut connect(&fixture.folder)).unwrap()
    };
    assert_eq!(count(true), 0);
    let emptied = async {
        while count(false) > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), emptied).await.unwrap();
    assert_eq!(other.prekey_count().await.unwrap(), 800);
    assert_eq!(other.lid_of("pn699").await.unwrap().as_deref(), Some("lid699"));
}

const STEP: &str = include_str!("../../../../migrations/sqlite/00000000000004_companion_records/up.sql");
const STEP_BACK: &str =
    include_str!("../../../../migrations/sqlite/00000000000004_companion_records/down.sql");
/// A message that instance 1 sent and kept for retry receipts; one that it received, and one that instance 2 sent, with the
/// same id.
const SENT: &str =
    "INSERT INTO messages (key, instance, id, chat, wire_chat, sender, from_me, message_id, kind, amends, status, created_at,
                           updated_at, raw)
     VALUES (1, 1, x'01', 'c', 'c', 's', 1, '3EB0', 'text', 0, 'sent', 1, 1, x'00'),
            (2, 1, x'02', 'c', 'c', 'p', 0, '3EB0', 'text', 0, 'received', 1, 1, x'00'),
            (3, 2, x'03', 'c', 'c', 's', 1, '3EB0', 'text', 0, 'sent', 1, 1, x'00');
     INSERT INTO sent_messages VALUES (1, 0, 0, '3EB0', 'c', 'c', x'AABB', 1);";

/// The old tables, filled as the first version filled them, among them rows that nobody can read.
#[tokio::test]
async fn what_the_old_tables_hold_is_moved() {
    let mut fixture = Fixture::start();
    let epoch = fixture.owner(1).await.1;
    fixture.owner(2).await;
    fixture.first.close().await;
    fixture.second.close().await;
    {
        let mut db = connect(&fixture.folder);
        let master = MasterKey::from_bytes(MASTER);
        db.batch_execute(STEP_BACK).unwrap();
        db.batch_execute(SENT).unwrap();
        db.batch_execute(STEP).unwrap();
        let raw = messages::table.order(messages::key).select(messages::raw).load::<Vec<u8>>(&mut db);
        assert_eq!(raw.unwrap(), [vec![0xaa, 0xbb], vec![0], vec![0]]);
        for companion in [1, 2] {
            let sealer = Sealer::for_instance(&master, instance(companion));
            old_tables::tests::fill(&mut db, companion.into(), &sealer);
        }
        db.batch_execute("UPDATE sessions SET record = x'00' WHERE instance = 1 AND device = 2").unwrap();
    }
    (fixture.first, fixture.second) = (open(&fixture.folder), open(&fixture.folder));

    let store = fixture.first.companion_store(instance(1), epoch);
    let peer = |device| DeviceAddress::new("15550000002", device);
    assert_eq!(store.device().await.unwrap(), Some(sample_device()));
    let sessions = store.sessions(&[peer(1), peer(2)]).await.unwrap();
    assert_eq!(sessions, [Some(Bytes::from_static(b"session 1")), None]);
    assert_eq!(store.identities(&[peer(1)]).await.unwrap(), [Some([9; 32])]);
    assert_eq!(store.prekeys(0, 9).await.unwrap(), [(7, [7; 32]), (812, [8; 32])]);
    let group = SenderKeyName::new("1203@g.us", peer(1));
    assert_eq!(store.sender_key(&group).await.unwrap(), Some(Bytes::from_static(b"sender key")));
    assert_eq!(store.lid_of("15550000002").await.unwrap().as_deref(), Some("100000000000002"));
    assert_eq!(store.pn_of("100000000000002").await.unwrap().as_deref(), Some("15550000002"));
    let lists = store.device_lists(&[Jid::pn("15550000002")]).await.unwrap();
    assert_eq!(lists, [Some(sample_device_list())]);
    let other = fixture.second.companion_store(instance(2), Epoch::default());
    assert_eq!(other.sessions(&[peer(2)]).await.unwrap(), [Some(Bytes::from_static(b"session 2"))]);
    assert!(!old_tables::are_there(&mut connect(&fixture.folder)).unwrap());
}
