//! Groups: what is written in them is read, with the keys that their members hand out.

use wa_client::Event;
use wa_simulator::{Addressing, FaultKind, GroupChange, Phone};

use crate::stage::{Companion, Stage, nothing_waits, texts_of};

/// Alice with a companion, Bob and Carol, and a group of the three.
struct Party {
    stage: Stage,
    alice: Phone,
    bob: Phone,
    carol: Phone,
    companion: Companion,
    group: String,
}

impl Party {
    async fn new(addressing: Addressing) -> Self {
        Self::on(Stage::new().await, addressing).await
    }

    async fn on(stage: Stage, addressing: Addressing) -> Self {
        let [alice, bob, carol] =
            ["15550000001", "15550000002", "15550000003"].map(|number| stage.phone(number));
        let companion = stage.companion(&alice).await;
        let group = alice.create_group("Tea", &[bob.number(), carol.number()], addressing).unwrap();
        Self { stage, alice, bob, carol, companion, group }
    }
}

#[tokio::test(start_paused = true)]
async fn what_members_write_is_read_with_who_wrote_it() {
    for addressing in [Addressing::Lid, Addressing::Pn] {
        let party = Party::new(addressing).await;
        party.bob.send(&party.group, "one").await.unwrap();
        party.carol.send(&party.group, "two").await.unwrap();
        party.alice.send(&party.group, "three").await.unwrap();
        party.bob.send(&party.group, "four").await.unwrap();
        let mut messages = party.companion.diary.messages(4).await;
        messages.sort_by_key(|message| message.info.timestamp);
        let mut texts = texts_of(&messages);
        texts.sort_unstable();
        assert_eq!(texts, ["four", "one", "three", "two"]);
        for message in &messages {
            assert_eq!(message.info.chat.to_string(), party.group);
            let writer = match message.text() {
                Some("two") => &party.carol,
                Some("three") => &party.alice,
                _ => &party.bob,
            };
            assert_eq!(message.info.sender_pn, Some(writer.jid()));
            assert_eq!(message.info.sender_lid, Some(writer.lid()));
            assert_eq!(message.info.from_me, message.text() == Some("three"));
        }
        nothing_waits(&party.alice).await;
        let told = |kind: &str| kind == "delivered" || kind == "inactive";
        let is_back = |entry: &wa_simulator::OutboxEntry| {
            entry.receipts.iter().any(|receipt| receipt.device == 1 && told(&receipt.kind))
        };
        party.bob.wait_for_outbox(|entries| entries.iter().all(is_back)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_can_not_be_read_comes_again_with_its_key() {
    let party = Party::on(Stage::faithful().await, Addressing::Lid).await;
    party.stage.fault_for(&party.alice, FaultKind::Undecryptable);
    // Both ciphertexts are damaged, that with the key and that with the text.
    party.bob.send(&party.group, "one").await.unwrap();
    let messages = party.companion.diary.messages(1).await;
    assert_eq!(texts_of(&messages), ["one"]);
    assert_eq!(messages[0].info.chat.to_string(), party.group);
    let raw = messages[0].content.message();
    assert!(raw.sender_key_distribution_message.is_none(), "the key is nobody else's business");
    party.bob.send(&party.group, "two").await.unwrap();
    assert_eq!(party.companion.diary.texts(2).await[1], "two");
    let unread =
        party.companion.diary.events().into_iter().filter(|it| matches!(it, Event::Undecryptable(_)));
    assert_eq!(unread.count(), 1);
    nothing_waits(&party.alice).await;
}

#[tokio::test(start_paused = true)]
async fn keys_outlive_the_process_and_a_batch_that_was_refused() {
    let party = Party::on(Stage::faithful().await, Addressing::Lid).await;
    party.bob.send(&party.group, "one").await.unwrap();
    assert_eq!(party.companion.diary.texts(1).await, ["one"]);
    party.companion.diary.refuse_messages(1);
    party.bob.send(&party.group, "two").await.unwrap();
    assert_eq!(party.companion.diary.texts(2).await, ["one", "two"]);
    assert_eq!(party.companion.diary.refused(), 1);
    let companion = party.stage.start(party.companion.crash().await);
    companion.online().await;
    party.bob.send(&party.group, "three").await.unwrap();
    let texts = companion.diary.texts(1).await;
    assert_eq!(texts.last().map(String::as_str), Some("three"));
    assert!(!companion.diary.events().iter().any(|event| matches!(event, Event::Undecryptable(_))));
    nothing_waits(&party.alice).await;
}

#[tokio::test(start_paused = true)]
async fn a_key_that_was_taken_anew_is_read_too() {
    let party = Party::new(Addressing::Lid).await;
    party.bob.send(&party.group, "with Carol").await.unwrap();
    party.companion.diary.messages(1).await;
    party.carol.change_group(&party.group, GroupChange::Leave).unwrap();
    party.bob.send(&party.group, "without her").await.unwrap();
    assert_eq!(party.companion.diary.texts(2).await[1], "without her");
    assert_eq!(party.carol.inbox().len(), 1);
    nothing_waits(&party.alice).await;
}

#[tokio::test(start_paused = true)]
async fn a_message_is_marked_as_read_by_its_writer() {
    let party = Party::new(Addressing::Lid).await;
    party.bob.send(&party.group, "read me").await.unwrap();
    let messages = party.companion.diary.messages(1).await;
    party.companion.client.mark_read(&messages[0]).await.unwrap();
    let is_read = |entry: &wa_simulator::OutboxEntry| entry.receipts.iter().any(|it| it.kind == "read");
    let outbox = party.bob.wait_for_outbox(|entries| entries.iter().any(is_read)).await;
    let read = outbox[0].receipts.iter().find(|receipt| receipt.kind == "read").unwrap();
    assert_eq!((read.from.as_str(), read.device), ("15550000001@s.whatsapp.net", 1));
}
