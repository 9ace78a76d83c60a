//! What may happen between a batch and the verdict on it.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use wa_client::{
    AcceptError, Batch, Cause, Client, Event, Events, Outgoing, State, Store, UndecryptableReason,
};
use wa_simulator::{FaultKind, Moment, Phone};

use crate::stage::{Companion, Stage, patiently};

/// A paired companion of alice's that was stopped after a text each way with bob, so that both know the session.
async fn acquainted() -> (Stage, Phone, Phone, Store) {
    let stage = Stage::undisturbed().await;
    let (alice, bob) = (stage.phone("15550000001"), stage.phone("15550000002"));
    let companion = stage.companion(&alice).await;
    bob.send(alice.number(), "sound").await.unwrap();
    companion.diary.messages(1).await;
    companion.send(bob.jid(), "sound").await;
    bob.wait_for_inbox(|inbox| inbox.len() == 1).await;
    (stage, alice, bob, companion.stop().await)
}

async fn online(client: &Client) {
    patiently(client.watch().wait_for(|state| *state == State::Online)).await.unwrap();
}

/// The first batch with a message; those before are accepted.
async fn message(events: &mut Events) -> Batch {
    loop {
        let batch = patiently(events.next()).await.expect("the client runs");
        if !texts(&batch).is_empty() {
            return batch;
        }
        batch.accept().await.unwrap();
    }
}

fn texts(batch: &Batch) -> Vec<String> {
    let text = |event: &Event| match event {
        Event::Message(message) => message.text().map(str::to_owned),
        _ => None,
    };
    batch.events().iter().filter_map(text).collect()
}

async fn reply(client: &Client, batch: &Batch, text: &str) {
    for event in batch.events() {
        if let Event::Message(message) = event {
            client.reply(message, text).await.unwrap();
        }
    }
}

/// Accepts what comes until everything that the server holds for the companion has been acknowledged.
async fn acknowledge_all(events: &mut Events, phone: &Phone) {
    let all = async {
        while phone.devices()[0].waiting > 0 {
            if let Ok(Some(batch)) = timeout(Duration::from_millis(50), events.next()).await {
                batch.accept().await.unwrap();
            }
        }
    };
    patiently(all).await;
}

/// Lets everything that can happen without time happen.
async fn settle() {
    sleep(Duration::from_millis(10)).await;
}

async fn texts_of(companion: &Companion, count: usize) -> Vec<String> {
    companion.diary.texts(count).await
}

