//! Contacts under both of their paths, and what the phone tells of the time before.

use serde_json::{Value, json};
use wa_simulator::{Addressing, StateChange};

use crate::answer::assert_time;
use crate::app::TestApp;
use crate::until::until;

const ALICE: &str = "15550100001";
const BOB: &str = "15550100002";
const CAROL: &str = "15550100003";

fn named(list: &Value, name: &str) -> Option<Value> {
    list["contacts"].as_array().unwrap().iter().find(|contact| contact["name"] == name).cloned()
}

/// The stored contact with this name, once there is one.
async fn stored(app: &TestApp, instance: &str, name: &str) -> Value {
    let path = format!("/api/instances/{instance}/contacts/db");
    until("the contact is stored", || async { named(&app.client().get(&path).await.expect(200), name) }).await
}

#[tokio::test]
async fn the_address_book_of_the_phone_is_listed_and_written() {
    let app = TestApp::start().await;
    let alice = app.paired(ALICE).await;
    app.phones().create(BOB).await;
    app.phones().create(CAROL).await;
    let phone = app.phones().simulator().phone(ALICE).unwrap();
    let contact = |number: &str, name: &str| StateChange::Contact {
        contact: number.into(),
        full_name: Some(name.into()),
        first_name: None,
    };
    phone.change_state(&[contact(BOB, "Bob Stone")]).unwrap();
    let group = phone.create_group("Tea", &[BOB], Addressing::Lid).unwrap();
    stored(&app, &alice, "Bob Stone").await;

    let live = app.client().get(&format!("/api/whatsapp/{alice}/contacts")).await.expect(200);
    let bob = named(&live, "Bob Stone").expect("Bob is in the address book");
    let jid = format!("{BOB}@s.whatsapp.net");
    assert_eq!(bob, json!({"id": jid, "name": "Bob Stone", "number": BOB, "isGroup": false}));
    let tea = named(&live, "Tea").expect("the group");
    assert_eq!((&tea["id"], &tea["isGroup"]), (&json!(group), &json!(true)));

    let add = format!("/api/whatsapp/{alice}/contacts/add");
    let added = app.client().post(&add, json!({"phone": CAROL, "name": "Carol Wood"})).await.expect(200);
    assert_eq!(added["success"], true);
    let carol = format!("{CAROL}@s.whatsapp.net");
    assert_eq!(added["contact"], json!({"id": carol, "number": CAROL, "name": "Carol Wood"}));
    let is_carol = |record: &wa_simulator::StateRecord| record.said["full_name"] == "Carol Wood";
    assert!(phone.state_records().iter().any(is_carol), "it is in the phone's address book");
    for (body, code) in [
        (json!({"phone": "x", "name": "X"}), "invalid_request"),
        (json!({"phone": CAROL, "name": " "}), "invalid_request"),
        (json!({"phone": CAROL}), "missing_field"),
        (json!({"phone": CAROL, "name": "X", "more": 1}), "unknown_field"),
    ] {
        app.client().post(&add, body).await.expect_error(400, code);
    }
    app.stop().await;
}

#[tokio::test]
async fn chats_are_marked_on_all_devices() {
    let app = TestApp::start().await;
    let alice = app.paired(ALICE).await;
    app.phones().create(BOB).await;
    let phone = app.phones().simulator().phone(ALICE).unwrap();
    let name = StateChange::Contact { contact: BOB.into(), full_name: Some("Bob".into()), first_name: None };
    phone.change_state(&[name]).unwrap();
    let before = stored(&app, &alice, "Bob").await;
    let marks = |contact: &Value| ["archived", "pinnedAt", "mutedUntil"].map(|mark| contact[mark].clone());
    assert_eq!(marks(&before), [json!(false), Value::Null, Value::Null]);

    let path = format!("/api/whatsapp/{alice}/chats/{BOB}");
    let until_then = "2030-01-01T00:00:00.000Z";
    app.client().put(&path, json!({"pinned": true, "mutedUntil": until_then})).await.expect(200);
    app.client()
        .put(&format!("/api/whatsapp/{alice}/chats/{CAROL}"), json!({"pinned": true}))
        .await
        .expect_error(400, "invalid_request");
    let said = |action: &str| {
        let records = phone.state_records();
        records.into_iter().find(|record| record.index[0] == action).map(|record| record.said)
    };
    assert_eq!(said("pin_v1").unwrap()["pinned"], true);
    assert_eq!(said("mute").unwrap()["muted"], true);
    let shown = until("the contact shows the marks", || async {
        let contact = stored(&app, &alice, "Bob").await;
        (contact["mutedUntil"] == until_then && !contact["pinnedAt"].is_null()).then_some(contact)
    });
    assert_eq!(shown.await["archived"], false);

    app.client().put(&path, json!({"archived": true, "mutedUntil": null})).await.expect(200);
    assert_eq!(said("archive").unwrap()["archived"], true);
    assert_eq!(said("pin_v1").unwrap()["pinned"], false, "who is put away is unpinned");
    let shown = until("the contact shows that it is put away", || async {
        let contact = stored(&app, &alice, "Bob").await;
        (contact["archived"] == true && contact["mutedUntil"].is_null()).then_some(contact)
    });
    assert_eq!(shown.await["pinnedAt"], Value::Null);

    let both = json!({"archived": true, "pinned": true});
    app.client().put(&path, both).await.expect_error(400, "invalid_request").about("pinned");
    app.client().put(&path, json!({"pinned": true})).await.expect(200);
    until("the contact shows that it is on top, and put away no more", || async {
        let contact = stored(&app, &alice, "Bob").await;
        (contact["archived"] == false && !contact["pinnedAt"].is_null()).then_some(())
    })
    .await;
    let wrong = json!({"mutedUntil": "tomorrow"});
    app.client().put(&path, wrong).await.expect_error(400, "invalid_request").about("mutedUntil");
    app.stop().await;
}

