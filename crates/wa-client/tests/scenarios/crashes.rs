//! Promises 1 and 2 when the process dies between any two steps: nothing is lost, nothing is told twice under
//! another id, and no key is used twice.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use wa_client::{Cause, Event, Outgoing, SendError, Store, StoreError, UndecryptableReason};
use wa_simulator::Phone;
use wa_store::{Batch, Commit, Key, Kind, MemoryRecords, Plain, Records};

use crate::stage::{Companion, Stage, messages_of, nothing_waits, patiently};

/// Records that die: after so many commits none takes effect any more.
struct Mortal {
    records: Arc<MemoryRecords>,
    left: AtomicUsize,
    end: Death,
    dead: AtomicBool,
}

/// What becomes of later commits.
#[derive(Clone, Copy)]
enum Death {
    /// They never resolve. Whether the first of them still takes effect although nobody hears of it.
    Silence { takes_effect: bool },
    /// They fail.
    Failure,
    /// Somebody else owns the companion.
    Fence,
}

impl Mortal {
    fn store(records: &Arc<MemoryRecords>, commits: usize, takes_effect: bool) -> Store {
        Self::store_until(records, commits, Death::Silence { takes_effect })
    }

    fn store_until(records: &Arc<MemoryRecords>, commits: usize, end: Death) -> Store {
        let (left, dead) = (AtomicUsize::new(commits), AtomicBool::new(false));
        let mortal = Self { records: records.clone(), left, end, dead };
        Store::new(Arc::new(mortal), Arc::new(Plain))
    }
}

#[async_trait]
impl Records for Mortal {
    async fn get(&self, kind: Kind, keys: &[Key]) -> Result<Vec<Option<Bytes>>, StoreError> {
        self.records.get(kind, keys).await
    }

    async fn scan(
        &self,
        kind: Kind,
        range: Range<Key>,
        limit: usize,
    ) -> Result<Vec<(Key, Bytes)>, StoreError> {
        self.records.scan(kind, range, limit).await
    }

    async fn count(&self, kind: Kind) -> Result<u64, StoreError> {
        self.records.count(kind).await
    }

    fn apply(&self, batch: Batch) -> Commit {
        let alive =
            self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        if alive {
            return self.records.apply(batch);
        }
        let error = match self.end {
            Death::Silence { takes_effect } => {
                if takes_effect && !self.dead.swap(true, Ordering::SeqCst) {
                    drop(self.records.apply(batch));
                }
                return Box::pin(std::future::pending());
            }
            Death::Failure => StoreError::Overloaded,
            Death::Fence => StoreError::Fenced,
        };
        Box::pin(std::future::ready(Err(error)))
    }
}

/// Records that refuse a commit now and then.
struct Failing {
    records: Arc<MemoryRecords>,
    /// How many commits are refused from now on.
    failures: Arc<AtomicUsize>,
}

#[async_trait]
impl Records for Failing {
    async fn get(&self, kind: Kind, keys: &[Key]) -> Result<Vec<Option<Bytes>>, StoreError> {
        self.records.get(kind, keys).await
    }

    async fn scan(
        &self,
        kind: Kind,
        range: Range<Key>,
        limit: usize,
    ) -> Result<Vec<(Key, Bytes)>, StoreError> {
        self.records.scan(kind, range, limit).await
    }

    async fn count(&self, kind: Kind) -> Result<u64, StoreError> {
        self.records.count(kind).await
    }

    fn apply(&self, batch: Batch) -> Commit {
        let fails = |left: usize| left.checked_sub(1);
        match self.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, fails) {
            Ok(_) => Box::pin(std::future::ready(Err(StoreError::Overloaded))),
            Err(_) => self.records.apply(batch),
        }
    }
}

fn store_of(records: &Arc<MemoryRecords>) -> Store {
    Store::new(records.clone(), Arc::new(Plain))
}

async fn cast() -> (Stage, Phone, Phone, Companion, Arc<MemoryRecords>) {
    let stage = Stage::undisturbed().await;
    let (alice, bob) = (stage.phone("15550000001"), stage.phone("15550000002"));
    let records = Arc::new(MemoryRecords::new());
    let companion = stage.start(store_of(&records));
    companion.pair(&alice).await;
    (stage, alice, bob, companion, records)
}

