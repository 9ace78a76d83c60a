//! Lists of messages that go from place to place, and what is found by its words.

use std::time::Duration;

use super::held::Held;
use super::{Backend, sample_amendment, sample_incoming, sample_outgoing, sample_receipt, sample_user};
use crate::{
    Change, ChatSummary, ContactChange, ContactId, Cursor, ListFrom, Message, MessageFilter, MessageKind,
    MessageStatus, Missing, NewMessage, Record, SearchTerms, Slice, Storage, StorageError, Timestamp,
};

const PEER: &str = "15550000002";
const OTHER: &str = "15550000003";

fn ids(slice: &Slice<Message>) -> Vec<&str> {
    slice.items.iter().map(|message| message.message_id.as_str()).collect()
}

async fn list(
    store: &dyn Storage,
    held: &Held,
    filter: &MessageFilter,
    from: ListFrom,
    limit: u64,
) -> Slice<Message> {
    store.list_messages(held.owner, held.instance, filter, from, limit).await.unwrap()
}

/// Lets all that is stored be found.
async fn index(store: &dyn Storage) {
    while store.index_messages(2).await.unwrap() > 0 {}
}

async fn found(store: &dyn Storage, held: &Held, query: &str) -> Vec<String> {
    let terms = SearchTerms::parse(query).unwrap();
    let filter = MessageFilter::default();
    let mut all = Vec::new();
    let mut before = None;
    loop {
        let slice =
            store.search_messages(held.owner, held.instance, &terms, &filter, before, 2).await.unwrap();
        all.extend(slice.items.into_iter().map(|message| message.message_id));
        if !slice.has_more {
            return all;
        }
        before = slice.next;
    }
}

fn saying(held: &Held, peer: &str, id: &str, text: &str) -> NewMessage {
    let mut new = sample_incoming(held.instance, peer, id, 1_000);
    new.message.text = Some(text.to_owned());
    new
}

/// Whatever they are dated: from the newest on, before a place, and after one, with no gap and no repetition.
pub async fn messages_are_listed_in_the_order_they_were_stored_in(backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    let other = Held::of(&*store, held.owner, "other").await;
    for (n, millis) in [(1, 5_000), (2, 1_000), (3, 9_000), (4, 2_000), (5, 2_000)] {
        let peer = if n % 2 == 0 { PEER } else { OTHER };
        store
            .record(held.record().message(sample_incoming(held.instance, peer, &format!("A{n}"), millis)))
            .await
            .unwrap();
        store
            .record(other.record().message(sample_incoming(other.instance, peer, &format!("B{n}"), millis)))
            .await
            .unwrap();
    }
    let all = MessageFilter::default();
    let newest = list(&*store, &held, &all, ListFrom::Newest, 2).await;
    assert_eq!((ids(&newest), newest.has_more), (vec!["A5", "A4"], true));
    let next = newest.next.unwrap();
    let older = list(&*store, &held, &all, ListFrom::Before(next), 2).await;
    assert_eq!((ids(&older), older.has_more), (vec!["A3", "A2"], true));
    let oldest = list(&*store, &held, &all, ListFrom::Before(older.next.unwrap()), 2).await;
    assert_eq!((ids(&oldest), oldest.has_more), (vec!["A1"], false));
    // What comes behind a place is told in the order it came in.
    let since = list(&*store, &held, &all, ListFrom::After(older.next.unwrap()), 2).await;
    assert_eq!((ids(&since), since.has_more), (vec!["A3", "A4"], true));
    let since = list(&*store, &held, &all, ListFrom::After(since.next.unwrap()), 2).await;
    assert_eq!((ids(&since), since.has_more), (vec!["A5"], false));
    let end = since.next.unwrap();
    assert!(list(&*store, &held, &all, ListFrom::After(end), 2).await.items.is_empty());
    store.record(held.record().message(sample_incoming(held.instance, PEER, "A6", 1))).await.unwrap();
    assert_eq!(ids(&list(&*store, &held, &all, ListFrom::After(end), 2).await), ["A6"]);
    let start = Cursor { major: 0, minor: 0 };
    assert_eq!(list(&*store, &held, &all, ListFrom::After(start), 100).await.items.len(), 6);
}

