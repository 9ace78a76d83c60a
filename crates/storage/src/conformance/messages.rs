//! Messages: what is kept of them, what changes them, and how their owner lists them.

use bytes::Bytes;

use super::held::Held;
use super::{
    Backend, sample_amendment, sample_event, sample_incoming, sample_outgoing, sample_receipt, sample_user,
};
use crate::{
    Amendment, Change, EventKind, Message, MessageKind, MessageQuery, MessageStatus, Missing, Outcome,
    Storage, StorageError, Timestamp,
};

const PEER: &str = "15550000002";
const CHAT: &str = "15550000002@s.whatsapp.net";

/// Every field comes back, filled in or not, in any script.
pub async fn messages_round_trip(mut backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    let Held { owner, instance, .. } = held;
    let text = sample_incoming(instance, PEER, "A1", 1_000);
    let mut image = sample_incoming(instance, PEER, "A2", 2_000);
    image.message.kind = MessageKind::Image;
    image.message.text = Some("图片描述 '\"\u{0}".into());
    image.message.push_name = None;
    image.message.participant = Some("15550000003@s.whatsapp.net".into());
    image.message.target = Some("A1".into());
    image.message.status_updated_at = Some(Timestamp::from_millis(3_000));
    image.message.edited_at = Some(Timestamp::from_millis(4_000));
    image.message.revoked_at = Some(Timestamp::from_millis(5_000));
    image.message.raw = Bytes::from_static(b"\0\xff\x0a");
    let record = held.record().message(text.clone()).message(image.clone());
    store.record(record).await.unwrap();
    drop(store);
    backend.reopen().await;
    let store = backend.storage().await;
    let page = store.messages(owner, instance, &MessageQuery::newest(CHAT, 10)).await.unwrap();
    assert_eq!(page.items, [image.message, text.message.clone()]);
    assert_eq!(
        store.messages_by_id(owner, instance, "A1").await.unwrap(),
        std::slice::from_ref(&text.message)
    );
    assert_eq!(store.fleet_messages_by_id(instance, "A1").await.unwrap(), [text.message]);
    assert!(store.fleet_messages_by_id(instance, "A3").await.unwrap().is_empty());
}

/// Messages of every kind are kept; those that only say something about another one are not listed, nor counted.
pub async fn what_amends_another_message_is_not_listed(backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    let record = MessageKind::ALL.iter().zip(1..).fold(held.record(), |record, (kind, n)| {
        let mut new = sample_incoming(held.instance, PEER, kind.as_str(), n);
        new.message.kind = *kind;
        record.message(new)
    });
    store.record(record).await.unwrap();
    let listed: Vec<_> = MessageKind::ALL.iter().rev().filter(|kind| !kind.amends()).collect();
    let page = store.messages(held.owner, held.instance, &MessageQuery::newest(CHAT, 100)).await.unwrap();
    assert!(page.items.iter().map(|message| &message.kind).eq(listed.iter().copied()));
    assert_eq!(page.total, listed.len() as u64);
    for kind in MessageKind::ALL {
        assert_eq!(one(&*store, &held, kind.as_str()).await.kind, *kind);
    }
}

/// An edit replaces text and bytes with an event of its own; a late one changes nothing, whatever order they come in.
pub async fn edits_replace_the_content_and_the_latest_wins(backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    let original = sample_incoming(held.instance, PEER, "A1", 1_000);
    store.record(held.record().message(original.clone())).await.unwrap();
    let edit_at = |text: &str, millis| Amendment {
        event: Some(sample_event(EventKind::MessageReceived, Some(PEER))),
        ..sample_amendment(PEER, "A1", edit(text), millis)
    };
    let record = held.record().amend(edit_at("late", 9_000)).amend(edit_at("early", 8_000));
    let recorded = store.record(record).await.unwrap();
    assert_eq!(recorded.outcomes, [Outcome::Advanced, Outcome::Unchanged]);
    assert_eq!(recorded.events.len(), 1);
    let edited = Timestamp::from_millis(9_000);
    let expected = Message {
        text: Some("late".into()),
        raw: "raw late".into(),
        edited_at: Some(edited),
        updated_at: edited,
        ..original.message
    };
    assert_eq!(one(&*store, &held, "A1").await, expected);
    // As receipts do, a change can't be older than what it changes.
    let store_edit = store.record(held.record().message(sample_incoming(held.instance, PEER, "A2", 5_700)));
    store_edit.await.unwrap();
    let edit = sample_amendment(PEER, "A2", edit("x"), 5_000);
    store.record(held.record().amend(edit)).await.unwrap();
    assert_eq!(one(&*store, &held, "A2").await.edited_at, Some(Timestamp::from_millis(5_700)));
}

