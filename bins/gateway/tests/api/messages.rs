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

    // The bare number names the same chat.
    let short = format!("/api/instances/{alice}/chats/{BOB}/messages");
    let second = client.get(&format!("{short}?limit=2&skip=1")).await.expect(200);
    assert_eq!(second["pagination"], json!({"total": 4, "limit": 2, "skip": 1, "hasMore": true}));
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
