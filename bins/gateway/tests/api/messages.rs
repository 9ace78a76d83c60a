use serde_json::{Value, json};

use crate::answer::{assert_time, keys};
use crate::app::TestApp;

const ALICE: &str = "15550100001";
const BOB: &str = "15550100002";

#[tokio::test]
async fn a_chat_is_listed_newest_first_in_pages() {
    let app = TestApp::start().await;
    let client = app.client();
    let alice = app.paired(ALICE).await;
    app.phones().create(BOB).await;
    for n in 0..3 {
        app.send(&alice, BOB, &format!("out {n}")).await.expect(200);
    }
    let id = app.phones().write(BOB, ALICE, "in").await;
    app.event(&alice, "message_received", |data| data["messageId"] == id.as_str()).await;

    let path = format!("/api/instances/{alice}/chats/{BOB}@s.whatsapp.net/messages");
    let page = client.get(&path).await.expect(200);
    assert_eq!(page["pagination"], json!({"total": 4, "limit": 50, "skip": 0, "hasMore": false}));
    let newest = &page["messages"][0];
    assert_eq!(
        keys(newest),
        [
            "caption",
            "content",
            "createdAt",
            "fileName",
            "fromMe",
            "hasMedia",
            "id",
            "instanceId",
            "mediaUrl",
            "messageId",
            "messageType",
            "metadata",
            "mimeType",
            "remoteJid",
            "status",
            "statusUpdatedAt",
            "updatedAt",
        ]
    );
    assert_eq!(newest["messageId"], id.as_str());
    assert_eq!(newest["remoteJid"], format!("{BOB}@s.whatsapp.net"));
    assert_eq!((&newest["fromMe"], &newest["content"]), (&json!(false), &json!("in")));
    assert_eq!((&newest["status"], &newest["mediaUrl"]), (&json!("received"), &Value::Null));
    assert_time(&newest["createdAt"]);
    assert_eq!(newest["messageType"], "text");
    assert!(newest["metadata"]["timestamp"].is_u64());

    // The bare number names the same chat.
    let short = format!("/api/instances/{alice}/chats/{BOB}/messages");
    let second = client.get(&format!("{short}?limit=2&skip=1")).await.expect(200);
    let next = second["pagination"]["next"].clone();
    assert_eq!(
        second["pagination"],
        json!({"total": 4, "limit": 2, "skip": 1, "hasMore": true, "next": next})
    );
    assert_eq!(second["messages"][0]["content"], "out 2");
    assert_eq!(second["messages"][1]["content"], "out 1");

    let past = client.get(&format!("{short}?endDate=2020-01-01T00:00:00Z")).await.expect(200);
    assert_eq!(past["messages"], json!([]));
    let all = client.get(&format!("{short}?startDate=2020-01-01T00:00:00Z")).await.expect(200);
    assert_eq!(all["pagination"]["total"], 4);
    let other = client.get(&format!("/api/instances/{alice}/chats/15550100077/messages")).await.expect(200);
    assert_eq!(other["pagination"]["total"], 0);
    app.stop().await;
}

#[tokio::test]
async fn what_becomes_of_a_message_is_told_and_seen_in_it() {
    let app = TestApp::start().await;
    let alice = app.paired(ALICE).await;
    app.phones().create(BOB).await;
    let [edited, revoked, liked] =
        ["edited", "revoked", "liked"].map(|text| app.phones().write(BOB, ALICE, text));
    let (edited, revoked, liked) = (edited.await, revoked.await, liked.await);
    let changes = [
        (json!({"text": "new", "edit": edited}), "edit", json!("new"), &edited),
        (json!({"revoke": revoked}), "revoke", json!(""), &revoked),
        (json!({"react": {"id": liked, "emoji": "👍"}}), "reaction", json!("👍"), &liked),
    ];
    for (change, kind, body, target) in changes {
        let id = app.phones().change(BOB, ALICE, change).await;
        let event = app.event(&alice, "message_received", |data| data["messageId"] == id.as_str()).await;
        let data = &event["data"];
        assert_eq!((&data["type"], &data["body"]), (&json!(kind), &body), "{data}");
        assert_eq!(data["targetMessageId"], target.as_str());
    }

    let stored = async |id: &str| {
        let path = format!("/api/instances/{alice}/chats/{BOB}/messages");
        let page = app.client().get(&path).await.expect(200);
        let messages = page["messages"].as_array().expect("a list").clone();
        messages.into_iter().find(|message| message["messageId"] == id).expect("it is stored")
    };
    let message = stored(&edited).await;
    assert_eq!((&message["content"], &message["messageType"]), (&json!("new"), &json!("text")));
    assert_time(&message["editedAt"]);
    let message = stored(&revoked).await;
    assert_eq!(message["content"], Value::Null);
    assert_time(&message["revokedAt"]);
    let message = stored(&liked).await;
    assert_eq!(message["content"], "liked");
    assert!(message.get("editedAt").is_none() && message.get("revokedAt").is_none(), "{message}");
    app.stop().await;
}

#[tokio::test]
async fn what_cannot_be_read_is_told_and_read_when_it_comes_again() {
    let app = TestApp::start().await;
    let alice = app.paired(ALICE).await;
    app.phones().create(BOB).await;
    app.phones().fault(json!({"kind": "undecryptable", "number": ALICE, "count": 1})).await;
    let id = app.phones().write(BOB, ALICE, "garbled").await;
    let is_it = |data: &Value| data["messageId"] == id.as_str();
    let unread = app.event(&alice, "message_undecryptable", is_it).await;
    let data = &unread["data"];
    assert_eq!((&data["body"], &data["type"]), (&Value::Null, &json!("undecryptable")), "{data}");
    assert_eq!(data["from"], format!("{BOB}@s.whatsapp.net"));
    let read = app.event(&alice, "message_received", is_it).await;
    assert_eq!(read["data"]["body"], "garbled");

    let path = format!("/api/instances/{alice}/chats/{BOB}/messages");
    let page = app.client().get(&path).await.expect(200);
    assert_eq!(page["pagination"]["total"], 1);
    let message = &page["messages"][0];
    assert_eq!((&message["content"], &message["messageType"]), (&json!("garbled"), &json!("text")));
    app.stop().await;
}
