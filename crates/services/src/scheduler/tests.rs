use storage::{FailureCause, MessageStatus, ScheduleStore as _, Timestamp};
use wa_client::{Cause, State};

use super::*;
use crate::clock::now;
use crate::testing::{ScriptedCompanion, World, until};
use crate::{Compose, Later, Progress, Reschedule, SendMessage, SendTerms, ServiceError};

const PEER: &str = "79001234567";

/// A clock that is set by hand, and a scheduler that goes by it.
struct Stage {
    world: World,
    instance: InstanceId,
    companion: Arc<ScriptedCompanion>,
    time: Arc<Mutex<Timestamp>>,
}

impl Stage {
    async fn new() -> Self {
        let world = World::new().await;
        let (instance, companion) = world.online().await;
        let stage = Self { world, instance, companion, time: Arc::new(Mutex::new(now())) };
        stage.schedule_goes_on();
        stage
    }

    fn schedule_goes_on(&self) {
        let time = Arc::clone(&self.time);
        let services = &self.world.services;
        let scheduler = Scheduler::new(
            self.world.storage.clone(),
            services.supervisor.clone(),
            services.messages.clone(),
            services.messages.alarm(),
            Clock::new(move || *time.lock()),
        );
        services.supervisor.accompany(scheduler.keep());
    }

    /// The clock shows another time; nobody is told.
    fn set(&self, at: Timestamp) {
        *self.time.lock() = at;
    }

    fn in_seconds(&self, seconds: i64) -> Timestamp {
        self.time.lock().plus_millis(seconds * 1_000)
    }

    async fn schedule(&self, text: &str, later: Later) -> String {
        let terms = SendTerms { later: Some(later), ..SendTerms::default() };
        let send = SendMessage { phone: PEER.to_owned(), content: Compose::text(text), terms };
        let sent = self.world.services.messages.send_message(&self.world.caller, self.instance, send).await;
        let sent = sent.unwrap();
        assert_eq!(sent.progress, Progress::Scheduled { send_at: later.send_at });
        sent.id
    }

    async fn scheduled(&self) -> Vec<String> {
        let page =
            self.world.storage.scheduled(self.world.caller.user, self.instance, None, 100).await.unwrap();
        page.items.into_iter().map(|one| one.message_id).collect()
    }

    async fn until_status(&self, id: &str, status: MessageStatus) {
        until("the status", || async {
            let found = storage::MessageStore::messages_by_id(
                &*self.world.storage,
                self.world.caller.user,
                self.instance,
                id,
            );
            found.await.unwrap().iter().any(|message| message.status == status).then_some(())
        })
        .await;
    }
}

fn at(send_at: Timestamp) -> Later {
    Later { send_at, expire_at: None }
}

