use std::collections::BTreeMap;

use storage::{EventLog as _, EventQuery, EventStart, InstanceStore as _, SecretText};
use wa_client::QrCode;

use super::*;
use crate::testing::{World, until};

fn create(name: &str) -> CreateInstance {
    CreateInstance { name: name.to_owned(), ..CreateInstance::default() }
}

fn pairing() -> State {
    let code = QrCode { text: "https://wa.me/#1".to_owned(), bare: "1".to_owned(), expires_at: 5_000 };
    State::Pairing { qr: Some(code) }
}

async fn until_stopped(world: &World) {
    until("the end", || async { (world.services.supervisor.running() == 0).then_some(()) }).await;
}

fn cause_of<T: std::fmt::Debug>(result: Result<T, ServiceError>) -> String {
    match result.unwrap_err() {
        ServiceError::NotConnected { cause, .. } => cause.unwrap_or_default(),
        ServiceError::Conflict { cause, .. } => cause.to_owned(),
        error => error.to_string(),
    }
}

#[tokio::test]
async fn a_new_instance_connects_at_once() {
    let world = World::new().await;
    let webhook = ChangeWebhook {
        secret: Some(Some(SecretText::new("s"))),
        headers: Some(BTreeMap::from([("A".to_owned(), "1".to_owned())])),
        ..ChangeWebhook::default()
    };
    let wish =
        CreateInstance { webhook_url: Some("https://example.com/".to_owned()), webhook, ..create("主要") };
    let view = world.services.instances.create(&world.caller, wish).await.unwrap();
    assert_eq!((view.connection.status, view.connection.ready()), (Status::Connecting, false));
    assert_eq!(world.companions.starts(view.instance.id), 1);
    let found = world.services.instances.find(&world.caller, view.instance.id).await.unwrap();
    assert_eq!(found.instance, view.instance);
    assert_eq!(found.instance.owner, world.caller.user);
    assert!(found.instance.webhook.enabled && found.instance.webhook.secret.is_some());
}

#[tokio::test]
async fn what_is_wrong_is_named_and_nothing_is_created() {
    let world = World::new().await;
    let error = world.services.instances.create(&world.caller, create(" ")).await.unwrap_err();
    assert_eq!(error.to_string(), "name must not be empty");
    assert!(world.services.instances.list(&world.caller).await.unwrap().is_empty());
}

#[tokio::test]
async fn users_do_not_see_each_others_instances() {
    let world = World::new().await;
    let id = world.instance().await;
    let stranger = world.stranger().await;
    let service = &world.services.instances;
    assert_eq!(service.list(&world.caller).await.unwrap().len(), 1);
    assert!(service.list(&stranger).await.unwrap().is_empty());
    let not_found =
        |result: Result<(), ServiceError>| matches!(result, Err(ServiceError::NotFound { what: "instance" }));
    assert!(not_found(service.find(&stranger, id).await.map(drop)));
    assert!(not_found(service.status(&stranger, id).await.map(drop)));
    assert!(not_found(service.update(&stranger, id, UpdateInstance::default()).await.map(drop)));
    assert!(not_found(service.reconnect(&stranger, id).await));
    assert!(not_found(service.logout(&stranger, id).await));
    assert!(not_found(service.qr(&stranger, id).await.map(drop)));
    assert!(not_found(service.delete(&stranger, id).await));
    assert_eq!(world.companions.of(id).calls(), Vec::<&str>::new());
}

#[tokio::test]
async fn the_status_is_that_of_the_companion() {
    let world = World::new().await;
    let (id, companion) = world.online().await;
    assert!(world.services.instances.status(&world.caller, id).await.unwrap().ready());
    companion.become_state(pairing());
    let status = world.services.instances.status(&world.caller, id).await.unwrap();
    assert_eq!((status.status, status.has_qr), (Status::Qr, true));
    assert_eq!(world.services.instances.list(&world.caller).await.unwrap()[0].connection, status);
}

#[tokio::test]
async fn an_instance_that_stopped_costs_nothing_and_remembers_why() {
    let mut world = World::new().await;
    let (id, companion) = world.online().await;
    let cause = Cause::Banned { code: 101, until: Some(9_000) };
    let ended = wa_client::Event::Disconnected { cause: cause.clone(), will_reconnect: false };
    companion.tell([ended]).await.unwrap();
    companion.become_state(State::Stopped(cause));
    until_stopped(&world).await;
    assert_eq!(companion.calls(), ["stop"]);
    let status = world.services.instances.status(&world.caller, id).await.unwrap();
    assert_eq!((status.status, status.cause.as_deref()), (Status::Disconnected, Some("banned")));
    assert_eq!(status.banned_until, Some(Timestamp::from_millis(9_000)));
    world.restart();
    let status = world.services.instances.status(&world.caller, id).await.unwrap();
    assert_eq!((status.status, status.cause.as_deref()), (Status::Disconnected, Some("banned")));
}

#[tokio::test]
async fn an_update_changes_what_it_names() {
    let world = World::new().await;
    let id = world.instance().await;
    let update = UpdateInstance {
        name: Some("new".to_owned()),
        description: Some(Some("d".to_owned())),
        webhook: ChangeWebhook { max_retries: Some(5), ..ChangeWebhook::default() },
        ..UpdateInstance::default()
    };
    let view = world.services.instances.update(&world.caller, id, update).await.unwrap();
    assert_eq!((view.instance.name.as_str(), view.instance.description.as_deref()), ("new", Some("d")));
    assert_eq!(view.instance.webhook.max_retries, 5);
    assert!(view.instance.updated_at >= view.instance.created_at);
}

