//! What it costs to deliver one event: read from the log, signed, posted over a kept connection, settled.
//!
//! Each element is one delivered webhook; receiver and dispatcher share the machine. `wall` is the time from the events' commit
//! to the last request; `cpu` is the processor's time of the whole process, the receiver's part included, and needs Linux.

// A bench is a test of its own.
#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a benchmark ends with its first failure, and nobody links it"
)]

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use outbound::AddressGuard;
use storage::conformance::{SAMPLE_NODE, sample_incoming, sample_instance, sample_user};
use storage::{
    Epoch, InstanceId, InstanceStore, Journal, Listener, MemoryStorage, Record, SecretText, Timestamp,
    UserStore, Webhook,
};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::Notify;
use webhook::{Dispatcher, Options};

const CHATS: usize = 20;
const EVENTS: usize = 5_000;

/// Counts requests, and answers them at once.
struct Receiver {
    count: AtomicUsize,
    news: Notify,
}

impl Receiver {
    async fn start() -> (Arc<Self>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let receiver = Arc::new(Self { count: AtomicUsize::new(0), news: Notify::new() });
        let serving = Arc::clone(&receiver);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                let receiver = Arc::clone(&serving);
                let service = service_fn(move |request| Arc::clone(&receiver).receive(request));
                let connection = hyper::server::conn::http1::Builder::new();
                tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
            }
        });
        (receiver, url)
    }

    async fn receive(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> Result<Response<Empty<Bytes>>, Infallible> {
        let _ = request.into_body().collect().await;
        self.count.fetch_add(1, Ordering::Relaxed);
        self.news.notify_one();
        Ok(Response::new(Empty::new()))
    }

    async fn wait_for(&self, count: usize) {
        while self.count.load(Ordering::Relaxed) < count {
            self.news.notified().await;
        }
    }
}

struct Gateway {
    journal: Journal,
    instances: Vec<(InstanceId, Epoch)>,
    receiver: Arc<Receiver>,
    recorded: usize,
}

impl Gateway {
    async fn start(instances: usize) -> Self {
        let (receiver, url) = Receiver::start().await;
        let storage = Arc::new(MemoryStorage::new());
        let user = sample_user("bench");
        storage.create_user(user.clone()).await.unwrap();
        let guard = AddressGuard::new("127.0.0.1".parse().unwrap());
        let dispatcher = Dispatcher::new(storage.clone(), Options { guard, ..Options::default() }).unwrap();
        let mut ids = Vec::new();
        for n in 0..instances {
            let instance = sample_instance(user.id, &n.to_string());
            let id = instance.id;
            let webhook = Webhook {
                url: Some(url.clone()),
                enabled: true,
                secret: Some(SecretText::new("secret")),
                ..Webhook::new(id, Webhook::DEFAULT, Timestamp::default())
            };
            let epoch =
                storage.create_instance(instance, vec![webhook], SAMPLE_NODE, u64::MAX).await.unwrap();
            dispatcher.serve(id, user.id, epoch);
            ids.push((id, epoch));
        }
        let listener: Arc<dyn Listener> = Arc::new(dispatcher);
        let journal = Journal::new(storage, [listener]);
        Self { journal, instances: ids, receiver, recorded: 0 }
    }

    /// Records events one by one, as they come in, and waits until the receiver has all of them.
    async fn deliver(&mut self, count: usize) {
        for n in self.recorded..self.recorded + count {
            let (instance, epoch) = self.instances[n % self.instances.len()];
            let peer = format!("1555{:07}", n / self.instances.len() % CHATS);
            let message = sample_incoming(instance, &peer, &format!("3EB0{n:016X}"), n as i64);
            self.journal.record(Record::new(instance, epoch).message(message)).await.unwrap();
            if n % 64 == 0 {
                tokio::task::yield_now().await;
            }
        }
        self.recorded += count;
        self.receiver.wait_for(self.recorded).await;
    }
}

fn delivery(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("webhook/deliver");
    group.sample_size(10).measurement_time(Duration::from_secs(10)).sampling_mode(SamplingMode::Flat);
    group.throughput(Throughput::Elements(EVENTS as u64));
    for instances in [1, 50] {
        let runtime = Runtime::new().unwrap();
        let mut gateway = runtime.block_on(Gateway::start(instances));
        group.bench_function(BenchmarkId::new("wall", instances), |bencher| {
            bencher.iter(|| runtime.block_on(gateway.deliver(EVENTS)));
        });
        group.bench_function(BenchmarkId::new("cpu", instances), |bencher| {
            bencher.iter_custom(|iterations| {
                let before = cpu_time();
                (0..iterations).for_each(|_| runtime.block_on(gateway.deliver(EVENTS)));
                cpu_time() - before
            });
        });
    }
    group.finish();
}

/// Processor time of this process so far, in steps of a clock tick (10 ms).
fn cpu_time() -> Duration {
    let Ok(stat) = std::fs::read_to_string("/proc/self/stat") else { return Duration::ZERO };
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks = fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok());
    Duration::from_millis(ticks.sum::<u64>() * 10)
}

criterion_group!(benches, delivery);
criterion_main!(benches);
