//! Messages about messages: quotes, reactions, edits and revocations both ways.

use wa_client::content::{Draft, Kind, Quote, Target};
use wa_client::{Client, IncomingMessage, MessageId, Outgoing};
use wa_simulator::{InboxEntry, Phone};

use crate::stage::Stage;

/// When reactions and edits say that they were written, Unix milliseconds.
const NOW: i64 = 1_790_000_000_000;

async fn send(client: &Client, to: &Phone, content: Draft) -> String {
    let message = Outgoing { id: MessageId::generate(), to: to.jid(), content };
    let id = message.id.to_string();
    client.send(message).await.unwrap();
    id
}

fn shown(entry: &InboxEntry) -> (&str, Option<&str>, Option<&str>) {
    (entry.kind, entry.text.as_deref(), entry.target.as_deref())
}

fn told(message: &IncomingMessage) -> (Kind, Option<&str>, Option<&str>) {
    let view = message.content.view();
    (view.kind(), view.text(), view.target().map(|target| target.id))
}

#[tokio::test(start_paused = true)]
async fn a_companion_answers_reacts_edits_and_takes_back() {
    let stage = Stage::new().await;
    let (alice, bob) = (stage.phone("15550000001"), stage.phone("15550000002"));
    let companion = stage.companion(&alice).await;
    let chat = bob.jid().to_string();
    let question = bob.send(alice.number(), "Tea?").await.unwrap();
    let asked = companion.diary.messages(1).await.remove(0);

    let quote = Quote::of(&question, &chat).showing(asked.content.view());
    let mine = send(&companion.client, &bob, Draft::text("Ys").quoting(&quote)).await;
    let own = Target::of(&chat, &mine, true);
    send(&companion.client, &bob, Draft::reaction(&Target::of(&chat, &question, false), "👍", NOW)).await;
    send(&companion.client, &bob, Draft::edit(&own, Draft::text("Yes"), NOW)).await;
    send(&companion.client, &bob, Draft::revoke(&own)).await;

    let inbox = bob.wait_for_inbox(|inbox| inbox.len() == 4).await;
    let expected = [
        ("text", Some("Ys"), None),
        ("reaction", Some("👍"), Some(question.as_str())),
        ("edit", Some("Yes"), Some(mine.as_str())),
        ("revoke", None, Some(mine.as_str())),
    ];
    assert_eq!(inbox.iter().map(shown).collect::<Vec<_>>(), expected);
    assert_eq!((stage.seen("edit=\"1\"") > 0, stage.seen("edit=\"7\"") > 0), (true, true));
    assert!(stage.seen("type=\"reaction\"") > 0);
}

#[tokio::test(start_paused = true)]
async fn a_companion_is_told_what_others_change() {
    let stage = Stage::new().await;
    let (alice, bob) = (stage.phone("15550000001"), stage.phone("15550000002"));
    let companion = stage.companion(&alice).await;
    let id = bob.send(alice.number(), "helo").await.unwrap();
    bob.edit(alice.number(), &id, "hello").await.unwrap();
    bob.react(alice.number(), &id, "👍").await.unwrap();
    bob.react(alice.number(), &id, "").await.unwrap();
    bob.revoke(alice.number(), &id).await.unwrap();
    let messages = companion.diary.messages(5).await;
    let expected = [
        (Kind::Text, Some("helo"), None),
        (Kind::Edit, Some("hello"), Some(id.as_str())),
        (Kind::Reaction, Some("👍"), Some(id.as_str())),
        (Kind::Reaction, Some(""), Some(id.as_str())),
        (Kind::Revoke, None, Some(id.as_str())),
    ];
    assert_eq!(messages.iter().map(told).collect::<Vec<_>>(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_copy_of_what_the_phone_sent_has_the_bytes_that_were_sent() {
    let stage = Stage::new().await;
    let (alice, bob) = (stage.phone("15550000001"), stage.phone("15550000002"));
    let companion = stage.companion(&alice).await;
    let sibling = stage.companion(&alice).await;
    let content = Draft::text("to Bob");
    let raw = content.encode_once();
    send(&companion.client, &bob, content).await;
    let copy = sibling.diary.messages(1).await.remove(0);
    assert_eq!((copy.info.from_me, copy.content.raw()), (true, &raw));
    // What the phone changes in it comes as a copy, too.
    let id = copy.info.id.to_string();
    alice.wait_for_inbox(|inbox| inbox.len() == 1).await;
    alice.edit(bob.number(), &id, "to Bob!").await.unwrap();
    let edit = sibling.diary.messages(2).await.remove(1);
    assert_eq!(told(&edit), (Kind::Edit, Some("to Bob!"), Some(id.as_str())));
    assert_eq!(edit.info.chat_pn, Some(bob.jid()));
}
