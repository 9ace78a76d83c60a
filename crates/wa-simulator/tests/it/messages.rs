use wa_binary::{Jid, Node, phash};
use wa_protobuf::e2e::Message;

use crate::{client::*, scene::*};

async fn ack(line: &mut NoiseConnection, message: &Node<'_>) -> Node<'static> {
    line.send(message).await;
    let ack = line.next_where(|node| node.is("ack") && text(node, "class") == "message").await;
    assert_eq!(text(&ack, "id"), text(message, "id"));
    assert_eq!(text(&ack, "from"), text(message, "to"));
    ack
}

/// A companion of Alice with sessions with both phones.
async fn ready(scene: &Scene) -> (Client, NoiseConnection, [Jid; 2]) {
    let (mut client, mut line) = scene.companion(1).await;
    let devices = [scene.bob.lid(), scene.alice.lid()];
    for device in &devices {
        client.open_session(&mut line, device).await;
    }
    (client, line, devices)
}

#[tokio::test(start_paused = true)]
async fn companion_and_phone_exchange_texts() {
    let scene = Scene::quiet().await;
    let (mut client, mut line, devices) = ready(&scene).await;
    let message = client.message("3EB0AA", &scene.bob.lid(), &devices, "hello");
    let acked = ack(&mut line, &message).await;
    assert!(!acked.attrs.contains("error") && !acked.attrs.contains("phash"), "{acked}");
    assert_eq!(text(&acked, "t"), NOW.to_string());
    let inbox = scene.bob.wait_for_inbox(|entries| !entries.is_empty()).await;
    assert_eq!(inbox[0].text.as_deref(), Some("hello"));
    assert_eq!((inbox[0].from.as_str(), inbox[0].device), ("15550000001@s.whatsapp.net", 1));
    let own = scene.alice.wait_for_inbox(|entries| !entries.is_empty()).await;
    assert!(own[0].from_me && !inbox[0].from_me);
    assert_eq!(own[0].chat, "15550000002@s.whatsapp.net");

    let id = scene.bob.send("+15550000001", "hi").await.unwrap();
    let delivered = line.next_where(|node| node.is("message") && text(node, "id") == id).await;
    assert_eq!(delivered.attrs.jid("from"), Some(&scene.bob.lid()));
    assert_eq!(delivered.attrs.jid("sender_pn"), Some(&scene.bob.jid()));
    assert_eq!(text(&delivered, "notify"), "Bob");
    assert_eq!(client.decrypt(&delivered).conversation.as_deref(), Some("hi"));
}

#[tokio::test(start_paused = true)]
async fn every_device_gets_its_own_copy_in_the_name_space_of_the_message() {
    let scene = Scene::quiet().await;
    let (mut client, mut line, _) = ready(&scene).await;
    let (mut second, mut second_line) = scene.companion(2).await;
    let (mut bobs, mut bobs_line) = scene.companion_of(&scene.bob, 3).await;
    let devices = [
        scene.bob.jid(),
        scene.bob.jid().with_device(1),
        scene.alice.jid(),
        scene.alice.jid().with_device(2),
    ];
    for device in &devices {
        client.open_session(&mut line, device).await;
    }
    client.lid = Some(scene.alice.jid().with_device(1));
    let message = client.message("1", &scene.bob.jid(), &devices, "to all");
    assert!(!ack(&mut line, &message).await.attrs.contains("phash"));

    let delivered = bobs_line.next_named("message").await;
    assert_eq!(delivered.attrs.jid("from"), Some(&scene.alice.jid().with_device(1)));
    assert_eq!(delivered.attrs.jid("sender_lid"), Some(&scene.alice.lid()));
    assert_eq!(delivered.children_named("enc").count(), 1);
    assert!(delivered.get_child("device-identity").is_some());
    assert_eq!(bobs.decrypt(&delivered).conversation.as_deref(), Some("to all"));

    let copy = second_line.next_named("message").await;
    assert_eq!(copy.attrs.jid("from"), Some(&scene.alice.jid().with_device(1)));
    assert_eq!(copy.attrs.jid("recipient"), Some(&scene.bob.jid()));
    assert_eq!(copy.attrs.jid("peer_recipient_lid"), Some(&scene.bob.lid()));
    let content = second.decrypt(&copy).device_sent_message.unwrap();
    assert_eq!(content.destination_jid.as_deref(), Some("15550000002@s.whatsapp.net"));
}

#[tokio::test(start_paused = true)]
async fn a_phone_sends_to_all_devices_and_its_own_companions() {
    let scene = Scene::quiet().await;
    let (mut client, mut line) = scene.companion(1).await;
    let (mut bobs, mut bobs_line) = scene.companion_of(&scene.bob, 2).await;
    let id = scene.alice.send(BOB, "from the phone").await.unwrap();
    let delivered = bobs_line.next_named("message").await;
    // A primary device has no device identity to show.
    assert!(delivered.get_child("device-identity").is_none());
    assert_eq!(bobs.decrypt(&delivered).conversation.as_deref(), Some("from the phone"));
    let copy = line.next_named("message").await;
    assert_eq!((text(&copy, "id"), copy.attrs.jid("from")), (id.clone(), Some(&scene.alice.lid())));
    assert_eq!(copy.attrs.jid("peer_recipient_pn"), Some(&scene.bob.jid()));
    let sent = client.decrypt(&copy).device_sent_message.unwrap();
    assert_eq!(sent.message.unwrap().conversation.as_deref(), Some("from the phone"));
    let inbox = scene.bob.wait_for_inbox(|entries| !entries.is_empty()).await;
    assert_eq!((inbox[0].id.as_str(), inbox[0].device), (id.as_str(), 0));
}

#[tokio::test(start_paused = true)]
async fn an_incomplete_device_list_is_delivered_and_noted() {
    let scene = Scene::quiet().await;
    let (mut client, mut line, devices) = ready(&scene).await;
    Client::new(2).pair(&scene.simulator, &scene.bob).await;
    let message = client.message("1", &scene.bob.lid(), &devices, "to the old list");
    let acked = ack(&mut line, &message).await;
    let all = [
        scene.bob.lid(),
        scene.bob.lid().with_device(1),
        scene.alice.lid(),
        scene.alice.lid().with_device(1),
    ];
    assert_eq!(text(&acked, "phash"), phash(&all));
    assert_eq!(scene.bob.wait_for_inbox(|entries| !entries.is_empty()).await.len(), 1);
    // A device that is gone is no error either.
    scene.bob.unlink(1).unwrap();
    let mut message = client.message("2", &scene.bob.lid(), &devices, "to the new list");
    assert!(!ack(&mut line, &message).await.attrs.contains("phash"));
    add_copy(&mut message, &scene.bob.lid().with_device(1));
    message.attrs.insert("id", "3");
    assert!(ack(&mut line, &message).await.attrs.contains("phash"));
}

/// Repeats the first ciphertext for another device.
fn add_copy(message: &mut Node<'static>, device: &Jid) {
    let wa_binary::Content::Nodes(children) = &mut message.content else { panic!() };
    let wa_binary::Content::Nodes(participants) = &mut children[0].content else { panic!() };
    let enc = participants[0].children()[0].clone();
    participants.push(Node::new("to").attr("jid", device).child(enc));
}

#[tokio::test(start_paused = true)]
async fn malformed_messages_are_refused_and_reach_nobody() {
    let scene = Scene::quiet().await;
    let (mut client, mut line, devices) = ready(&scene).await;
    let lid = scene.bob.lid();
    let good = client.message("good", &lid, &devices, "x");
    type Change<'a> = Box<dyn Fn(&mut Node<'static>) + 'a>;
    let cases: Vec<(&str, &str, Change<'_>)> = vec![
        ("no type", "479", Box::new(|node| drop(node.attrs.remove("type")))),
        ("unknown type", "479", Box::new(|node| drop(node.attrs.insert("type", "poem")))),
        ("unknown category", "479", Box::new(|node| drop(node.attrs.insert("category", "beer")))),
        (
            "text for a JID",
            "479",
            Box::new(|node| drop(node.attrs.insert("to", "15550000002@s.whatsapp.net"))),
        ),
        ("nobody", "404", Box::new(|node| drop(node.attrs.insert("to", Jid::pn("15559999999"))))),
        ("a group", "404", Box::new(|node| drop(node.attrs.insert("to", Jid::group("1203"))))),
        ("a device", "479", Box::new(|node| drop(node.attrs.insert("to", scene.bob.lid().with_device(1))))),
        ("peer to others", "479", Box::new(|node| drop(node.attrs.insert("category", "peer")))),
        ("no device identity", "479", Box::new(|node| remove(node, "device-identity"))),
        (
            "an empty device identity",
            "479",
            Box::new(|node| {
                remove(node, "device-identity");
                push(node, Node::new("device-identity"));
            }),
        ),
        ("nothing", "479", Box::new(|node| node.content = wa_binary::Content::Empty)),
        ("no participants", "479", Box::new(|node| remove(node, "participants"))),
        (
            "a second ciphertext",
            "479",
            Box::new(|node| {
                let enc = node.children()[0].children()[0].children()[0].clone();
                push(node, enc);
            }),
        ),
        ("a stranger", "479", Box::new(|node| add_copy(node, &Jid::lid("123")))),
        ("enc version", "479", Box::new(|node| enc(node, |enc| drop(enc.attrs.insert("v", "3"))))),
        ("enc type", "479", Box::new(|node| enc(node, |enc| drop(enc.attrs.insert("type", "skmsg"))))),
        ("empty enc", "479", Box::new(|node| enc(node, |enc| enc.content = wa_binary::Content::Empty))),
        (
            "no Signal message",
            "479",
            Box::new(|node| {
                enc(node, |enc| enc.content = wa_binary::Content::Bytes(vec![1; 50].into()));
            }),
        ),
    ];
    for (what, error, change) in cases {
        let mut message = good.clone();
        message.attrs.insert("id", what);
        change(&mut message);
        let acked = ack(&mut line, &message).await;
        assert_eq!(text(&acked, "error"), error, "{what}: {message}");
    }
    assert!(!ack(&mut line, &good).await.attrs.contains("error"));
    let inbox = scene.bob.wait_for_inbox(|entries| !entries.is_empty()).await;
    assert_eq!(inbox.iter().map(|entry| entry.id.as_str()).collect::<Vec<_>>(), ["good"]);
}

