//! Pairing, login and texts both ways.

use wa_binary::Jid;
use wa_client::{Event, MessageId, Outgoing, PeerMessage, Presence, ReceiptKind, SendError, State};

use crate::stage::{Stage, messages_of, nothing_waits};

#[tokio::test(start_paused = true)]
async fn a_scanned_code_leads_to_an_account_that_is_online() {
    let stage = Stage::new().await;
    let alice = stage.phone("15550000001");
    let companion = stage.unpaired();
    let qr = companion.qr().await;
    assert_eq!(alice.scan(&qr.text).await.unwrap(), 1);
    companion.online().await;
    let device = &alice.devices()[0];
    assert!(device.active);
    // 812 were uploaded; the phone has used one to say hello.
    assert!((811..=812).contains(&device.prekeys));
    let events = companion.diary.events();
    let paired = events.iter().find_map(|event| match event {
        Event::Paired(paired) => Some(paired),
        _ => None,
    });
    assert_eq!(paired.unwrap().jid, alice.jid().with_device(1));
    assert!(events.iter().any(|event| matches!(event, Event::Connected)));
}

#[tokio::test(start_paused = true)]
async fn texts_go_both_ways() {
    let stage = Stage::new().await;
    let (alice, bob) = (stage.phone("15550000001"), stage.phone("15550000002"));
    let companion = stage.companion(&alice).await;
    let id = companion.send(bob.jid(), "hello").await;
    let inbox = bob.wait_for_inbox(|inbox| !inbox.is_empty()).await;
    assert_eq!((inbox[0].text.as_deref(), inbox[0].id.as_str()), (Some("hello"), id.as_str()));
    companion.diary.receipts(|receipt| receipt.kind == ReceiptKind::Delivered).await;

    bob.send(alice.number(), "hello yourself").await.unwrap();
    let message = companion.diary.messages(1).await.remove(0);
    assert_eq!(message.text(), Some("hello yourself"));
    assert_eq!(message.info.chat_pn, Some(bob.jid()));
    assert_eq!(message.info.chat_lid, Some(bob.lid()));
    assert!(!message.info.from_me);
    assert_eq!(companion.client.state(), State::Online);
}

#[tokio::test(start_paused = true)]
async fn an_available_companion_tells_the_sender_that_a_message_arrived() {
    let stage = Stage::new().await;
    let (alice, bob) = (stage.phone("15550000001"), stage.phone("15550000002"));
    let companion = stage.companion(&alice).await;
    companion.client.set_presence(Presence::Available).await.unwrap();
    bob.send(alice.number(), "hi").await.unwrap();
    companion.diary.messages(1).await;
    bob.wait_for_outbox(|outbox| outbox[0].receipts.iter().any(|receipt| receipt.device == 1)).await;
    let before = stage.seen("type=\"inactive\"");
    companion.client.set_presence(Presence::Unavailable).await.unwrap();
    bob.send(alice.number(), "are you there?").await.unwrap();
    companion.diary.messages(2).await;
    assert!(stage.seen("type=\"inactive\"") > before);
}

#[tokio::test(start_paused = true)]
async fn reading_is_told_to_the_sender() {
    let stage = Stage::new().await;
    let (alice, bob) = (stage.phone("15550000001"), stage.phone("15550000002"));
    let companion = stage.companion(&alice).await;
    bob.send(alice.number(), "one").await.unwrap();
    bob.send(alice.number(), "two").await.unwrap();
    let messages = companion.diary.messages(2).await;
    let ids: Vec<_> = messages.iter().map(|message| message.info.id.clone()).collect();
    companion.client.mark_read_ids(&messages[0].info.chat, None, &ids).await.unwrap();
    let read = |receipts: &[wa_simulator::Receipt]| receipts.iter().any(|receipt| receipt.kind == "read");
    bob.wait_for_outbox(|outbox| outbox.iter().all(|entry| read(&entry.receipts))).await;
}

#[tokio::test(start_paused = true)]
async fn being_read_is_told_to_the_handler() {
    let stage = Stage::new().await;
    let (alice, bob) = (stage.phone("15550000001"), stage.phone("15550000002"));
    let companion = stage.companion(&alice).await;
    let id = companion.send(bob.jid(), "read this").await;
    bob.wait_for_inbox(|inbox| !inbox.is_empty()).await;
    bob.read(None, std::slice::from_ref(&id)).await.unwrap();
    let receipts = companion.diary.receipts(|receipt| receipt.kind == ReceiptKind::Read).await;
    assert_eq!(receipts[0].ids, [MessageId::from(id)]);
    assert_eq!(receipts[0].chat_pn, Some(bob.jid()));
}

