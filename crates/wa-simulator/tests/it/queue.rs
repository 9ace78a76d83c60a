//! What servers do with what a companion leaves unanswered, and with what waited for it.

use std::time::Duration;

use tokio::time::Instant;
use wa_binary::{Jid, Node};
use wa_simulator::{Behaviour, Fault, FaultKind, Options};

use crate::{client::*, scene::*};

const PATIENCE: Duration = Duration::from_secs(3000);

async fn scene_with(behaviour: Behaviour) -> Scene {
    Scene::with(Options { bootstrap: Vec::new(), edge_routing: false, behaviour, ..options() }).await
}

fn strict() -> Behaviour {
    Behaviour { answer_within: Some(PATIENCE), ..Behaviour::default() }
}

/// Keeps the line alive until the server says the last word.
async fn last_word(line: &mut NoiseConnection) -> Option<Node<'static>> {
    loop {
        match tokio::time::timeout(Duration::from_secs(60), line.try_next()).await {
            Ok(Some(node)) if node.is("stream:error") => return Some(node),
            Ok(Some(_)) => {}
            Ok(None) => return None,
            Err(_) => {
                let ping = Node::new("iq").attr("id", "p").attr("type", "get").attr("xmlns", "w:p");
                line.send(&ping.attr("to", Jid::server())).await;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_stanza_that_is_left_unanswered_costs_the_connection_and_holds_back_the_rest() {
    let scene = scene_with(strict()).await;
    let (mut client, mut line) = scene.companion(1).await;
    scene.simulator.add_fault(Fault::new(FaultKind::Stanza { tag: "status".into() })).unwrap();
    let status = line.next_named("status").await;
    assert_eq!(status.attrs.jid("from"), Some(&Jid::status()));
    let start = Instant::now();
    let error = last_word(&mut line).await.unwrap();
    assert_eq!(text(error.require_child("ack").unwrap(), "id"), text(&status, "id"));
    assert!(start.elapsed() >= PATIENCE && start.elapsed() < PATIENCE + Duration::from_secs(60));

    // It comes again, and what came since is behind it.
    let id = scene.bob.send(ALICE, "behind").await.unwrap();
    let mut line = client.come_online(&scene.simulator).await;
    assert!(line.next_named("status").await.attrs.contains("offline"));
    line.ask("get", "encrypt", Node::new("count")).await;
    let ack = |class: &'static str| {
        Node::new("ack").attr("class", class).attr("id", text(&status, "id")).attr("to", Jid::status())
    };
    line.send(&ack("message")).await;
    line.ask("get", "encrypt", Node::new("count")).await;
    assert_eq!(scene.alice.devices()[0].waiting, 2, "of another class");
    line.send(&ack("status")).await;
    assert_eq!(text(&line.next_named("message").await, "id"), id);
    let end = line.next_where(|node| node.get_child("offline").is_some()).await;
    assert_eq!(text(end.require_child("offline").unwrap(), "count"), "2");
}

#[tokio::test(start_paused = true)]
async fn who_answers_in_time_stays_connected() {
    let scene = scene_with(strict()).await;
    let (_client, mut line) = scene.companion(1).await;
    for _ in 0..3 {
        let id = scene.bob.send(ALICE, "x").await.unwrap();
        line.next_named("message").await;
        let receipt = Node::new("receipt").attr("id", id).attr("to", scene.bob.lid());
        line.send(&receipt).await;
        for _ in 0..30 {
            tokio::time::sleep(Duration::from_secs(60)).await;
            line.ask("get", "w:p", Node::new("ping")).await;
        }
    }
    assert!(scene.alice.devices()[0].connected);
}

#[tokio::test(start_paused = true)]
async fn a_copy_of_what_the_own_phone_wrote_is_cleared_by_a_receipt_alone() {
    let scene = Scene::quiet().await;
    let (_client, mut line) = scene.companion(1).await;
    let id = scene.alice.send(BOB, "mine").await.unwrap();
    let copy = line.next_named("message").await;
    let answer = |tag: &'static str| {
        Node::new(tag)
            .attr("id", id.clone())
            .opt_attr("to", copy.attrs.jid("from").cloned())
            .opt_attr("recipient", copy.attrs.jid("recipient").cloned())
    };
    line.send(&answer("ack").attr("class", "message")).await;
    line.ask("get", "encrypt", Node::new("count")).await;
    assert_eq!(scene.alice.devices()[0].waiting, 2, "the copy, and Bob's receipt");
    line.send(&answer("receipt").attr("type", "sender")).await;
    line.ask("get", "encrypt", Node::new("count")).await;
    assert_eq!(scene.alice.devices()[0].waiting, 1);
}

#[tokio::test(start_paused = true)]
async fn what_waited_comes_as_it_is_asked_for() {
    let behaviour = Behaviour { backlog_on_request: true, ..Behaviour::default() };
    let scene = scene_with(behaviour).await;
    let (mut client, line) = scene.companion(1).await;
    drop(line);
    let mut ids = Vec::new();
    for number in 0..20 {
        ids.push(scene.bob.send(ALICE, &number.to_string()).await.unwrap());
    }
    let mut line = client.come_online(&scene.simulator).await;
    let mut got = Vec::new();
    for _ in 0..5 {
        got.push(text(&line.next_named("message").await, "id"));
    }
    // The rest has to be asked for, and what comes meanwhile is behind it.
    ids.push(scene.bob.send(ALICE, "late").await.unwrap());
    let answer = line.ask("get", "encrypt", Node::new("count")).await;
    assert!(answer.is("iq"));
    for _ in 0..2 {
        line.send(&Node::new("ib").child(Node::new("offline_batch").attr("count", 8_u32))).await;
        for _ in 0..8 {
            got.push(text(&line.next_named("message").await, "id"));
        }
    }
    let end = line.next_where(|node| node.get_child("offline").is_some()).await;
    assert_eq!(text(end.require_child("offline").unwrap(), "count"), "21");
    assert_eq!(got, ids);
    let live = scene.bob.send(ALICE, "live").await.unwrap();
    let message = line.next_named("message").await;
    assert_eq!((text(&message, "id"), message.attrs.contains("offline")), (live, false));
}

#[tokio::test(start_paused = true)]
async fn every_login_brings_what_clients_do_not_know() {
    let scene = scene_with(Behaviour { novelties: true, ..Behaviour::default() }).await;
    let mut client = Client::new(1);
    client.pair(&scene.simulator, &scene.alice).await;
    let mut line = client.come_online(&scene.simulator).await;
    for tag in ["status", "appdata", "novelty", "notification"] {
        let node = line.next_named(tag).await;
        let ack = Node::new("ack").attr("class", tag).attr("id", text(&node, "id"));
        let ack = ack.opt_attr("type", node.attrs.text("type").filter(|_| tag == "notification"));
        line.send(&ack.opt_attr("to", node.attrs.jid("from").cloned())).await;
    }
    for child in ["dirty", "thread_metadata", "priority_offline_complete"] {
        line.next_where(|node| node.is("ib") && node.get_child(child).is_some()).await;
    }
    let question = line.next_where(|node| node.is("iq") && text(node, "type") == "get").await;
    assert!(!text(&question, "id").is_empty());
    line.ask("get", "encrypt", Node::new("count")).await;
    assert_eq!(scene.alice.devices()[0].waiting, 0);
}

#[tokio::test(start_paused = true)]
async fn the_message_that_was_acknowledged_last_may_come_once_more() {
    let scene = scene_with(Behaviour { overlaps: true, ..Behaviour::default() }).await;
    let (mut client, mut line) = scene.companion(1).await;
    let id = scene.bob.send(ALICE, "x").await.unwrap();
    line.next_named("message").await;
    let receipt = Node::new("receipt").attr("id", id.clone()).attr("to", scene.bob.lid());
    line.send(&receipt).await;
    line.next_named("ack").await;
    drop(line);
    let mut line = client.come_online(&scene.simulator).await;
    assert_eq!(text(&line.next_named("message").await, "id"), id);
    line.send(&receipt).await;
    line.ask("get", "encrypt", Node::new("count")).await;
    assert_eq!(scene.alice.devices()[0].waiting, 0);
}

#[tokio::test(start_paused = true)]
async fn what_a_replaced_connection_still_says_counts_no_more() {
    let scene = Scene::quiet().await;
    let (mut client, mut line) = scene.companion(1).await;
    let id = scene.bob.send(ALICE, "x").await.unwrap();
    line.next_named("message").await;
    let payload = client.login();
    let mut newer = client.open(&scene.simulator, &payload).await;
    newer.next_named("success").await;
    line.send(&Node::new("receipt").attr("id", id).attr("to", scene.bob.lid())).await;
    line.next_named("stream:error").await;
    assert_eq!(scene.alice.devices()[0].waiting, 1);
    assert!(scene.bob.outbox()[0].receipts.iter().all(|receipt| receipt.device == 0));
}