fn children<'n>(node: &'n mut Node<'static>) -> &'n mut Vec<Node<'static>> {
    match &mut node.content {
        wa_binary::Content::Nodes(children) => children,
        _ => panic!("children"),
    }
}

fn remove(node: &mut Node<'static>, tag: &str) {
    children(node).retain(|child| !child.is(tag));
}

fn push(node: &mut Node<'static>, child: Node<'static>) {
    children(node).push(child);
}

fn enc(node: &mut Node<'static>, change: impl Fn(&mut Node<'static>)) {
    change(&mut children(&mut children(&mut children(node)[0])[0])[0]);
}

#[tokio::test(start_paused = true)]
async fn a_device_identity_without_a_prekey_message_is_refused() {
    let scene = Scene::quiet().await;
    let (mut client, mut line, devices) = ready(&scene).await;
    // An answer of each phone turns pkmsg into msg.
    ack(&mut line, &client.message("1", &scene.bob.lid(), &devices, "first")).await;
    for phone in [&scene.bob, &scene.alice] {
        let to = if phone.number() == BOB { ALICE } else { BOB };
        phone.send(to, "answer").await.unwrap();
        let delivered = line.next_named("message").await;
        client.decrypt(&delivered);
    }
    let message = client.message("2", &scene.bob.lid(), &devices, "second");
    assert!(message.get_child("device-identity").is_none());
    assert!(!ack(&mut line, &message).await.attrs.contains("error"));
    let mut message = client.message("3", &scene.bob.lid(), &devices, "third");
    push(&mut message, client.device_identity());
    assert_eq!(text(&ack(&mut line, &message).await, "error"), "479");
}

