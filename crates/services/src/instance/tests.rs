use storage::{
    CauseKind, EventData, EventLog as _, EventQuery, EventStart, InstanceAction, InstanceData,
    InstanceStore as _, Missing, Retention, SecretText, WebhookData, WebhookPatch,
};
use wa_client::{Cause, QrCode, State};

use super::*;
use crate::field::Field;
use crate::status::Status;
use crate::testing::{World, disconnected, until, with_url};

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
        ServiceError::NotConnected { cause, .. } => {
            cause.map(|cause| cause.kind.to_string()).unwrap_or_default()
        }
        ServiceError::Conflict { cause, .. } => cause.to_string(),
        error => error.to_string(),
    }
}

#[tokio::test]
async fn a_new_instance_connects_at_once() {
    let world = World::new().await;
    let webhook = WebhookPatch {
        secret: Some(Some(SecretText::new("sixteen bytes are the least"))),
        ..with_url("https://example.com/")
    };
    let wish = CreateInstance { webhook, ..create("主要") };
    let view = world.services.instances.create(&world.caller, wish).await.unwrap();
    assert_eq!((view.connection.status, view.connection.ready()), (Status::Connecting, false));
    assert_eq!(world.companions.starts(view.instance.id), 1);
    let found = world.services.instances.find(&world.caller, view.instance.id).await.unwrap();
    assert_eq!((&found.instance, &found.webhook), (&view.instance, &view.webhook));
    assert_eq!(found.instance.owner, world.caller.user);
    assert!(found.webhook.enabled && found.webhook.secret.is_some());
}

#[tokio::test]
async fn what_is_wrong_is_named_and_nothing_is_created() {
    let world = World::new().await;
    let error = world.services.instances.create(&world.caller, create(" ")).await.unwrap_err();
    assert_eq!(error.to_string(), "name must not be empty");
    let unreachable = CreateInstance { webhook: with_url("ftp://example.com"), ..create("n") };
    let error = world.services.instances.create(&world.caller, unreachable).await.unwrap_err();
    assert!(matches!(error, ServiceError::Invalid { field: Field::WebhookUrl, .. }), "{error}");
    assert_eq!(world.services.instances.list(&world.caller, 10, 0).await.unwrap().total, 0);
}

#[tokio::test]
async fn users_do_not_see_each_others_instances() {
    let world = World::new().await;
    let id = world.instance().await;
    let stranger = world.stranger().await;
    let service = &world.services.instances;
    assert_eq!(service.list(&world.caller, 10, 0).await.unwrap().total, 1);
    assert_eq!(service.list(&stranger, 10, 0).await.unwrap().total, 0);
    let not_found = |result: Result<(), ServiceError>| {
        matches!(result, Err(ServiceError::NotFound { what: Missing::Instance }))
    };
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
    assert_eq!(
        world.services.instances.list(&world.caller, 10, 0).await.unwrap().items[0].connection,
        status
    );
}

#[tokio::test]
async fn an_instance_that_stopped_costs_nothing_and_remembers_why() {
    let mut world = World::new().await;
    let (id, companion) = world.online().await;
    let cause = Cause::Banned { code: 101, until: Some(9_000) };
    companion.tell([disconnected(cause.clone(), false)]).await.unwrap();
    companion.become_state(State::Stopped(cause));
    until_stopped(&world).await;
    assert_eq!(companion.calls(), ["stop"]);
    let stopped = world.services.instances.status(&world.caller, id).await.unwrap();
    let cause = stopped.cause.unwrap();
    assert_eq!(
        (stopped.status, cause.to_string().as_str()),
        (Status::Disconnected, "banned;code=101;until=9000")
    );
    world.restart();
    let remembered = world.services.instances.status(&world.caller, id).await.unwrap();
    assert_eq!(remembered, stopped, "who carries it isn't known yet, and what was stored last is told");
    world.storage.delete_instance(world.caller.user, id).await.unwrap();
}

#[tokio::test]
async fn instances_are_listed_in_pages_oldest_first() {
    let world = World::new().await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(world.instance().await);
    }
    let page = world.services.instances.list(&world.caller, 2, 1).await.unwrap();
    let found: Vec<_> = page.items.iter().map(|view| view.instance.id).collect();
    assert_eq!((found.as_slice(), page.total, page.has_more), (&ids[1..3], 5, true));
    for limit in [0, MAX_INSTANCES + 1] {
        let error = world.services.instances.list(&world.caller, limit, 0).await.unwrap_err();
        assert_eq!(error.to_string(), "limit must be 1 to 10000");
    }
}

