//! Messages that are not as they should be, and are read all the same (PROTOCOL.md 12.1).

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use prost::Message as _;
use tokio::time::sleep;
use wa_client::content::Kind;
use wa_client::{Event, MessageInfo, ReceivedMessages, Store, UndecryptableReason, proto};
use wa_simulator::{Behaviour, FaultKind, Phone, Say};

use crate::stage::{Companion, NOW, Stage, messages_of, nothing_waits, texts_of};

async fn cast() -> (Stage, Phone, Phone, Companion) {
    let stage = Stage::faithful().await;
    let (alice, bob) = (stage.phone("15550000001"), stage.phone("15550000002"));
    let companion = stage.companion(&alice).await;
    (stage, alice, bob, companion)
}

/// One message each way, so that both sides know that the other has the session.
async fn get_acquainted(companion: &Companion, alice: &Phone, bob: &Phone) {
    bob.send(alice.number(), "sound").await.unwrap();
    companion.diary.messages(1).await;
    companion.send(bob.jid(), "sound").await;
    bob.wait_for_inbox(|inbox| inbox.len() == 1).await;
}

fn resent(phone: &Phone, id: &str) -> u32 {
    phone.outbox().iter().find(|entry| entry.id == id).unwrap().resent
}

/// A text in which the letter X is half of a surrogate pair.
fn broken(text: &str) -> Bytes {
    let sound = proto::Message { conversation: Some(text.replace('X', "???")), ..Default::default() };
    let mut raw = sound.encode_to_vec();
    let mut half = [0xed, 0xa0, 0xbd].into_iter().cycle();
    raw.iter_mut().filter(|byte| **byte == b'?').for_each(|byte| *byte = half.next().unwrap());
    raw.into()
}

#[tokio::test(start_paused = true)]
async fn a_new_message_under_a_used_counter_is_asked_for_and_arrives() {
    let (stage, alice, bob, companion) = cast().await;
    get_acquainted(&companion, &alice, &bob).await;
    stage.fault_for(&alice, FaultKind::ReusedCounter);
    bob.send(alice.number(), "one").await.unwrap();
    let id = bob.send(alice.number(), "two").await.unwrap();
    bob.send(alice.number(), "three").await.unwrap();
    let mut texts = companion.diary.texts(4).await;
    texts.sort();
    assert_eq!(texts, ["one", "sound", "three", "two"]);
    assert_eq!(resent(&bob, &id), 1);
    nothing_waits(&alice).await;
}

#[tokio::test(start_paused = true)]
async fn a_counter_that_is_used_again_and_again_loses_nothing() {
    let (stage, alice, bob, companion) = cast().await;
    get_acquainted(&companion, &alice, &bob).await;
    for n in 0..20 {
        stage.fault_for(&alice, FaultKind::ReusedCounter);
        bob.send(alice.number(), &format!("{n} a")).await.unwrap();
        bob.send(alice.number(), &format!("{n} b")).await.unwrap();
    }
    let texts = companion.diary.texts(41).await;
    assert_eq!(texts.iter().collect::<HashSet<_>>().len(), 41);
    nothing_waits(&alice).await;
}

/// Both ways for long, with all that goes wrong by itself: messages come empty, under used counters, and twice when they
/// are asked for; LIDs grow stale.
#[tokio::test(start_paused = true)]
async fn in_a_long_conversation_nothing_is_lost_whatever_goes_wrong_by_itself() {
    let stage = Stage::behaving(Behaviour::hostile()).await;
    let (alice, bob) = (stage.phone("15550000001"), stage.phone("15550000002"));
    let companion = stage.companion(&alice).await;
    get_acquainted(&companion, &alice, &bob).await;
    let mut written = HashSet::new();
    for n in 0..100 {
        for _ in 0..3 {
            written.insert(bob.send(alice.number(), &format!("there {n}")).await.unwrap());
        }
        companion.send(bob.jid(), &format!("back {n}")).await;
        sleep(Duration::from_secs(1)).await;
    }
    let read = |events: &[Event]| {
        let messages = messages_of(events).into_iter().filter(|message| !message.info.from_me);
        messages.map(|message| message.info.id.to_string()).collect::<HashSet<_>>()
    };
    let events = companion.diary.wait_for(|events| read(events).len() > written.len()).await;
    assert!(written.is_subset(&read(&events)));
    let of = |event: &Event| match event {
        Event::Undecryptable(told) => Some(told.reason),
        _ => None,
    };
    let reasons: Vec<_> = events.iter().filter_map(of).collect();
    for reason in [UndecryptableReason::Empty, UndecryptableReason::Repeated] {
        assert!(reasons.contains(&reason), "{reason:?}");
    }
    assert!(stage.seen("refresh_lid=\"true\"") > 0);
    let inbox = bob.wait_for_inbox(|inbox| inbox.len() == 101).await;
    assert!(inbox.iter().all(|entry| entry.repeats == 0));
    assert_eq!(bob.undecryptable(), 0);
    nothing_waits(&alice).await;
    assert_eq!(companion.store.missed().await.unwrap(), []);
    assert_eq!(alice.devices()[0].logins, 1, "never banned");
}

