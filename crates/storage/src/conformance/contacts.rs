//! Contacts: what is learned of people, what callers say of them, and how their owner lists them.

use super::held::Held;
use super::{Backend, sample_incoming, sample_user};
use crate::{
    Contact, ContactChange, ContactId, ContactQuery, Missing, Outcome, Storage, StorageError, Timestamp,
};

const ANN: &str = "15550000002@s.whatsapp.net";
const LID: &str = "900002@lid";
const GROUP: &str = "120363000000000001@g.us";

fn learned(jid: &str) -> ContactChange {
    ContactChange::of(ContactId::generate(), jid)
}

fn called(jid: &str, name: &str) -> ContactChange {
    ContactChange { push_name: Some(Some(name.to_owned())), ..learned(jid) }
}

fn saved(jid: &str, name: &str) -> ContactChange {
    ContactChange { saved_name: Some(Some(name.to_owned())), ..learned(jid) }
}

fn all() -> ContactQuery {
    ContactQuery { limit: 100, ..ContactQuery::default() }
}

async fn listed(store: &dyn Storage, held: Held, query: &ContactQuery) -> Vec<Contact> {
    store.contacts(held.owner, held.instance, query).await.unwrap().items
}

/// Every field comes back; what is learned again changes nothing, and what is only taken away makes nobody.
pub async fn contacts_are_learned_and_found(mut backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    let full = ContactChange {
        lid: Some(LID.into()),
        verified_name: Some("Ann's Bakery".into()),
        push_name: Some(Some("安".into())),
        picture: Some(Some("https://example.com/ann.jpg".into())),
        about: Some(Some("bread".into())),
        last_activity: Some(Timestamp::from_millis(5_000)),
        archived: Some(true),
        pinned_at: Some(Some(Timestamp::from_millis(6_000))),
        muted_until: Some(Some(Timestamp::from_millis(7_000))),
        ..saved(ANN, "Ann")
    };
    let record = held.record().contact(full.clone()).contact(full.clone()).contact(called(ANN, "Annie"));
    let unsaved = ContactChange { saved_name: Some(None), ..learned("15550000009@s.whatsapp.net") };
    let recorded = store.record(record.contact(unsaved)).await.unwrap();
    use Outcome::{Added, Advanced, Unchanged};
    assert_eq!(recorded.outcomes, [Added, Unchanged, Advanced, Unchanged]);
    drop(store);
    backend.reopen().await;
    let store = backend.storage().await;
    let contacts = listed(&*store, held, &all()).await;
    assert_eq!(contacts.len(), 1);
    let mut expected = full.made(held.instance, contacts[0].created_at).unwrap();
    expected.push_name = Some("Annie".into());
    expected.updated_at = contacts[0].updated_at;
    assert_eq!(contacts, [expected]);
    assert_eq!(contacts[0].name(), "Ann");
}

/// By what they are called, then by JID; pages join, and a search looks at all names and the number.
pub async fn contacts_are_listed_by_name_in_pages(backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    let other = Held::of(&*store, held.owner, "other").await;
    let people =
        [("15550000004", "bob"), ("15550000003", "Bob"), ("15550000005", "anna"), ("15550000006", "Zoe")];
    let record = people.iter().fold(held.record(), |record, (number, name)| {
        record.contact(called(&format!("{number}@s.whatsapp.net"), name))
    });
    let record = record.contact(saved(GROUP, "Bobsleigh")).contact(learned("15550000007@s.whatsapp.net"));
    store.record(record).await.unwrap();
    store.record(other.record().contact(called(ANN, "Bob of another"))).await.unwrap();
    let message = sample_incoming(held.instance, "15550000006", "A", 9_000);
    store.record(held.record().message(message)).await.unwrap();
    let mut names = Vec::new();
    for skip in [0, 2, 4, 6] {
        let query = ContactQuery { limit: 2, skip, ..ContactQuery::default() };
        let page = store.contacts(held.owner, held.instance, &query).await.unwrap();
        assert_eq!((page.total, page.has_more), (6, skip < 4), "after skipping {skip}");
        names.extend(page.items.iter().map(|contact| contact.name().to_owned()));
    }
    assert_eq!(names, ["15550000007", "anna", "Bob", "bob", "Bobsleigh", "Zoe"]);
    let found = |search: &str, groups| {
        let query = ContactQuery { search: Some(search.to_owned()), groups, ..all() };
        let store = &*store;
        async move { store.contacts(held.owner, held.instance, &query).await.unwrap().total }
    };
    assert_eq!(found("BOB", None).await, 3);
    assert_eq!(found("bob", Some(true)).await, 1);
    assert_eq!(found("bob", Some(false)).await, 2);
    assert_eq!(found("0000006", None).await, 1);
    assert_eq!(found("%", None).await, 0);
    let query = ContactQuery { search: Some("zoe".into()), ..all() };
    assert_eq!(listed(&*store, held, &query).await[0].last_activity, Some(Timestamp::from_millis(9_000)));
}

