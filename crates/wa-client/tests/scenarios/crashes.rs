//! Promises 1 and 2 when the process dies between any two steps: nothing is lost, nothing is told twice under
//! another id, and no key is used twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use wa_binary::Jid;
use wa_client::{Event, Handle, Handler, HandlerError, Outgoing};
use wa_simulator::Phone;
use wa_store::{
    AddressBook, Changes, Commit, Device, DeviceAddress, DeviceList, MemoryStore, SenderKeyName, SentMessage,
    SignalStore, Store, StoreError,
};

use crate::stage::{Companion, Diary, Stage, messages_of, patiently};

/// A store whose process dies: after so many commits none takes effect any more, and none resolves.
struct Mortal {
    store: Arc<dyn Store>,
    left: AtomicUsize,
    /// Whether the last commit still takes effect although nobody hears of it.
    takes_effect: bool,
    dead: AtomicBool,
}

impl Mortal {
    fn new(store: Arc<dyn Store>, commits: usize, takes_effect: bool) -> Arc<Self> {
        Arc::new(Self { store, left: AtomicUsize::new(commits), takes_effect, dead: AtomicBool::new(false) })
    }
}

#[async_trait]
impl SignalStore for Mortal {
    async fn sessions(&self, addresses: &[DeviceAddress]) -> Result<Vec<Option<Bytes>>, StoreError> {
        self.store.sessions(addresses).await
    }
    async fn identities(&self, addresses: &[DeviceAddress]) -> Result<Vec<Option<[u8; 32]>>, StoreError> {
        self.store.identities(addresses).await
    }
    async fn addresses(&self, name: &str) -> Result<Vec<DeviceAddress>, StoreError> {
        self.store.addresses(name).await
    }
    async fn prekey(&self, id: u32) -> Result<Option<[u8; 32]>, StoreError> {
        self.store.prekey(id).await
    }
    async fn prekeys(&self, from_id: u32, limit: usize) -> Result<Vec<(u32, [u8; 32])>, StoreError> {
        self.store.prekeys(from_id, limit).await
    }
    async fn prekey_count(&self) -> Result<usize, StoreError> {
        self.store.prekey_count().await
    }
    async fn sender_key(&self, name: &SenderKeyName) -> Result<Option<Bytes>, StoreError> {
        self.store.sender_key(name).await
    }
}

#[async_trait]
impl AddressBook for Mortal {
    async fn lid_of(&self, pn_user: &str) -> Result<Option<String>, StoreError> {
        self.store.lid_of(pn_user).await
    }
    async fn pn_of(&self, lid_user: &str) -> Result<Option<String>, StoreError> {
        self.store.pn_of(lid_user).await
    }
    async fn device_lists(&self, users: &[Jid]) -> Result<Vec<Option<DeviceList>>, StoreError> {
        self.store.device_lists(users).await
    }
}

#[async_trait]
impl Store for Mortal {
    async fn device(&self) -> Result<Option<Device>, StoreError> {
        self.store.device().await
    }
    async fn sent_message(&self, chat: &Jid, id: &str) -> Result<Option<SentMessage>, StoreError> {
        self.store.sent_message(chat, id).await
    }
    fn commit(&self, changes: Changes) -> Commit {
        let alive =
            self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        if alive {
            return self.store.commit(changes);
        }
        if self.takes_effect && !self.dead.swap(true, Ordering::SeqCst) {
            drop(self.store.commit(changes));
        }
        Box::pin(std::future::pending())
    }
}

async fn cast() -> (Stage, Phone, Phone, Companion) {
    let stage = Stage::new().await;
    let (alice, bob) = (stage.phone("15550000001"), stage.phone("15550000002"));
    let companion = stage.companion(&alice).await;
    (stage, alice, bob, companion)
}

