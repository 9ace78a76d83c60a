//! The server's queue of a companion is emptied: everything is answered as it has to be, and all that waited is fetched.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use wa_binary::{Jid, Node, Server};
use wa_client::{Config, Delivery, Event, Store, UndecryptableReason};
use wa_simulator::{Behaviour, Fault, FaultKind, Moment, Phone};

use crate::puppet::Puppet;
use crate::stage::{Companion, NOW, Stage, nothing_waits, patiently, texts_of};

/// A server that insists on answers.
#[allow(clippy::needless_update, reason = "there is more behaviour to come")]
fn strict() -> Behaviour {
    let answer_within = Some(Duration::from_secs(50 * 60));
    Behaviour { answer_within, backlog_on_request: true, novelties: true, ..Behaviour::default() }
}

async fn paired(stage: &Stage) -> (Phone, Phone, Companion) {
    let (alice, bob) = (stage.phone("15550000001"), stage.phone("15550000002"));
    let companion = stage.companion(&alice).await;
    (alice, bob, companion)
}

#[tokio::test(start_paused = true)]
async fn whatever_the_server_sends_is_answered_so_that_nothing_is_held_back() {
    let stage = Stage::behaving(strict()).await;
    let (alice, bob, companion) = paired(&stage).await;
    for tag in ["status", "appdata", "something-new"] {
        stage.fault_for(&alice, FaultKind::Stanza { tag: tag.into() });
    }
    nothing_waits(&alice).await;
    for answer in [r#"<ack class="status""#, r#"<ack class="appdata""#] {
        assert!(stage.seen(answer) > 0, "{answer}");
    }
    let logins = alice.devices()[0].logins;
    sleep(Duration::from_secs(3 * 3600)).await;
    bob.send(alice.number(), "still there?").await.unwrap();
    companion.diary.texts(1).await;
    assert_eq!(alice.devices()[0].logins, logins, "no connection was lost");
    let is_status = |event: &Event| matches!(event, Event::Undecryptable(told) if told.reason == UndecryptableReason::Broadcast);
    assert!(companion.diary.events().iter().any(is_status), "a status post is told");
}

