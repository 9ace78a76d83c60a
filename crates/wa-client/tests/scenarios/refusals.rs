//! Logins that the server refuses for a while, or because of the version.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::time::{Instant, sleep};
use wa_client::{Cause, Event, State, Version, Versions};
use wa_simulator::{Behaviour, Fault, FaultKind, Moment, Phone};

use crate::stage::{Companion, Stage};

async fn paired() -> (Stage, Phone, Companion) {
    let stage = Stage::new().await;
    let alice = stage.phone("15550000001");
    let companion = stage.companion(&alice).await;
    (stage, alice, companion)
}

fn ban(stage: &Stage, seconds: u64) {
    let ban = FaultKind::Ban { code: 101, seconds, growth: 180 };
    stage.sim.add_fault(Fault::new(ban)).unwrap();
    stage.fault(FaultKind::Drop { when: Moment::Now });
}

/// The ban that a companion waits for the end of: its end, and when the next try is.
async fn banned(companion: &Companion) -> (i64, i64) {
    let is_ban = |state: &State| matches!(state, State::Waiting { cause: Cause::Banned { .. }, .. });
    match companion.state(is_ban).await {
        State::Waiting { cause: Cause::Banned { code: 101, until: Some(until) }, retry_at } => {
            (until, retry_at)
        }
        other => panic!("{other:?}"),
    }
}

fn failures(stage: &Stage) -> usize {
    stage.seen("<failure reason=\"402\"")
}