#[tokio::test]
async fn contacts_are_imported_saved_and_found() {
    let app = TestApp::start().await;
    let alice = app.paired(ALICE).await;
    app.phones().create(BOB).await;
    let phone = app.phones().simulator().phone(ALICE).unwrap();
    phone.create_group("Tea", &[BOB], Addressing::Lid).unwrap();
    app.phones().write(BOB, ALICE, "hello").await;
    stored(&app, &alice, &format!("Phone {BOB}")).await;
    for base in ["/api/instances", "/api/whatsapp"] {
        let path = |rest: &str| format!("{base}/{alice}/contacts/{rest}");
        let imported = app.client().post(&path("import"), json!({})).await.expect(200);
        assert_eq!(imported["success"], true);
        assert!(imported["importedCount"].as_u64().unwrap() >= 2, "{imported}");

        let body = json!({"number": "+7 900 123-45-67", "name": "Ann", "pushName": "Annie", "isGroup": false,
            "profilePicture": "https://example.com/a.jpg", "about": "hi"});
        let saved = app.client().post(&path("save"), body).await.expect(200);
        assert_eq!((&saved["name"], &saved["number"]), (&json!("Ann"), &json!("79001234567")));
        assert_eq!((&saved["pushName"], &saved["about"]), (&json!("Annie"), &json!("hi")));
        assert_eq!((&saved["instanceId"], &saved["lastActivity"]), (&json!(alice), &Value::Null));
        assert_time(&saved["createdAt"]);
        let kept = app.client().post(&path("save"), json!({"number": "79001234567", "name": null})).await;
        assert_eq!(kept.expect(200)["name"], "Annie", "what isn't said stays");

        let groups = app.client().get(&path("db?onlyGroups=true")).await.expect(200);
        assert_eq!(groups["pagination"]["total"], 1);
        assert_eq!(groups["contacts"][0]["name"], "Tea");
        let found = app.client().get(&path("db?search=ANNI&limit=1")).await.expect(200);
        assert_eq!(
            (&found["contacts"][0]["remoteJid"], &found["pagination"]["hasMore"]),
            (&json!("79001234567@s.whatsapp.net"), &json!(false))
        );
        let page = app.client().get(&path("db?limit=1&skip=1")).await.expect(200);
        assert_eq!(page["contacts"].as_array().unwrap().len(), 1);
        app.client().get(&path("db?limit=0")).await.expect_error(400, "invalid_request");
        app.client().get(&path("db?onlyGroups=maybe")).await.expect_error(400, "invalid_request");
        app.client().post(&path("save"), json!({"number": "x"})).await.expect_error(400, "invalid_request");
    }
    app.stop().await;
}

#[tokio::test]
async fn nobody_is_listed_from_whatsapp_without_a_connection() {
    let app = TestApp::start().await;
    let lone = app.create("lone").await;
    for (path, is_get) in [("contacts", true), ("contacts/import", false)] {
        let path = format!("/api/whatsapp/{lone}/{path}");
        let answer =
            if is_get { app.client().get(&path).await } else { app.client().post(&path, json!({})).await };
        assert_eq!(answer.status, 409, "{path}");
    }
    let nobody = "0190a0a0-0000-7000-8000-000000000000";
    assert_eq!(app.client().get(&format!("/api/whatsapp/{nobody}/contacts")).await.status, 404);
    assert_eq!(app.client().get(&format!("/api/instances/{nobody}/contacts/db")).await.status, 404);
    let db = app.client().get(&format!("/api/instances/{lone}/contacts/db")).await.expect(200);
    assert_eq!(db["pagination"]["total"], 0);
    app.stop().await;
}

#[tokio::test]
async fn what_was_written_before_is_listed_as_such_and_told_once() {
    let app = TestApp::start().await;
    app.phones().create(ALICE).await;
    app.phones().create(BOB).await;
    for text in ["one", "two"] {
        app.phones().write(BOB, ALICE, text).await;
    }
    let alice = app.paired(ALICE).await;
    let told = app.event(&alice, "history_progress", |data| data["messages"] == 2).await;
    assert_eq!(told["data"]["chats"], 1);
    let page = app.client().get(&format!("/api/instances/{alice}/chats/{BOB}/messages")).await.expect(200);
    let messages = page["messages"].as_array().unwrap();
    assert_eq!(messages.len(), 2, "{page}");
    assert!(messages.iter().all(|message| message["history"] == true && message["fromMe"] == false));
    let log = app.client().get(&format!("/api/instances/{alice}/events?types=message_received")).await;
    assert_eq!(log.expect(200)["count"], 0, "nothing tells of each");
    app.stop().await;
}
