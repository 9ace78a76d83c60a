//! A gateway that is started on what the first version of it wrote (`testdata/first-version` of `storage-sqlite`).

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::app::TestApp;
use crate::receiver::Receiver;
use crate::until::until;

const WRITTEN: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../crates/storage-sqlite/testdata/first-version/trunkline.db");
const MASTER_KEY: [u8; 32] = [0x42; 32];
const API_KEY: &str = "tl_KJ4v0AJRooHyl18rMitkOPSFdqIGszpRZegrxQG1AFs";
const ALICE: &str = "15550100001";
const BOB: &str = "15550100002";

/// WhatsApp is out of order at first, so that what is there can be looked at before anything is added. It has never
/// heard of these accounts' companions: they have to be linked anew once it is back.
async fn started() -> TestApp {
    let folder = tempfile::tempdir().unwrap();
    write_folder(&folder);
    let out_of_order = json!({"kind": "failure", "reason": 503, "count": 0});
    TestApp::on_folder(
        folder,
        API_KEY,
        async |phones| {
            phones.create(ALICE).await;
            phones.create(BOB).await;
            phones.fault(out_of_order).await;
        },
        // The events are as old as this test.
        |config| config.event_retention = None,
    )
    .await
}

fn write_folder(folder: &TempDir) {
    std::fs::copy(WRITTEN, folder.path().join("trunkline.db")).unwrap();
    let key = folder.path().join("master.key");
    std::fs::write(&key, hex::encode(MASTER_KEY)).unwrap();
    // As it was written; one that others can read is refused.
    #[cfg(unix)]
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
}

async fn id_of(app: &TestApp, name: &str) -> String {
    let listed = app.client().get("/api/instances").await.expect(200);
    let instances = listed["instances"].as_array().unwrap();
    let instance = instances.iter().find(|instance| instance["name"] == name).expect("it is listed");
    instance["id"].as_str().unwrap().to_owned()
}

/// All events of an instance, oldest first.
async fn events(app: &TestApp, id: &str) -> Vec<Value> {
    let path = format!("/api/instances/{id}/events?limit=1000&since=2020-01-01T00:00:00Z");
    app.client().get(&path).await.expect(200)["events"].as_array().unwrap().clone()
}

async fn dead_letters(app: &TestApp, id: &str) -> Vec<Value> {
    let path = format!("/api/instances/{id}/webhook/dead-letters?limit=100");
    app.client().get(&path).await.expect(200)["deadLetters"].as_array().unwrap().clone()
}

#[tokio::test]
async fn what_the_first_version_wrote_is_shown() {
    let app = started().await;
    let client = app.client();
    let mut names = Vec::new();
    for instance in client.get("/api/instances").await.expect(200)["instances"].as_array().unwrap() {
        names.push(instance["name"].as_str().unwrap().to_owned());
    }
    assert_eq!(names, ["Alice", "Bob", "Carol", "Dave"]);

    let alice = id_of(&app, "Alice").await;
    let shown = client.get(&format!("/api/instances/{alice}")).await.expect(200);
    assert_eq!((&shown["description"], &shown["webhookEnabled"]), (&json!("Support line"), &json!(true)));
    let path = format!("/api/instances/{alice}/chats/15550100008@s.whatsapp.net/messages");
    let chat = client.get(&path).await.expect(200);
    let texts: Vec<_> =
        chat["messages"].as_array().unwrap().iter().map(|message| &message["content"]).collect();
    assert_eq!(texts, ["Frank to Alice, now by LID.", "Frank to Alice by phone number."], "{chat}");

    let events = events(&app, &alice).await;
    let kinds: Vec<_> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(
        &kinds[..5],
        ["qr_received", "connected", "message_sent", "message_status", "message_received"]
    );
    assert_eq!(events[4]["data"]["messageId"], "3EB002E98ADF6B3C1252EA");
    let bob = id_of(&app, "Bob").await;
    assert!(dead_letters(&app, &bob).await.len() >= 9);
    app.stop().await;
}

#[tokio::test]
async fn its_dead_letters_are_replayed_and_its_webhooks_go_on() {
    let (app, receiver) = (started().await, Receiver::start());
    let (alice, bob) = (id_of(&app, "Alice").await, id_of(&app, "Bob").await);
    // Nine were given up; four more wait for their next attempt.
    let ids = |events: &[Value]| -> BTreeSet<String> {
        events.iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect()
    };
    let given_up = &events(&app, &bob).await[..9];
    // Nobody has a use for a code that something later has made void.
    let of_use: Vec<Value> =
        given_up.iter().filter(|event| event["type"] != "qr_received").cloned().collect();
    let owed = ids(&of_use);
    assert!(!owed.is_empty() && owed.len() < 9, "{given_up:?}");
    for id in [&alice, &bob] {
        let body = json!({"webhookUrl": receiver.url()});
        app.client().put(&format!("/api/instances/{id}"), body).await.expect(200);
    }
    let replay = format!("/api/instances/{bob}/webhook/dead-letters/replay");
    until("what was given up of Bob's has come", || async {
        app.client().post(&replay, json!({})).await.expect(202);
        let come: BTreeSet<_> = receiver.ids().into_iter().collect();
        owed.is_subset(&come).then_some(())
    })
    .await;
    until("no letter is dead", || async { dead_letters(&app, &bob).await.is_empty().then_some(()) }).await;

    // Alice's had everything, and is told only what is new.
    let had = ids(&events(&app, &alice).await[..18]);
    let changed = receiver.wait_for("webhook_updated", |data| data["instanceId"] == alice.as_str()).await;
    assert!(changed.header("x-webhook-signature").is_some());
    assert!(receiver.ids().iter().all(|id| !had.contains(id)));
    app.stop().await;
}

#[tokio::test]
async fn its_instances_are_used_again() {
    let app = started().await;
    let client = app.client();
    let (alice, dave) = (id_of(&app, "Alice").await, id_of(&app, "Dave").await);
    let before = events(&app, &alice).await;
    app.phones().clear_faults().await;
    for id in [&alice, &dave] {
        client.call(&format!("/api/instances/{id}/reconnect")).await.expect(200);
    }
    // The companion of the first version was logged in with; this WhatsApp has not heard of it.
    app.event(&alice, "disconnected", |data| data["cause"] == "logged_out").await;
    client.call(&format!("/api/instances/{alice}/reconnect")).await.expect(200);
    app.link(&alice, ALICE).await;
    app.link(&dave, "15550100004").await;

    app.send(&alice, BOB, "from this version").await.expect(200);
    let written = app.phones().write(BOB, ALICE, "to this version").await;
    app.event(&alice, "message_received", |data| data["messageId"] == written.as_str()).await;
    // What was left pending went with the account's companion, and is told.
    let lost = |data: &Value| data["messageId"] == "3EB0A7D241437B3B53D171" && data["status"] == "failed";
    app.event(&alice, "message_status", lost).await;
    let texts: Vec<String> = app.phones().inbox(BOB).await.into_iter().map(|(_, text)| text).collect();
    assert_eq!(texts, ["from this version"]);

    let path = format!("/api/instances/{alice}/chats/{BOB}@s.whatsapp.net/messages?limit=100");
    let chat = client.get(&path).await.expect(200);
    let bodies = chat["messages"].to_string();
    for text in ["Hello Bob, first text of Alice.", "from this version", "to this version"] {
        assert!(bodies.contains(text), "one chat holds both: {chat}");
    }
    let now = events(&app, &alice).await;
    assert_eq!(now[..before.len()], before[..], "the log is continued");
    app.stop().await;
}
