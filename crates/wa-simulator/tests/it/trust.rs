//! Names, tokens, limits and bans: what WhatsApp lets an account do among others.

use serde_json::{Value, json};
use std::time::Duration;
use wa_binary::Node;
use wa_simulator::{
    Bans, Behaviour, ChatCap, KeyShare, KeySharing, Options, RateLimit, Restriction, TimeLock,
};

use crate::{client::*, scene::*};

async fn scene(behaviour: Behaviour) -> Scene {
    Scene::with(Options { bootstrap: Vec::new(), edge_routing: false, behaviour, ..options() }).await
}

async fn connected(scene: &Scene) -> (Client, NoiseConnection) {
    let (mut client, mut line) = scene.companion(1).await;
    client.open_session(&mut line, &scene.bob.lid()).await;
    client.open_session(&mut line, &scene.alice.lid()).await;
    (client, line)
}

/// Sends a text to Bob with these children; the error of its ack.
async fn send(
    scene: &Scene,
    (client, line): (&mut Client, &mut NoiseConnection),
    id: &str,
    children: Vec<Node<'static>>,
) -> String {
    let devices = [scene.bob.lid(), scene.alice.lid()];
    let message = client.message(id, &scene.bob.lid(), &devices, "hello").with_children(children);
    line.send(&message).await;
    let ack = line.next_where(|node| node.is("ack") && text(node, "id") == id).await;
    text(&ack, "error")
}

async fn token_of_bob(line: &mut NoiseConnection) -> Vec<u8> {
    let notice = line.next_where(|node| text(node, "type") == "privacy_token").await;
    let token = notice.require_child("tokens").unwrap().require_child("token").unwrap().clone();
    assert_eq!(text(&token, "type"), "trusted_contact");
    token.bytes().unwrap().into_owned()
}