/// The client's answer to a stanza.
async fn answer_to(stanza: Node<'static>) -> Node<'static> {
    let (mut puppet, client, _diary) = Puppet::new().await;
    let mut line = puppet.logged_in().await;
    let id = stanza.attrs.text("id").unwrap().into_owned();
    line.say(&stanza).await.unwrap();
    let answer = loop {
        let node = patiently(line.hear()).await.expect("the client stays");
        if node.attrs.text("id").as_deref() == Some(&id) {
            break node;
        }
    };
    client.reconnect().await;
    client.stop().await;
    answer
}

#[tokio::test(start_paused = true)]
async fn each_stanza_is_acknowledged_by_its_tag_and_unknown_ones_with_an_error() {
    let stanza = |tag: &'static str, from: Jid| {
        Node::new(tag).attr("id", "7").attr("from", from).attr("t", NOW).attr("type", "x")
    };
    let status = stanza("status", Jid::status()).attr("participant", Jid::lid("9002"));
    let cases = [
        (status, r#"<ack class="status" id="7" to="status@broadcast" participant="9002@lid" type="x"/>"#),
        (stanza("status", Jid::status()), r#"<ack class="status" id="7" to="status@broadcast" type="x"/>"#),
        (stanza("appdata", Jid::lid("8001")), r#"<ack class="appdata" id="7" to="8001@lid" type="x"/>"#),
        (stanza("call", Jid::lid("9002")), r#"<ack class="call" id="7" to="9002@lid" type="x"/>"#),
        (
            stanza("new", Jid::server()),
            r#"<ack class="new" id="7" to="s.whatsapp.net" type="x" error="488"/>"#,
        ),
    ];
    for (stanza, answer) in cases {
        assert_eq!(answer_to(stanza).await.to_string(), answer);
    }
}

#[tokio::test(start_paused = true)]
async fn a_copy_of_an_own_message_that_is_not_read_is_cleared_by_a_receipt() {
    let bot = Jid::new("867051314767696", Server::Bot);
    let copy = |to: &Jid| {
        Node::new("message")
            .attr("id", "7")
            .attr("from", Jid::lid("8001"))
            .attr("recipient", to)
            .attr("t", NOW)
            .attr("type", "text")
    };
    let enc =
        |kind: &'static str| Node::new("enc").attr("v", "2").attr("type", kind).with_bytes(vec![0x33; 40]);
    let unavailable = Node::new("unavailable").attr("type", "view_once");
    for (copy, to) in [
        (copy(&bot), "867051314767696@bot"),
        (copy(&Jid::lid("9002")).child(unavailable), "9002@lid"),
        (copy(&Jid::lid("9002")).child(enc("msmsg")), "9002@lid"),
    ] {
        let clears = format!(r#"<receipt id="7" to="8001@lid" type="sender" recipient="{to}"/>"#);
        assert_eq!(answer_to(copy).await.to_string(), clears);
    }
    // What a bot says to somebody else is sealed with a secret that isn't kept.
    let said = Node::new("message").attr("id", "7").attr("from", Jid::lid("9002")).attr("t", NOW);
    let nack = r#"<ack id="7" to="9002@lid" class="message" error="495"/>"#;
    assert_eq!(answer_to(said.child(enc("msmsg"))).await.to_string(), nack);
}

#[tokio::test(start_paused = true)]
async fn an_own_message_that_stays_unreadable_does_not_stay_in_the_queue() {
    let stage = Stage::behaving(strict()).await;
    let (alice, bob, companion) = paired(&stage).await;
    stage.sim.add_fault(Fault::new(FaultKind::Undecryptable).number(alice.number()).times(9)).unwrap();
    alice.send(bob.number(), "from the phone").await.unwrap();
    companion
        .diary
        .wait_for(|events| events.iter().any(|event| matches!(event, Event::Undecryptable(_))))
        .await;
    nothing_waits(&alice).await;
    let logins = alice.devices()[0].logins;
    sleep(Duration::from_secs(2 * 3600)).await;
    assert_eq!(alice.devices()[0].logins, logins);
}

#[tokio::test(start_paused = true)]
async fn all_that_waited_is_fetched_in_batches_and_receipted_together() {
    let stage = Stage::behaving(strict()).await;
    let (alice, bob, companion) = paired(&stage).await;
    let store = companion.stop().await;
    for number in 0..450 {
        bob.send(alice.number(), &number.to_string()).await.unwrap();
    }
    let receipts = stage.seen(r#"type="inactive""#);
    let companion = stage.start(store);
    let texts = companion.diary.texts(450).await;
    assert_eq!(texts, (0..450).map(|number| number.to_string()).collect::<Vec<_>>());
    nothing_waits(&alice).await;
    assert_eq!(companion.diary.messages(450).await.len(), 450, "nothing came twice");
    let done = |event: &Event| matches!(event, Event::OfflineDone { count } if *count >= 450);
    companion.diary.wait_for(|events| events.iter().any(done)).await;
    assert!(stage.seen("<offline_batch") >= 3);
    // Each is seen twice: as it comes from the companion, and as it reaches the phone.
    let receipts = stage.seen(r#"type="inactive""#) - receipts;
    assert!(receipts < 100, "{receipts}");
    let told = |sent: &[wa_simulator::OutboxEntry]| {
        sent.iter().all(|sent| sent.receipts.iter().any(|receipt| receipt.device == 1))
    };
    patiently(bob.wait_for_outbox(told)).await;
}

#[tokio::test(start_paused = true)]
async fn a_backlog_that_does_not_come_is_asked_for_again_and_then_let_be() {
    let (mut puppet, client, _diary) = Puppet::new().await;
    let mut line = puppet.logged_in().await;
    let preview = Node::new("offline_preview").attr("count", 3_u32).attr("message", 3_u32);
    line.say(&Node::new("ib").attr("from", Jid::server()).child(preview)).await.unwrap();
    let (mut asked, start) = (0, Instant::now());
    while start.elapsed() < Duration::from_secs(600) {
        let Ok(heard) = tokio::time::timeout(Duration::from_secs(10), line.hear()).await else { continue };
        let heard = heard.expect("the client stays");
        asked += usize::from(heard.get_child("offline_batch").is_some());
        if heard.is("iq") {
            let id = heard.attrs.text("id").unwrap().into_owned();
            line.say(&Node::new("iq").attr("type", "result").attr("id", id)).await.unwrap();
        }
    }
    assert_eq!(asked, 3);
    client.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_called_dirty_is_called_clean_only_where_it_is_held() {
    let (mut puppet, client, _diary) = Puppet::new().await;
    let mut line = puppet.logged_in().await;
    let dirty = |kind: &'static str| {
        let dirty = Node::new("dirty").attr("type", kind).attr("timestamp", NOW);
        Node::new("ib").attr("from", Jid::server()).child(dirty)
    };
    for kind in ["groups", "account_sync"] {
        line.say(&dirty(kind)).await.unwrap();
    }
    let clean = loop {
        let node = patiently(line.hear()).await.expect("the client stays");
        if let Some(clean) = node.get_child("clean") {
            break clean.attrs.text("type").unwrap().into_owned();
        }
    };
    assert_eq!(clean, "account_sync");
    client.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_receipt_of_a_device_that_can_do_nothing_with_a_message_is_no_delivery() {
    let (mut puppet, client, diary) = Puppet::new().await;
    let mut line = puppet.logged_in().await;
    let receipt = |id: &'static str| Node::new("receipt").attr("id", id).attr("from", Jid::lid("9002"));
    let error = Node::new("error").attr("type", "feature-incapable").attr("reason", "lid");
    line.say(&receipt("1").child(error)).await.unwrap();
    line.say(&receipt("2")).await.unwrap();
    diary.receipts(|receipt| receipt.ids[0].as_str() == "2").await;
    let first = diary.receipts(|receipt| receipt.ids[0].as_str() == "1").await;
    assert_eq!(first[0].kind, wa_client::ReceiptKind::Other("feature-incapable".into()));
    client.stop().await;
}

#[tokio::test(start_paused = true)]
async fn senders_see_that_a_message_arrived_where_that_is_wanted() {
    for (delivery, kind) in [(Delivery::WhenAvailable, "inactive"), (Delivery::Shown, "delivered")] {
        let stage = Stage::new().await;
        let (alice, bob) = (stage.phone("15550000001"), stage.phone("15550000002"));
        let mut config = Config::default();
        config.delivery = delivery;
        let companion = stage.start_with(Store::memory(), |builder| builder.config(config));
        companion.pair(&alice).await;
        bob.send(alice.number(), "seen?").await.unwrap();
        companion.diary.texts(1).await;
        let of_companion = |sent: &[wa_simulator::OutboxEntry]| {
            sent[0].receipts.iter().any(|receipt| receipt.device == 1 && receipt.kind == kind)
        };
        patiently(bob.wait_for_outbox(of_companion)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_sibling_wrote_is_told_of_its_delivery_here_too() {
    let stage = Stage::new().await;
    let (alice, bob, first) = paired(&stage).await;
    let second = stage.companion(&alice).await;
    let id = first.send(bob.jid(), "from the first").await;
    assert_eq!(texts_of(&second.diary.messages(1).await), ["from the first"]);
    let delivered = second.diary.receipts(|receipt| receipt.ids[0].as_str() == id && !receipt.from_me).await;
    assert_eq!(delivered[0].kind, wa_client::ReceiptKind::Delivered);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_comes_once_more_with_the_next_connection_is_receipted_and_not_told() {
    let stage = Stage::behaving(Behaviour { overlaps: true, ..Behaviour::default() }).await;
    let (alice, bob, companion) = paired(&stage).await;
    companion.diary.wait_for(|events| events.iter().any(|event| matches!(event, Event::Peer(_)))).await;
    nothing_waits(&alice).await;
    let id = bob.send(alice.number(), "once").await.unwrap();
    companion.diary.texts(1).await;
    nothing_waits(&alice).await;
    let again = format!(r#"id="{id}" type="text""#);
    let delivered = stage.seen(&again);
    stage.fault_for(&alice, FaultKind::Drop { when: Moment::Now });
    companion.connected(2).await;
    nothing_waits(&alice).await;
    assert!(stage.seen(&again) > delivered);
    let is_unreadable = |event: &Event| matches!(event, Event::Undecryptable(_));
    assert!(!companion.diary.events().iter().any(is_unreadable));
    assert_eq!(companion.diary.messages(1).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn connections_that_drop_in_quick_succession_are_no_failures_while_they_carry_something() {
    let stage = Stage::new().await;
    let (alice, bob, companion) = paired(&stage).await;
    for round in 0..12 {
        bob.send(alice.number(), &round.to_string()).await.unwrap();
        companion.diary.texts(round + 1).await;
        nothing_waits(&alice).await;
        stage.fault_for(&alice, FaultKind::Drop { when: Moment::Now });
        companion.state(|state| *state != wa_client::State::Online).await;
        let start = Instant::now();
        companion.online().await;
        assert!(start.elapsed() < Duration::from_secs(3), "{round}: {:?}", start.elapsed());
    }
}