/// An embedder that says of everything whether it is recorded.
struct Recorded(bool);

#[async_trait]
impl ReceivedMessages for Recorded {
    async fn is_recorded(&self, _message: &MessageInfo) -> bool {
        self.0
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_embedder_has_recorded_is_not_asked_for_again() {
    for recorded in [true, false] {
        let stage = Stage::new().await;
        let (alice, bob) = (stage.phone("15550000001"), stage.phone("15550000002"));
        let companion = stage
            .start_with(Store::memory(), |builder| builder.received_messages(Arc::new(Recorded(recorded))));
        companion.pair(&alice).await;
        get_acquainted(&companion, &alice, &bob).await;
        stage.fault_for(&alice, FaultKind::ReusedCounter);
        bob.send(alice.number(), "one").await.unwrap();
        let id = bob.send(alice.number(), "two").await.unwrap();
        alice.wait_for_inbox(|inbox| inbox.iter().any(|entry| entry.id == id)).await;
        sleep(Duration::from_secs(1)).await;
        nothing_waits(&alice).await;
        assert_eq!(resent(&bob, &id), u32::from(!recorded));
        let repeated = |event: &Event| matches!(event, Event::Undecryptable(told) if told.reason == UndecryptableReason::Repeated);
        assert_eq!(companion.diary.events().iter().any(repeated), !recorded);
    }
}

#[tokio::test(start_paused = true)]
async fn a_text_that_was_cut_inside_a_character_arrives() {
    let (stage, alice, bob, companion) = cast().await;
    let id = bob.say(alice.number(), Say::Raw(broken("half X"))).await.unwrap();
    assert_eq!(companion.diary.texts(1).await, ["half \u{fffd}"]);
    let inbox = alice.wait_for_inbox(|inbox| inbox.len() == 1).await;
    assert_eq!((&inbox[0].id, inbox[0].text.as_deref()), (&id, Some("half \u{fffd}")));
    nothing_waits(&alice).await;
    assert_eq!(stage.seen("error=\"491\""), 0);
}

#[tokio::test(start_paused = true)]
async fn a_copy_of_a_cut_text_of_ours_arrives() {
    let (_stage, alice, bob, companion) = cast().await;
    alice.say(bob.number(), Say::Raw(broken("X too"))).await.unwrap();
    let messages = companion.diary.messages(1).await;
    assert_eq!(texts_of(&messages), ["\u{fffd} too"]);
    assert!(messages[0].info.from_me);
    assert_eq!(messages[0].info.chat, bob.lid());
}

#[tokio::test(start_paused = true)]
async fn what_is_no_message_at_all_is_told_with_its_bytes() {
    let (stage, alice, bob, companion) = cast().await;
    let nonsense = Bytes::from_static(b"\xff\xff nonsense");
    bob.say(alice.number(), Say::Raw(nonsense.clone())).await.unwrap();
    let messages = companion.diary.messages(1).await;
    assert_eq!(messages[0].content.view().kind(), Kind::Unknown);
    assert_eq!(messages[0].content.raw(), &nonsense);
    assert_eq!(alice.wait_for_inbox(|inbox| inbox.len() == 1).await[0].kind, "unknown");
    nothing_waits(&alice).await;
    assert_eq!(stage.seen("error=\"491\""), 0);
}

#[tokio::test(start_paused = true)]
async fn a_message_of_a_kind_that_machines_do_not_know_yet_is_told_with_its_bytes() {
    let (_stage, alice, bob, companion) = cast().await;
    // A protocol message of type 99.
    let raw = Bytes::from_static(b"\x62\x02\x10\x63");
    bob.say(alice.number(), Say::Raw(raw.clone())).await.unwrap();
    let messages = companion.diary.messages(1).await;
    assert_eq!(messages[0].content.view().kind(), Kind::Unknown);
    assert_eq!(messages[0].content.raw(), &raw);
    nothing_waits(&alice).await;
}

#[tokio::test(start_paused = true)]
async fn a_message_without_a_sensible_time_has_that_of_its_arrival() {
    let (stage, alice, bob, companion) = cast().await;
    let values = [None, Some("soon"), Some("1e9"), Some("-5"), Some("99999999999999")];
    for value in values.map(|value| value.map(str::to_owned)) {
        stage.fault_for(&alice, FaultKind::Attribute { name: "t".to_owned(), value });
        bob.send(alice.number(), "when?").await.unwrap();
    }
    let age = |seconds: i64| seconds - i64::try_from(NOW).unwrap();
    for message in companion.diary.messages(5).await {
        let age = age(message.info.timestamp);
        assert!((-600..600).contains(&age), "{age}");
    }
    let age = age(companion.client.server_millis() / 1000);
    assert!((-600..600).contains(&age), "the server's clock went along: {age}");
    nothing_waits(&alice).await;
}