/// What was taken back is empty, and stays so: for edits, for resends and for a second revocation.
pub async fn revocations_take_the_content_away_for_good(backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    let mut unread = sample_incoming(held.instance, PEER, "A2", 1_000);
    (unread.message.kind, unread.message.text) = (MessageKind::Undecryptable, None);
    unread.message.raw = Bytes::new();
    let record = held.record().message(sample_incoming(held.instance, PEER, "A1", 1_000)).message(unread);
    store.record(record).await.unwrap();
    let amend = |target: &str, change, at| sample_amendment(PEER, target, change, at);
    let record = held
        .record()
        .amend(amend("A1", Change::Revoke, 2_000))
        .amend(amend("A1", edit("again"), 3_000))
        .amend(amend("A1", Change::Revoke, 4_000))
        .amend(amend("A2", Change::Revoke, 2_000))
        .amend(amend("A2", read("late"), 3_000));
    let outcomes = store.record(record).await.unwrap().outcomes;
    use Outcome::{Advanced, Unchanged};
    assert_eq!(outcomes, [Advanced, Unchanged, Unchanged, Advanced, Advanced]);
    for (id, kind) in [("A1", MessageKind::Text), ("A2", MessageKind::Text)] {
        let message = one(&*store, &held, id).await;
        assert_eq!((message.text, message.raw, message.kind), (None, Bytes::new(), kind));
        assert_eq!(message.revoked_at, Some(Timestamp::from_millis(2_000)));
    }
}

/// A message that could not be read becomes what a resend shows it to be, once; it keeps its place and its status.
pub async fn a_resend_fills_in_what_could_not_be_read(backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    let mut unread = sample_incoming(held.instance, PEER, "A1", 1_000);
    (unread.message.kind, unread.message.text) = (MessageKind::Undecryptable, None);
    unread.message.raw = Bytes::new();
    store.record(held.record().message(unread.clone())).await.unwrap();
    let resend = Amendment {
        event: Some(sample_event(EventKind::MessageReceived, Some(PEER))),
        ..sample_amendment(PEER, "A1", read("at last"), 2_000)
    };
    let record = held.record().amend(resend.clone()).amend(resend);
    let recorded = store.record(record).await.unwrap();
    assert_eq!(recorded.outcomes, [Outcome::Advanced, Outcome::Unchanged]);
    assert_eq!(recorded.events.len(), 1);
    let expected = Message {
        kind: MessageKind::Text,
        text: Some("at last".into()),
        raw: "raw at last".into(),
        updated_at: Timestamp::from_millis(2_000),
        ..unread.message
    };
    assert_eq!(one(&*store, &held, "A1").await, expected);
    // It may turn out to be one that is not listed.
    let mut unread = sample_incoming(held.instance, PEER, "A2", 1_500);
    unread.message.kind = MessageKind::Undecryptable;
    let kind = MessageKind::Reaction;
    let reaction =
        Change::Read { kind, text: None, target: Some("A1".into()), media: None, raw: "raw".into() };
    let record = held.record().message(unread).amend(sample_amendment(PEER, "A2", reaction, 2_000));
    store.record(record).await.unwrap();
    assert_eq!(held.listed(&*store, CHAT).await, ["A1"]);
    assert_eq!(one(&*store, &held, "A2").await.target, Some("A1".into()));
}

/// Only who wrote a message changes it, where the change says so, and only in a chat that the change names.
pub async fn an_amendment_needs_the_right_chat_and_author(backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    let mut in_group = sample_incoming(held.instance, PEER, "A1", 1_000);
    in_group.message.wire_chat = "1203@g.us".into();
    in_group.message.participant = Some("15550000003@s.whatsapp.net".into());
    store.record(held.record().message(in_group)).await.unwrap();
    let base = sample_amendment(PEER, "A1", edit("x"), 2_000);
    let variant = |change: fn(&mut Amendment)| {
        let mut amendment = base.clone();
        change(&mut amendment);
        amendment
    };
    let record = held
        .record()
        .amend(variant(|to| to.target.chats = vec!["15550000009@s.whatsapp.net".into()]))
        .amend(variant(|to| to.target.authors = vec!["15550000009@s.whatsapp.net".into()]))
        .amend(variant(|to| to.target.from_me = true))
        .amend(variant(|to| to.target.message_id = "A2".into()))
        .amend(variant(|to| to.target.chats = vec!["1203@g.us".into()]))
        .amend(variant(|to| to.target.authors = vec!["other".into(), "15550000003@s.whatsapp.net".into()]))
        .amend(variant(|to| (to.target.authors, to.change) = (Vec::new(), Change::Revoke)));
    use Outcome::{Advanced, Unknown};
    assert_eq!(
        store.record(record).await.unwrap().outcomes,
        [Unknown, Unknown, Unknown, Unknown, Advanced, Advanced, Advanced]
    );
}

