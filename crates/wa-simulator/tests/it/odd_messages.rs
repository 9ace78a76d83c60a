//! Messages that are not as they should be: phones read them, or ask again.

use prost::Message as _;
use wa_binary::{Jid, Node};
use wa_protobuf::{
    e2e::{
        Message, MessageKey, PeerDataOperationRequestMessage, PeerDataOperationRequestType, ProtocolMessage,
        peer_data_operation_request_message::PlaceholderMessageResendRequest, protocol_message::Type,
    },
    history::WebMessageInfo,
};
use wa_simulator::{Behaviour, Fault, FaultKind, Options, Say};

use crate::{client::*, scene::*};

/// A companion of Alice with sessions with both phones, which know that it has them.
async fn acquainted(scene: &Scene) -> (Client, NoiseConnection, [Jid; 2]) {
    let (mut client, mut line) = scene.companion(1).await;
    let devices = [scene.bob.lid(), scene.alice.lid()];
    for device in &devices {
        client.open_session(&mut line, device).await;
    }
    let hello = client.message("3EB0AA", &scene.bob.lid(), &devices, "hello");
    line.send(&hello).await;
    scene.bob.wait_for_inbox(|entries| entries.len() == 1).await;
    (client, line, devices)
}

#[tokio::test(start_paused = true)]
async fn a_phone_asks_again_for_a_new_message_under_a_used_counter() {
    let scene = Scene::quiet().await;
    let (mut client, mut line, devices) = acquainted(&scene).await;
    let sessions = client.sessions.clone();
    let one = client.message("3EB0BB", &scene.bob.lid(), &devices, "one");
    client.sessions = sessions;
    let two = client.message("3EB0CC", &scene.bob.lid(), &devices, "two");
    for message in [&one, &one, &two] {
        line.send(message).await;
    }
    let is_retry = |node: &Node<'_>| node.is("receipt") && text(node, "type") == "retry";
    let retry = line.next_where(|node| is_retry(node) && node.attrs.jid("from") == Some(&devices[0])).await;
    assert_eq!(text(&retry, "id"), "3EB0CC", "the one that came twice is not asked for");
    let enc = client.encrypt(&devices[0], &plain_text("two")).attr("count", 1_u32);
    let again = Node::new("message")
        .attr("id", "3EB0CC")
        .attr("to", &devices[0])
        .attr("type", "text")
        .attr("device_fanout", "false")
        .child(enc);
    line.send(&again.with_children([client.device_identity()])).await;
    let inbox = scene.bob.wait_for_inbox(|entries| entries.len() == 3).await;
    assert_eq!((inbox[1].repeats, inbox[2].text.as_deref()), (1, Some("two")));
}