/// The process dies around the `commits`-th commit; whatever was recorded before and after makes up the whole.
async fn dies_while_receiving(commits: usize, takes_effect: bool) {
    let (stage, alice, bob, companion) = cast().await;
    bob.send(alice.number(), "text 0").await.unwrap();
    companion.diary.messages(1).await;
    let store = companion.stop().await;

    let mortal = stage.start(Mortal::new(store.clone(), commits, takes_effect));
    let sending = async {
        for n in 1..=10 {
            bob.send(alice.number(), &format!("text {n}")).await.unwrap();
            tokio::task::yield_now().await;
        }
    };
    sending.await;
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
    let before = messages_of(&mortal.diary.events());
    mortal.crash().await;

    let survivor = stage.start(store);
    bob.send(alice.number(), "last").await.unwrap();
    let is_last = |events: &[Event]| {
        messages_of(events).iter().any(|message| message.message.conversation.as_deref() == Some("last"))
    };
    let events = survivor.diary.wait_for(is_last).await;
    assert!(!events.iter().any(|event| matches!(event, Event::Undecryptable(_))), "{events:?}");
    let mut recorded: Vec<_> =
        before.into_iter().chain(messages_of(&events)).map(|m| (m.id, m.message)).collect();
    recorded.sort_by(|a, b| a.0.cmp(&b.0));
    recorded.dedup_by(|a, b| a.0 == b.0);
    let mut texts: Vec<_> = recorded.into_iter().filter_map(|(_, message)| message.conversation).collect();
    texts.sort();
    let mut expected: Vec<_> = (1..=10).map(|n| format!("text {n}")).chain(["last".to_owned()]).collect();
    expected.sort();
    assert_eq!(texts, expected, "after {commits} commits");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_lost_by_a_crash_before_a_commit() {
    for commits in 0..6 {
        dies_while_receiving(commits, false).await;
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_lost_by_a_crash_after_a_commit() {
    for commits in 0..6 {
        dies_while_receiving(commits, true).await;
    }
}

/// The process dies with ciphertexts out that no stored record knows of: the next life skips their counters.
#[tokio::test(start_paused = true)]
async fn no_key_is_used_twice_after_a_crash() {
    let (stage, alice, bob, companion) = cast().await;
    companion.send(bob.jid(), "one").await;
    bob.send(alice.number(), "answer").await.unwrap();
    companion.diary.messages(1).await;
    for n in 0..10 {
        companion.send(bob.jid(), &format!("leased {n}")).await;
    }
    let store = companion.crash().await;
    let companion = stage.start(store);
    companion.online().await;
    for n in 0..10 {
        companion.send(bob.jid(), &format!("after {n}")).await;
    }
    // A key that came twice would be a duplicate counter, which the phone can't decrypt.
    let inbox = bob.wait_for_inbox(|inbox| inbox.len() == 21).await;
    assert_eq!(bob.undecryptable(), 0);
    assert!(inbox.iter().all(|entry| entry.repeats == 0));
}

#[tokio::test(start_paused = true)]
async fn a_text_to_a_warm_session_waits_for_no_commit() {
    let (stage, alice, bob, companion) = cast().await;
    companion.send(bob.jid(), "one").await;
    bob.send(alice.number(), "answer").await.unwrap();
    companion.diary.messages(1).await;
    companion.send(bob.jid(), "warm").await;
    let store = companion.stop().await;
    // The first send renews the lease, which is a commit; the next 63 must live without.
    let mortal = stage.start(Mortal::new(store, 1, false));
    mortal.online().await;
    for n in 0..60 {
        mortal.send(bob.jid(), &format!("leased {n}")).await;
    }
    bob.wait_for_inbox(|inbox| inbox.len() == 62).await;
}

#[tokio::test(start_paused = true)]
async fn a_send_whose_session_was_not_stored_leaves_nothing() {
    let (stage, _alice, bob, companion) = cast().await;
    let store = companion.stop().await;
    let mortal = stage.start(Mortal::new(store.clone(), 0, false));
    mortal.online().await;
    let message = Outgoing::text(bob.jid(), "not yet");
    let sending = mortal.handle.send(message.clone());
    let outcome = tokio::time::timeout(std::time::Duration::from_secs(30), sending).await;
    assert!(outcome.is_err(), "{outcome:?}");
    assert_eq!(bob.inbox(), []);
    mortal.crash().await;
    let survivor = stage.start(store);
    survivor.online().await;
    survivor.handle.send(message).await.unwrap();
    let inbox = bob.wait_for_inbox(|inbox| inbox.len() == 1).await;
    assert_eq!(inbox[0].repeats, 0);
}

#[tokio::test(start_paused = true)]
async fn a_crash_between_scan_and_answer_pairs_nobody() {
    let stage = Stage::new().await;
    let alice = stage.phone("15550000001");
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let mortal = stage.start(Mortal::new(store.clone(), 0, false));
    let qr = mortal.qr().await;
    // The phone waits in vain for the companion's signature.
    let scanned = tokio::time::timeout(std::time::Duration::from_secs(60), alice.scan(&qr.text)).await;
    assert!(!matches!(scanned, Ok(Ok(_))), "{scanned:?}");
    mortal.crash().await;
    assert!(store.device().await.unwrap().is_none());
    stage.start(store).pair(&alice).await;
}

/// Answers from within the handler, which would wait for itself.
struct Impatient {
    diary: Diary,
    handle: std::sync::OnceLock<Handle>,
    outcome: tokio::sync::watch::Sender<Option<String>>,
}

#[async_trait]
impl Handler for Impatient {
    async fn handle(&self, events: Vec<Event>) -> Result<(), HandlerError> {
        if let (Some(handle), Some(message)) = (self.handle.get(), messages_of(&events).first()) {
            let outcome = handle.send(Outgoing::text(message.chat.clone(), "echo")).await;
            self.outcome.send_replace(Some(format!("{outcome:?}")));
        }
        self.diary.handle(events).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_awaits_its_own_client_is_refused_instead_of_stuck() {
    let (stage, alice, bob, companion) = cast().await;
    let store = companion.stop().await;
    let impatient = Arc::new(Impatient {
        diary: Diary::default(),
        handle: std::sync::OnceLock::new(),
        outcome: tokio::sync::watch::Sender::new(None),
    });
    let handle = wa_client::Client::builder(store, impatient.clone())
        .connector(Arc::new(crate::stage::InMemory(stage.sim.clone())))
        .trust_root(wa_noise::TrustRoot::new(stage.sim.root_key()))
        .clock(Arc::new(crate::stage::SharedClock(stage.clock)))
        .spawn();
    impatient.handle.set(handle).unwrap();
    bob.send(alice.number(), "hello").await.unwrap();
    let mut outcome = impatient.outcome.subscribe();
    let outcome = patiently(outcome.wait_for(Option::is_some)).await.unwrap().clone();
    assert_eq!(outcome.as_deref(), Some("Err(InsideHandler)"));
    impatient.diary.messages(1).await;
}