/// The message that carries a change is stored like any other, with its event; when it comes again nothing is changed.
pub async fn a_carrier_is_stored_once_whatever_becomes_of_its_target(backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    store.record(held.record().message(sample_incoming(held.instance, PEER, "A1", 1_000))).await.unwrap();
    let carrier = |id: &str, kind, target: &str| {
        let mut new = sample_incoming(held.instance, PEER, id, 2_000);
        (new.message.kind, new.message.target) = (kind, Some(target.to_owned()));
        Some(Box::new(new))
    };
    let edit_of = |target: &str, id: &str, text: &str, at| Amendment {
        carrier: carrier(id, MessageKind::Edit, target),
        event: Some(sample_event(EventKind::MessageReceived, Some(PEER))),
        ..sample_amendment(PEER, target, edit(text), at)
    };
    let reaction = Amendment {
        carrier: carrier("C", MessageKind::Reaction, "A1"),
        ..sample_amendment(PEER, "A1", Change::Refer, 2_000)
    };
    let record = held
        .record()
        .amend(edit_of("A1", "B1", "first", 2_000))
        .amend(edit_of("A1", "B1", "second", 3_000))
        .amend(edit_of("unknown", "B2", "third", 3_000))
        .amend(reaction);
    let recorded = store.record(record).await.unwrap();
    use Outcome::{Added, Duplicate};
    assert_eq!(recorded.outcomes, [Added, Duplicate, Added, Added]);
    // Of each carrier that was new, and of the one target that did change.
    assert_eq!(recorded.events.len(), 4);
    assert_eq!(one(&*store, &held, "A1").await.text, Some("first".into()));
    assert_eq!(one(&*store, &held, "B2").await.target, Some("unknown".into()));
    assert_eq!(held.listed(&*store, CHAT).await, ["A1"]);
}

/// Whatever order they come in: an edit or a revocation whose message isn't stored yet is applied when it is, once, in
/// the order of coming, also to one that can't be read at first. The event tells of the message as it was written.
pub async fn a_change_that_came_before_its_message_is_applied_to_it(mut backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    let carried = |id: &str, target: &str, kind, change, at| {
        let mut carrier = sample_incoming(held.instance, PEER, id, at);
        (carrier.message.kind, carrier.message.target) = (kind, Some(target.to_owned()));
        Amendment { carrier: Some(Box::new(carrier)), ..sample_amendment(PEER, target, change, at) }
    };
    let record = held
        .record()
        .amend(carried("E1", "A1", MessageKind::Edit, edit("late"), 9_000))
        .amend(carried("E2", "A1", MessageKind::Edit, edit("early"), 8_000))
        .amend(carried("R1", "A2", MessageKind::Revoke, Change::Revoke, 3_000))
        .amend(sample_amendment(PEER, "A3", Change::Revoke, 500))
        .amend(sample_amendment(PEER, "A3", edit("again"), 4_000))
        .amend(sample_amendment(PEER, "A4", read("not yet"), 2_000));
    use Outcome::{Added, Advanced, Unchanged, Unknown};
    let outcomes = store.record(record).await.unwrap().outcomes;
    assert_eq!(outcomes, [Added, Added, Added, Unknown, Unknown, Unknown]);
    drop(store);
    backend.reopen().await;
    let store = backend.storage().await;

    let mut unread = ["A3", "A4"].map(|id| sample_incoming(held.instance, PEER, id, 1_000));
    for new in &mut unread {
        (new.message.kind, new.message.text, new.message.raw) =
            (MessageKind::Undecryptable, None, Bytes::new());
    }
    let text = |id: &str| sample_incoming(held.instance, PEER, id, 1_000);
    let record = held.record().message(text("A1")).message(text("A1")).message(text("A2"));
    let recorded = store.record(unread.into_iter().fold(record, crate::Record::message)).await.unwrap();
    assert_eq!(recorded.outcomes, [Added, Outcome::Duplicate, Added, Added, Added]);
    assert_eq!(recorded.events.len(), 4);
    let record = held.record().amend(sample_amendment(PEER, "A3", read("at last"), 5_000));
    let record = record.amend(sample_amendment(PEER, "A1", edit("too old"), 8_500));
    assert_eq!(store.record(record).await.unwrap().outcomes, [Advanced, Unchanged]);

    let state = async |id: &str| {
        let message = one(&*store, &held, id).await;
        let at = |time: Option<Timestamp>| time.map(Timestamp::millis);
        (
            message.text,
            message.raw,
            at(message.edited_at),
            at(message.revoked_at),
            message.updated_at.millis(),
        )
    };
    let (late, nothing) = (Some("late".to_owned()), Bytes::new());
    assert_eq!(state("A1").await, (late, "raw late".into(), Some(9_000), None, 9_000));
    assert_eq!(state("A2").await, (None, nothing.clone(), None, Some(3_000), 3_000));
    assert_eq!(state("A3").await, (None, nothing.clone(), None, Some(1_000), 5_000));
    assert_eq!(state("A4").await, (None, nothing, None, None, 1_000));
    assert_eq!(held.listed(&*store, CHAT).await, ["A4", "A3", "A2", "A1"]);
}