/// The process dies around the `commits`-th commit; whatever was recorded before and after makes up the whole.
async fn dies_while_receiving(commits: usize, takes_effect: bool) {
    let (stage, alice, bob, companion, records) = cast().await;
    let first = bob.send(alice.number(), "text 0").await.unwrap();
    companion.diary.messages(1).await;
    companion.stop().await;

    let mortal = stage.start(Mortal::store(&records, commits, takes_effect));
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

    let survivor = stage.start(store_of(&records));
    bob.send(alice.number(), "last").await.unwrap();
    let is_last = |events: &[Event]| messages_of(events).iter().any(|message| message.text() == Some("last"));
    let events = survivor.diary.wait_for(is_last).await;
    // What was stored and not acknowledged comes again, and its keys are gone.
    let is_news = |event: &Event| match event {
        Event::Undecryptable(told) if told.reason != UndecryptableReason::Broadcast => {
            let is_known = told.info.id.as_str() == first || before.iter().any(|m| m.info.id == told.info.id);
            told.reason != UndecryptableReason::Repeated || !is_known
        }
        _ => false,
    };
    assert!(!events.iter().any(is_news), "{events:?}");
    let mut recorded: Vec<_> = before
        .iter()
        .chain(&messages_of(&events))
        .filter(|m| m.info.id.as_str() != first)
        .map(|m| (m.info.id.clone(), m.text().map(str::to_owned)))
        .collect();
    recorded.sort_by(|a, b| a.0.cmp(&b.0));
    recorded.dedup_by(|a, b| a.0 == b.0);
    let mut texts: Vec<_> = recorded.into_iter().filter_map(|(_, text)| text).collect();
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
    let (stage, alice, bob, companion, records) = cast().await;
    companion.send(bob.jid(), "one").await;
    bob.send(alice.number(), "answer").await.unwrap();
    companion.diary.messages(1).await;
    for n in 0..10 {
        companion.send(bob.jid(), &format!("leased {n}")).await;
    }
    companion.crash().await;
    let companion = stage.start(store_of(&records));
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
    let (stage, alice, bob, companion, records) = cast().await;
    companion.send(bob.jid(), "one").await;
    bob.send(alice.number(), "answer").await.unwrap();
    companion.diary.messages(1).await;
    companion.send(bob.jid(), "warm").await;
    companion.stop().await;
    // The first send renews the lease, which is a commit; the next 63 must live without.
    let mortal = stage.start(Mortal::store(&records, 1, false));
    mortal.online().await;
    for n in 0..60 {
        mortal.send(bob.jid(), &format!("leased {n}")).await;
    }
    bob.wait_for_inbox(|inbox| inbox.len() == 62).await;
}

#[tokio::test(start_paused = true)]
async fn a_send_whose_session_was_not_stored_leaves_nothing() {
    let (stage, _alice, bob, companion, records) = cast().await;
    companion.stop().await;
    let mortal = stage.start(Mortal::store(&records, 0, false));
    mortal.online().await;
    let message = Outgoing::text(bob.jid(), "not yet");
    let sending = mortal.client.send(message.clone());
    let outcome = tokio::time::timeout(std::time::Duration::from_secs(30), sending).await;
    assert!(outcome.is_err(), "{outcome:?}");
    assert_eq!(bob.inbox(), []);
    mortal.crash().await;
    let survivor = stage.start(store_of(&records));
    survivor.online().await;
    survivor.client.send(message).await.unwrap();
    let inbox = bob.wait_for_inbox(|inbox| inbox.len() == 1).await;
    assert_eq!(inbox[0].repeats, 0);
}

#[tokio::test(start_paused = true)]
async fn a_crash_between_scan_and_answer_pairs_nobody() {
    let stage = Stage::new().await;
    let alice = stage.phone("15550000001");
    let records = Arc::new(MemoryRecords::new());
    let mortal = stage.start(Mortal::store(&records, 0, false));
    let qr = mortal.qr().await;
    // The phone waits in vain for the companion's signature.
    let scanned = tokio::time::timeout(std::time::Duration::from_secs(60), alice.scan(&qr.text)).await;
    assert!(!matches!(scanned, Ok(Ok(_))), "{scanned:?}");
    mortal.crash().await;
    assert!(store_of(&records).device().await.unwrap().is_none());
    stage.start(store_of(&records)).pair(&alice).await;
}