#[tokio::test]
async fn an_update_changes_what_it_names() {
    let world = World::new().await;
    let id = world.instance().await;
    let update = UpdateInstance {
        name: Some("new".to_owned()),
        description: Some(Some("d".to_owned())),
        event_days: Some(Some(7)),
        webhook: WebhookPatch { max_retries: Some(5), ..WebhookPatch::default() },
        ..UpdateInstance::default()
    };
    let view = world.services.instances.update(&world.caller, id, update).await.unwrap();
    assert_eq!((view.instance.name.as_str(), view.instance.description.as_deref()), ("new", Some("d")));
    assert_eq!(view.instance.retention, Retention { event_days: Some(7), ..Retention::default() });
    assert_eq!(view.webhook.max_retries, 5);
    let told = WebhookData { name: Webhook::DEFAULT.to_owned(), enabled: false, deleted: false };
    let log = world.log(id).await;
    let [.., of_webhook, of_instance] = &log[..] else { panic!("{log:?}") };
    assert!(of_webhook.data == EventData::WebhookUpdated(told));
    let fields = ["name", "description", "eventRetentionDays"].map(str::to_owned).to_vec();
    let told = InstanceData { action: InstanceAction::Updated, fields };
    assert!(of_instance.data == EventData::InstanceChanged(told));
    let retention = UpdateInstance { message_days: Some(Some(365)), ..UpdateInstance::default() };
    let view = world.services.instances.update(&world.caller, id, retention).await.unwrap();
    assert_eq!(
        view.instance.retention,
        Retention { event_days: Some(7), message_days: Some(365), media_days: None }
    );
    assert_eq!(world.log(id).await.len(), 3, "each change once");
}

#[tokio::test]
async fn switching_a_webhook_on_starts_with_what_happens_next() {
    use storage::{Consumer, DeliveryStore as _};
    let world = World::new().await;
    let (id, _) = world.online().await;
    let query = EventQuery { start: EventStart::Newest, kinds: Vec::new(), limit: 1 };
    let newest = world.storage.events(world.caller.user, id, &query).await.unwrap().events[0].seq;
    let webhook = WebhookPatch { enabled: Some(true), ..with_url("http://127.0.0.1:9/") };
    let on = UpdateInstance { webhook, ..UpdateInstance::default() };
    world.services.instances.update(&world.caller, id, on).await.unwrap();
    let consumer = Consumer::webhook(id, Webhook::DEFAULT);
    assert!(world.storage.cursor(&consumer).await.unwrap() >= Some(newest));
}

#[tokio::test]
async fn deleting_unlinks_stops_and_removes() {
    let world = World::new().await;
    let (id, companion) = world.online().await;
    world.services.instances.delete(&world.caller, id).await.unwrap();
    // Its own task may already have seen its end, and told it to stop once more.
    assert_eq!(companion.calls()[..2], ["logout", "stop"]);
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
    for state in [State::Idle, State::Connecting { attempt: 0, cause: None }, State::Pairing { qr: None }] {
        companion.become_state(state);
        assert_eq!(
            service.qr(&world.caller, id).await.unwrap(),
            Qr::Generating { cause: None, retry_at: None }
        );
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
    for state in [State::Online, State::Connecting { attempt: 1, cause: None }] {
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
        (Cause::PasskeyRequired, 2),
    ] {
        let id = world.instance().await;
        let companion = world.companions.of(id);
        let name = cause.name();
        companion.tell([disconnected(cause.clone(), false)]).await.unwrap();
        companion.become_state(State::Stopped(cause));
        until("the end", || async { companion.calls().contains(&"stop").then_some(()) }).await;
        let qr = world.services.instances.qr(&world.caller, id).await;
        match starts {
            2 => assert_eq!(qr.unwrap(), Qr::Generating { cause: None, retry_at: None }, "{name}"),
            _ => assert_eq!(cause_of(qr), name),
        }
        assert_eq!(world.companions.starts(id), starts, "{name}");
    }
}

#[tokio::test]
async fn a_paused_instance_stays_so_until_it_is_resumed() {
    let mut world = World::serving().await;
    let (id, companion) = world.online().await;
    let unlinked = world.instance().await;
    let instances = world.services.instances.clone();
    assert!(instances.pause(&world.caller, id).await.unwrap());
    assert!(!instances.pause(&world.caller, id).await.unwrap(), "once is enough");
    assert_eq!(companion.calls()[..2], ["pause", "stop"]);
    assert!(instances.pause(&world.caller, unlinked).await.unwrap());
    for id in [id, unlinked] {
        let told = world.log(id).await.into_iter().filter_map(|event| match event.data {
            EventData::Disconnected(told) => Some((told.cause, told.will_reconnect)),
            _ => None,
        });
        assert_eq!(told.collect::<Vec<_>>(), [(CauseKind::Paused, false)]);
        let connection = instances.status(&world.caller, id).await.unwrap();
        assert_eq!((connection.status, connection.cause), (Status::Paused, Some(CauseKind::Paused.into())));
        assert_eq!(cause_of(instances.reconnect(&world.caller, id).await), "paused");
    }
    assert_eq!(cause_of(instances.qr(&world.caller, unlinked).await), "paused");

    world.restart();
    world.services.resume().await.unwrap();
    let instances = &world.services.instances;
    let connection = instances.status(&world.caller, id).await.unwrap();
    assert_eq!((connection.status, world.companions.starts(id)), (Status::Paused, 0));
    assert!(instances.resume(&world.caller, id).await.unwrap());
    assert!(!instances.resume(&world.caller, id).await.unwrap());
    assert_eq!(world.companions.starts(id), 1);
    assert_eq!(instances.status(&world.caller, id).await.unwrap().status, Status::Connecting);
    let stranger = world.stranger().await;
    for refused in [instances.pause(&stranger, id).await, instances.resume(&stranger, id).await] {
        assert!(matches!(refused, Err(ServiceError::NotFound { what: Missing::Instance })), "{refused:?}");
    }
}