/// What a caller says makes a contact or changes it, and stays beside what is learned.
pub async fn a_callers_word_is_kept_beside_what_is_learned(backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    let save = |change: ContactChange, at: i64| {
        store.save_contact(held.owner, held.instance, change, Timestamp::from_millis(at))
    };
    let made = save(saved(ANN, "Ann"), 1_000).await.unwrap();
    assert_eq!((made.name(), made.created_at), ("Ann", Timestamp::from_millis(1_000)));
    store.record(held.record().contact(called(ANN, "Annie"))).await.unwrap();
    let changed = save(ContactChange { about: Some(Some("bread".into())), ..learned(ANN) }, i64::MAX / 2);
    let changed = changed.await.unwrap();
    assert_eq!((changed.id, changed.name(), changed.push_name.as_deref()), (made.id, "Ann", Some("Annie")));
    assert_eq!(changed.about.as_deref(), Some("bread"));
    let nothing = ContactChange { saved_name: Some(None), ..learned(GROUP) };
    assert!(matches!(save(nothing, 1).await, Err(StorageError::Invalid { .. })));
}

/// Who was known by LID and by number is one from then on, with all that was known of both.
pub async fn two_contacts_of_one_person_become_one(backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    let marked = ContactChange { archived: Some(true), ..called(LID, "Annie") };
    store.record(held.record().contact(marked).contact(saved(ANN, "Ann"))).await.unwrap();
    store.record(held.record().merge_chats(LID, ANN).merge_chats(LID, ANN)).await.unwrap();
    let contacts = listed(&*store, held, &all()).await;
    let [contact] = &contacts[..] else { panic!("{contacts:?}") };
    assert_eq!((contact.jid.as_str(), contact.lid.as_deref()), (ANN, Some(LID)));
    assert_eq!(
        (contact.name(), contact.push_name.as_deref(), contact.archived),
        ("Ann", Some("Annie"), true)
    );
    // And one who was known by LID alone.
    let (lid, pn) = ("900003@lid", "15550000003@s.whatsapp.net");
    store.record(held.record().contact(called(lid, "Bob")).merge_chats(lid, pn)).await.unwrap();
    let contacts = listed(&*store, held, &all()).await;
    assert!(contacts.iter().any(|contact| contact.jid == pn && contact.name() == "Bob"));
    assert_eq!(contacts.len(), 2);
}

/// For another user there is no such instance, and a deleted one takes its contacts along.
pub async fn another_users_contacts_do_not_exist(backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    store.record(held.record().contact(called(ANN, "Ann"))).await.unwrap();
    let stranger = sample_user("stranger");
    store.create_user(stranger.clone()).await.unwrap();
    let missing = |error: StorageError| matches!(error, StorageError::NotFound { what: Missing::Instance });
    let listed = store.contacts(stranger.id, held.instance, &all()).await;
    assert!(missing(listed.unwrap_err()));
    let saved = store.save_contact(stranger.id, held.instance, saved(ANN, "Mine"), Timestamp::default());
    assert!(missing(saved.await.unwrap_err()));
    store.delete_instance(held.owner, held.instance).await.unwrap();
    assert!(missing(store.contacts(held.owner, held.instance, &all()).await.unwrap_err()));
}
