//! Whoever asks for much gets it in pages of bounded size, and whoever doesn't read costs no more than one.

use std::collections::HashSet;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use reqwest::Method;
use serde_json::Value;
use storage::conformance::sample_incoming;
use storage::{EventData, Fleet as _, MessageKind, Record};
use storage_sqlite::SqliteDatabase;
use test_support::until_within;

use super::seeded::{Seeded, lease, list, release_all};

/// As many and as long as one tenant's phone can make within minutes.
const TEXTS: usize = 500;
const LENGTH: usize = 65_000;
const PEER: &str = "15550000052";
/// No answer is longer: a page's 4 MiB of stored texts, what stands around them, and the item that it ends with.
const LONGEST_ANSWER: usize = 6 << 20;
/// What the readers of this test may cost: each one page in memory, of eight that are under way at once; the allocator's
/// share, and what the reading connections have cached.
const MOST_GROWTH: u64 = 120 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn pages_end_at_a_size_and_join_without_a_gap() {
    let stage = with_long_texts(TEXTS / 5).await;
    let id = stage.id.as_str();

    let (mut since, mut seen, mut pages) = ("2020-01-01T00:00:00Z".to_owned(), HashSet::new(), 0);
    loop {
        let path = format!("/api/instances/{id}/events?types=message_received&limit=1000&since={since}");
        let page = sized(&stage.seeded, &path).await;
        for event in list(&page, "events") {
            assert!(seen.insert(event["data"]["messageId"].as_str().unwrap().to_owned()), "told twice");
        }
        pages += 1;
        if page["hasMore"] == false {
            break;
        }
        since = page["latestTimestamp"].as_str().unwrap().to_owned();
    }
    assert_eq!(seen.len(), TEXTS / 5);
    assert!(pages > 3, "{pages} pages");

    for by_cursor in [false, true] {
        let (mut seen, mut next) = (Vec::new(), String::new());
        loop {
            let path = format!("/api/instances/{id}/chats/{PEER}/messages?limit=1000{next}");
            let page = sized(&stage.seeded, &path).await;
            let ids = list(&page, "messages").iter().map(|message| message["messageId"].to_string());
            seen.extend(ids);
            let pagination = &page["pagination"];
            assert_eq!(pagination["total"], TEXTS / 5);
            if pagination["hasMore"] == false {
                break;
            }
            next = match by_cursor {
                false => format!("&skip={}", seen.len()),
                true => format!("&before={}", pagination["next"].as_str().expect("a cursor")),
            };
        }
        assert_eq!(seen.len(), TEXTS / 5);
        assert_eq!(seen.iter().collect::<HashSet<_>>().len(), TEXTS / 5, "none is repeated");
    }

    let (mut seen, mut next) = (Vec::new(), String::new());
    loop {
        let path = format!("/api/instances/{id}/webhook/dead-letters?limit=1000{next}");
        let page = sized(&stage.seeded, &path).await;
        seen.extend(list(&page, "deadLetters").iter().map(|letter| letter["id"].to_string()));
        if page["pagination"]["hasMore"] == false {
            break;
        }
        next = format!("&after={}", page["pagination"]["next"].as_str().expect("a cursor"));
    }
    assert!(seen.len() >= TEXTS / 5);
    assert_eq!(seen.iter().collect::<HashSet<_>>().len(), seen.len(), "none is repeated");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dozen_readers_that_do_not_read_cost_little() {
    let mut stage = with_long_texts(TEXTS).await;
    let pid = stage.seeded.gateway.process().pid();
    let path = format!("/api/instances/{}/events?limit=1000&since=2020-01-01T00:00:00Z", stage.id);
    // Once before, so that what only the first answer costs doesn't count.
    stage.seeded.send(Method::GET, &path, None).await.expect(200);
    let before = resident(pid);
    let readers: Vec<_> = (0..12).map(|_| Reader::ask(&stage.seeded, &path)).collect();
    let (mut served, mut refused) = (0, 0);
    for mut reader in readers.iter().map(|reader| reader.try_clone()) {
        match reader.status() {
            200 => served += 1,
            429 => refused += 1,
            other => panic!("{other}"),
        }
    }
    assert!((4..=8).contains(&served), "{served} are answered at once");
    assert_eq!(served + refused, 12);
    let growth = resident(pid).saturating_sub(before);
    println!("{served} stalled readers: {} KiB more", growth >> 10);
    assert!(growth < MOST_GROWTH, "{} MiB more", growth >> 20);

    // The next one may come when they are gone.
    drop(readers);
    until_within("room for another", Duration::from_secs(60), || async {
        (stage.seeded.send(Method::GET, &path, None).await.status == 200).then_some(())
    })
    .await;
}

struct Stage {
    seeded: Seeded,
    id: String,
}

/// A gateway with an instance that has received this many long texts, none of which could be delivered.
async fn with_long_texts(count: usize) -> Stage {
    let mut seeded = Seeded::start().await;
    let id = seeded.create(serde_json::json!({"name": "shop"})).await;
    let of = id.clone();
    seeded
        .restart_after(async |stage, database| {
            receive(database, &of, count).await;
            stage.sql(
                "INSERT INTO deliveries (instance, consumer, seq, state, attempts, next_attempt, created_at, updated_at)
                 SELECT instance, 'default', seq, 'dead', 4, timestamp, timestamp, 4102444800000 FROM events",
            );
            release_all(stage);
        })
        .await;
    Stage { seeded, id }
}

async fn receive(database: &SqliteDatabase, id: &str, count: usize) {
    let (instance, epoch) = lease(database, id).await;
    let text = "😀".repeat(LENGTH);
    for n in 0..count {
        let at = 1_700_000_000_000 + n as i64;
        let mut new = sample_incoming(instance.id, PEER, &format!("LONG{n}"), at);
        new.message.kind = MessageKind::Text;
        new.message.text = Some(text.clone());
        if let Some(EventData::MessageReceived(told)) = new.event.as_mut().map(|event| &mut event.data) {
            told.text = Some(text.clone());
        }
        database.record(Record::new(instance.id, epoch).message(new)).await.expect("recorded");
    }
}

/// The page, which must not be larger than allowed.
async fn sized(stage: &Seeded, path: &str) -> Value {
    let page = stage.get(path).await;
    let length = serde_json::to_vec(&page).expect("JSON").len();
    assert!(length < LONGEST_ANSWER, "{length} bytes for {path}");
    page
}

/// A client that asks and then reads no more than the status line.
struct Reader(TcpStream);

impl Reader {
    fn ask(stage: &Seeded, path: &str) -> Self {
        let address = stage.gateway.url().trim_start_matches("http://");
        let mut socket = TcpStream::connect(address).expect("a connection");
        let key = stage.gateway.api_key();
        let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nx-api-key: {key}\r\n\r\n");
        socket.write_all(request.as_bytes()).expect("sent");
        socket.set_read_timeout(Some(Duration::from_secs(120))).expect("a limit");
        Self(socket)
    }

    fn try_clone(&self) -> Self {
        Self(self.0.try_clone().expect("a clone"))
    }

    fn status(&mut self) -> u16 {
        let mut line = [0; 12];
        self.0.read_exact(&mut line).expect("a status line");
        std::str::from_utf8(&line[9..]).ok().and_then(|code| code.parse().ok()).expect("a status")
    }
}

/// Resident memory of a process in bytes.
fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a running process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
}