/// By chat, kind, side, status and time; what amends others only where its kind is asked for.
pub async fn messages_are_filtered_in_lists(backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    let mut reaction = sample_incoming(held.instance, PEER, "R", 3_000);
    reaction.message.kind = MessageKind::Reaction;
    let mut image = sample_incoming(held.instance, OTHER, "I", 4_000);
    image.message.kind = MessageKind::Image;
    let record = held
        .record()
        .message(sample_incoming(held.instance, PEER, "T", 1_000))
        .message(sample_outgoing(held.instance, PEER, "O", 2_000))
        .message(reaction)
        .message(image);
    store.record(record).await.unwrap();
    let at = |millis| Some(Timestamp::from_millis(millis));
    let none = MessageFilter::default;
    for (filter, expected) in [
        (none(), vec!["I", "O", "T"]),
        (MessageFilter { chat: Some(format!("{PEER}@s.whatsapp.net")), ..none() }, vec!["O", "T"]),
        (MessageFilter { kinds: vec![MessageKind::Reaction, MessageKind::Image], ..none() }, vec!["I", "R"]),
        (MessageFilter { from_me: Some(true), ..none() }, vec!["O"]),
        (MessageFilter { from_me: Some(false), ..none() }, vec!["I", "T"]),
        (MessageFilter { statuses: vec![MessageStatus::Pending], ..none() }, vec!["O"]),
        (MessageFilter { start: at(2_000), end: at(3_999), ..none() }, vec!["O"]),
        (MessageFilter { chat: Some("nobody".into()), ..none() }, vec![]),
    ] {
        let listed = list(&*store, &held, &filter, ListFrom::Newest, 10).await;
        assert_eq!(ids(&listed), expected, "{filter:?}");
    }
}

/// Words, phrases and beginnings, in every script, and only of the instance that is asked for.
pub async fn messages_are_found_by_their_words(mut backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    let other = Held::of(&*store, held.owner, "other").await;
    let texts = [
        ("A1", "Hello there, World"),
        ("A2", "hello again"),
        ("A3", "他说你好了"),
        ("A4", "write to Max@Example.com"),
        ("A5", "Über den Wolken"),
    ];
    for (id, text) in texts {
        store.record(held.record().message(saying(&held, PEER, id, text))).await.unwrap();
        store.record(other.record().message(saying(&other, PEER, &format!("B{id}"), text))).await.unwrap();
    }
    let mut edit = saying(&held, PEER, "E", "hello edit");
    edit.message.kind = MessageKind::Edit;
    store.record(held.record().message(edit)).await.unwrap();
    index(&*store).await;
    drop(store);
    backend.reopen().await;
    let store = backend.storage().await;
    for (query, expected) in [
        ("hello", vec!["A2", "A1"]),
        ("WORLD hello", vec!["A1"]),
        ("\"hello there\"", vec!["A1"]),
        ("\"there hello\"", vec![]),
        ("hel*", vec!["A2", "A1"]),
        ("hel", vec![]),
        ("你好", vec!["A3"]),
        ("好你", vec![]),
        ("max@example.com", vec!["A4"]),
        ("über", vec!["A5"]),
        ("scope : words", vec![]),
        ("NOT hello OR a", vec![]),
    ] {
        assert_eq!(found(&*store, &held, query).await, expected, "{query}");
    }
    let filter = MessageFilter { chat: Some("nobody".into()), ..MessageFilter::default() };
    let terms = SearchTerms::parse("hello").unwrap();
    let none = store.search_messages(held.owner, held.instance, &terms, &filter, None, 10).await.unwrap();
    assert_eq!((none.items.len(), none.has_more), (0, false));
}

