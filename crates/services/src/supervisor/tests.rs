use std::time::Duration;

use storage::{EventKind, InstanceStatus, InstanceStore as _};
use tokio::time::Instant;
use wa_client::{Event, State};

use super::*;
use crate::testing::{ScriptedCompanions, World, instance, until};

/// Stores instances without starting them.
async fn stored(world: &World, count: usize, change: impl Fn(usize, &mut Instance)) -> Vec<InstanceId> {
    let mut ids = Vec::new();
    for n in 0..count {
        let mut instance = Instance { owner: world.caller.user, ..instance() };
        change(n, &mut instance);
        ids.push(instance.id);
        world.storage.create_instance(instance).await.unwrap();
    }
    ids
}

fn running(companions: &ScriptedCompanions, ids: &[InstanceId]) -> usize {
    ids.iter().filter(|id| companions.starts(**id) > 0).count()
}

#[tokio::test(start_paused = true)]
async fn five_hundred_instances_start_one_after_another_within_five_seconds() {
    let world = World::new().await;
    let ids = stored(&world, 500, |_, instance| instance.status = InstanceStatus::Connected).await;
    let started = Instant::now();
    world.services.resume().await.unwrap();
    assert_eq!(running(&world.companions, &ids), 0, "resume returns at once");
    let view = world.services.instances.find(&world.caller, ids[499]).await.unwrap();
    assert_eq!(view.connection.status, Status::Connecting, "its turn comes");
    tokio::time::sleep(Duration::from_secs(1)).await;
    let first = running(&world.companions, &ids);
    assert!((190..=210).contains(&first), "{first} after one second");
    until("all run", || async { (running(&world.companions, &ids) == 500).then_some(()) }).await;
    assert!(started.elapsed() < Duration::from_secs(5));
    assert_eq!(world.services.supervisor.running(), 500);
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
        (instance.status, instance.status_cause) = (table[n].0, table[n].1.map(str::to_owned));
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
    companion.die();
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
    let ended = Event::Disconnected { cause: Cause::Network, will_reconnect: true };
    companion.tell([ended.clone(), ended, Event::Connected]).await.unwrap();
    assert_eq!(world.kinds(id).await, ["connected", "disconnected", "connected"]);
    let stored = world.storage.instance(world.caller.user, id).await.unwrap().unwrap();
    assert_eq!((stored.status, stored.phone.as_deref()), (InstanceStatus::Connected, Some("15550000001")));
    assert!(stored.last_activity.is_some());
}

#[tokio::test]
async fn a_batch_that_cannot_be_stored_is_refused_and_changes_no_memory() {
    let world = World::new().await;
    let (id, companion) = world.online().await;
    world.storage.delete_instance(world.caller.user, id).await.unwrap();
    let ended = Event::Disconnected { cause: Cause::LoggedOut, will_reconnect: false };
    assert!(companion.tell([ended]).await.is_err());
    let line = world.services.supervisor.line(world.caller.user, id).unwrap();
    assert!(line.recorder.is_paired());
}

#[tokio::test]
async fn stopping_ends_all_companions_and_commits_what_they_tell_last() {
    let world = World::new().await;
    let (id, companion) = world.online().await;
    world.online().await;
    let last = Event::Disconnected { cause: Cause::Shutdown, will_reconnect: false };
    companion.tell([last]).await.unwrap();
    assert!(world.services.stop(Duration::from_secs(10)).await);
    assert_eq!((companion.calls(), world.services.supervisor.running()), (vec!["stop"], 0));
    let log = world.log(id).await;
    let data: serde_json::Value = log.last().unwrap().data.parse().unwrap();
    assert_eq!((log.last().unwrap().kind, &data["willReconnect"]), (EventKind::Disconnected, &true.into()));
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
        webhook_url: Some(url),
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
