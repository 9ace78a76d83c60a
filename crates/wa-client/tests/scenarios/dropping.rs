//! An embedder that can't record anything without a connection.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::{Instant, sleep};
use wa_client::{Batch, ConnectRequest, Connection, Connector, Event, State, TransportError};

use crate::stage::{InMemory, Stage, nothing_waits, patiently};

/// Takes its time, so that a batch is looked at while it dials.
struct Slow(InMemory);

#[async_trait]
impl Connector for Slow {
    async fn connect(&self, request: ConnectRequest) -> Result<Connection, TransportError> {
        sleep(Duration::from_secs(1)).await;
        self.0.connect(request).await
    }
}

fn texts(batch: &Batch) -> Vec<String> {
    let text = |event: &Event| match event {
        Event::Message(message) => message.text().map(str::to_owned),
        _ => None,
    };
    batch.events().iter().filter_map(text).collect()
}

/// A message was stored with the session that decrypted it, and the process died before anybody recorded it.
#[tokio::test(start_paused = true)]
async fn whoever_drops_what_comes_without_a_connection_is_connected_and_told_again() {
    let stage = Stage::new().await;
    let (alice, bob) = (stage.phone("15550000001"), stage.phone("15550000002"));
    let companion = stage.companion(&alice).await;
    companion.send(bob.jid(), "sound").await;
    let store = companion.stop().await;
    let (client, mut events, task) = stage.start_alone(store.clone(), |builder| builder);
    bob.send(alice.number(), "precious").await.unwrap();
    'told: while let Some(batch) = patiently(events.next()).await {
        for event in batch.events() {
            if let Event::Message(message) = event {
                client.reply(message, "seen").await.unwrap();
                task.abort();
                break 'told;
            }
        }
        batch.accept().await.unwrap();
    }
    let _ = task.await;
    assert_eq!(store.inbox().await.unwrap().len(), 1);

    let slow = Arc::new(Slow(InMemory(stage.sim.clone())));
    let (client, mut events, _task) = stage.start_alone(store, |builder| builder.connector(slow));
    let (begin, mut dropped) = (Instant::now(), 0);
    let told = loop {
        let batch = patiently(events.next()).await.expect("the client runs");
        if client.state() != State::Online {
            dropped += texts(&batch).len();
            drop(batch);
            continue;
        }
        let told = texts(&batch);
        batch.accept().await.unwrap();
        if !told.is_empty() {
            break told;
        }
    };
    assert_eq!((told, dropped), (vec!["precious".to_owned()], 1), "once in vain, then on the connection");
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    tokio::spawn(async move {
        while let Some(batch) = events.next().await {
            let _ = batch.accept().await;
        }
    });
    nothing_waits(&alice).await;
}
