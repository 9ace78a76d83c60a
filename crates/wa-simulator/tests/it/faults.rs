use std::time::Duration;

use tokio::time::Instant;
use wa_binary::Node;
use wa_simulator::{ControlError, Fault, FaultKind, Moment};

use crate::{client::*, scene::*};

fn fault(kind: FaultKind) -> Fault {
    Fault::new(kind).number(ALICE)
}

async fn ready(scene: &Scene) -> (Client, NoiseConnection, [wa_binary::Jid; 2]) {
    let (mut client, mut line) = scene.companion(1).await;
    let devices = [scene.bob.lid(), scene.alice.lid()];
    for device in &devices {
        client.open_session(&mut line, device).await;
    }
    (client, line, devices)
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_cut_or_ended_with_an_error_at_once() {
    let scene = Scene::quiet().await;
    let (mut client, mut line) = scene.companion(1).await;
    let placed = scene.simulator.add_fault(fault(FaultKind::Drop { when: Moment::Now })).unwrap();
    assert_eq!(placed.struck, 1);
    assert!(line.try_next().await.is_none());
    let mut line = client.come_online(&scene.simulator).await;
    let kind = FaultKind::StreamError { code: "503".into(), conflict: None, when: Moment::Now };
    scene.simulator.add_fault(fault(kind)).unwrap();
    assert_eq!(text(&line.next_named("stream:error").await, "code"), "503");
    assert!(line.try_next().await.is_none());
    assert!(scene.simulator.faults().is_empty());
    let nobody = scene.simulator.add_fault(Fault::new(FaultKind::NoAck).number("15559999999"));
    assert_eq!(nobody, Err(ControlError::UnknownPhone("15559999999".into())));
}

#[tokio::test(start_paused = true)]
async fn logins_and_registrations_fail_as_told() {
    let scene = Scene::quiet().await;
    let mut client = Client::new(1);
    client.pair(&scene.simulator, &scene.alice).await;
    let ban = FaultKind::Failure { reason: 402, code: Some(101), expire: Some(3600) };
    scene.simulator.add_fault(fault(ban)).unwrap();
    let payload = client.login();
    let failure = client.open(&scene.simulator, &payload).await.next().await;
    let attrs = ["reason", "code", "expire"].map(|name| text(&failure, name));
    assert_eq!(attrs, ["402", "101", "3600"]);
    client.log_in(&scene.simulator).await;
    let outdated = FaultKind::Failure { reason: 405, code: None, expire: None };
    scene.simulator.add_fault(Fault::new(outdated)).unwrap();
    let payload = client.registration();
    let failure = client.open(&scene.simulator, &payload).await.next().await;
    assert_eq!(text(&failure, "reason"), "405");
    scene.simulator.add_fault(fault(FaultKind::Drop { when: Moment::Login })).unwrap();
    let mut line = client.log_in(&scene.simulator).await;
    assert!(line.try_next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_connection_ends_around_the_sending_of_a_message() {
    let scene = Scene::quiet().await;
    let (mut client, mut line, devices) = ready(&scene).await;
    scene.simulator.add_fault(fault(FaultKind::Drop { when: Moment::Send })).unwrap();
    line.send(&client.message("before", &scene.bob.lid(), &devices, "lost")).await;
    assert!(line.try_next().await.is_none());
    let mut line = client.come_online(&scene.simulator).await;
    scene.simulator.add_fault(fault(FaultKind::Drop { when: Moment::Sent })).unwrap();
    line.send(&client.message("after", &scene.bob.lid(), &devices, "taken")).await;
    while let Some(node) = line.try_next().await {
        assert!(!node.is("ack"), "{node}");
    }
    let inbox = scene.bob.wait_for_inbox(|entries| !entries.is_empty()).await;
    assert_eq!(inbox[0].id, "after");
    // A message that strikes the connection down waits for the next one.
    let mut line = client.come_online(&scene.simulator).await;
    scene.simulator.add_fault(fault(FaultKind::Drop { when: Moment::Deliver })).unwrap();
    let id = scene.bob.send(ALICE, "x").await.unwrap();
    while line.try_next().await.is_some() {}
    let mut line = client.come_online(&scene.simulator).await;
    assert_eq!(text(&line.next_named("message").await, "id"), id);
}

#[tokio::test(start_paused = true)]
async fn sending_is_refused_or_not_acknowledged() {
    let scene = Scene::quiet().await;
    let (mut client, mut line, devices) = ready(&scene).await;
    scene.simulator.add_fault(fault(FaultKind::RefuseSend { error: 463 })).unwrap();
    line.send(&client.message("1", &scene.bob.lid(), &devices, "x")).await;
    assert_eq!(text(&line.next_named("ack").await, "error"), "463");
    scene.simulator.add_fault(fault(FaultKind::NoAck)).unwrap();
    line.send(&client.message("2", &scene.bob.lid(), &devices, "x")).await;
    line.send(&client.message("3", &scene.bob.lid(), &devices, "x")).await;
    assert_eq!(text(&line.next_named("ack").await, "id"), "3");
    let inbox = scene.bob.wait_for_inbox(|entries| entries.len() == 2).await;
    assert_eq!(inbox.iter().map(|entry| entry.id.as_str()).collect::<Vec<_>>(), ["2", "3"]);
    scene.simulator.add_fault(fault(FaultKind::WrongPhash)).unwrap();
    line.send(&client.message("4", &scene.bob.lid(), &devices, "x")).await;
    let ack = line.next_named("ack").await;
    assert!(text(&ack, "phash").starts_with("2:"));
    let refused = fault(FaultKind::RefuseSend { error: 479 }).device(0);
    scene.simulator.add_fault(refused).unwrap();
    assert_eq!(scene.alice.send(BOB, "x").await, Err(ControlError::Refused(479)));
}

#[tokio::test(start_paused = true)]
async fn deliveries_are_delayed_doubled_damaged_and_reordered() {
    let scene = Scene::quiet().await;
    let (mut client, mut line) = scene.companion(1).await;
    let placed = scene.simulator.add_fault(fault(FaultKind::Delay { millis: 700 })).unwrap();
    let start = Instant::now();
    let first = scene.bob.send(ALICE, "late").await.unwrap();
    scene.simulator.clear_fault(placed.id).unwrap();
    let second = scene.bob.send(ALICE, "behind it").await.unwrap();
    for id in [&first, &second] {
        let message = line.next_named("message").await;
        assert_eq!(&text(&message, "id"), id);
        client.decrypt(&message);
    }
    assert_eq!(start.elapsed(), Duration::from_millis(700));

    scene.simulator.add_fault(fault(FaultKind::Duplicate)).unwrap();
    let id = scene.bob.send(ALICE, "twice").await.unwrap();
    let twice = [line.next_named("message").await, line.next_named("message").await];
    assert!(twice.iter().all(|message| text(message, "id") == id));
    assert_eq!(twice[0].require_child("enc").unwrap(), twice[1].require_child("enc").unwrap());
    client.decrypt(&twice[0]);

    scene.simulator.add_fault(fault(FaultKind::Undecryptable)).unwrap();
    scene.bob.send(ALICE, "damaged").await.unwrap();
    let damaged = line.next_named("message").await;
    let session = client.sessions.get_mut(&scene.bob.lid().ad_string()).unwrap();
    let bytes = damaged.require_child("enc").unwrap().require_bytes().unwrap();
    let message = wa_signal::PreKeyMessage::parse(&bytes);
    let opened = match message {
        Ok(message) => session.decrypt(&client.identity, message.inner, &mut client.rng),
        Err(_) => session.decrypt(&client.identity, &bytes, &mut client.rng),
    };
    assert!(opened.is_err());

    scene.simulator.add_fault(fault(FaultKind::Reorder { window: 3 })).unwrap();
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(scene.bob.send(ALICE, "reordered").await.unwrap());
    }
    for id in ids.iter().rev() {
        let message = line.next_named("message").await;
        assert_eq!(&text(&message, "id"), id);
        client.decrypt(&message);
    }
    scene.simulator.add_fault(fault(FaultKind::Reorder { window: 5 })).unwrap();
    let held = scene.bob.send(ALICE, "held").await.unwrap();
    line.ask("get", "encrypt", Node::new("count")).await;
    scene.simulator.clear_faults();
    assert_eq!(text(&line.next_named("message").await, "id"), held);
}

#[tokio::test(start_paused = true)]
async fn a_backlog_is_delivered_when_it_ends() {
    let scene = Scene::quiet().await;
    let (_client, mut line) = scene.companion(1).await;
    let placed = scene.simulator.add_fault(fault(FaultKind::Backlog).device(1)).unwrap();
    let ids = [scene.bob.send(ALICE, "1").await.unwrap(), scene.bob.send(ALICE, "2").await.unwrap()];
    assert_eq!(scene.alice.devices()[0].waiting, 2);
    assert_eq!(scene.alice.wait_for_inbox(|entries| entries.len() == 2).await.len(), 2, "the phone is there");
    scene.simulator.clear_fault(placed.id).unwrap();
    for id in ids {
        assert_eq!(text(&line.next_named("message").await, "id"), id);
    }
    assert_eq!(scene.simulator.clear_fault(99), Err(ControlError::UnknownFault(99)));
}

#[tokio::test(start_paused = true)]
async fn a_phone_that_is_switched_off_reads_later() {
    let scene = Scene::quiet().await;
    let off = fault(FaultKind::Backlog).device(0);
    let placed = scene.simulator.add_fault(off).unwrap();
    let id = scene.bob.send(ALICE, "later").await.unwrap();
    assert!(scene.alice.inbox().is_empty() && scene.bob.outbox()[0].receipts.is_empty());
    scene.simulator.clear_fault(placed.id).unwrap();
    assert_eq!(scene.alice.wait_for_inbox(|entries| !entries.is_empty()).await[0].id, id);
    scene.bob.wait_for_outbox(|sent| sent[0].receipts.len() == 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_dead_socket_says_nothing_any_more() {
    let scene = Scene::quiet().await;
    let (mut client, mut line) = scene.companion(1).await;
    let placed = scene.simulator.add_fault(fault(FaultKind::Silence)).unwrap();
    assert_eq!(placed.struck, 1);
    line.send(&Node::new("iq").attr("id", "1").attr("type", "get").attr("xmlns", "w:p")).await;
    assert!(tokio::time::timeout(Duration::from_secs(60), line.try_next()).await.is_err());
    scene.simulator.clear_fault(placed.id).unwrap();
    client.come_online(&scene.simulator).await;
}

#[tokio::test(start_paused = true)]
async fn questions_are_answered_with_errors_or_not_at_all() {
    let scene = Scene::quiet().await;
    let (_client, mut line) = scene.companion(1).await;
    let (xmlns, child) = (Some("privacy".into()), Some("privacy".into()));
    let kind = FaultKind::IqError { xmlns, child, code: 429, text: "rate-overlimit".into() };
    scene.simulator.add_fault(fault(kind)).unwrap();
    assert_eq!(text(&line.ask("get", "encrypt", Node::new("count")).await, "type"), "result");
    let refused = line.ask("get", "privacy", Node::new("privacy")).await;
    assert_eq!(error_code(&refused), "429");
    scene.simulator.add_fault(fault(FaultKind::IqSilence { xmlns: None, child: None })).unwrap();
    let unanswered = line.ask("get", "privacy", Node::new("privacy"));
    assert!(tokio::time::timeout(Duration::from_secs(30), unanswered).await.is_err());
    assert_eq!(text(&line.ask("get", "privacy", Node::new("privacy")).await, "type"), "result");
}

#[tokio::test(start_paused = true)]
async fn a_reset_forgets_everybody() {
    let scene = Scene::quiet().await;
    let (mut client, mut line) = scene.companion(1).await;
    scene.simulator.add_fault(fault(FaultKind::NoAck)).unwrap();
    let root = scene.simulator.root_key();
    scene.simulator.reset();
    assert!(line.try_next().await.is_none());
    assert!(scene.simulator.phones().is_empty() && scene.simulator.faults().is_empty());
    assert!(scene.simulator.trace(None).is_empty());
    assert_eq!(scene.simulator.root_key(), root);
    assert_eq!(scene.alice.send(BOB, "x").await, Err(ControlError::UnknownRecipient(BOB.into())));
    let payload = client.login();
    let mut line = client.open(&scene.simulator, &payload).await;
    assert_eq!(text(&line.next().await, "reason"), "401");
    scene.simulator.create_phone(ALICE, None).unwrap();
}