#[tokio::test(start_paused = true)]
async fn a_ban_ends_by_itself_with_one_try_after_it() {
    let (stage, alice, companion) = paired().await;
    ban(&stage, 600);
    let (until, retry_at) = banned(&companion).await;
    assert!(retry_at > until && retry_at < until + 61_000, "{retry_at} after {until}");
    companion.connected(2).await;
    assert_eq!((failures(&stage), alice.devices()[0].logins), (1, 2));
    let told = companion.diary.events();
    let ended = |event: &Event| match event {
        Event::Disconnected { cause: Cause::Banned { .. }, will_reconnect: true, raw: Some(raw) } => {
            raw.starts_with("<failure")
        }
        _ => false,
    };
    assert_eq!(told.iter().filter(|event| ended(event)).count(), 1, "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn a_ban_is_waited_for_over_restarts() {
    let (stage, _alice, companion) = paired().await;
    ban(&stage, 600);
    let (until, _) = banned(&companion).await;
    let store = companion.stop().await;
    let companion = stage.start(store);
    assert_eq!(banned(&companion).await.0, until);
    let store = companion.crash().await;
    sleep(Duration::from_secs(300)).await;
    let companion = stage.start(store);
    companion.online().await;
    assert_eq!(failures(&stage), 1, "no login came too early");
    // What is over is forgotten.
    let store = companion.stop().await;
    assert_eq!(store.device().await.unwrap().unwrap().ban, None);
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_for_it_is_let_try_during_a_ban() {
    let (stage, _alice, companion) = paired().await;
    ban(&stage, 600);
    let (until, _) = banned(&companion).await;
    companion.client.reconnect().await;
    let longer = |state: &State| matches!(state, State::Waiting { cause: Cause::Banned { until: Some(end), .. }, .. } if *end > until);
    companion.state(longer).await;
    assert_eq!(failures(&stage), 2);
    companion.connected(2).await;
    assert_eq!(failures(&stage), 2);
}

#[tokio::test(start_paused = true)]
async fn a_ban_without_an_end_stays() {
    let (stage, _alice, companion) = paired().await;
    stage.fault(FaultKind::Failure { reason: 402, code: Some(102), expire: None });
    stage.fault(FaultKind::Drop { when: Moment::Now });
    assert_eq!(companion.stopped().await, Cause::Banned { code: 102, until: None });
}

#[tokio::test(start_paused = true)]
async fn refusals_are_tried_again_ever_more_slowly_and_told_once() {
    let (stage, alice, companion) = paired().await;
    let refusal = FaultKind::Failure { reason: 429, code: None, expire: None };
    let fault = stage.sim.add_fault(Fault { count: None, ..Fault::new(refusal) }).unwrap();
    stage.fault(FaultKind::Drop { when: Moment::Now });
    let started = Instant::now();
    sleep(Duration::from_secs(24 * 3600)).await;
    let tried = stage.seen("<failure reason=\"429\"");
    assert!((24..48).contains(&tried), "{tried} tries in a day");
    let is_refusal = |event: &&Event| matches!(event, Event::Disconnected { raw: Some(_), .. });
    assert_eq!(companion.diary.events().iter().filter(is_refusal).count(), 1);
    stage.sim.clear_fault(fault.id).unwrap();
    companion.connected(2).await;
    assert!(started.elapsed() < Duration::from_secs(25 * 3600));
    assert_eq!(alice.devices()[0].logins, 2);
}

#[tokio::test(start_paused = true)]
async fn logins_are_counted_over_restarts() {
    let (stage, alice, companion) = paired().await;
    let said = || alice.devices()[0].login_counter;
    assert_eq!(said(), Some(1));
    companion.client.reconnect().await;
    companion.connected(2).await;
    assert_eq!(said(), Some(2));
    let store = companion.stop().await;
    stage.start(store).online().await;
    assert_eq!(said(), Some(3));
}

#[tokio::test(start_paused = true)]
async fn edge_routing_that_leads_nowhere_is_given_up() {
    let (stage, alice, companion) = paired().await;
    stage.sim.add_fault(Fault::new(FaultKind::EdgeRouting)).unwrap();
    let store = companion.stop().await;
    assert!(store.device().await.unwrap().unwrap().routing_info.is_some());
    let companion = stage.start(store);
    companion.online().await;
    assert_eq!(alice.devices()[0].logins, 2);
}

/// Knows a newer version once somebody looks for it.
struct Newspaper {
    current: Mutex<Version>,
    newest: Version,
    looked: Mutex<Vec<Version>>,
    ends: Mutex<Vec<(Version, i64)>>,
}

impl Newspaper {
    fn new(newest: Version) -> Arc<Self> {
        let (looked, ends) = Default::default();
        Arc::new(Self { current: Mutex::new(Version::COMPILED), newest, looked, ends })
    }
}

#[async_trait]
impl Versions for Newspaper {
    fn current(&self) -> Version {
        *self.current.lock()
    }

    async fn newer_than(&self, refused: Version) -> Option<Version> {
        self.looked.lock().push(refused);
        sleep(Duration::from_secs(1)).await;
        *self.current.lock() = self.newest;
        Some(self.newest)
    }

    fn expires(&self, version: Version, at: i64) {
        self.ends.lock().push((version, at));
    }
}

const NEWER: Version = Version::of_revision(1_060_000_000);

fn as_array(version: Version) -> [u32; 3] {
    [version.primary, version.secondary, version.tertiary]
}

#[tokio::test(start_paused = true)]
async fn an_outdated_version_is_replaced_once() {
    let (stage, alice, companion) = paired().await;
    let store = companion.stop().await;
    stage.sim.require_version(as_array(NEWER));
    let news = Newspaper::new(NEWER);
    let companion = stage.start_with(store, |builder| builder.versions(news.clone()));
    companion.online().await;
    assert_eq!(*news.looked.lock(), [Version::COMPILED]);
    assert_eq!(alice.devices()[0].logins, 2);
    assert_eq!(
        companion.diary.events().iter().filter(|event| matches!(event, Event::Disconnected { .. })).count(),
        0
    );
}

#[tokio::test(start_paused = true)]
async fn a_version_that_is_still_too_old_ends_in_an_honest_stop() {
    let (stage, _alice, companion) = paired().await;
    let store = companion.stop().await;
    stage.sim.require_version([2, 3000, 1_070_000_000]);
    let news = Newspaper::new(NEWER);
    let companion = stage.start_with(store.clone(), |builder| builder.versions(news.clone()));
    assert_eq!(companion.stopped().await, Cause::Outdated);
    assert_eq!((news.looked.lock().len(), stage.seen("reason=\"405\"")), (1, 2));
    companion.stop().await;
    // Nothing newer is known: no second try.
    let news = Newspaper::new(Version::COMPILED);
    let companion = stage.start_with(store, |builder| builder.versions(news.clone()));
    assert_eq!(companion.stopped().await, Cause::Outdated);
    assert_eq!((news.looked.lock().len(), stage.seen("reason=\"405\"")), (1, 3));
}

#[tokio::test(start_paused = true)]
async fn the_search_for_a_newer_version_holds_up_no_stop() {
    struct Never;
    #[async_trait]
    impl Versions for Never {
        fn current(&self) -> Version {
            Version::COMPILED
        }
        async fn newer_than(&self, _refused: Version) -> Option<Version> {
            std::future::pending().await
        }
    }
    let (stage, _alice, companion) = paired().await;
    let store = companion.stop().await;
    stage.sim.require_version(as_array(NEWER));
    let companion = stage.start_with(store, |builder| builder.versions(Arc::new(Never)));
    assert_eq!(companion.waiting().await, Cause::Outdated);
    let started = Instant::now();
    companion.stop().await;
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_version_is_told_before_it_comes() {
    let lifetime = Some(Duration::from_secs(3600));
    let behaviour = Behaviour { version_lifetime: lifetime, ..Behaviour::default() };
    let stage = Stage::behaving(behaviour).await;
    let alice = stage.phone("15550000001");
    let news = Newspaper::new(NEWER);
    let companion = stage.start_with(wa_client::Store::memory(), |builder| builder.versions(news.clone()));
    companion.pair(&alice).await;
    let is_end = |event: &Event| matches!(event, Event::ClientExpires { .. });
    let told = companion.diary.wait_for(|events| events.iter().any(is_end)).await;
    let end = told.iter().find_map(|event| match event {
        Event::ClientExpires { version, at } => Some((*version, *at)),
        _ => None,
    });
    assert_eq!(news.ends.lock().first().copied(), end);
    let (version, at) = end.unwrap();
    assert_eq!(version, Version::COMPILED);
    let now = i64::try_from(crate::stage::NOW).unwrap() * 1000;
    assert!((now..=now + 3_600_000).contains(&at), "{at}");
    // An hour later it is refused.
    sleep(Duration::from_secs(3600)).await;
    stage.fault(FaultKind::Drop { when: Moment::Now });
    companion.connected(2).await;
    assert_eq!(*news.looked.lock(), [Version::COMPILED]);
}