#[tokio::test(start_paused = true)]
async fn a_reply_may_come_before_or_after_the_acceptance() {
    let (stage, alice, bob, store) = acquainted().await;
    let (client, mut events, _task) = stage.start_alone(store, |builder| builder);
    for round in 1..=4 {
        bob.send(alice.number(), &format!("question {round}")).await.unwrap();
        let batch = message(&mut events).await;
        if round % 2 == 0 {
            reply(&client, &batch, "before").await;
            batch.accept().await.unwrap();
        } else {
            let copy: Vec<_> = batch.events().to_vec();
            batch.accept().await.unwrap();
            for event in copy {
                if let Event::Message(message) = event {
                    client.reply(&message, "after").await.unwrap();
                }
            }
        }
        acknowledge_all(&mut events, &alice).await;
    }
    bob.wait_for_inbox(|inbox| inbox.len() == 5).await;
    assert_eq!(bob.undecryptable(), 0);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_acknowledged_while_a_batch_is_held() {
    let (stage, alice, bob, store) = acquainted().await;
    let (_client, mut events, _task) = stage.start_alone(store, |builder| builder);
    bob.send(alice.number(), "precious").await.unwrap();
    let batch = message(&mut events).await;
    sleep(Duration::from_secs(40 * 60)).await;
    assert!(alice.devices()[0].waiting > 0);
    assert_eq!(alice.devices()[0].logins, 2, "the connection stays up");
    batch.accept().await.unwrap();
    acknowledge_all(&mut events, &alice).await;
}

#[tokio::test(start_paused = true)]
async fn calls_work_and_messages_wait_while_a_batch_is_held() {
    let (stage, alice, bob, store) = acquainted().await;
    let carol = stage.phone("15550000003");
    let (client, mut events, _task) = stage.start_alone(store, |builder| builder);
    bob.send(alice.number(), "first").await.unwrap();
    let batch = message(&mut events).await;
    bob.send(alice.number(), "second").await.unwrap();
    // A stranger: devices, keys and a new session have to be had meanwhile.
    client.send(Outgoing::text(carol.jid(), "hello")).await.unwrap();
    reply(&client, &batch, "one moment").await;
    let found = client.resolve(&["15550000003".to_owned()]).await.unwrap();
    assert!(found[0].registered);
    client.mark_read_ids(&bob.jid(), None, &[]).await.unwrap();
    carol.wait_for_inbox(|inbox| inbox.len() == 1).await;
    batch.accept().await.unwrap();
    assert_eq!(texts(&message(&mut events).await), ["second"]);
}

/// Thousands of messages come while a batch is held for so long; then all are told, in order and once.
async fn flood(held: Duration, replies: bool) -> (Stage, Phone, Client, Events) {
    let (stage, alice, bob, store) = acquainted().await;
    let (client, mut events, _task) = stage.start_alone(store, |builder| builder);
    bob.send(alice.number(), "text 0").await.unwrap();
    let batch = message(&mut events).await;
    let text = wa_simulator::Outgoing::text(alice.number(), "text {n}");
    bob.send_all(wa_simulator::Outgoing { count: 3000, ..text }).await.unwrap();
    sleep(held).await;
    if replies {
        // The server's word comes behind the flood, and is heard.
        reply(&client, &batch, "one moment").await;
    }
    batch.accept().await.unwrap();
    let mut heard = Vec::new();
    while heard.len() < 3000 {
        let batch = message(&mut events).await;
        assert!(batch.events().len() <= 3 * 64, "{}", batch.events().len());
        heard.extend(texts(&batch));
        batch.accept().await.unwrap();
    }
    assert_eq!(heard, (1..=3000).map(|n| format!("text {n}")).collect::<Vec<_>>());
    (stage, alice, client, events)
}

#[tokio::test(start_paused = true)]
async fn a_flood_waits_at_the_server() {
    let (_stage, alice, _client, mut events) = flood(Duration::from_secs(20), true).await;
    assert_eq!(alice.devices()[0].logins, 2, "the connection stays up");
    acknowledge_all(&mut events, &alice).await;
}

/// Longer than a server bears that nobody reads.
#[tokio::test(start_paused = true)]
async fn a_flood_that_waits_for_long_may_cost_the_connection_and_nothing_else() {
    let (_stage, alice, _client, mut events) = flood(Duration::from_secs(20 * 60), false).await;
    assert!(alice.devices()[0].logins > 2);
    acknowledge_all(&mut events, &alice).await;
}

/// The process dies while a batch is held. A reply has made the companion store the session that decrypted it.
async fn dies_with_a_batch(replies: bool) {
    let (stage, alice, bob, store) = acquainted().await;
    let (client, mut events, task) = stage.start_alone(store.clone(), |builder| builder);
    bob.send(alice.number(), "precious").await.unwrap();
    let batch = message(&mut events).await;
    if replies {
        reply(&client, &batch, "seen").await;
        assert_eq!(store.inbox().await.unwrap().len(), 1);
    }
    task.abort();
    let _ = task.await;
    assert_eq!(batch.accept().await, Err(AcceptError::Stopped));

    let companion = stage.start(store.clone());
    bob.send(alice.number(), "next").await.unwrap();
    assert_eq!(texts_of(&companion, 2).await, ["precious", "next"]);
    patiently(async {
        while alice.devices()[0].waiting > 0 {
            settle().await;
        }
    })
    .await;
    companion.send(bob.jid(), "got both").await;
    bob.wait_for_inbox(|inbox| inbox.len() == 2 + usize::from(replies)).await;
    assert_eq!(bob.undecryptable(), 0);
    assert_eq!(companion.diary.texts(2).await.len(), 2, "nothing is told twice");
    let store = companion.stop().await;
    assert_eq!(store.inbox().await.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn a_message_survives_a_crash_before_its_acceptance() {
    dies_with_a_batch(false).await;
}

#[tokio::test(start_paused = true)]
async fn a_message_survives_a_crash_between_a_reply_and_its_acceptance() {
    dies_with_a_batch(true).await;
}

#[tokio::test(start_paused = true)]
async fn what_was_not_accepted_comes_first_even_without_a_connection() {
    let (stage, alice, bob, store) = acquainted().await;
    let (client, mut events, task) = stage.start_alone(store.clone(), |builder| builder);
    bob.send(alice.number(), "precious").await.unwrap();
    let batch = message(&mut events).await;
    reply(&client, &batch, "seen").await;
    task.abort();
    let _ = task.await;

    let (connector, _nobody) = wa_client::memory::listen();
    let offline = |builder: wa_client::ClientBuilder| builder.connector(std::sync::Arc::new(connector));
    let (_client, mut events, _task) = stage.start_alone(store.clone(), offline);
    let batch = patiently(events.next()).await.unwrap();
    assert_eq!(texts(&batch), ["precious"]);
    batch.accept().await.unwrap();
    assert_eq!(store.inbox().await.unwrap(), []);
}

/// The session is stored and nothing of the message is: it can't be read any more, and perhaps nobody recorded it.
#[tokio::test(start_paused = true)]
async fn a_message_whose_key_is_gone_is_told_all_the_same() {
    let (stage, alice, bob, store) = acquainted().await;
    let (client, mut events, task) = stage.start_alone(store.clone(), |builder| builder);
    let id = bob.send(alice.number(), "lost").await.unwrap();
    let batch = message(&mut events).await;
    reply(&client, &batch, "seen").await;
    task.abort();
    let _ = task.await;
    let inbox: Vec<_> = store.inbox().await.unwrap().into_iter().map(|(number, _)| (number, None)).collect();
    assert_eq!(inbox.len(), 1);
    store.commit(wa_store::Changes { inbox, ..Default::default() }).await.unwrap();

    let companion = stage.start(store);
    let repeated = |event: &Event| match event {
        Event::Undecryptable(told) if told.reason == UndecryptableReason::Repeated => {
            Some(told.info.id.clone())
        }
        _ => None,
    };
    let events = companion
        .diary
        .wait_for(|events| events.iter().any(|event| repeated(event) == Some(id.as_str().into())))
        .await;
    assert!(events.iter().filter_map(repeated).any(|told| told.as_str() == id));
    while alice.devices()[0].waiting > 0 {
        settle().await;
    }
}

#[tokio::test(start_paused = true)]
async fn that_the_client_connected_is_told_until_it_is_recorded() {
    let (stage, _alice, _bob, store) = acquainted().await;
    let (_client, mut events, _task) = stage.start_alone(store, |builder| builder);
    let has_connected = |batch: &Batch| batch.events().iter().any(|event| matches!(event, Event::Connected));
    let mut batch = patiently(events.next()).await.unwrap();
    while !has_connected(&batch) {
        batch.accept().await.unwrap();
        batch = patiently(events.next()).await.unwrap();
    }
    drop(batch);
    let again = patiently(events.next()).await.unwrap();
    let failed = |event: &Event| matches!(event, Event::Disconnected { cause: Cause::HandlerFailed, .. });
    assert!(has_connected(&again) && again.events().iter().any(failed), "{:?}", again.events());
    again.accept().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_is_dropped_after_a_reply_comes_again() {
    let (stage, alice, bob, store) = acquainted().await;
    let (client, mut events, _task) = stage.start_alone(store, |builder| builder);
    bob.send(alice.number(), "precious").await.unwrap();
    let batch = message(&mut events).await;
    reply(&client, &batch, "seen").await;
    drop(batch);
    let again = message(&mut events).await;
    assert_eq!(texts(&again), ["precious"]);
    again.accept().await.unwrap();
    acknowledge_all(&mut events, &alice).await;
    online(&client).await;
    client.send(Outgoing::text(bob.jid(), "recorded")).await.unwrap();
    bob.wait_for_inbox(|inbox| inbox.len() == 3).await;
    assert_eq!(bob.undecryptable(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_batch_outlives_its_connection() {
    let (stage, alice, bob, store) = acquainted().await;
    let (client, mut events, _task) = stage.start_alone(store, |builder| builder);
    bob.send(alice.number(), "precious").await.unwrap();
    let batch = message(&mut events).await;
    stage.fault(FaultKind::Drop { when: Moment::Now });
    let waiting = |state: &State| matches!(state, State::Waiting { .. });
    patiently(client.watch().wait_for(waiting)).await.unwrap();
    online(&client).await;
    settle().await;
    // The server has delivered it again, but it was told already.
    assert!(alice.devices()[0].waiting > 0);
    batch.accept().await.unwrap();
    bob.send(alice.number(), "next").await.unwrap();
    assert_eq!(texts(&message(&mut events).await), ["next"]);
}

#[tokio::test(start_paused = true)]
async fn a_batch_may_be_accepted_or_dropped_without_a_connection() {
    for accepts in [true, false] {
        let (stage, alice, bob, store) = acquainted().await;
        let (client, mut events, _task) = stage.start_alone(store, |builder| builder);
        bob.send(alice.number(), "precious").await.unwrap();
        let batch = message(&mut events).await;
        client.disconnect().await;
        assert_eq!(client.state(), State::Stopped(Cause::Paused));
        if accepts {
            batch.accept().await.unwrap();
        } else {
            drop(batch);
        }
        client.reconnect().await;
        online(&client).await;
        bob.send(alice.number(), "next").await.unwrap();
        let batch = message(&mut events).await;
        let mut heard = texts(&batch);
        if !accepts {
            assert_eq!(heard.remove(0), "precious");
        }
        assert!(heard.is_empty() || heard == ["next"], "{heard:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_waits_for_the_batch_that_is_held() {
    let (stage, alice, bob, store) = acquainted().await;
    let (client, mut events, _task) = stage.start_alone(store.clone(), |builder| builder);
    bob.send(alice.number(), "last").await.unwrap();
    let batch = message(&mut events).await;
    let accepting = async {
        sleep(Duration::from_secs(1)).await;
        batch.accept().await
    };
    let ((), accepted) = tokio::join!(client.stop(), accepting);
    assert_eq!(accepted, Ok(()));
    assert_eq!(alice.devices()[0].waiting, 0);
    let last = patiently(events.next()).await.expect("the end is told");
    assert!(matches!(last.events(), [.., Event::Disconnected { cause: Cause::Shutdown, .. }]));
    assert_eq!(last.accept().await, Ok(()));
    assert!(events.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn who_holds_a_batch_may_stop_the_client() {
    let (stage, alice, bob, store) = acquainted().await;
    let (client, mut events, _task) = stage.start_alone(store.clone(), |builder| builder);
    bob.send(alice.number(), "last").await.unwrap();
    let batch = message(&mut events).await;
    let start = Instant::now();
    client.stop().await;
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    assert_eq!(batch.accept().await, Err(AcceptError::Stopped));
    let companion = stage.start(store);
    assert_eq!(texts_of(&companion, 1).await, ["last"]);
}

#[tokio::test(start_paused = true)]
async fn without_anybody_to_record_the_client_ends() {
    let (stage, _alice, _bob, store) = acquainted().await;
    let (client, events, task) = stage.start_alone(store, |builder| builder);
    online(&client).await;
    drop(events);
    patiently(task).await.unwrap();
    assert_eq!(client.state(), State::Stopped(Cause::Shutdown));
}

#[tokio::test(start_paused = true)]
async fn driver_and_reader_may_share_a_task() {
    let (stage, alice, bob, store) = acquainted().await;
    let connector = std::sync::Arc::new(crate::stage::InMemory(stage.sim.clone()));
    let builder = Client::builder(store)
        .connector(connector)
        .trust_root(wa_client::TrustRoot::new(stage.sim.root_key()))
        .clock(std::sync::Arc::new(crate::stage::SharedClock(stage.clock)));
    let (client, mut events, driver) = builder.build();
    let echo = async {
        let mut echoed = 0;
        while echoed < 3 {
            let batch = events.next().await.unwrap();
            echoed += texts(&batch).len();
            reply(&client, &batch, "echo").await;
            batch.accept().await.unwrap();
        }
    };
    for n in 0..3 {
        bob.send(alice.number(), &format!("text {n}")).await.unwrap();
    }
    tokio::select! {
        () = driver.run() => panic!("the driver ended"),
        () = patiently(echo) => {}
    }
    bob.wait_for_inbox(|inbox| inbox.len() == 4).await;
}
