//! Chats that are not between two people: what of them can be read already, and what is kept for later.

use prost::Message as _;
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use wa_client::{Event, UndecryptableReason, proto};
use wa_signal::sender_key::SenderKeyRecord;
use wa_simulator::{FaultKind, Phone, Say};
use wa_store::{DeviceAddress, SenderKeyName};

use crate::stage::{Companion, Stage, nothing_waits, texts_of};

async fn cast() -> (Stage, Phone, Phone, Companion) {
    let stage = Stage::faithful().await;
    let (alice, bob) = (stage.phone("15550000001"), stage.phone("15550000002"));
    let companion = stage.companion(&alice).await;
    (stage, alice, bob, companion)
}

fn shared(chat: &str) -> FaultKind {
    FaultKind::Shared { chat: chat.to_owned() }
}

fn attribute(name: &str, value: Option<&str>) -> FaultKind {
    FaultKind::Attribute { name: name.to_owned(), value: value.map(str::to_owned) }
}

fn reasons(events: &[Event]) -> Vec<UndecryptableReason> {
    let of = |event: &Event| match event {
        // Statuses come whenever they like.
        Event::Undecryptable(told) if told.reason != UndecryptableReason::Broadcast => Some(told.reason),
        _ => None,
    };
    events.iter().filter_map(of).collect()
}

#[tokio::test(start_paused = true)]
async fn what_comes_over_a_broadcast_list_is_read_in_the_chat_with_its_owner() {
    let (stage, alice, bob, companion) = cast().await;
    for damaged in [false, true] {
        stage.fault_for(&alice, shared("1700000000@broadcast"));
        if damaged {
            stage.fault_for(&alice, FaultKind::Undecryptable);
        }
        bob.send(alice.number(), "to all my friends").await.unwrap();
    }
    let messages = companion.diary.messages(2).await;
    assert_eq!(texts_of(&messages), ["to all my friends"; 2]);
    for message in &messages {
        assert_eq!((&message.info.chat, message.info.chat_pn.as_ref()), (&bob.lid(), Some(&bob.jid())));
    }
    nothing_waits(&alice).await;
}

#[tokio::test(start_paused = true)]
async fn a_prompt_of_the_phone_to_a_bot_is_read() {
    let (stage, alice, bob, companion) = cast().await;
    stage.fault_for(&alice, attribute("recipient", Some("867051314767696@bot")));
    alice.send(bob.number(), "what is the weather?").await.unwrap();
    let messages = companion.diary.messages(1).await;
    assert_eq!(texts_of(&messages), ["what is the weather?"]);
    assert_eq!(messages[0].info.chat, "867051314767696@bot".parse().unwrap());
    assert!(messages[0].info.from_me);
    nothing_waits(&alice).await;
}

#[tokio::test(start_paused = true)]
async fn a_sender_key_that_comes_alone_is_kept_and_not_told() {
    let (stage, alice, bob, companion) = cast().await;
    let key = SenderKeyRecord::create(&mut ChaCha20Rng::from_seed([3; 32]));
    let handed = proto::SenderKeyDistributionMessage {
        group_id: Some("1203630001@g.us".to_owned()),
        axolotl_sender_key_distribution_message: Some(key.distribute().unwrap().into()),
    };
    let message =
        proto::Message { sender_key_distribution_message: Some(handed.into()), ..Default::default() };
    stage.fault_for(&alice, shared("1203630001@g.us"));
    bob.say(alice.number(), Say::Raw(message.encode_to_vec().into())).await.unwrap();
    nothing_waits(&alice).await;
    let name = SenderKeyName::new("1203630001@g.us", DeviceAddress::from(&bob.lid()));
    assert!(companion.store.sender_key(&name).await.unwrap().is_some());
    // The session went on, so that what comes next is read.
    bob.send(alice.number(), "between us").await.unwrap();
    assert_eq!(companion.diary.texts(1).await, ["between us"]);
    assert!(reasons(&companion.diary.events()).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_malformed_stanza_is_told_as_well_as_may_be() {
    let (stage, alice, bob, companion) = cast().await;
    stage.fault_for(&alice, attribute("id", None));
    bob.send(alice.number(), "nameless").await.unwrap();
    let told = companion.diary.wait_for(|events| !reasons(events).is_empty()).await;
    let is_malformed = |event: &Event| match event {
        Event::Undecryptable(told) => {
            told.reason == UndecryptableReason::Malformed && told.info.chat == bob.lid()
        }
        _ => false,
    };
    assert!(told.iter().any(is_malformed));
    bob.send(alice.number(), "as ever").await.unwrap();
    assert_eq!(companion.diary.texts(1).await, ["as ever"]);
}

#[tokio::test(start_paused = true)]
async fn a_text_of_900_kilobytes_goes_both_ways() {
    let (_stage, alice, bob, companion) = cast().await;
    let long = "x".repeat(900_000);
    bob.send(alice.number(), &long).await.unwrap();
    assert_eq!(companion.diary.texts(1).await[0].len(), long.len());
    companion.send(bob.jid(), &long).await;
    let inbox = bob.wait_for_inbox(|inbox| inbox.len() == 1).await;
    assert_eq!(inbox[0].text.as_ref().map(String::len), Some(long.len()));
    nothing_waits(&alice).await;
}

#[tokio::test(start_paused = true)]
async fn phones_show_polls_edits_and_revocations_by_their_kinds() {
    use wa_client::content::{Draft, Target};
    let (_stage, _alice, bob, companion) = cast().await;
    let id = companion.send(bob.jid(), "helo").await;
    let chat = bob.jid().to_string();
    let target = Target::of(&chat, &id, true);
    let poll = proto::PollCreationMessage { name: Some("Tea?".into()), ..Default::default() };
    let poll = proto::Message { poll_creation_message_v3: Some(Box::new(poll)), ..Default::default() };
    let drafts = [
        Draft::edit(&target, Draft::text("hello"), 0),
        Draft::revoke(&target),
        Draft::from_raw(poll.encode_to_vec()).unwrap(),
    ];
    for draft in drafts {
        companion.client.send(wa_client::Outgoing::new(bob.jid(), draft)).await.unwrap();
    }
    let inbox = bob.wait_for_inbox(|inbox| inbox.len() == 4).await;
    let shown: Vec<_> = inbox.iter().map(|entry| (entry.kind, entry.text.as_deref())).collect();
    assert_eq!(
        shown,
        [("text", Some("helo")), ("edit", Some("hello")), ("revoke", None), ("poll", Some("Tea?"))]
    );
    assert_eq!(inbox[1].target.as_deref(), Some(id.as_str()));
}