#[tokio::test(start_paused = true)]
async fn a_message_leaves_at_its_time_under_the_id_that_it_had_from_the_beginning() {
    let stage = Stage::new().await;
    let later = stage.schedule("later", at(stage.in_seconds(7_200))).await;
    let sooner = stage.schedule("sooner", at(stage.in_seconds(3_600))).await;
    assert_eq!(stage.scheduled().await, [sooner.clone(), later.clone()]);
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(stage.companion.waiting(), 0);
    // Nobody tells of the clock: it is looked at every minute.
    stage.set(stage.in_seconds(3_600));
    assert_eq!(stage.companion.acknowledge().await, (sooner.clone(), "sooner".to_owned()));
    stage.until_status(&sooner, MessageStatus::Sent).await;
    assert_eq!(stage.scheduled().await, [later]);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_jumps_sends_nothing_twice_and_nothing_never() {
    let stage = Stage::new().await;
    let start = stage.in_seconds(0);
    let id = stage.schedule("x", at(stage.in_seconds(3_600))).await;
    stage.set(start.plus_millis(365 * 24 * 3_600_000));
    assert_eq!(stage.companion.acknowledge().await.0, id);
    stage.set(start.plus_millis(-365 * 24 * 3_600_000));
    tokio::time::sleep(Duration::from_secs(600)).await;
    stage.set(start.plus_millis(3_700_000));
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!((stage.companion.waiting(), stage.scheduled().await.len()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn what_is_late_leaves_once_the_instance_is_online_and_what_has_expired_has_failed() {
    let stage = Stage::new().await;
    stage.companion.become_state(State::Waiting { cause: Cause::Network, retry_at: 0 });
    let late = stage.schedule("late", at(stage.in_seconds(60))).await;
    let expire_at = Some(stage.in_seconds(120));
    let expired = stage.schedule("expired", Later { send_at: stage.in_seconds(60), expire_at }).await;
    stage.set(stage.in_seconds(600));
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert_eq!(stage.companion.waiting(), 0);
    stage.companion.become_state(State::Online);
    assert_eq!(stage.companion.acknowledge().await.0, late);
    stage.until_status(&expired, MessageStatus::Failed).await;
    let storage::EventData::MessageStatus(told) = stage
        .world
        .log(stage.instance)
        .await
        .iter()
        .find_map(|event| {
            matches!(event.data, storage::EventData::MessageStatus(_)).then(|| event.data.clone())
        })
        .unwrap()
    else {
        unreachable!()
    };
    assert_eq!((told.message_id, told.failure.unwrap().cause), (expired.clone(), FailureCause::Expired));
    assert_eq!(stage.world.message(stage.instance, &expired).await.text.as_deref(), Some("expired"));
    assert!(stage.scheduled().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_process_that_is_killed_in_between_sends_it_once() {
    let mut stage = Stage::new().await;
    let id = stage.schedule("x", at(stage.in_seconds(60))).await;
    stage.set(stage.in_seconds(60));
    // Handed over, and never acknowledged.
    assert_eq!(stage.companion.next_send().await.0.id.to_string(), id);
    stage.world.restart();
    stage.world.services.resume().await.unwrap();
    until("it runs", || async { (stage.world.services.supervisor.running() == 1).then_some(()) }).await;
    stage.companion = stage.world.companions.of(stage.instance);
    stage.schedule_goes_on();
    stage.companion.become_state(State::Online);
    assert_eq!(stage.companion.acknowledge().await.0, id);
    stage.until_status(&id, MessageStatus::Sent).await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(stage.companion.waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn time_and_text_can_be_changed_until_it_leaves() {
    let stage = Stage::new().await;
    let (messages, caller) = (stage.world.services.messages.clone(), stage.world.caller);
    let id = stage.schedule("x", at(stage.in_seconds(3_600))).await;
    let change = Reschedule {
        send_at: Some(stage.in_seconds(60)),
        expire_at: Some(Some(stage.in_seconds(7_200))),
        text: Some("y".to_owned()),
    };
    let changed = messages.reschedule(&caller, stage.instance, &id, change).await.unwrap();
    assert_eq!((changed.text.as_deref(), changed.scheduled.version), (Some("y"), 2));
    let wrong = [
        Reschedule { expire_at: Some(Some(stage.in_seconds(30))), ..Reschedule::default() },
        Reschedule { send_at: Some(now().after(crate::MAX_AHEAD * 2)), ..Reschedule::default() },
        Reschedule { text: Some(" ".to_owned()), ..Reschedule::default() },
    ];
    for wrong in wrong {
        let refused = messages.reschedule(&caller, stage.instance, &id, wrong).await;
        assert!(matches!(refused, Err(ServiceError::Invalid { .. })), "{refused:?}");
    }
    stage.set(stage.in_seconds(60));
    assert_eq!(stage.companion.acknowledge().await, (id.clone(), "y".to_owned()));
    let gone = messages.reschedule(&caller, stage.instance, &id, Reschedule::default()).await;
    assert!(matches!(gone, Err(ServiceError::NotFound { .. })), "{gone:?}");

    let cancelled = stage.schedule("z", at(stage.in_seconds(60))).await;
    messages.unschedule(&caller, stage.instance, &cancelled).await.unwrap();
    stage.set(stage.in_seconds(600));
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert_eq!(stage.companion.waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_can_never_be_sent_has_failed() {
    let stage = Stage::new().await;
    let terms = SendTerms { later: Some(at(stage.in_seconds(60))), ..SendTerms::default() };
    let content = Compose::React("unknown".to_owned(), "+".to_owned());
    let send = SendMessage { phone: PEER.to_owned(), content, terms };
    let sent = stage.world.services.messages.send_message(&stage.world.caller, stage.instance, send).await;
    let id = sent.unwrap().id;
    stage.set(stage.in_seconds(60));
    stage.until_status(&id, MessageStatus::Failed).await;
    let storage::EventData::MessageStatus(told) = stage.world.last_told(stage.instance).await else {
        panic!("a status")
    };
    assert_eq!(told.failure.unwrap().cause, FailureCause::Invalid);
}
