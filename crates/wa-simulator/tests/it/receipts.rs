use wa_binary::{Jid, Node};

use crate::{client::*, scene::*};

/// A companion of Alice with sessions with both phones.
async fn ready(scene: &Scene) -> (Client, NoiseConnection, [Jid; 2]) {
    let (mut client, mut line) = scene.companion(1).await;
    let devices = [scene.bob.lid(), scene.alice.lid()];
    for device in &devices {
        client.open_session(&mut line, device).await;
    }
    (client, line, devices)
}

async fn receipt_ack(line: &mut NoiseConnection, receipt: &Node<'_>) -> Node<'static> {
    line.send(receipt).await;
    line.next_where(|node| node.is("ack") && text(node, "class") == "receipt").await
}

#[tokio::test(start_paused = true)]
async fn a_phone_tells_of_delivery_and_of_reading() {
    let scene = Scene::quiet().await;
    let (mut client, mut line, devices) = ready(&scene).await;
    for id in ["1", "2"] {
        line.send(&client.message(id, &scene.bob.lid(), &devices, "x")).await;
        let receipt = of_bob(&mut line, &scene).await;
        assert_eq!((text(&receipt, "id").as_str(), receipt.attrs.jid("from")), (id, Some(&scene.bob.lid())));
        assert!(!receipt.attrs.contains("type"));
    }
    scene.bob.read(None, &["1".to_owned(), "2".to_owned()]).await.unwrap();
    let read = of_bob(&mut line, &scene).await;
    assert_eq!((text(&read, "id").as_str(), text(&read, "type").as_str()), ("1", "read"));
    let items = read.require_child("list").unwrap().children();
    assert_eq!(items.iter().map(|item| text(item, "id")).collect::<Vec<_>>(), ["2"]);
    let unknown = scene.bob.read(None, &["9".to_owned()]).await.unwrap_err();
    assert_eq!(unknown.code(), "unknown_message");
}

/// The next receipt of Bob; the own phone says that it has its copies.
async fn of_bob(line: &mut NoiseConnection, scene: &Scene) -> Node<'static> {
    line.next_where(|node| node.is("receipt") && node.attrs.jid("from") == Some(&scene.bob.lid())).await
}

#[tokio::test(start_paused = true)]
async fn receipts_of_a_companion_settle_its_queue_and_reach_the_sender() {
    let scene = Scene::quiet().await;
    let (mut client, mut line) = scene.companion(1).await;
    let (_second, mut second_line) = scene.companion(2).await;
    let id = scene.bob.send(ALICE, "x").await.unwrap();
    client.decrypt(&line.next_named("message").await);
    assert_eq!(scene.alice.devices()[0].waiting, 1 + notices(&scene));
    let receipt = Node::new("receipt").attr("id", id.as_str()).attr("to", scene.bob.lid());
    let ack = receipt_ack(&mut line, &receipt).await;
    assert_eq!((text(&ack, "id"), ack.attrs.jid("from")), (id.clone(), Some(&scene.bob.lid())));
    assert_eq!(scene.alice.devices()[0].waiting, notices(&scene));

    let read = receipt.attr("type", "read").attr("t", NOW);
    assert_eq!(text(&receipt_ack(&mut line, &read).await, "type"), "read");
    let outbox =
        scene.bob.wait_for_outbox(|sent| sent[0].receipts.iter().any(|receipt| receipt.kind == "read")).await;
    let kinds: Vec<_> =
        outbox[0].receipts.iter().map(|receipt| (receipt.device, receipt.kind.as_str())).collect();
    assert!(kinds.contains(&(0, "delivered")) && kinds.contains(&(1, "delivered")), "{kinds:?}");
    // The reader's other devices learn that the chat was read.
    let shared = second_line.next_named("receipt").await;
    assert_eq!(text(&shared, "type"), "read");
    assert_eq!(shared.attrs.jid("from"), Some(&scene.alice.lid().with_device(1)));
    assert_eq!(shared.attrs.jid("recipient"), Some(&scene.bob.lid()));
}