/// What comes too early obeys the same rule as what comes in time: another's message is left alone, and the right one is
/// still waited for.
pub async fn an_early_change_waits_for_the_right_chat_and_author(backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    let other = Held::of(&*store, held.owner, "other").await;
    let mut revocation = sample_amendment(PEER, "A1", Change::Revoke, 2_000);
    revocation.target.chats.push("900002@lid".into());
    store.record(held.record().amend(revocation)).await.unwrap();
    let incoming = |peer: &str, id: &str| sample_incoming(held.instance, peer, id, 1_000);
    let mut by_another = incoming(PEER, "A1");
    by_another.message.sender = "15550000003@s.whatsapp.net".into();
    let mut ours = incoming(PEER, "A1");
    ours.message.sender = "15550000001@s.whatsapp.net".into();
    ours.message.from_me = true;
    let mut meant = incoming(PEER, "A1");
    (meant.message.chat, meant.message.wire_chat) = ("900002@lid".into(), "900002@lid".into());
    let record = held
        .record()
        .message(incoming("15550000003", "A1"))
        .message(incoming(PEER, "A2"))
        .message(by_another)
        .message(ours)
        .message(meant);
    assert_eq!(store.record(record).await.unwrap().outcomes, [Outcome::Added; 5]);
    let elsewhere = sample_incoming(other.instance, PEER, "A1", 1_000);
    store.record(other.record().message(elsewhere)).await.unwrap();
    let revoked = async |held: &Held, id: &str| {
        let found = store.fleet_messages_by_id(held.instance, id).await.unwrap();
        found.iter().map(|message| message.revoked_at.is_some()).collect::<Vec<_>>()
    };
    assert_eq!(revoked(&held, "A1").await, [false, false, false, true]);
    assert_eq!(revoked(&held, "A2").await, [false]);
    assert_eq!(revoked(&other, "A1").await, [false]);
}

/// All messages of a chat move, and only those of this instance; they stay what they were on the wire, and what follows
/// in the same record finds them in their new chat.
pub async fn chats_of_one_person_are_merged(backend: impl Backend) {
    let store = backend.storage().await;
    let ours = Held::new(&*store).await;
    let other = Held::of(&*store, ours.owner, "other").await;
    const LID: &str = "900001@lid";
    for (held, message_id, millis) in [(ours, "A", 1_000), (ours, "C", 3_000), (other, "A", 1_000)] {
        let mut new = sample_outgoing(held.instance, PEER, message_id, millis);
        (new.message.chat, new.message.wire_chat) = (LID.into(), LID.into());
        store.record(held.record().message(new)).await.unwrap();
    }
    let record = ours
        .record()
        .message(sample_incoming(ours.instance, PEER, "B", 2_000))
        .status(sample_receipt(PEER, "A", MessageStatus::Delivered, 5_000))
        .merge_chats(LID, CHAT)
        .status(sample_receipt(PEER, "A", MessageStatus::Delivered, 5_000))
        .merge_chats(LID, CHAT);
    use Outcome::{Added, Advanced, Unchanged, Unknown};
    assert_eq!(store.record(record).await.unwrap().outcomes, [Added, Unknown, Advanced, Advanced, Unchanged]);
    let merged = store.messages(ours.owner, ours.instance, &MessageQuery::newest(CHAT, 10)).await.unwrap();
    let chats: Vec<_> = merged.items.iter().map(|m| (m.message_id.as_str(), m.wire_chat.as_str())).collect();
    assert_eq!(chats, [("C", LID), ("B", CHAT), ("A", LID)]);
    assert!(ours.listed(&*store, LID).await.is_empty());
    assert_eq!(other.listed(&*store, LID).await, ["A"]);
}

