use storage::{
    Consumer, DeliveryStore as _, EventData, EventKind, EventLog as _, EventQuery, EventStart,
    LeaseStore as _,
};

use super::*;
use crate::error::ConflictCause;
use crate::field::Field;
use crate::testing::{World, with_url};

const URL: &str = "https://example.com/hook";

/// What the log tells of webhooks: name, whether on, whether gone.
async fn told(world: &World, instance: InstanceId) -> Vec<(String, bool, bool)> {
    let query = EventQuery { start: EventStart::Oldest, kinds: vec![EventKind::WebhookUpdated], limit: 100 };
    let page = world.storage.events(world.caller.user, instance, &query).await.unwrap();
    page.events
        .into_iter()
        .map(|event| match event.data {
            EventData::WebhookUpdated(told) => (told.name, told.enabled, told.deleted),
            other => panic!("{other:?}"),
        })
        .collect()
}

#[tokio::test]
async fn webhooks_are_created_changed_and_deleted_and_each_step_is_told() {
    let world = World::new().await;
    let instance = world.instance().await;
    let service = &world.services.webhooks;
    let created = service.create(&world.caller, instance, "crm", with_url(URL)).await.unwrap();
    assert!(created.enabled && created.url.as_deref() == Some(URL));
    let names: Vec<_> =
        service.list(&world.caller, instance).await.unwrap().into_iter().map(|hook| hook.name).collect();
    assert_eq!(names, ["crm", "default"]);

    let off = WebhookPatch { enabled: Some(false), ..WebhookPatch::default() };
    let changed = service.update(&world.caller, instance, "crm", off.clone(), None).await.unwrap();
    assert!(!changed.enabled && changed.url.as_deref() == Some(URL));
    assert_eq!(service.find(&world.caller, instance, "crm").await.unwrap(), changed);
    assert_eq!(
        service.update(&world.caller, instance, "crm", off, None).await.unwrap(),
        changed,
        "no change"
    );

    service.delete(&world.caller, instance, "crm").await.unwrap();
    let gone = service.find(&world.caller, instance, "crm").await.unwrap_err();
    assert!(matches!(gone, ServiceError::NotFound { what: Missing::Webhook }), "{gone}");
    let crm = |on, deleted| ("crm".to_owned(), on, deleted);
    assert_eq!(told(&world, instance).await, [crm(true, false), crm(false, false), crm(false, true)]);
}

#[tokio::test]
async fn the_default_one_is_reset_instead_of_deleted() {
    let world = World::new().await;
    let instance = world.instance().await;
    let service = &world.services.webhooks;
    service.update(&world.caller, instance, Webhook::DEFAULT, with_url(URL), None).await.unwrap();
    service.delete(&world.caller, instance, Webhook::DEFAULT).await.unwrap();
    let webhook = service.find(&world.caller, instance, Webhook::DEFAULT).await.unwrap();
    assert_eq!((webhook.url, webhook.enabled), (None, false));
}

#[tokio::test]
async fn what_is_wrong_is_named_and_nothing_is_told() {
    let world = World::new().await;
    let (instance, stranger) = (world.instance().await, world.stranger().await);
    let service = &world.services.webhooks;
    let table = [
        ("C R M", with_url(URL), Field::WebhookName),
        ("crm", with_url("ftp://example.com"), Field::WebhookUrl),
        ("crm", WebhookPatch { max_retries: Some(51), ..with_url(URL) }, Field::WebhookRetries),
    ];
    for (name, patch, expected) in table {
        let error = service.create(&world.caller, instance, name, patch).await.unwrap_err();
        assert!(matches!(error, ServiceError::Invalid { field, .. } if field == expected), "{error}");
    }
    let taken = service.create(&world.caller, instance, Webhook::DEFAULT, with_url(URL)).await.unwrap_err();
    assert!(matches!(taken, ServiceError::Conflict { cause: ConflictCause::Taken, .. }), "{taken}");
    for (caller, instance) in [(stranger, instance), (world.caller, InstanceId::generate())] {
        let error = service.create(&caller, instance, "crm", with_url(URL)).await.unwrap_err();
        assert!(matches!(error, ServiceError::NotFound { what: Missing::Instance }), "{error}");
        assert!(service.list(&caller, instance).await.is_err());
        assert!(service.delete(&caller, instance, Webhook::DEFAULT).await.is_err());
    }
    assert!(told(&world, instance).await.is_empty());
}

#[tokio::test]
async fn there_are_at_most_ten() {
    let world = World::new().await;
    let instance = world.instance().await;
    let service = &world.services.webhooks;
    for n in 1..MAX_WEBHOOKS {
        service.create(&world.caller, instance, &format!("w{n}"), WebhookPatch::default()).await.unwrap();
    }
    let error = service.create(&world.caller, instance, "one-more", with_url(URL)).await.unwrap_err();
    assert!(matches!(error, ServiceError::Conflict { cause: ConflictCause::TooMany, .. }), "{error}");
}

#[tokio::test]
async fn a_new_webhook_starts_with_what_happens_next_and_so_does_one_that_is_switched_on() {
    let world = World::new().await;
    let (instance, companion) = world.online().await;
    let service = &world.services.webhooks;
    let newest = world.log(instance).await.pop().unwrap().seq;
    service.create(&world.caller, instance, "crm", WebhookPatch::default()).await.unwrap();
    let crm = Consumer::webhook(instance, "crm");
    assert_eq!(world.storage.cursor(&crm).await.unwrap(), Some(newest));
    companion.tell([wa_client::Event::Connected]).await.unwrap();
    let newest = world.log(instance).await.pop().unwrap().seq;
    let on = WebhookPatch { enabled: Some(true), ..with_url("http://127.0.0.1:9/") };
    service.update(&world.caller, instance, "crm", on, None).await.unwrap();
    assert!(world.storage.cursor(&crm).await.unwrap() >= Some(newest));
}

#[tokio::test]
async fn a_process_that_does_not_hold_the_instance_changes_nothing_of_it() {
    let world = World::serving().await;
    let instance = world.instance().await;
    let second = world.second_process();
    second.services.resume().await.unwrap();
    let service = &second.services.webhooks;
    assert_eq!(service.list(&second.caller, instance).await.unwrap().len(), 1);
    for refused in [
        service.create(&second.caller, instance, "crm", with_url(URL)).await.map(drop),
        service.update(&second.caller, instance, Webhook::DEFAULT, with_url(URL), None).await.map(drop),
        service.delete(&second.caller, instance, Webhook::DEFAULT).await,
    ] {
        assert_eq!(refused.unwrap_err().to_string(), "another process carries this instance");
    }
    assert!(told(&world, instance).await.is_empty());
    assert_eq!(world.storage.held_by_others(second.node).await.unwrap().0, 1);
}