#[tokio::test]
async fn switching_a_webhook_on_starts_with_what_happens_next() {
    use storage::{Consumer, DeliveryStore as _};
    let world = World::new().await;
    let (id, _) = world.online().await;
    let query = EventQuery { start: EventStart::Newest, kinds: Vec::new(), limit: 1 };
    let newest = world.storage.events(world.caller.user, id, &query).await.unwrap().events[0].seq;
    let on = UpdateInstance {
        webhook_url: Some(Some("http://127.0.0.1:9/".to_owned())),
        webhook_enabled: Some(true),
        ..UpdateInstance::default()
    };
    world.services.instances.update(&world.caller, id, on).await.unwrap();
    assert_eq!(world.storage.cursor(&Consumer::webhook(id)).await.unwrap(), Some(newest));
}

#[tokio::test]
async fn deleting_unlinks_stops_and_removes() {
    let world = World::new().await;
    let (id, companion) = world.online().await;
    world.services.instances.delete(&world.caller, id).await.unwrap();
    assert_eq!(companion.calls(), ["logout", "stop"]);
    assert!(world.storage.instance(world.caller.user, id).await.unwrap().is_none());
    assert_eq!(world.services.supervisor.running(), 0);
    let again = world.services.instances.delete(&world.caller, id).await;
    assert!(matches!(again, Err(ServiceError::NotFound { .. })));
}

#[tokio::test]
async fn an_instance_that_is_offline_is_deleted_all_the_same() {
    let world = World::new().await;
    let id = world.instance().await;
    let companion = world.companions.of(id);
    world.services.instances.delete(&world.caller, id).await.unwrap();
    assert_eq!(companion.calls(), ["stop"]);
}

#[tokio::test]
async fn reconnecting_wakes_what_runs_and_starts_what_does_not() {
    let world = World::new().await;
    let (id, companion) = world.online().await;
    world.services.instances.reconnect(&world.caller, id).await.unwrap();
    assert_eq!((companion.calls(), world.companions.starts(id)), (vec!["reconnect"], 1));
    companion.become_state(State::Stopped(Cause::Replaced));
    until_stopped(&world).await;
    world.services.instances.reconnect(&world.caller, id).await.unwrap();
    assert_eq!(world.companions.starts(id), 2);
    assert_eq!(world.services.instances.status(&world.caller, id).await.unwrap().status, Status::Connecting);
}

#[tokio::test]
async fn logging_out_is_confirmed_by_whatsapp_or_refused() {
    let world = World::new().await;
    let (id, companion) = world.online().await;
    companion.become_state(State::Waiting { cause: Cause::Network, retry_at: 0 });
    let refused = world.services.instances.logout(&world.caller, id).await;
    assert_eq!(cause_of(refused), "network");
    companion.become_state(State::Online);
    world.services.instances.logout(&world.caller, id).await.unwrap();
    until_stopped(&world).await;
    let view = world.services.instances.find(&world.caller, id).await.unwrap();
    assert_eq!((view.connection.status, view.instance.jid), (Status::LoggedOut, None));
    world.services.instances.logout(&world.caller, id).await.unwrap();
}

#[tokio::test]
async fn a_qr_code_is_shown_while_there_is_one() {
    let world = World::new().await;
    let id = world.instance().await;
    let companion = world.companions.of(id);
    let service = &world.services.instances;
    for state in [State::Idle, State::Connecting { attempt: 0 }, State::Pairing { qr: None }] {
        companion.become_state(state);
        assert_eq!(service.qr(&world.caller, id).await.unwrap(), Qr::Generating);
    }
    companion.become_state(pairing());
    let Qr::Code { text, bare, expires_at } = service.qr(&world.caller, id).await.unwrap() else {
        panic!("a code")
    };
    assert_eq!((text.as_str(), bare.as_str(), expires_at.millis()), ("https://wa.me/#1", "1", 5_000));
}

#[tokio::test]
async fn a_linked_instance_has_no_qr_code() {
    let world = World::new().await;
    let (id, companion) = world.online().await;
    for state in [State::Online, State::Connecting { attempt: 1 }] {
        companion.become_state(state);
        assert_eq!(cause_of(world.services.instances.qr(&world.caller, id).await), "already_linked");
    }
    companion.become_state(State::Stopped(Cause::Replaced));
    until_stopped(&world).await;
    assert_eq!(cause_of(world.services.instances.qr(&world.caller, id).await), "replaced");
}

#[tokio::test]
async fn asking_for_a_qr_code_starts_pairing_anew_unless_that_is_in_vain() {
    let world = World::new().await;
    for (cause, starts) in [
        (Cause::PairingTimedOut, 2),
        (Cause::LoggedOut, 2),
        (Cause::Outdated, 1),
        (Cause::PasskeyRequired, 1),
    ] {
        let id = world.instance().await;
        let companion = world.companions.of(id);
        let name = cause.name();
        let ended = wa_client::Event::Disconnected { cause: cause.clone(), will_reconnect: false };
        companion.tell([ended]).await.unwrap();
        companion.become_state(State::Stopped(cause));
        until("the end", || async { companion.calls().contains(&"stop").then_some(()) }).await;
        let qr = world.services.instances.qr(&world.caller, id).await;
        match starts {
            2 => assert_eq!(qr.unwrap(), Qr::Generating, "{name}"),
            _ => assert_eq!(cause_of(qr), name),
        }
        assert_eq!(world.companions.starts(id), starts, "{name}");
    }
}
