//! Messages about messages: edits, revocations and reactions that phones send and show.

use wa_binary::Node;
use wa_protobuf::e2e::{Message, protocol_message::Type};
use wa_simulator::{ControlError, InboxEntry, Say};

use crate::{client::*, scene::*};

/// `edit` of a message, and `decrypt-fail` of its ciphertext.
fn envelope(node: &Node<'_>) -> (String, String, String) {
    let enc = node.get_child("enc").unwrap();
    (text(node, "type"), text(node, "edit"), text(enc, "decrypt-fail"))
}

fn is(kind: &str, edit: &str, fail: &str) -> (String, String, String) {
    (kind.to_owned(), edit.to_owned(), fail.to_owned())
}

fn last(inbox: &[InboxEntry]) -> (&str, Option<&str>, Option<&str>) {
    let entry = inbox.last().unwrap();
    (entry.kind, entry.text.as_deref(), entry.target.as_deref())
}

#[tokio::test(start_paused = true)]
async fn a_phone_edits_reacts_and_takes_back() {
    let scene = Scene::quiet().await;
    let (mut client, mut line) = scene.companion(1).await;
    let id = scene.bob.send(ALICE, "helo").await.unwrap();
    line.next_where(|node| text(node, "id") == id).await;

    let edit = scene.bob.edit(ALICE, &id, "hello").await.unwrap();
    let node = line.next_where(|node| text(node, "id") == edit).await;
    assert_eq!(envelope(&node), is("text", "1", "hide"));
    let edited = client.decrypt(&node).edited_message.unwrap().message.unwrap().protocol_message.unwrap();
    assert_eq!(edited.r#type(), Type::MessageEdit);
    let key = edited.key.unwrap();
    assert_eq!((key.id.as_deref(), key.from_me), (Some(id.as_str()), Some(true)));
    assert_eq!(edited.edited_message.unwrap().conversation.as_deref(), Some("hello"));
    assert!(edited.timestamp_ms.unwrap() >= i64::try_from(NOW).unwrap() * 1000);
    let inbox = scene.alice.wait_for_inbox(|entries| entries.len() == 2).await;
    assert_eq!(last(&inbox), ("edit", Some("hello"), Some(id.as_str())));

    for (emoji, edit) in [("👍", ""), ("", "7")] {
        let reaction = scene.bob.react(ALICE, &id, emoji).await.unwrap();
        let node = line.next_where(|node| text(node, "id") == reaction).await;
        assert_eq!(envelope(&node), is("reaction", edit, "hide"));
        let reaction = client.decrypt(&node).reaction_message.unwrap();
        assert_eq!(reaction.text.as_deref(), Some(emoji));
        let inbox =
            scene.alice.wait_for_inbox(|entries| entries.last().unwrap().id == text(&node, "id")).await;
        assert_eq!(last(&inbox), ("reaction", Some(emoji), Some(id.as_str())));
    }

    let revoke = scene.bob.revoke(ALICE, &id).await.unwrap();
    let node = line.next_where(|node| text(node, "id") == revoke).await;
    assert_eq!(envelope(&node), is("text", "7", ""));
    let protocol = client.decrypt(&node).protocol_message.unwrap();
    assert_eq!((protocol.r#type, protocol.key.unwrap().id.as_deref()), (Some(0), Some(id.as_str())));
    let inbox = scene.alice.wait_for_inbox(|entries| entries.len() == 5).await;
    assert_eq!(last(&inbox), ("revoke", None, Some(id.as_str())));
}

#[tokio::test(start_paused = true)]
async fn what_a_companion_sent_belongs_to_its_phone_too() {
    let scene = Scene::quiet().await;
    let (mut client, mut line) = scene.companion(1).await;
    let devices = [scene.bob.lid(), scene.alice.lid()];
    for device in &devices {
        client.open_session(&mut line, device).await;
    }
    let message = client.message("3EB0AA", &scene.bob.lid(), &devices, "from the companion");
    line.send(&message).await;
    scene.alice.wait_for_inbox(|entries| entries.len() == 1).await;
    scene.bob.wait_for_inbox(|entries| entries.len() == 1).await;
    scene.alice.edit(BOB, "3EB0AA", "from the phone").await.unwrap();
    let inbox = scene.bob.wait_for_inbox(|entries| entries.len() == 2).await;
    assert_eq!(last(&inbox), ("edit", Some("from the phone"), Some("3EB0AA")));
    // The other person reacts, with the key as they see it.
    let reaction = scene.bob.react(ALICE, "3EB0AA", "👍").await.unwrap();
    let node = line.next_where(|node| text(node, "id") == reaction).await;
    let key = client.decrypt(&node).reaction_message.unwrap().key.unwrap();
    assert_eq!((key.remote_jid, key.from_me), (Some(scene.alice.jid().to_string()), Some(false)));
}

#[tokio::test(start_paused = true)]
async fn a_phone_knows_whose_message_is_whose() {
    let scene = Scene::quiet().await;
    let id = scene.bob.send(ALICE, "mine").await.unwrap();
    scene.alice.wait_for_inbox(|entries| entries.len() == 1).await;
    let unknown = ControlError::UnknownMessage("nothing".to_owned());
    assert_eq!(scene.bob.edit(ALICE, "nothing", "x").await, Err(unknown));
    assert_eq!(scene.bob.edit(BOB, &id, "x").await, Err(ControlError::UnknownMessage(id.clone())));
    for refused in [scene.alice.edit(BOB, &id, "x").await, scene.alice.revoke(BOB, &id).await] {
        assert!(matches!(refused, Err(ControlError::InvalidRequest(_))), "{refused:?}");
    }
    scene.alice.react(BOB, &id, "👍").await.unwrap();
    let long = "x".repeat(2_000_000);
    let refused = scene.bob.say(ALICE, Say::Edit { id, text: long, sealed: false }).await;
    assert!(matches!(refused, Err(ControlError::InvalidRequest(_))), "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn an_edit_that_was_not_read_is_sent_again_as_an_edit() {
    let scene = Scene::quiet().await;
    let (mut client, mut line) = scene.companion(1).await;
    let id = scene.bob.send(ALICE, "helo").await.unwrap();
    line.next_where(|node| text(node, "id") == id).await;
    let edit = scene.bob.edit(ALICE, &id, "hello").await.unwrap();
    let lost = line.next_where(|node| text(node, "id") == edit).await;
    let retry = Node::new("retry").attr("count", "1").attr("id", edit.clone()).attr("t", "1").attr("v", "1");
    let receipt = Node::new("receipt")
        .attr("id", edit.clone())
        .attr("to", lost.attrs.jid("from").unwrap())
        .attr("type", "retry")
        .child(retry)
        .child(Node::new("registration").with_bytes(vec![0; 4]));
    line.send(&receipt).await;
    let again = line.next_where(|node| node.is("message") && text(node, "id") == edit).await;
    assert_eq!(envelope(&again), is("text", "1", "hide"));
    let _: Message = client.decrypt(&lost);
    assert!(client.decrypt(&again).edited_message.is_some());
}