/// What an idle companion writes back may be what a held batch stands for: a failure ends the connection, so that
/// nothing is trusted and nothing acknowledged.
#[tokio::test(start_paused = true)]
async fn a_store_that_fails_while_nothing_happens_is_not_passed_over() {
    let stage = Stage::new().await;
    let (alice, bob) = (stage.phone("15550000001"), stage.phone("15550000002"));
    let (records, failures) = (Arc::new(MemoryRecords::new()), Arc::new(AtomicUsize::new(0)));
    let failing = Failing { records: records.clone(), failures: failures.clone() };
    let companion = stage.start(Store::new(Arc::new(failing), Arc::new(Plain)));
    companion.pair(&alice).await;
    companion.send(bob.jid(), "a lease to give back").await;
    failures.store(1, Ordering::SeqCst);
    let ended = |event: &Event| matches!(event, Event::Disconnected { cause: Cause::StoreFailed, .. });
    companion.diary.wait_for(|events| events.iter().any(ended)).await;
    companion.connected(2).await;
    companion.send(bob.jid(), "and goes on").await;
    assert_eq!(bob.wait_for_inbox(|inbox| inbox.len() == 2).await.len(), 2);
    assert_eq!(bob.undecryptable(), 0);
}

/// A companion with a warm session whose store takes so many commits.
async fn warm_until(commits: usize, end: Death) -> (Stage, Phone, Phone, Companion) {
    let (stage, alice, bob, companion, records) = cast().await;
    companion.send(bob.jid(), "one").await;
    bob.send(alice.number(), "answer").await.unwrap();
    companion.diary.messages(1).await;
    companion.send(bob.jid(), "warm").await;
    companion.stop().await;
    let mortal = stage.start(Mortal::store_until(&records, commits, end));
    mortal.online().await;
    (stage, alice, bob, mortal)
}

#[tokio::test(start_paused = true)]
async fn a_send_whose_session_cannot_be_stored_says_so_and_leaves_nothing() {
    let (_stage, _alice, bob, mortal) = warm_until(0, Death::Failure).await;
    let refused = mortal.client.send(Outgoing::text(bob.jid(), "no")).await;
    assert!(matches!(refused, Err(SendError::Store(_))), "{refused:?}");
    assert_eq!(mortal.disconnected().await, Cause::StoreFailed);
    assert_eq!(bob.inbox().len(), 2);
}

/// Sent messages gather in memory; when there are too many, they are stored, and whoever sends learns if that fails.
#[tokio::test(start_paused = true)]
async fn a_failure_to_put_sent_messages_away_is_no_secret() {
    let mut all_failed = Vec::new();
    // Which commit it is depends on what else has to be stored meanwhile.
    for commits in 1..4 {
        let (_stage, _alice, bob, mortal) = warm_until(commits, Death::Failure).await;
        let sends = (0..200).map(|n| mortal.client.send(Outgoing::text(bob.jid(), n.to_string())));
        let outcomes = futures_util::future::join_all(sends).await;
        all_failed
            .push(outcomes.iter().filter(|outcome| matches!(outcome, Err(SendError::Store(_)))).count());
        if outcomes.iter().any(Result::is_err) {
            assert_eq!(mortal.disconnected().await, Cause::StoreFailed);
        }
    }
    assert!(all_failed.iter().any(|failed| (1..200).contains(failed)), "{all_failed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_companion_that_another_has_taken_over_stays_away() {
    let (_stage, alice, bob, mortal) = warm_until(0, Death::Fence).await;
    bob.send(alice.number(), "for the new owner").await.unwrap();
    assert_eq!(mortal.stopped().await, Cause::Fenced);
    assert_eq!(alice.devices()[0].waiting, 1, "nothing was acknowledged");
}

#[tokio::test(start_paused = true)]
async fn the_example_goes_on_where_a_batch_could_not_be_accepted() {
    let (stage, alice, bob, companion, records) = cast().await;
    companion.stop().await;
    let failures = Arc::new(AtomicUsize::new(0));
    let failing = Failing { records, failures: failures.clone() };
    let store = Store::new(Arc::new(failing), Arc::new(Plain));
    let (client, events, _driver) = stage.start_alone(store, |builder| builder);
    let echo = tokio::spawn(crate::echo::echo(client.clone(), events));
    bob.send(alice.number(), "before").await.unwrap();
    patiently(bob.wait_for_inbox(|inbox| inbox.len() == 1)).await;
    nothing_waits(&alice).await;
    failures.store(1, Ordering::SeqCst);
    // What the own phone sends isn't echoed: nothing but the acceptance needs the store.
    alice.send(bob.number(), "by hand").await.unwrap();
    nothing_waits(&alice).await;
    assert_eq!(failures.load(Ordering::SeqCst), 0, "it could not be accepted when it first came");
    bob.send(alice.number(), "after").await.unwrap();
    let inbox = patiently(bob.wait_for_inbox(|inbox| inbox.len() == 3)).await;
    let texts: Vec<_> = inbox.iter().filter_map(|entry| entry.text.as_deref()).collect();
    assert_eq!(texts, ["before", "by hand", "after"]);
    client.stop().await;
    assert!(patiently(echo).await.unwrap().starts_with("the client has ended"));
}
