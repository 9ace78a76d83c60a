use std::time::Duration;

use storage::{ConnectionCause, EventData, InstanceStatus, InstanceStore as _, LeaseStore as _, NodeId};
use tokio::time::Instant;
use wa_client::{Cause, Event, State};

use super::*;
use crate::status::{Status, resumes};
use crate::testing::{ScriptedCompanions, World, disconnected, incoming, instance, until, webhook};

/// Stores instances of an earlier life of this node.
async fn stored(world: &World, count: usize, change: impl Fn(usize, &mut Instance)) -> Vec<InstanceId> {
    let mut ids = Vec::new();
    for n in 0..count {
        let mut instance = Instance { owner: world.caller.user, ..instance() };
        change(n, &mut instance);
        ids.push(instance.id);
        let webhooks = vec![webhook(instance.id)];
        world.storage.create_instance(instance, webhooks, world.node, u64::MAX).await.unwrap();
    }
    ids
}

fn running(companions: &ScriptedCompanions, ids: &[InstanceId]) -> usize {
    ids.iter().filter(|id| companions.starts(**id) > 0).count()
}

#[tokio::test(start_paused = true)]
async fn a_thousand_instances_start_one_after_another_within_three_seconds() {
    let world = World::new().await;
    let ids = stored(&world, 1_000, |_, instance| instance.status = InstanceStatus::Connected).await;
    let started = Instant::now();
    world.services.resume().await.unwrap();
    assert_eq!(running(&world.companions, &ids), 0, "resume returns at once");
    let view = world.services.instances.find(&world.caller, ids[999]).await.unwrap();
    assert_eq!(view.connection.status, Status::Connecting, "its turn comes");
    tokio::time::sleep(Duration::from_secs(1)).await;
    let first = running(&world.companions, &ids);
    assert!((490..=510).contains(&first), "{first} after one second");
    until("all run", || async { (running(&world.companions, &ids) == 1_000).then_some(()) }).await;
    assert!(started.elapsed() < Duration::from_secs(3));
    assert_eq!(world.services.supervisor.running(), 1_000);
}