fn child(name: &'static str, bytes: &[u8]) -> Vec<Node<'static>> {
    vec![Node::new(name).with_bytes(bytes.to_vec())]
}

#[tokio::test(start_paused = true)]
async fn a_companion_has_the_name_that_it_announced() {
    let scene = Scene::quiet().await;
    let (mut client, mut line) = connected(&scene).await;
    send(&scene, (&mut client, &mut line), "A", Vec::new()).await;
    line.send(&Node::new("presence").attr("name", "Shop")).await;
    send(&scene, (&mut client, &mut line), "B", Vec::new()).await;
    let inbox = scene.bob.wait_for_inbox(|entries| entries.len() == 2).await;
    assert_eq!([&inbox[0].push_name, &inbox[1].push_name], ["-", "Shop"]);
    assert_eq!(scene.alice.name(), "Alice");
}

#[tokio::test(start_paused = true)]
async fn restricted_people_are_reached_with_their_tokens() {
    let scene = scene(Behaviour { tokens: true, ..Behaviour::default() }).await;
    let (mut client, mut line) = connected(&scene).await;
    scene.bob.restrict(Restriction::Token);
    assert_eq!(send(&scene, (&mut client, &mut line), "A", Vec::new()).await, "463");
    assert_eq!(send(&scene, (&mut client, &mut line), "B", child("tctoken", &[1; 32])).await, "463");
    scene.bob.send(ALICE, "hello").await.unwrap();
    let token = token_of_bob(&mut line).await;
    let both = [child("tctoken", &token), child("cstoken", &token)].concat();
    assert_eq!(send(&scene, (&mut client, &mut line), "C", both).await, "479");
    assert_eq!(send(&scene, (&mut client, &mut line), "D", child("tctoken", &token)).await, "");
    // The second message of the week brings no second token.
    scene.bob.send(ALICE, "again").await.unwrap();
    assert_eq!(
        scene.simulator.trace(Some(ALICE)).iter().filter(|e| e.xml.contains("privacy_token")).count(),
        1
    );
}

#[tokio::test(start_paused = true)]
async fn presence_of_the_restricted_is_told_to_the_trusted() {
    let scene = scene(Behaviour { tokens: true, ..Behaviour::default() }).await;
    let (_client, mut line) = connected(&scene).await;
    scene.bob.restrict(Restriction::Trusted);
    scene.bob.send(ALICE, "hello").await.unwrap();
    let token = token_of_bob(&mut line).await;
    let subscribe = || Node::new("presence").attr("type", "subscribe").attr("to", scene.bob.lid());
    line.send(&subscribe()).await;
    line.ask("get", "w:p", Node::new("ping")).await;
    assert_eq!(
        scene.simulator.trace(Some(ALICE)).iter().filter(|e| e.xml.starts_with("<presence from")).count(),
        0
    );
    line.send(&subscribe().with_children(child("tctoken", &token))).await;
    assert_eq!(text(&line.next_named("presence").await, "type"), "unavailable");
}

async fn ask_mex(line: &mut NoiseConnection, id: &'static str, variables: Value) -> Value {
    let query = json!({ "variables": variables }).to_string().into_bytes();
    let answer = line.ask("get", "w:mex", Node::new("query").attr("query_id", id).with_bytes(query)).await;
    let result = answer.require_child("result").unwrap().bytes().unwrap().into_owned();
    serde_json::from_slice(&result).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_locked_account_is_told_and_writes_to_the_trusted_alone() {
    let scene = scene(Behaviour { tokens: true, ..Behaviour::default() }).await;
    let (mut client, mut line) = connected(&scene).await;
    let until = NOW + 3_600;
    scene.alice.set_time_lock(Some(TimeLock { until: Some(until), kind: "WEB_COMPANION_ONLY".into() }));
    let notice = line.next_where(|node| text(node, "type") == "mex").await;
    let update = notice.require_child("update").unwrap();
    assert_eq!(text(update, "op_name"), "NotificationUserReachoutTimelockUpdate");
    let told: Value = serde_json::from_slice(&update.bytes().unwrap()).unwrap();
    let ends = until.to_string();
    let path = "/data/xwa2_notify_account_reachout_timelock/time_enforcement_ends";
    assert_eq!(told.pointer(path), Some(&json!(ends)));
    assert_eq!(send(&scene, (&mut client, &mut line), "A", Vec::new()).await, "463");
    scene.bob.send(ALICE, "hello").await.unwrap();
    let token = token_of_bob(&mut line).await;
    assert_eq!(send(&scene, (&mut client, &mut line), "B", child("tctoken", &token)).await, "");
    let answer = ask_mex(&mut line, "23983697327930364", json!({})).await;
    assert_eq!(answer["data"]["xwa2_fetch_account_reachout_timelock"]["is_active"], true);
}

#[tokio::test(start_paused = true)]
async fn new_chats_are_capped() {
    let scene = scene(Behaviour::default()).await;
    let (mut client, mut line) = connected(&scene).await;
    scene.alice.set_chat_cap(Some(ChatCap { total: 0, used: 0, ends: NOW + 60 }));
    assert_eq!(send(&scene, (&mut client, &mut line), "A", Vec::new()).await, "475");
    let input = json!({"input": {"type": "INDIVIDUAL_NEW_CHAT_MSG"}});
    let answer = ask_mex(&mut line, "24503548349331633", input).await;
    assert_eq!(answer["data"]["xwa2_message_capping_info"]["total_quota"], 0);
    // Whoever wrote is no stranger.
    scene.bob.send(ALICE, "hello").await.unwrap();
    assert_eq!(send(&scene, (&mut client, &mut line), "B", Vec::new()).await, "");
}

#[tokio::test(start_paused = true)]
async fn refusals_in_a_row_end_in_a_ban_that_grows() {
    let bans = Bans { refusals: 2, lasts: Duration::from_secs(600), grows: Duration::from_secs(60) };
    let scene = scene(Behaviour { bans: Some(bans), ..Behaviour::default() }).await;
    let (mut client, mut line) = connected(&scene).await;
    scene.bob.restrict(Restriction::Trusted);
    assert_eq!(send(&scene, (&mut client, &mut line), "A", Vec::new()).await, "463");
    let devices = [scene.bob.lid(), scene.alice.lid()];
    line.send(&client.message("B", &scene.bob.lid(), &devices, "hello")).await;
    while line.try_next().await.is_some() {}
    for expire in ["660", "720"] {
        let login = client.login();
        let mut line = client.open(&scene.simulator, &login).await;
        let failure = line.next_named("failure").await;
        assert_eq!((text(&failure, "reason"), text(&failure, "expire")), ("402".into(), expire.to_owned()));
    }
}

#[tokio::test(start_paused = true)]
async fn bursts_of_questions_about_others_are_over_the_limit() {
    let limit = RateLimit { requests: 3, period: Duration::from_secs(60) };
    let scene = scene(Behaviour { rate_limit: Some(limit), ..Behaviour::default() }).await;
    // Two sessions were opened.
    let (_client, mut line) = connected(&scene).await;
    let fetch = || Node::new("key").child(Node::new("user").attr("jid", scene.bob.jid()));
    assert_eq!(text(&line.ask("get", "encrypt", fetch()).await, "type"), "result");
    assert_eq!(error_code(&line.ask("get", "encrypt", fetch()).await), "429");
    assert_eq!(text(&line.ask("get", "encrypt", Node::new("count")).await, "type"), "result");
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(text(&line.ask("get", "encrypt", fetch()).await, "type"), "result");
}

#[tokio::test(start_paused = true)]
async fn the_phone_speaks_once_the_companion_has_prekeys() {
    let scene = Scene::new().await;
    let mut client = Client::new(1);
    client.pair(&scene.simulator, &scene.alice).await;
    let mut line = client.log_in(&scene.simulator).await;
    line.ask("set", "passive", Node::new("active")).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(scene.alice.devices()[0].waiting, 0);
    let upload = client.upload(&client.prekeys);
    line.ask_iq(&upload).await;
    line.next_named("message").await;
    assert_eq!(scene.alice.devices()[0].prekeys, PREKEYS - 1);
}

#[tokio::test(start_paused = true)]
async fn keys_are_shared_late_wrong_and_again() {
    let key_share = KeySharing { late: Duration::from_secs(60), begins_wrong: true, repeats: 1 };
    let behaviour = Behaviour { key_share, ..Behaviour::default() };
    let scene = Scene::with(Options { behaviour, ..options() }).await;
    let (mut client, mut line) = scene.companion(1).await;
    let mut lengths = Vec::new();
    for count in 0..7 {
        if count == 6 {
            scene.alice.share_keys(1, KeyShare::Right).unwrap();
        }
        let message = line.next_named("message").await;
        let protocol = client.decrypt(&message).protocol_message.unwrap();
        lengths.push(
            protocol
                .app_state_sync_key_share
                .map_or(0, |share| share.keys[0].key_data.as_ref().unwrap().key_data().len()),
        );
    }
    assert_eq!(lengths, [0, 0, 0, 16, 32, 32, 32]);
}

#[tokio::test(start_paused = true)]
async fn a_silent_phone_shares_nothing() {
    let scene = Scene::new().await;
    scene.alice.be_silent(true);
    let (_client, line) = scene.companion(1).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(scene.alice.devices()[0].waiting, 0);
    drop(line);
}