#[tokio::test(start_paused = true)]
async fn a_phone_that_forgets_a_message_uses_its_counter_twice() {
    let scene = Scene::quiet().await;
    let (mut client, mut line, _) = acquainted(&scene).await;
    let forgets = Fault::new(FaultKind::ReusedCounter).number(ALICE);
    scene.simulator.add_fault(forgets).unwrap();
    for words in ["one", "two"] {
        scene.bob.send(ALICE, words).await.unwrap();
    }
    let one = line.next_named("message").await;
    let two = line.next_named("message").await;
    assert_eq!(client.decrypt(&one).conversation.as_deref(), Some("one"));
    let bytes = two.require_child("enc").unwrap().require_bytes().unwrap();
    let session = client.sessions.get_mut(&scene.bob.lid().ad_string()).unwrap();
    let error = session.decrypt(&client.identity, &bytes, &mut client.rng).unwrap_err();
    assert!(matches!(error, wa_signal::DecryptError::Duplicate { .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn counters_are_used_again_and_messages_come_empty_at_their_rates() {
    let behaviour = Behaviour { empty_messages: Some(3), reused_counters: Some(4), ..Behaviour::default() };
    let scene = Scene::with(Options { behaviour, bootstrap: Vec::new(), ..options() }).await;
    let (mut client, mut line, _) = acquainted(&scene).await;
    let mut came = Vec::new();
    for n in 1..=7 {
        scene.bob.send(ALICE, &n.to_string()).await.unwrap();
        let message = line.next_named("message").await;
        let Some(enc) = message.get_child("enc") else {
            came.push("empty");
            continue;
        };
        let session = client.sessions.get_mut(&scene.bob.lid().ad_string()).unwrap();
        let opened = session.decrypt(&client.identity, &enc.require_bytes().unwrap(), &mut client.rng);
        came.push(if opened.is_ok() { "sound" } else { "used" });
    }
    assert_eq!(came, ["sound", "sound", "empty", "sound", "used", "empty", "sound"]);
    let shown = scene.alice.wait_for_inbox(|entries| entries.len() == 8).await;
    assert_eq!(shown.len(), 8, "the phone misses nothing");
}

#[tokio::test(start_paused = true)]
async fn a_phone_shows_texts_that_are_no_utf_8_and_what_it_does_not_know() {
    let scene = Scene::quiet().await;
    for raw in [&b"\x0a\x05ab\xed\xa0\xbd"[..], b"\xff"] {
        scene.bob.say(ALICE, Say::Raw(raw.to_vec().into())).await.unwrap();
    }
    let inbox = scene.alice.wait_for_inbox(|entries| entries.len() == 2).await;
    assert_eq!((inbox[0].kind, inbox[0].text.as_deref()), ("text", Some("ab\u{fffd}")));
    assert_eq!((inbox[1].kind, inbox[1].text.as_deref()), ("unknown", None));
}

#[tokio::test(start_paused = true)]
async fn an_attribute_is_changed_or_taken_away() {
    let scene = Scene::quiet().await;
    let (_client, mut line, _) = acquainted(&scene).await;
    for value in [Some("soon".to_owned()), None] {
        let kind = FaultKind::Attribute { name: "t".to_owned(), value: value.clone() };
        scene.simulator.add_fault(Fault::new(kind).number(ALICE)).unwrap();
        scene.bob.send(ALICE, "when?").await.unwrap();
        let message = line.next_named("message").await;
        assert_eq!(message.attrs.text("t").map(|t| t.into_owned()), value);
    }
}

fn request(keys: &[MessageKey]) -> Message {
    let wanted = keys.iter().cloned().map(|key| PlaceholderMessageResendRequest { message_key: Some(key) });
    let request = PeerDataOperationRequestMessage {
        peer_data_operation_request_type: Some(PeerDataOperationRequestType::PlaceholderMessageResend.into()),
        placeholder_message_resend_request: wanted.collect(),
        ..Default::default()
    };
    let protocol = ProtocolMessage {
        r#type: Some(Type::PeerDataOperationRequestMessage.into()),
        peer_data_operation_request_message: Some(request),
        ..Default::default()
    };
    Message { protocol_message: Some(Box::new(protocol)), ..Default::default() }
}

#[tokio::test(start_paused = true)]
async fn the_own_phone_gives_what_came_empty() {
    let scene = Scene::quiet().await;
    let (mut client, mut line, devices) = acquainted(&scene).await;
    for unavailable in [None, Some("view_once".to_owned())] {
        scene.simulator.add_fault(Fault::new(FaultKind::Empty { unavailable }).number(ALICE)).unwrap();
    }
    let theirs = scene.bob.send(ALICE, "from an ad").await.unwrap();
    let ours = scene.alice.send(BOB, "from the phone").await.unwrap();
    let empty = line.next_named("message").await;
    assert_eq!((text(&empty, "id"), empty.children().len()), (theirs.clone(), 0));
    let marked = line.next_named("message").await;
    assert_eq!(text(&marked.children()[0], "type"), "view_once");

    let key = |id: &str, chat: &Jid| MessageKey {
        remote_jid: Some(chat.to_string()),
        from_me: Some(false),
        id: Some(id.to_owned()),
        participant: None,
    };
    let chat = scene.bob.lid();
    let keys = [key(&theirs, &chat), key(&ours, &chat), key("3EB0FF", &chat)];
    let enc = client.encrypt(&devices[1], &request(&keys));
    let asked = Node::new("message")
        .attr("id", "3EB0DD")
        .attr("to", scene.alice.jid())
        .attr("type", "text")
        .attr("category", "peer")
        .child(Node::new("meta").attr("appdata", "default"))
        .child(enc);
    line.send(&asked.with_children([client.device_identity()])).await;
    let answer = line.next_where(|node| node.is("message") && text(node, "category") == "peer").await;
    let protocol = client.decrypt(&answer).protocol_message.unwrap();
    let answer = protocol.peer_data_operation_request_response_message.unwrap();
    assert_eq!(answer.stanza_id.as_deref(), Some("3EB0DD"));
    let found: Vec<_> = answer
        .peer_data_operation_result
        .into_iter()
        .map(|result| {
            let bytes = result.placeholder_message_resend_response?.web_message_info_bytes?;
            let info = WebMessageInfo::decode(bytes).unwrap();
            Some((info.key.unwrap().from_me?, info.message.unwrap().conversation.unwrap()))
        })
        .collect();
    let expected = [(false, "from an ad"), (true, "from the phone")];
    assert_eq!(found[..2], expected.map(|(from_me, text)| Some((from_me, text.to_owned()))));
    assert_eq!(found[2], None);
}