#[tokio::test(start_paused = true)]
async fn a_repeated_message_is_shown_once_and_counted() {
    let scene = Scene::quiet().await;
    let (mut client, mut line, devices) = ready(&scene).await;
    for _ in 0..3 {
        // The same id under new ciphertexts, as after a crash.
        let message = client.message("same", &scene.bob.lid(), &devices, "once");
        assert!(!ack(&mut line, &message).await.attrs.contains("error"));
    }
    let message = client.message("other", &scene.bob.lid(), &devices, "once");
    ack(&mut line, &message).await;
    // The very same ciphertext again.
    ack(&mut line, &message).await;
    let inbox =
        scene.bob.wait_for_inbox(|entries| entries.iter().map(|entry| entry.repeats).sum::<u32>() == 3).await;
    assert_eq!(
        inbox.iter().map(|entry| (entry.id.as_str(), entry.repeats)).collect::<Vec<_>>(),
        [("same", 2), ("other", 1)]
    );
}

#[tokio::test(start_paused = true)]
async fn peer_messages_go_to_one_device_and_come_from_a_lid() {
    let scene = Scene::quiet().await;
    let (mut client, mut line, _) = ready(&scene).await;
    let (mut second, mut second_line) = scene.companion(2).await;
    let sibling = scene.alice.jid().with_device(2);
    client.open_session(&mut line, &sibling).await;
    let enc = client.encrypt(&sibling, &Message::default());
    let message = Node::new("message")
        .attr("id", "p1")
        .attr("to", &sibling)
        .attr("type", "text")
        .attr("category", "peer")
        .child(Node::new("meta").attr("appdata", "default"))
        .child(enc)
        .child(client.device_identity());
    assert!(!ack(&mut line, &message).await.attrs.contains("error"));
    let delivered = second_line.next_named("message").await;
    assert_eq!(delivered.attrs.jid("from"), Some(&scene.alice.lid().with_device(1)));
    assert_eq!(text(&delivered, "category"), "peer");
    second.decrypt(&delivered);
}