#[tokio::test(start_paused = true)]
async fn a_message_reaches_every_device_of_both_sides() {
    let stage = Stage::new().await;
    let (alice, bob) = (stage.phone("15550000001"), stage.phone("15550000002"));
    let sender = stage.companion(&alice).await;
    let sibling = stage.companion(&alice).await;
    let (first, second) = (stage.companion(&bob).await, stage.companion(&bob).await);
    sender.send(bob.jid(), "to all").await;
    for companion in [&first, &second] {
        assert_eq!(companion.diary.texts(1).await, ["to all"]);
    }
    bob.wait_for_inbox(|inbox| inbox.len() == 1).await;
    let copy = sibling.diary.messages(1).await.remove(0);
    assert!(copy.info.from_me);
    assert_eq!(copy.info.chat_pn, Some(bob.jid()));
    assert_eq!(copy.text(), Some("to all"));
    let inbox = alice.wait_for_inbox(|inbox| inbox.len() == 1).await;
    assert!(inbox[0].from_me);
}

#[tokio::test(start_paused = true)]
async fn a_message_to_oneself_reaches_the_own_other_devices() {
    let stage = Stage::new().await;
    let alice = stage.phone("15550000001");
    let companion = stage.companion(&alice).await;
    companion.send(alice.jid(), "note").await;
    let inbox = alice.wait_for_inbox(|inbox| inbox.len() == 1).await;
    assert_eq!(inbox[0].text.as_deref(), Some("note"));
}

#[tokio::test(start_paused = true)]
async fn messages_of_one_chat_arrive_in_the_order_of_the_calls() {
    let stage = Stage::new().await;
    let (alice, bob) = (stage.phone("15550000001"), stage.phone("15550000002"));
    let companion = stage.companion(&alice).await;
    // The first one has to look everything up; the others must not overtake it.
    let sends = (0..100).map(|n| companion.client.send(Outgoing::text(bob.jid(), n.to_string())));
    let acks = futures_util::future::join_all(sends).await;
    assert!(acks.iter().all(Result::is_ok));
    let inbox = bob.wait_for_inbox(|inbox| inbox.len() == 100).await;
    let texts: Vec<_> = inbox.iter().filter_map(|entry| entry.text.clone()).collect();
    assert_eq!(texts, (0..100).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn many_chats_are_looked_up_side_by_side() {
    let stage = Stage::new().await;
    let alice = stage.phone("15550000001");
    let companion = stage.companion(&alice).await;
    let phones: Vec<_> = (2..22).map(|n| stage.phone(&format!("155500000{n:02}"))).collect();
    let sends = phones.iter().map(|phone| companion.client.send(Outgoing::text(phone.jid(), "hello")));
    let acks = futures_util::future::join_all(sends).await;
    assert!(acks.iter().all(Result::is_ok), "{acks:?}");
}

#[tokio::test(start_paused = true)]
async fn numbers_are_resolved_in_the_order_asked() {
    let stage = Stage::behaving(wa_simulator::Behaviour::default()).await;
    let (alice, bob) = (stage.phone("15550000001"), stage.phone("15550000002"));
    let companion = stage.companion(&alice).await;
    let numbers = ["+1 555 000 0009".to_owned(), "15550000002".to_owned()];
    let found = companion.client.resolve(&numbers).await.unwrap();
    assert!(!found[0].registered);
    assert_eq!(found[0].number, "+1 555 000 0009");
    assert!(found[1].registered);
    assert_eq!((found[1].pn.clone(), found[1].lid.clone()), (Some(bob.jid()), Some(bob.lid())));
}

#[tokio::test(start_paused = true)]
async fn who_is_not_on_whatsapp_gets_nothing() {
    let stage = Stage::new().await;
    let alice = stage.phone("15550000001");
    let companion = stage.companion(&alice).await;
    let refused = companion.client.send(Outgoing::text(Jid::pn("15559999999"), "anybody?")).await;
    assert_eq!(refused, Err(SendError::NotOnWhatsApp));
    let channel = Jid::new("1203630000", wa_binary::Server::Newsletter);
    let refused = companion.client.send(Outgoing::text(channel, "all")).await;
    assert_eq!(refused, Err(SendError::Refused { code: 404 }));
}

#[tokio::test(start_paused = true)]
async fn the_phone_is_heard_and_answered() {
    let stage = Stage::new().await;
    let alice = stage.phone("15550000001");
    let companion = stage.companion(&alice).await;
    let events = companion
        .diary
        .wait_for(|events| {
            let has = |wanted: fn(&Event) -> bool| events.iter().any(wanted);
            has(|event| matches!(event, Event::Peer(_))) && has(|event| matches!(event, Event::History(_)))
        })
        .await;
    nothing_waits(&alice).await;
    let keys = events.iter().any(|event| matches!(event, Event::Peer(PeerMessage::AppStateKeys(_))));
    let history = events.iter().any(|event| matches!(event, Event::History(_)));
    assert!(keys && history);
    assert!(messages_of(&events).is_empty(), "internal traffic is no message for people");
}
