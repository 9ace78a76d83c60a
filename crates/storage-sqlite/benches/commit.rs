//! What it costs to store one message for good, incoming (message, event, ratchet) or outgoing (pending message, ratchet,
//! ack), and to load a session.
//!
//! Each element is one `record` and one companion `commit`; all of an iteration wait together, as the messages of many
//! instances do. `wall` includes waiting for the disk; `cpu` is the processor's time of all threads, sealing included,
//! and needs Linux.

// A bench is a test of its own.
#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a benchmark ends with its first failure, and nobody links it"
)]

use std::time::Duration;

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use storage::conformance::{sample_incoming, sample_leased, sample_outgoing, sample_receipt, sample_user};
use storage::{Epoch, Fleet, InstanceId, MessageStatus, Record, UserStore};
use storage_sqlite::{MasterKey, SqliteDatabase};
use tokio::runtime::Runtime;
use wa_store::{Changes, DeviceAddress, Store};

const INSTANCES: usize = 100;
const PEERS: usize = 50;
/// A session with two receiving chains and no skipped keys.
const SESSION: usize = 600;

struct Gateway {
    database: SqliteDatabase,
    instances: Vec<(InstanceId, Epoch, Store)>,
    next: usize,
    _folder: tempfile::TempDir,
}

impl Gateway {
    async fn start() -> Self {
        // Not in the system's folder for temporary files, which may lie in memory and know no fsync.
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let path = folder.path().join("gateway.db");
        let database = SqliteDatabase::open(path.to_str().unwrap(), MasterKey::from_bytes([7; 32])).unwrap();
        let user = sample_user("bench");
        database.create_user(user.clone()).await.unwrap();
        let mut instances = Vec::new();
        for n in 0..INSTANCES {
            let (instance, epoch) = sample_leased(&database, user.id, &n.to_string()).await.unwrap();
            instances.push((instance.id, epoch, database.companion_store(instance.id, epoch)));
        }
        Self { database, instances, next: 0, _folder: folder }
    }

    /// Receives `count` messages and waits until all are durable.
    async fn receive(&mut self, count: usize) {
        let mut answers = Vec::with_capacity(count);
        for n in self.next..self.next + count {
            let (instance, epoch, companion) = &self.instances[n % INSTANCES];
            let peer = peer(n);
            let message = sample_incoming(*instance, &peer, &format!("3EB0{n:016X}"), n as i64);
            let recorded = self.database.record(Record::new(*instance, *epoch).message(message));
            answers.push((recorded, companion.commit(ratchet(&peer))));
        }
        self.next += count;
        for (recorded, committed) in answers {
            recorded.await.unwrap();
            committed.await.unwrap();
        }
    }

    /// Loads the sessions of `count` peers, one read each, as messages of peers that are not in memory do.
    async fn load(&self, count: usize) {
        for n in 0..count {
            let (_, _, companion) = &self.instances[n % INSTANCES];
            companion.sessions(&[DeviceAddress::new(peer(n), 0)]).await.unwrap();
        }
    }

    /// Sends `count` messages: pending with its protobuf, the ratchet's lease, WhatsApp's ack.
    async fn send(&mut self, count: usize) {
        let mut answers = Vec::with_capacity(count);
        for n in self.next..self.next + count {
            let (instance, epoch, companion) = &self.instances[n % INSTANCES];
            let (peer, id) = (peer(n), format!("3EB0{n:016X}"));
            let pending = sample_outgoing(*instance, &peer, &id, n as i64);
            let ack = sample_receipt(&peer, &id, MessageStatus::Sent, n as i64);
            let pending = self.database.record(Record::new(*instance, *epoch).message(pending));
            let ratchet = companion.commit(ratchet(&peer));
            answers.push((
                pending,
                ratchet,
                self.database.record(Record::new(*instance, *epoch).status(ack)),
            ));
        }
        self.next += count;
        for (pending, ratchet, acknowledged) in answers {
            pending.await.unwrap();
            ratchet.await.unwrap();
            acknowledged.await.unwrap();
        }
    }
}

fn peer(n: usize) -> String {
    format!("1555{:07}", n / INSTANCES % PEERS)
}

fn ratchet(peer: &str) -> Changes {
    let record = Bytes::from(vec![0x5a; SESSION]);
    Changes { sessions: vec![(DeviceAddress::new(peer, 0), Some(record))], ..Changes::default() }
}

fn wall(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let mut gateway = runtime.block_on(Gateway::start());
    let mut group = criterion.benchmark_group("wall");
    group.sample_size(20);
    for together in [1, 16, 256] {
        group.throughput(Throughput::Elements(together as u64));
        group.bench_function(BenchmarkId::new("receive", together), |bencher| {
            bencher.iter(|| runtime.block_on(gateway.receive(together)));
        });
        group.bench_function(BenchmarkId::new("send", together), |bencher| {
            bencher.iter(|| runtime.block_on(gateway.send(together)));
        });
    }
}

fn cpu(criterion: &mut Criterion) {
    if cpu_time().is_none() {
        return;
    }
    let runtime = Runtime::new().unwrap();
    let mut gateway = runtime.block_on(Gateway::start());
    let mut group = criterion.benchmark_group("cpu");
    group.sample_size(20).throughput(Throughput::Elements(256));
    group.bench_function("receive/256", |bencher| {
        bencher.iter_custom(|rounds| {
            let before = cpu_time().unwrap();
            runtime.block_on(async {
                for _ in 0..rounds {
                    gateway.receive(256).await;
                }
            });
            cpu_time().unwrap() - before
        });
    });
    group.bench_function("send/256", |bencher| {
        bencher.iter_custom(|rounds| {
            let before = cpu_time().unwrap();
            runtime.block_on(async {
                for _ in 0..rounds {
                    gateway.send(256).await;
                }
            });
            cpu_time().unwrap() - before
        });
    });
}

fn read(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let mut gateway = runtime.block_on(Gateway::start());
    runtime.block_on(gateway.receive(INSTANCES * PEERS));
    let mut group = criterion.benchmark_group("cpu");
    group.sample_size(20).throughput(Throughput::Elements(256));
    group.bench_function("load/256", |bencher| {
        bencher.iter_custom(|rounds| {
            let before = cpu_time().unwrap_or_default();
            runtime.block_on(async {
                for _ in 0..rounds {
                    gateway.load(256).await;
                }
            });
            cpu_time().unwrap_or_default().saturating_sub(before).max(Duration::from_nanos(1))
        });
    });
}

/// Time that all threads of this process have spent on a processor.
fn cpu_time() -> Option<Duration> {
    let mut nanos = 0;
    for thread in std::fs::read_dir("/proc/self/task").ok()? {
        let schedule = std::fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        nanos += schedule.split_whitespace().next()?.parse::<u64>().ok()?;
    }
    Some(Duration::from_nanos(nanos))
}

criterion_group!(benches, wall, cpu, read);
criterion_main!(benches);