#[tokio::test(start_paused = true)]
async fn a_receipt_reaches_every_device_of_who_wrote() {
    let scene = Scene::quiet().await;
    let (_client, mut line) = scene.companion(1).await;
    let (first, mut first_line) = scene.companion_of(&scene.bob, 2).await;
    let (_second, mut second_line) = scene.companion_of(&scene.bob, 3).await;
    for kind in [None, Some("inactive"), Some("read")] {
        let receipt = Node::new("receipt").attr("id", "1").attr("to", first.lid.clone().unwrap());
        line.send(&receipt.opt_attr("type", kind)).await;
        for bobs in [&mut first_line, &mut second_line] {
            let got = bobs.next_named("receipt").await;
            assert_eq!((text(&got, "id").as_str(), text(&got, "type").as_str()), ("1", kind.unwrap_or("")));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_sender_receipt_goes_back_to_the_own_device_that_wrote() {
    let scene = Scene::quiet().await;
    let (first, mut first_line) = scene.companion(1).await;
    let (_second, mut second_line) = scene.companion(2).await;
    let receipt = Node::new("receipt").attr("id", "1").attr("to", first.lid.clone().unwrap());
    second_line.send(&receipt.attr("type", "sender").attr("recipient", scene.bob.lid())).await;
    let got = first_line.next_named("receipt").await;
    assert_eq!((text(&got, "type").as_str(), got.attrs.jid("recipient")), ("sender", Some(&scene.bob.lid())));
    assert_eq!(got.attrs.jid("from"), Some(&scene.alice.lid().with_device(2)));
}

/// Notifications about the second companion that the first has not acknowledged.
fn notices(scene: &Scene) -> usize {
    let trace = scene.simulator.trace(Some(ALICE));
    trace.iter().filter(|entry| entry.device == 1 && entry.xml.starts_with("<notification")).count()
}

#[tokio::test(start_paused = true)]
async fn receipts_that_are_for_the_server_alone_are_not_passed_on() {
    let scene = Scene::quiet().await;
    let (_client, mut line) = scene.companion(1).await;
    let (_bobs, mut bobs_line) = scene.companion_of(&scene.bob, 2).await;
    for kind in ["sender", "peer_msg", "hist_sync"] {
        let receipt = Node::new("receipt").attr("id", "1").attr("to", scene.bob.lid()).attr("type", kind);
        assert_eq!(text(&receipt_ack(&mut line, &receipt).await, "type"), kind);
    }
    line.send(&Node::new("receipt").attr("id", "last").attr("to", scene.bob.lid())).await;
    assert_eq!(text(&bobs_line.next_named("receipt").await, "id"), "last");
}

#[tokio::test(start_paused = true)]
async fn receipts_wait_until_they_are_acknowledged_by_class_and_type() {
    let scene = Scene::quiet().await;
    let (_client, mut line) = scene.companion(1).await;
    let (mut bobs, mut bobs_line) = scene.companion_of(&scene.bob, 2).await;
    let to = bobs.lid.clone().unwrap();
    for kind in [None, Some("read")] {
        line.send(&Node::new("receipt").attr("id", "1").attr("to", &to).opt_attr("type", kind)).await;
        bobs_line.next_named("receipt").await;
    }
    let ack = |kind: Option<&'static str>, class: &'static str| {
        let from = scene.alice.lid().with_device(1);
        Node::new("ack").attr("class", class).attr("id", "1").attr("to", from).opt_attr("type", kind)
    };
    bobs_line.send(&ack(Some("read"), "notification")).await;
    bobs_line.send(&ack(Some("read"), "receipt")).await;
    bobs_line.ask("get", "encrypt", Node::new("count")).await;
    drop(bobs_line);
    let mut bobs_line = bobs.come_online(&scene.simulator).await;
    let waited = bobs_line.next_named("receipt").await;
    assert!(!waited.attrs.contains("type"), "{waited}");
    bobs_line.send(&ack(None, "receipt")).await;
    bobs_line.ask("get", "encrypt", Node::new("count")).await;
    drop(bobs_line);
    let mut bobs_line = bobs.come_online(&scene.simulator).await;
    let end = bobs_line.next_where(|node| node.get_child("offline").is_some()).await;
    assert_eq!(text(end.require_child("offline").unwrap(), "count"), "0");
}

fn retry(id: &str, to: &Jid, count: u32, keys: Option<Node<'static>>) -> Node<'static> {
    let retry =
        Node::new("retry").attr("count", count).attr("id", id.to_owned()).attr("t", NOW).attr("v", "1");
    Node::new("receipt")
        .attr("id", id.to_owned())
        .attr("to", to)
        .attr("type", "retry")
        .child(retry)
        .child(Node::new("registration").with_bytes(vec![0, 0xab, 0xcd, 0xef]))
        .with_children(keys)
}

#[tokio::test(start_paused = true)]
async fn a_phone_sends_again_what_a_companion_asks_for() {
    let scene = Scene::quiet().await;
    let (mut client, mut line) = scene.companion(1).await;
    let id = scene.bob.send(ALICE, "again").await.unwrap();
    let first = line.next_named("message").await;
    // The first retry keeps the session.
    line.send(&retry(&id, &scene.bob.lid(), 1, None)).await;
    let second = line.next_named("message").await;
    let enc = second.require_child("enc").unwrap();
    assert_eq!((text(&second, "id"), text(enc, "count")), (id.clone(), "1".into()));
    client.decrypt(&first);
    assert_eq!(client.decrypt(&second).conversation.as_deref(), Some("again"));
    // With keys, or from the second one on, there is a new session.
    client.sessions.clear();
    let keys = Node::new("keys")
        .child(Node::new("type").with_bytes(vec![5]))
        .child(Node::new("identity").with_bytes(client.identity.key.public().as_bytes().to_vec()))
        .child(key("key", client.prekeys[9].id, client.prekeys[9].key.public()))
        .child(signed(&client.signed))
        .child(client.device_identity());
    line.send(&retry(&id, &scene.bob.lid(), 2, Some(keys))).await;
    let third = line.next_named("message").await;
    assert_eq!(text(third.require_child("enc").unwrap(), "type"), "pkmsg");
    assert_eq!(client.decrypt(&third).conversation.as_deref(), Some("again"));
    client.sessions.clear();
    line.send(&retry(&id, &scene.bob.lid(), 3, None)).await;
    assert_eq!(client.decrypt(&line.next_named("message").await).conversation.as_deref(), Some("again"));
    assert_eq!(scene.bob.outbox()[0].resent, 3);
}

#[tokio::test(start_paused = true)]
async fn a_phone_trusts_no_keys_of_another_identity() {
    let scene = Scene::quiet().await;
    let (_client, mut line) = scene.companion(1).await;
    let id = scene.bob.send(ALICE, "again").await.unwrap();
    line.next_named("message").await;
    let other = Client::new(9);
    let keys = Node::new("keys")
        .child(Node::new("type").with_bytes(vec![5]))
        .child(Node::new("identity").with_bytes(other.identity.key.public().as_bytes().to_vec()))
        .child(signed(&other.signed));
    line.send(&retry(&id, &scene.bob.lid(), 2, Some(keys))).await;
    let next = scene.bob.send(ALICE, "next").await.unwrap();
    let delivered = line.next_named("message").await;
    assert_eq!(text(&delivered, "id"), next, "the forged request got nothing");
}

#[tokio::test(start_paused = true)]
async fn a_malformed_retry_receipt_is_refused() {
    let scene = Scene::quiet().await;
    let (_client, mut line) = scene.companion(1).await;
    let good = retry("1", &scene.bob.lid(), 1, None);
    let mut without_count = good.clone();
    let mut other_id = good.clone();
    let mut short = good.clone();
    for (node, change) in [(&mut without_count, 0), (&mut other_id, 1), (&mut short, 2)] {
        let wa_binary::Content::Nodes(children) = &mut node.content else { panic!() };
        match change {
            0 => drop(children[0].attrs.remove("count")),
            1 => drop(children[0].attrs.insert("id", "2")),
            _ => children[1] = Node::new("registration").with_bytes(vec![1]),
        }
    }
    for wrong in [without_count, other_id, short] {
        assert_eq!(text(&receipt_ack(&mut line, &wrong).await, "error"), "479", "{wrong}");
    }
    assert!(!receipt_ack(&mut line, &good).await.attrs.contains("error"));
}

#[tokio::test(start_paused = true)]
async fn a_phone_asks_again_for_what_it_can_not_read() {
    let scene = Scene::quiet().await;
    let (mut client, mut line, devices) = ready(&scene).await;
    let mut message = client.message("1", &scene.bob.lid(), &devices, "damaged");
    damage(&mut message);
    line.send(&message).await;
    let receipt = line.next_where(|node| node.is("receipt") && text(node, "type") == "retry").await;
    let retry = receipt.require_child("retry").unwrap();
    assert_eq!((text(retry, "id"), text(retry, "count")), ("1".into(), "1".into()));
    assert_eq!(receipt.require_child("registration").unwrap().require_bytes().unwrap().len(), 4);
    assert!(receipt.get_child("keys").is_none());
    assert_eq!(scene.bob.undecryptable(), 1);

    // Still damaged: now it sends its keys along.
    let resend = |client: &mut Client, count: u32, damaged: bool| {
        let enc = client.encrypt(&scene.bob.lid(), &plain_text("damaged"));
        let mut node = Node::new("message")
            .attr("id", "1")
            .attr("to", scene.bob.lid())
            .attr("type", "text")
            .child(enc.attr("count", count))
            .child(client.device_identity());
        if damaged {
            let wa_binary::Content::Nodes(children) = &mut node.content else { panic!() };
            flip(&mut children[0]);
        }
        node
    };
    line.send(&resend(&mut client, 1, true)).await;
    let receipt = line.next_where(|node| node.is("receipt") && text(node, "type") == "retry").await;
    assert_eq!(text(receipt.require_child("retry").unwrap(), "count"), "2");
    let keys = receipt.require_child("keys").unwrap();
    let registration = receipt.require_child("registration").unwrap().clone();
    let bundle = bundle(&keys.clone().child(registration));
    let session = wa_signal::Session::initiate(&client.identity, &bundle, None, &mut client.rng).unwrap();
    client.sessions.insert(scene.bob.lid().ad_string(), session);
    line.send(&resend(&mut client, 2, false)).await;
    let inbox = scene.bob.wait_for_inbox(|entries| !entries.is_empty()).await;
    assert_eq!(inbox[0].text.as_deref(), Some("damaged"));
}

/// Changes the MAC of the first ciphertext.
fn damage(message: &mut Node<'static>) {
    let wa_binary::Content::Nodes(children) = &mut message.content else { panic!() };
    let wa_binary::Content::Nodes(participants) = &mut children[0].content else { panic!() };
    let wa_binary::Content::Nodes(copies) = &mut participants[0].content else { panic!() };
    flip(&mut copies[0]);
}

fn flip(enc: &mut Node<'static>) {
    let wa_binary::Content::Bytes(bytes) = &mut enc.content else { panic!() };
    *bytes.to_mut().last_mut().unwrap() ^= 1;
}

#[tokio::test(start_paused = true)]
async fn a_phone_reads_nothing_whose_sender_does_not_prove_its_account() {
    use prost::Message as _;
    let scene = Scene::quiet().await;
    let (mut client, mut line, devices) = ready(&scene).await;
    let account = client.account.clone().unwrap();
    let mut forged = Vec::new();
    for change in 0..4 {
        let mut identity = account.clone();
        match change {
            0 => identity.account_signature = Some(vec![1; 64].into()),
            1 => identity.device_signature = Some(vec![1; 64].into()),
            2 => identity.account_signature_key = Some(vec![1; 32].into()),
            _ => identity.details = Some(vec![1].into()),
        }
        forged.push(identity.encode_to_vec());
    }
    forged.push(vec![0xff; 20]);
    for (index, identity) in forged.into_iter().enumerate() {
        let mut message = client.message(&format!("f{index}"), &scene.bob.lid(), &devices, "forged");
        let wa_binary::Content::Nodes(children) = &mut message.content else { panic!() };
        *children.last_mut().unwrap() = Node::new("device-identity").with_bytes(identity);
        line.send(&message).await;
        let receipt =
            line.next_where(|node| node.is("receipt") && node.attrs.jid("from") == Some(&devices[0])).await;
        assert_eq!(text(&receipt, "type"), "retry", "{index}");
    }
    assert!(scene.bob.inbox().is_empty());
    line.send(&client.message("good", &scene.bob.lid(), &devices, "true")).await;
    assert_eq!(scene.bob.wait_for_inbox(|entries| !entries.is_empty()).await.len(), 1);
}