#[tokio::test(start_paused = true)]
async fn a_phone_answers_a_request_for_the_app_state_key() {
    use wa_protobuf::e2e::{AppStateSyncKeyRequest, ProtocolMessage, protocol_message::Type};
    let scene = Scene::quiet().await;
    let (mut client, mut line, _) = ready(&scene).await;
    let request = ProtocolMessage {
        r#type: Some(Type::AppStateSyncKeyRequest.into()),
        app_state_sync_key_request: Some(AppStateSyncKeyRequest::default()),
        ..Default::default()
    };
    let content = Message { protocol_message: Some(Box::new(request)), ..Default::default() };
    let enc = client.encrypt(&scene.alice.lid(), &content);
    let message = Node::new("message").attr("id", "p1").attr("to", scene.alice.jid()).attr("type", "text");
    let message = message.attr("category", "peer").child(enc).child(client.device_identity());
    line.send(&message).await;
    let answer = line.next_named("message").await;
    let content = client.decrypt(&answer).protocol_message.unwrap();
    assert_eq!(content.app_state_sync_key_share.unwrap().keys.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_message_to_oneself_reaches_the_own_devices() {
    let scene = Scene::quiet().await;
    let (mut client, mut line, _) = ready(&scene).await;
    let message = client.message("me", &scene.alice.lid(), &[scene.alice.lid()], "note");
    assert!(!ack(&mut line, &message).await.attrs.contains("phash"));
    let inbox = scene.alice.wait_for_inbox(|entries| !entries.is_empty()).await;
    assert_eq!((inbox[0].text.as_deref(), inbox[0].from_me), (Some("note"), true));
}

#[tokio::test(start_paused = true)]
async fn phones_refuse_recipients_they_do_not_know() {
    use wa_simulator::ControlError;
    let scene = Scene::quiet().await;
    let unknown = scene.alice.send("15559999999", "x").await;
    assert_eq!(unknown, Err(ControlError::UnknownRecipient("15559999999".into())));
    let unknown = scene.alice.send("1203@g.us", "x").await;
    assert_eq!(unknown, Err(ControlError::UnknownGroup("1203@g.us".into())));
    for wrong in ["", "bob", "12", "status@broadcast"] {
        let refused = scene.alice.send(wrong, "x").await;
        assert_eq!(refused, Err(ControlError::InvalidRecipient(wrong.into())), "{wrong}");
    }
    for to in [BOB.to_owned(), format!("+{BOB}"), scene.bob.jid().to_string(), scene.bob.lid().to_string()] {
        scene.alice.send(&to, "x").await.unwrap();
    }
    assert_eq!(scene.bob.wait_for_inbox(|entries| entries.len() == 4).await.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_burst_loses_nothing_either_way() {
    let scene = Scene::quiet().await;
    let (mut client, mut line, devices) = ready(&scene).await;
    // One WebSocket message with many frames, and more of them than the server handles at once.
    let ids: Vec<String> = (0..300).map(|number| format!("burst {number}")).collect();
    let burst: Vec<_> = ids.iter().map(|id| client.message(id, &scene.bob.lid(), &devices, id)).collect();
    line.send_together(&burst).await;
    for id in &ids {
        assert_eq!(&text(&line.next_named("ack").await, "id"), id);
    }
    assert_eq!(scene.bob.wait_for_inbox(|entries| entries.len() == 300).await[299].id, ids[299]);
    let outgoing = wa_simulator::Outgoing { count: 300, ..wa_simulator::Outgoing::text(ALICE, "{n}") };
    let (sent, ()) = tokio::join!(scene.bob.send_all(outgoing), async {
        for number in 1..=300 {
            let message = line.next_named("message").await;
            assert_eq!(client.decrypt(&message).conversation, Some(number.to_string()));
        }
    });
    assert_eq!(sent.unwrap().len(), 300);
}
