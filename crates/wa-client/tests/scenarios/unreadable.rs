//! What can't be read, or isn't supported yet, is told all the same before it is acknowledged.

use wa_binary::{Jid, Node};
use wa_client::{Event, PeerMessage, Undecryptable, UndecryptableReason};

use crate::puppet::Puppet;
use crate::stage::{NOW, Stage, all_told, nothing_waits, patiently};

fn message(from: Jid) -> Node<'static> {
    Node::new("message")
        .attr("id", "3EB0AA")
        .attr("from", from)
        .attr("t", NOW)
        .attr("type", "text")
        .attr("notify", "Bob")
        .attr("offline", "1")
}

fn enc(kind: &'static str) -> Node<'static> {
    Node::new("enc").attr("v", "2").attr("type", kind).with_bytes(vec![0x33; 40])
}

/// What is told about a stanza, and how it is acknowledged.
async fn told_of(stanza: Node<'static>) -> (Undecryptable, Node<'static>) {
    let (mut puppet, client, diary) = Puppet::new().await;
    let mut line = puppet.logged_in().await;
    line.say(&stanza).await.unwrap();
    let told = |event: &Event| match event {
        Event::Undecryptable(told) => Some((**told).clone()),
        _ => None,
    };
    let answer = loop {
        let node = patiently(line.hear()).await.expect("the client stays");
        if node.is("ack") {
            break node;
        }
    };
    let told = diary.events().iter().find_map(told).expect("told before it was acknowledged");
    client.reconnect().await;
    client.stop().await;
    (told, answer)
}

#[tokio::test(start_paused = true)]
async fn every_kind_that_is_not_supported_is_told_with_its_reason() {
    use UndecryptableReason::{Bot, Broadcast, Empty, Newsletter, Unavailable, Unknown};
    let status = message(Jid::status()).attr("participant", Jid::pn("15550002"));
    let cases = [
        (status.child(Node::new("plaintext")), Broadcast),
        (message(Jid::new("120363001", wa_binary::Server::Newsletter)), Newsletter),
        (message(Jid::new("13135550001", wa_binary::Server::Bot)).child(enc("msmsg")), Bot),
        (message(Jid::lid("9002")).child(enc("msmsg")), Unknown),
        (
            message(Jid::group("1203630001"))
                .attr("participant", Jid::new("867051314767696", wa_binary::Server::Bot))
                .child(enc("msmsg")),
            Bot,
        ),
        (message(Jid::lid("9002")), Empty),
        (message(Jid::lid("9002")).child(Node::new("unavailable").attr("type", "view_once")), Unavailable),
    ];
    for (stanza, reason) in cases {
        let from = stanza.attrs.jid("from").unwrap().clone();
        let (told, ack) = told_of(stanza).await;
        assert_eq!(told.reason, reason, "{}", reason.name());
        assert_eq!((told.info.id.as_str(), &told.info.chat), ("3EB0AA", &from), "{}", reason.name());
        assert_eq!((told.info.push_name.as_deref(), told.retries), (Some("Bob"), 0));
        assert!(told.info.offline && !told.info.from_me);
        assert_eq!(told.info.timestamp, i64::try_from(NOW).unwrap());
        assert_eq!(ack.attrs.jid("to"), Some(&from));
        assert_eq!(ack.attrs.text("class").as_deref(), Some("message"));
        // A message whose key is in another one, as those of bots are (PROTOCOL.md 13).
        let lacks_secret = matches!(reason, Bot | Unknown);
        assert_eq!(ack.attrs.text("error").as_deref(), lacks_secret.then_some("495"), "{}", reason.name());
    }
}

#[tokio::test(start_paused = true)]
async fn both_names_of_whoever_wrote_what_cannot_be_read_are_told() {
    let device = Jid::lid("9002").with_device(3);
    let stanza = message(device.clone()).attr("sender_pn", Jid::pn("15550002")).child(enc("msg"));
    let (told, _) = told_of(stanza).await;
    assert!(matches!(told.reason, UndecryptableReason::NoSession | UndecryptableReason::BadCiphertext));
    assert_eq!(told.info.sender, device);
    assert_eq!((told.info.chat_pn, told.info.chat_lid), (Some(Jid::pn("15550002")), Some(Jid::lid("9002"))));
    assert_eq!(
        (told.info.sender_pn, told.info.sender_lid),
        (Some(Jid::pn("15550002")), Some(Jid::lid("9002")))
    );
    assert_eq!(told.retries, 1);
}

#[tokio::test(start_paused = true)]
async fn that_two_addresses_are_one_person_is_told_once() {
    let stage = Stage::new().await;
    let (alice, bob) = (stage.phone("15550000001"), stage.phone("15550000002"));
    let companion = stage.companion(&alice).await;
    companion.send(bob.jid(), "hello").await;
    bob.send(alice.number(), "hello yourself").await.unwrap();
    companion.diary.messages(1).await;
    let companion = stage.start(companion.stop().await);
    bob.send(alice.number(), "again").await.unwrap();
    companion.diary.messages(1).await;
    let again = companion.diary.events();
    assert!(!again.iter().any(|event| matches!(event, Event::SamePerson { .. })), "{again:?}");
}

#[tokio::test(start_paused = true)]
async fn a_pair_of_addresses_is_told_before_the_message_that_brings_it() {
    let stage = Stage::new().await;
    let (alice, bob) = (stage.phone("15550000001"), stage.phone("15550000002"));
    let companion = stage.companion(&alice).await;
    bob.send(alice.number(), "hello").await.unwrap();
    companion.diary.messages(1).await;
    let events = companion.diary.events();
    let is_pair = |event: &Event| matches!(event, Event::SamePerson { pn, lid } if *pn == bob.jid() && *lid == bob.lid());
    let pair = events.iter().position(is_pair).expect("the pair is told");
    let message = events.iter().position(|event| matches!(event, Event::Message(_))).unwrap();
    assert!(pair < message);
}

#[tokio::test(start_paused = true)]
async fn what_the_phone_shares_is_stored_before_it_is_acknowledged() {
    let stage = Stage::new().await;
    let alice = stage.phone("15550000001");
    let companion = stage.companion(&alice).await;
    let peer = |event: &Event| match event {
        Event::Peer(PeerMessage::AppStateKeys(keys)) => Some(keys.clone()),
        _ => None,
    };
    companion.diary.wait_for(|events| events.iter().any(|event| peer(event).is_some())).await;
    let is_end = |event: &&Event| matches!(event, Event::History(part) if part.ends);
    companion.diary.wait_for(|events| events.iter().filter(is_end).count() >= 3).await;
    nothing_waits(&alice).await;
    // A phone may have been wrong at first.
    let shared = companion.diary.events().iter().rev().find_map(peer).unwrap();
    let ids: Vec<_> = shared.iter().map(|key| key.id.clone()).collect();
    let stored = companion.store.app_state_keys(&ids).await.unwrap();
    assert_eq!(stored, shared.into_iter().map(Some).collect::<Vec<_>>());
    all_told(&companion).await;
}
