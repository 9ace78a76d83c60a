//! The server goes away in the middle of the traffic: what was acknowledged is stored, and all goes on by itself.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use storage::conformance::sample_incoming;
use storage::{Fleet, InstanceStore, MessageQuery, MessageStore};
use storage_postgres::{Options, PostgresDatabase};
use storage_sql::MasterKey;
use test_support::postgres::Scratch;
use test_support::until;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::fixture::{Fixture, Held, KEY, at, open};

/// A way to the server that can be closed.
struct Way {
    port: u16,
    to: String,
    open: Mutex<Option<JoinHandle<()>>>,
}

impl Way {
    fn new(to: &str) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self { port, to: to.to_owned(), open: Mutex::default() }
    }

    async fn open(&self) {
        let listener = TcpListener::bind(("127.0.0.1", self.port)).await.unwrap();
        let to = self.to.clone();
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let (mut near, _) = listener.accept().await.unwrap();
                let to = to.clone();
                connections.spawn(async move {
                    if let Ok(mut far) = TcpStream::connect(&to).await {
                        let _ = copy_bidirectional(&mut near, &mut far).await;
                    }
                });
            }
        });
        *self.open.lock() = Some(task);
    }

    /// Cuts all connections, and lets nobody in.
    async fn close(&self) {
        let task = self.open.lock().take().unwrap();
        task.abort();
        let _ = task.await;
    }
}

/// The scratch's URL through a way.
fn through(scratch: &Scratch, way: &Way) -> String {
    let url = scratch.url();
    let (_, rest) = url.split_once('@').unwrap();
    let (_, path) = rest.split_once('/').unwrap();
    let (user, _) = url.split_once('@').unwrap();
    format!("{user}@127.0.0.1:{}/{path}", way.port)
}

fn server_of(scratch: &Scratch) -> String {
    let url = scratch.url();
    let (_, rest) = url.split_once('@').unwrap();
    rest.split_once('/').unwrap().0.to_owned()
}

/// Records messages until it is told to end; answers the ids of those that were acknowledged.
fn traffic(
    database: &PostgresDatabase,
    held: &Held,
    name: usize,
    end: &Arc<Mutex<bool>>,
) -> JoinHandle<Vec<String>> {
    let (database, held, end) = (database.clone(), held.clone(), Arc::clone(end));
    tokio::spawn(async move {
        let mut acknowledged = Vec::new();
        for n in 0.. {
            if *end.lock() {
                break;
            }
            let id = format!("{name}-{n}");
            let message = sample_incoming(held.id, "15550000002", &id, 1_700_000_000_000);
            match database.record(held.record().message(message)).await {
                Ok(_) => acknowledged.push(id),
                Err(_) => tokio::task::yield_now().await,
            }
        }
        acknowledged
    })
}

/// Waits until this is so.
async fn until_it_is<F: Future<Output = bool>>(what: &str, mut ask: impl FnMut() -> F) {
    until(what, || {
        let asked = ask();
        async move { asked.await.then_some(()) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_is_there_after_an_outage() {
    let scratch = Scratch::new().await;
    let way = Way::new(&server_of(&scratch));
    way.open().await;
    let mut options = Options::default();
    options.readers = 2;
    let key = MasterKey::from_bytes(KEY);
    let database = PostgresDatabase::open_with(&at(&through(&scratch, &way)), key, options).await.unwrap();
    let fixture = Fixture::over(scratch, database);
    let (held, database) = (fixture.instance().await, &fixture.database);
    let can_read = || async { database.instance(held.user.id, held.id).await.is_ok() };
    let end = Arc::new(Mutex::new(false));
    let traffic: Vec<_> = (0..4).map(|name| traffic(database, &held, name, &end)).collect();

    for is_long in [false, true, false] {
        let before = database.commit_figures().writes.count;
        until_it_is("traffic", || async { database.commit_figures().writes.count > before + 20 }).await;
        way.close().await;
        if is_long {
            // Until nobody is kept waiting any more.
            until_it_is("it says so", || async { database.write_failure().is_some() }).await;
            assert!(!can_read().await);
        }
        way.open().await;
        let count = database.commit_figures().writes.count;
        until_it_is("commits", || async { database.commit_figures().writes.count > count + 20 }).await;
        until_it_is("it says so no more", || async { database.write_failure().is_none() }).await;
        until_it_is("reads", can_read).await;
    }
    *end.lock() = true;
    let mut acknowledged = Vec::new();
    for one in traffic {
        acknowledged.extend(one.await.unwrap());
    }
    assert!(acknowledged.len() > 60);
    database.close().await;
    let again = open(&fixture.scratch).await;
    for id in acknowledged {
        let found = again.fleet_messages_by_id(held.id, &id).await.unwrap();
        assert_eq!(found.len(), 1, "{id} was acknowledged");
    }
}

/// The server ends the sessions, as when it is started anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_that_the_server_ends_are_replaced() {
    let fixture = Fixture::start().await;
    let held = fixture.instance().await;
    let administrator = fixture.scratch.connect().await;
    for n in 0..3 {
        let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                   WHERE application_name = current_setting('application_name') AND pid <> pg_backend_pid()";
        let ended: i64 = administrator.query_one(end, &[]).await.unwrap().get(0);
        assert!(ended > 0);
        until_it_is("a write", || async {
            let message = sample_incoming(held.id, "15550000002", &n.to_string(), 1);
            fixture.database.record(held.record().message(message)).await.is_ok()
        })
        .await;
        until_it_is("a read", || async {
            let query = MessageQuery::newest("15550000002@s.whatsapp.net", 50);
            let page = fixture.database.messages(held.user.id, held.id, &query).await;
            page.is_ok_and(|page| page.total == n + 1)
        })
        .await;
    }
}

/// A process that was stopped in the middle of a batch keeps others out for a moment only.
#[tokio::test]
async fn a_stopped_process_is_not_waited_for() {
    let fixture = Fixture::start().await;
    let held = fixture.instance().await;
    let stopped = fixture.scratch.connect().await;
    let begin =
        "SET idle_in_transaction_session_timeout = '1s'; BEGIN; SELECT key FROM instances FOR NO KEY UPDATE";
    stopped.batch_execute(begin).await.unwrap();
    let message = sample_incoming(held.id, "15550000002", "1", 1);
    let recorded = fixture.database.record(held.record().message(message));
    tokio::time::timeout(Duration::from_secs(20), recorded).await.unwrap().unwrap();
}