#[tokio::test(start_paused = true)]
async fn only_what_was_running_is_taken_up_again() {
    let world = World::new().await;
    let table = [
        (InstanceStatus::Connected, None, true),
        (InstanceStatus::Connecting, Some("network"), true),
        (InstanceStatus::Pairing, None, true),
        (InstanceStatus::Disconnected, Some("outdated"), true),
        (InstanceStatus::Disconnected, Some("replaced"), false),
        (InstanceStatus::Disconnected, Some("pairing_timed_out"), false),
        (InstanceStatus::LoggedOut, Some("logged_out"), false),
        (InstanceStatus::Paused, Some("paused"), false),
    ];
    let ids = stored(&world, table.len(), |n, instance| {
        let cause = table[n].1.map(|cause| cause.parse::<ConnectionCause>().unwrap());
        (instance.status, instance.status_cause) = (table[n].0, cause);
    })
    .await;
    world.services.resume().await.unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    for (id, (status, cause, expected)) in ids.iter().zip(table) {
        assert_eq!(world.companions.starts(*id) == 1, expected, "{status} {cause:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_is_asked_for_does_not_wait_for_its_turn_and_starts_once() {
    let world = World::new().await;
    let ids = stored(&world, 500, |_, _| ()).await;
    world.services.resume().await.unwrap();
    world.services.instances.reconnect(&world.caller, ids[499]).await.unwrap();
    assert_eq!(world.companions.starts(ids[499]), 1);
    world.services.instances.delete(&world.caller, ids[498]).await.unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(world.companions.starts(ids[499]), 1);
    assert_eq!(world.companions.starts(ids[498]), 0, "what was deleted meanwhile stays away");
}

#[tokio::test(start_paused = true)]
async fn a_companion_that_dies_is_started_again_ever_later_and_harms_no_other() {
    let world = World::new().await;
    let (id, companion) = world.online().await;
    let (other, _) = world.online().await;
    companion.panic();
    let status = world.services.instances.status(&world.caller, id).await.unwrap();
    assert!(!status.ready(), "nothing is called connected without a companion");
    let mut pauses = Vec::new();
    for starts in 2..6 {
        let died = Instant::now();
        until("the next one", || async { (world.companions.starts(id) == starts).then_some(()) }).await;
        pauses.push(died.elapsed().as_secs());
        world.companions.of(id).die();
    }
    assert_eq!(pauses, [1, 2, 4, 8]);
    assert!(world.services.instances.status(&world.caller, other).await.unwrap().ready());
    assert_eq!(world.companions.starts(other), 1);
}

#[tokio::test(start_paused = true)]
async fn a_dead_companion_of_a_deleted_instance_stays_dead() {
    let world = World::new().await;
    let (id, companion) = world.online().await;
    companion.die();
    until("the death is noticed", || async { (world.services.supervisor.running() == 0).then_some(()) })
        .await;
    world.services.instances.delete(&world.caller, id).await.unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(world.companions.starts(id), 1);
}

#[tokio::test]
async fn events_of_the_connection_reach_the_log_and_the_record() {
    let world = World::new().await;
    let (id, companion) = world.online().await;
    let ended = disconnected(Cause::Network, true);
    companion.tell([ended.clone(), ended, Event::Connected]).await.unwrap();
    assert_eq!(world.kinds(id).await, ["instance_changed", "connected", "disconnected", "connected"]);
    let stored = world.storage.instance(world.caller.user, id).await.unwrap().unwrap();
    assert_eq!((stored.status, stored.phone.as_deref()), (InstanceStatus::Connected, Some("15550000001")));
    assert!(stored.last_activity.is_some());
}

#[tokio::test]
async fn a_batch_that_cannot_be_stored_is_refused_and_changes_nothing() {
    let world = World::new().await;
    let (id, companion) = world.online().await;
    world.storage.delete_instance(world.caller.user, id).await.unwrap();
    assert!(companion.tell([disconnected(Cause::LoggedOut, false)]).await.is_err());
    let running = world.services.supervisor.find(world.caller.user, id).unwrap();
    assert!(running.recorder.own_jid().is_some());
}

#[tokio::test]
async fn stopping_ends_all_companions_and_commits_what_they_tell_last() {
    let world = World::new().await;
    let (id, companion) = world.online().await;
    world.online().await;
    companion.tell([disconnected(Cause::Shutdown, false)]).await.unwrap();
    assert!(world.services.stop(Duration::from_secs(10)).await);
    assert_eq!((companion.calls(), world.services.supervisor.running()), (vec!["stop"], 0));
    let EventData::Disconnected(told) = world.last_told(id).await else { panic!("an end") };
    assert!(told.will_reconnect);
    let stored = world.storage.instance(world.caller.user, id).await.unwrap().unwrap();
    assert!(resumes(&stored));
    let refused = world.services.instances.reconnect(&world.caller, id).await.unwrap_err();
    assert_eq!(refused.to_string(), "the gateway is stopping");
}

#[tokio::test]
async fn what_a_companion_tells_is_delivered_to_the_webhook() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let world = World::new().await;
    let create = crate::CreateInstance {
        name: "n".to_owned(),
        webhook: crate::testing::with_url(&url),
        ..crate::CreateInstance::default()
    };
    let id = world.services.instances.create(&world.caller, create).await.unwrap().instance.id;
    world.companions.of(id).tell([Event::Connected]).await.unwrap();
    world.companions.of(id).become_state(State::Online);
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut request = String::new();
    while !request.ends_with("}") {
        let mut buffer = [0; 4096];
        let read = stream.read(&mut buffer).await.unwrap();
        request.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    assert!(request.starts_with("POST /hook HTTP/1.1\r\n"));
    assert!(request.contains("\"event\":\"connected\"") && request.contains(&id.to_string()), "{request}");
    assert!(world.services.stop(Duration::from_secs(10)).await);
}

#[tokio::test(start_paused = true)]
async fn a_second_process_gets_nothing_that_is_held_and_takes_over_when_the_first_lets_go() {
    let first = World::serving().await;
    let (id, companion) = first.online().await;
    let second = first.second_process();
    second.services.resume().await.unwrap();
    assert_eq!(second.services.supervisor.running(), 0);
    let there = second.services.instances.status(&second.caller, id).await.unwrap();
    assert_eq!((there.status, there.cause.unwrap().kind), (Status::Disconnected, storage::CauseKind::Fenced));
    for refused in [
        second.services.instances.reconnect(&second.caller, id).await,
        second.services.instances.delete(&second.caller, id).await,
    ] {
        assert_eq!(refused.unwrap_err().to_string(), "another process carries this instance");
    }
    companion.tell([incoming("79001234567@s.whatsapp.net", "A", "still here")]).await.unwrap();

    assert!(first.services.stop(Duration::from_secs(10)).await);
    until("it is carried on", || async { (second.companions.starts(id) == 1).then_some(()) }).await;
    assert!(second.companions.of(id).epoch > companion.epoch);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_comes_before_the_start_is_over_waits_for_it() {
    let mut world = World::serving().await;
    let (id, _) = world.online().await;
    world.restart();
    let reconnecting = world.services.instances.reconnect(&world.caller, id);
    let (reconnected, resumed) = tokio::join!(reconnecting, world.services.resume());
    resumed.unwrap();
    reconnected.unwrap();
    until("it runs", || async { (world.companions.starts(id) == 1).then_some(()) }).await;
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_is_created_before_the_start_is_over_runs_once_and_goes_on() {
    let mut world = World::new().await;
    world.restart();
    let (id, resumed) = tokio::join!(world.instance(), world.services.resume());
    resumed.unwrap();
    let companion = world.companions.of(id);
    assert_eq!(world.services.supervisor.epoch(id).await.unwrap(), companion.epoch);
    companion.tell([wa_client::Event::Connected]).await.unwrap();
    assert_eq!(world.companions.starts(id), 1, "nothing was written under an epoch that is over");
}

#[tokio::test(start_paused = true)]
async fn nobody_is_called_the_holder_before_that_is_known() {
    let mut world = World::serving().await;
    let (id, _) = world.online().await;
    world.restart();
    let begin = Instant::now();
    let refused = world.services.instances.reconnect(&world.caller, id).await.unwrap_err();
    assert_eq!(refused.to_string(), "the gateway is starting; try again in a moment");
    assert_eq!(begin.elapsed(), START_TIMEOUT);
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_others_have_taken_stops_without_a_word() {
    let world = World::serving().await;
    let (id, companion) = world.online().await;
    let (other, _) = world.online().await;
    let told = world.kinds(id).await;
    // The database's clock runs on while this process stands still, and another one comes.
    world.storage.release(world.node, Some(id)).await.unwrap();
    let taken = world.storage.acquire(NodeId::generate(), false, 10, Duration::from_secs(30)).await.unwrap();
    assert_eq!(taken.len(), 1);
    let refused = companion.tell([incoming("79001234567@s.whatsapp.net", "A", "x")]).await.unwrap_err();
    assert!(matches!(*refused.0, StorageError::Fenced), "{refused}");
    until("it has stopped", || async { (world.services.supervisor.running() == 1).then_some(()) }).await;
    assert_eq!(world.kinds(id).await, told);
    assert_eq!(companion.calls(), Vec::<&str>::new(), "it is dropped, not stopped: a stop would write");
    let status = world.services.instances.status(&world.caller, id).await.unwrap();
    assert_eq!(status.cause.unwrap().kind, storage::CauseKind::Fenced);
    assert!(world.services.instances.status(&world.caller, other).await.unwrap().ready());
    assert_eq!(world.companions.starts(id), 1);
}

#[tokio::test(start_paused = true)]
async fn what_nobody_holds_is_taken_whenever_that_happens() {
    let world = World::serving().await;
    let other = NodeId::generate();
    let instance = Instance { owner: world.caller.user, ..instance() };
    let id = instance.id;
    world.storage.create_instance(instance, vec![webhook(id)], other, u64::MAX).await.unwrap();
    world.storage.release(other, None).await.unwrap();
    until("it runs here", || async { (world.companions.starts(id) == 1).then_some(()) }).await;
}

#[tokio::test]
async fn nothing_starts_once_the_supervisor_is_stopping() {
    let world = World::new().await;
    let supervisor = &world.services.supervisor;
    assert!(supervisor.stop(Duration::from_secs(1)).await);
    let instance = instance();
    supervisor.launch(&instance, Epoch::default());
    assert_eq!((supervisor.running(), world.companions.starts(instance.id)), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_was_taken_back_meanwhile_goes_on_under_its_new_epoch() {
    let world = World::serving().await;
    let (id, companion) = world.online().await;
    world.storage.release(world.node, Some(id)).await.unwrap();
    let taken = world.services.supervisor.inner.node.acquire(false).await.unwrap();
    let epoch = taken[0].epoch;
    assert!(epoch > companion.epoch);
    companion.tell([incoming("79001234567@s.whatsapp.net", "A", "x")]).await.unwrap_err();
    until("it starts again", || async { (world.companions.starts(id) == 2).then_some(()) }).await;
    assert_eq!(world.companions.of(id).epoch, epoch);
    assert_eq!(world.services.supervisor.epoch(id).await.unwrap(), epoch);
}

#[tokio::test(start_paused = true)]
async fn a_companion_whose_own_store_is_refused_is_no_longer_ours() {
    let world = World::serving().await;
    let (id, companion) = world.online().await;
    let told = world.kinds(id).await;
    companion.become_state(State::Stopped(Cause::Fenced));
    until("it has stopped", || async { (world.services.supervisor.running() == 0).then_some(()) }).await;
    let status = world.services.instances.status(&world.caller, id).await.unwrap();
    assert_eq!(status.cause.unwrap().kind, storage::CauseKind::Fenced);
    assert_eq!((companion.calls(), world.kinds(id).await), (vec![], told), "nothing more is written");
    assert_eq!(world.companions.starts(id), 1);
}

#[tokio::test(start_paused = true)]
async fn a_send_that_could_not_be_stored_makes_sure_that_the_instance_is_still_held() {
    let world = World::serving().await;
    let (id, companion) = world.online().await;
    let (messages, caller) = (world.services.messages.clone(), world.caller);
    let text = crate::SendText {
        phone: "79001234567".to_owned(),
        message: "x".to_owned(),
        idempotency_key: None,
        on_limit: Default::default(),
    };
    let sending = tokio::spawn(async move { messages.send_text(&caller, id, text).await });
    let (_, reply) = companion.next_send().await;
    world.storage.release(world.node, Some(id)).await.unwrap();
    world.storage.acquire(NodeId::generate(), false, 10, Duration::from_secs(30)).await.unwrap();
    let begin = Instant::now();
    reply.send(Err(wa_client::SendError::Store("refused".into()))).unwrap();
    until("it has stopped", || async { (world.services.supervisor.running() == 0).then_some(()) }).await;
    assert!(begin.elapsed() < Duration::from_secs(1), "{:?}", begin.elapsed());
    assert_eq!(
        sending.await.unwrap().unwrap().progress,
        crate::Progress::Pending,
        "the other process sends it"
    );
}
