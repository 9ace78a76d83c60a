use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use wa_binary::{Jid, Node};
use wa_noise::frame;

use crate::{client::*, scene::*};

#[tokio::test(start_paused = true)]
async fn a_login_that_does_not_fit_the_record_fails() {
    let scene = Scene::new().await;
    let mut client = Client::new(1);
    client.pair(&scene.simulator, &scene.alice).await;
    let stranger = Jid::pn("15559999999").with_device(1);
    let other_device = scene.alice.jid().with_device(9);
    for jid in [stranger, other_device] {
        let known = client.jid.replace(jid);
        assert_eq!(failure(&scene, &mut client).await, "401");
        client.jid = known;
    }
    let noise = std::mem::replace(&mut client.noise, Client::new(2).noise);
    assert_eq!(failure(&scene, &mut client).await, "401");
    client.noise = noise;

    // Baileys without a device, after a pairing by code that was not finished (PROTOCOL.md 6.3).
    let mut payload = client.login();
    payload.device = None;
    let mut line = client.open(&scene.simulator, &payload).await;
    assert_eq!(text(&line.next().await, "reason"), "401");

    client.log_in(&scene.simulator).await;
    scene.alice.unlink(1).unwrap();
    assert_eq!(failure(&scene, &mut client).await, "401");
}

async fn failure(scene: &Scene, client: &mut Client) -> String {
    let payload = client.login();
    let mut line = client.open(&scene.simulator, &payload).await;
    let failure = line.next().await;
    assert!(failure.is("failure"), "{failure}");
    assert!(line.try_next().await.is_none());
    text(&failure, "reason")
}

#[tokio::test(start_paused = true)]
async fn a_newer_connection_replaces_the_older() {
    let scene = Scene::new().await;
    let (mut client, mut older) = scene.companion(1).await;
    let _newer = client.come_online(&scene.simulator).await;
    let error = older.next_named("stream:error").await;
    assert_eq!(text(error.require_child("conflict").unwrap(), "type"), "replaced");
    assert!(older.try_next().await.is_none());
    assert!(scene.alice.devices()[0].connected);
}

#[tokio::test(start_paused = true)]
async fn an_unlinked_companion_is_told() {
    let scene = Scene::new().await;
    let (_client, mut line) = scene.companion(1).await;
    scene.alice.unlink(1).unwrap();
    let error = line.next_named("stream:error").await;
    assert_eq!(text(&error, "code"), "401");
    assert_eq!(text(error.require_child("conflict").unwrap(), "type"), "device_removed");
    assert!(line.try_next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_companion_unlinks_itself_but_no_other() {
    let scene = Scene::quiet().await;
    let (first, mut line) = scene.companion(1).await;
    let (second, _other) = scene.companion(2).await;
    let remove = |jid: Option<Jid>| {
        Node::new("remove-companion-device").attr("jid", jid.unwrap()).attr("reason", "user_initiated")
    };
    let refused = line.ask("set", "md", remove(second.jid.clone())).await;
    assert_eq!(error_code(&refused), "403");
    let done = line.ask("set", "md", remove(first.jid.clone())).await;
    assert_eq!(text(&done, "type"), "result");
    assert_eq!(text(&line.next_named("stream:error").await, "code"), "401");
    assert_eq!(scene.alice.devices().iter().map(|device| device.id).collect::<Vec<_>>(), [2]);
}

#[tokio::test(start_paused = true)]
async fn a_silent_connection_is_closed() {
    let scene = Scene::new().await;
    let (_client, mut line) = scene.companion(1).await;
    while line.try_next().await.is_some() {}
    assert!(!scene.alice.devices()[0].connected);
}

#[tokio::test(start_paused = true)]
async fn keepalives_of_both_forms_are_answered() {
    let scene = Scene::new().await;
    let (_client, mut line) = scene.companion(1).await;
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_secs(25)).await;
        let ping = Node::new("iq")
            .attr("id", "p1")
            .attr("type", "get")
            .attr("xmlns", "w:p")
            .attr("to", Jid::server());
        assert_eq!(text(&line.ask_iq(&ping).await, "type"), "result");
        let ping = ping.child(Node::new("ping"));
        assert_eq!(text(&line.ask_iq(&ping).await, "type"), "result");
    }
}