/// Edits, revocations, what came to be readable, retention and deletion: the index follows each of them.
pub async fn what_changes_or_goes_is_found_no_more(backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    let mut unread = saying(&held, PEER, "A3", "-");
    (unread.message.kind, unread.message.text) = (MessageKind::Undecryptable, None);
    let record = held
        .record()
        .message(saying(&held, PEER, "A1", "before one"))
        .message(saying(&held, PEER, "A2", "before two"))
        .message(unread);
    store.record(record).await.unwrap();
    index(&*store).await;
    let edit = Change::Edit { text: Some("after one".into()), raw: "raw".into() };
    let read = Change::Read {
        kind: MessageKind::Text,
        text: Some("after three".into()),
        target: None,
        media: None,
        raw: "raw".into(),
    };
    let record = held
        .record()
        .amend(sample_amendment(PEER, "A1", edit, 2_000))
        .amend(sample_amendment(PEER, "A2", Change::Revoke, 2_000))
        .amend(sample_amendment(PEER, "A3", read, 2_000));
    store.record(record).await.unwrap();
    assert!(found(&*store, &held, "before").await.is_empty());
    assert_eq!(found(&*store, &held, "after").await, ["A3", "A1"]);

    // All of these are old. What comes then may get the place of what has gone.
    while store.prune_messages(Some(Duration::from_secs(1)), 2).await.unwrap() > 0 {}
    assert!(found(&*store, &held, "after").await.is_empty());
    store.record(held.record().message(saying(&held, PEER, "A4", "new"))).await.unwrap();
    index(&*store).await;
    assert_eq!(found(&*store, &held, "new").await, ["A4"]);
    assert!(found(&*store, &held, "after").await.is_empty());
    store.delete_instance(held.owner, held.instance).await.unwrap();
    let next = Held::new(&*store).await;
    store.record(next.record().message(saying(&next, PEER, "A5", "next"))).await.unwrap();
    index(&*store).await;
    assert_eq!(found(&*store, &next, "next").await, ["A5"]);
    assert!(found(&*store, &next, "new").await.is_empty());
}

/// Each chat once, with its last message, its name, and how much of it is unread.
pub async fn chats_are_listed_by_their_last_message(backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    let incoming = |peer: &str, id: &str, millis| sample_incoming(held.instance, peer, id, millis);
    let name = ContactChange {
        saved_name: Some(Some("Bob".into())),
        ..ContactChange::of(ContactId::generate(), format!("{PEER}@s.whatsapp.net"))
    };
    let record = held
        .record()
        .contact(name)
        .message(incoming(PEER, "A1", 1_000))
        .message(incoming(PEER, "A2", 2_000))
        .message(incoming(OTHER, "B1", 3_000))
        .message(incoming(PEER, "A3", 4_000))
        // Older than what its chat begins with, and stored later.
        .message(incoming(OTHER, "B0", 500));
    store.record(record).await.unwrap();
    let read =
        crate::StatusUpdate { from_me: false, ..sample_receipt(PEER, "A1", MessageStatus::Read, 5_000) };
    store.record(held.record().status(read)).await.unwrap();
    let chats = |before, limit| store.chats(held.owner, held.instance, before, limit);
    let shown = |chat: &ChatSummary| (chat.last.message_id.clone(), chat.name.clone(), chat.unread);
    let first = chats(None, 1).await.unwrap();
    assert_eq!(first.items[0].chat, format!("{PEER}@s.whatsapp.net"));
    assert_eq!((shown(&first.items[0]), first.has_more), (("A3".into(), Some("Bob".into()), 2), true));
    let rest = chats(first.next, 1).await.unwrap();
    assert_eq!((shown(&rest.items[0]), rest.has_more), (("B1".into(), None, 2), false));
    let none = chats(rest.next, 1).await.unwrap();
    assert_eq!((none.items.len(), none.has_more), (0, false));
    // What is written lets nothing be unread.
    let sent = sample_outgoing(held.instance, OTHER, "B2", 9_000);
    store.record(held.record().message(sent)).await.unwrap();
    let all = chats(None, 10).await.unwrap();
    assert_eq!(
        all.items.iter().map(shown).collect::<Vec<_>>(),
        [("B2".into(), None, 0), ("A3".into(), Some("Bob".into()), 2)]
    );
}

/// To everyone but the owner the instance's messages don't exist.
pub async fn another_users_messages_are_not_found(backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    let max = sample_user("max");
    store.create_user(max.clone()).await.unwrap();
    store.record(Record::message(held.record(), saying(&held, PEER, "A1", "hello"))).await.unwrap();
    index(&*store).await;
    let (filter, terms) = (MessageFilter::default(), SearchTerms::parse("hello").unwrap());
    let refused = [
        store.list_messages(max.id, held.instance, &filter, ListFrom::Newest, 1).await.map(drop),
        store.search_messages(max.id, held.instance, &terms, &filter, None, 1).await.map(drop),
        store.chats(max.id, held.instance, None, 1).await.map(drop),
    ];
    for refused in refused {
        assert!(matches!(refused, Err(StorageError::NotFound { what: Missing::Instance })), "{refused:?}");
    }
}