/// Newest first; of the same time, the one stored last first; pages join without gap or overlap.
pub async fn messages_are_listed_newest_first_in_pages(backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    let Held { owner, instance, .. } = held;
    for (message_id, millis) in [("C", 3_000), ("A", 1_000), ("B1", 2_000), ("B2", 2_000), ("D", 4_000)] {
        let message = sample_incoming(instance, PEER, message_id, millis);
        store.record(held.record().message(message)).await.unwrap();
    }
    let mut all = Vec::new();
    for skip in [0, 2, 4, 6] {
        let query = MessageQuery { skip, ..MessageQuery::newest(CHAT, 2) };
        let page = store.messages(owner, instance, &query).await.unwrap();
        assert_eq!(page.total, 5);
        assert_eq!(page.has_more, skip < 3, "after skipping {skip}");
        all.extend(page.items.into_iter().map(|message| message.message_id));
    }
    assert_eq!(all, ["D", "C", "B2", "B1", "A"]);
    let nothing = store.messages(owner, instance, &MessageQuery::newest(CHAT, 0)).await.unwrap();
    assert!(nothing.items.is_empty() && nothing.total == 5);
}

/// Both ends of the time range are included; other chats don't show.
pub async fn messages_are_filtered_by_chat_and_time(backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    let Held { owner, instance, .. } = held;
    let record =
        (1..=5).fold(held.record(), |record, n| {
            record
                .message(sample_incoming(instance, PEER, &format!("A{n}"), n * 1_000))
                .message(sample_incoming(instance, "15550000003", &format!("B{n}"), n * 1_000))
        });
    store.record(record).await.unwrap();
    let between = |start: Option<i64>, end: Option<i64>| MessageQuery {
        start: start.map(Timestamp::from_millis),
        end: end.map(Timestamp::from_millis),
        ..MessageQuery::newest(CHAT, 10)
    };
    let cases = [
        (between(Some(2_000), Some(4_000)), vec!["A4", "A3", "A2"]),
        (between(Some(2_001), Some(3_999)), vec!["A3"]),
        (between(Some(4_000), None), vec!["A5", "A4"]),
        (between(None, Some(1_000)), vec!["A1"]),
        (between(Some(9_000), None), vec![]),
        (MessageQuery::newest("15550000004@s.whatsapp.net", 10), vec![]),
    ];
    for (query, expected) in cases {
        let page = store.messages(owner, instance, &query).await.unwrap();
        let ids: Vec<_> = page.items.iter().map(|message| message.message_id.as_str()).collect();
        assert_eq!(ids, expected, "{query:?}");
        assert_eq!(page.total, expected.len() as u64, "{query:?}");
    }
}

/// To everyone but the owner the instance's messages don't exist.
pub async fn another_users_messages_do_not_exist(backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    let instance = held.instance;
    let max = sample_user("max");
    store.create_user(max.clone()).await.unwrap();
    store.record(held.record().message(sample_incoming(instance, PEER, "A1", 1))).await.unwrap();
    let listed = store.messages(max.id, instance, &MessageQuery::newest(CHAT, 10)).await;
    assert!(matches!(listed, Err(StorageError::NotFound { what: Missing::Instance })), "{listed:?}");
    let found = store.messages_by_id(max.id, instance, "A1").await;
    assert!(matches!(found, Err(StorageError::NotFound { what: Missing::Instance })), "{found:?}");
}

async fn one(store: &dyn Storage, held: &Held, message_id: &str) -> Message {
    let mut found = store.fleet_messages_by_id(held.instance, message_id).await.unwrap();
    assert_eq!(found.len(), 1, "{message_id}");
    found.remove(0)
}

fn edit(text: &str) -> Change {
    Change::Edit { text: Some(text.to_owned()), raw: format!("raw {text}").into() }
}

fn read(text: &str) -> Change {
    let (text, raw) = (Some(text.to_owned()), format!("raw {text}").into());
    Change::Read { kind: MessageKind::Text, text, target: None, media: None, raw }
}