#[tokio::test(start_paused = true)]
async fn routing_information_is_taken_back() {
    let scene = Scene::new().await;
    let mut client = Client::new(1);
    client.pair(&scene.simulator, &scene.alice).await;
    let mut line = client.log_in(&scene.simulator).await;
    let node = line.next_named("ib").await;
    let routing = node.require_child("edge_routing").unwrap().require_child("routing_info").unwrap();
    let routing = routing.require_bytes().unwrap().into_owned();
    drop(line);

    // The same handshake with the preamble in front, cut into single bytes.
    let mut connection = scene.simulator.connect();
    let (_waiting, hello) = wa_noise::Initiator::start(client.noise.clone(), &mut client.rng);
    let mut message = Vec::new();
    wa_noise::preamble::put_preamble(&mut message, Some(&routing)).unwrap();
    frame::put_frame(&mut message, &hello).unwrap();
    for byte in message {
        connection.outgoing.send(vec![byte].into()).await.unwrap();
    }
    assert!(connection.incoming.next().await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn what_waited_comes_with_active_between_preview_and_end() {
    let scene = Scene::quiet().await;
    let (mut client, line) = scene.companion(1).await;
    drop(line);
    let ids = [scene.bob.send(ALICE, "one").await.unwrap(), scene.bob.send(ALICE, "two").await.unwrap()];
    let mut line = client.log_in(&scene.simulator).await;
    // Passive: nothing comes before it is asked for.
    line.ask("get", "encrypt", Node::new("count")).await;
    assert_eq!(text(&line.ask("set", "passive", Node::new("active")).await, "type"), "result");
    let preview = line.next().await;
    let preview = preview.require_child("offline_preview").unwrap();
    assert_eq!((text(preview, "count"), text(preview, "message")), ("2".into(), "2".into()));
    for id in &ids {
        let message = line.next().await;
        assert_eq!(&text(&message, "id"), id);
        assert!(message.attrs.contains("offline"));
        client.decrypt(&message);
    }
    let end = line.next().await;
    assert_eq!(text(end.require_child("offline").unwrap(), "count"), "2");

    // Nothing was acknowledged: all of it comes again.
    drop(line);
    let mut line = client.come_online(&scene.simulator).await;
    let again = line.next_named("message").await;
    assert_eq!(text(&again, "id"), ids[0]);
    for id in &ids {
        line.send(&Node::new("receipt").attr("id", id.as_str()).attr("to", scene.bob.lid())).await;
        line.next_named("ack").await;
    }
    drop(line);
    let mut line = client.come_online(&scene.simulator).await;
    let end = line.next_where(|node| node.get_child("offline").is_some()).await;
    assert_eq!(text(end.require_child("offline").unwrap(), "count"), "0");
}

#[tokio::test(start_paused = true)]
async fn a_login_that_is_not_passive_gets_everything_at_once() {
    let scene = Scene::quiet().await;
    let (mut client, line) = scene.companion(1).await;
    drop(line);
    let id = scene.bob.send(ALICE, "one").await.unwrap();
    let mut payload = client.login();
    payload.passive = Some(false);
    let mut line = client.open(&scene.simulator, &payload).await;
    assert!(line.next().await.is("success"));
    assert_eq!(text(&line.next_named("message").await, "id"), id);
}

#[tokio::test(start_paused = true)]
async fn the_phone_sends_keys_and_history_to_a_new_companion_once() {
    use wa_protobuf::e2e::protocol_message::Type;
    let scene = Scene::new().await;
    let (mut client, mut line) = scene.companion(1).await;
    let mut kinds = Vec::new();
    for _ in 0..4 {
        let message = line.next_named("message").await;
        assert_eq!(text(&message, "category"), "peer");
        // The sender is the own phone, by LID, and there is no recipient (PROTOCOL.md 20).
        assert_eq!(message.attrs.jid("from"), Some(&scene.alice.lid()));
        assert!(!message.attrs.contains("recipient"));
        let content = client.decrypt(&message).protocol_message.unwrap();
        if let Some(history) = &content.history_sync_notification {
            assert!(history.sync_type.is_some());
            assert!(history.initial_hist_bootstrap_inline_payload.as_ref().unwrap().len() > 2);
        }
        kinds.push(content.r#type.unwrap());
        let receipt = Node::new("receipt").attr("id", text(&message, "id")).attr("to", scene.alice.lid());
        line.send(&receipt.attr("type", "peer_msg")).await;
    }
    let (share, history) = (Type::AppStateSyncKeyShare as i32, Type::HistorySyncNotification as i32);
    assert_eq!(kinds, [share, history, history, history]);
    line.ask("get", "encrypt", Node::new("count")).await;
    drop(line);
    let mut line = client.come_online(&scene.simulator).await;
    let end = line.next_where(|node| node.get_child("offline").is_some()).await;
    assert_eq!(text(end.require_child("offline").unwrap(), "count"), "0");
}
