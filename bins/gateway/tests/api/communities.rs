//! Communities: made, and groups in them.

use serde_json::json;

use crate::app::TestApp;

const ALICE: &str = "15550100001";
const BOB: &str = "15550100002";

#[tokio::test]
async fn a_community_is_made_and_groups_come_into_it_and_leave_it() {
    let app = TestApp::start().await;
    let (alice, bob) = (app.paired(ALICE).await, app.paired(BOB).await);
    let client = app.client();
    let of = |what: &str| format!("/api/whatsapp/{alice}/{what}");
    let club = json!({"name": "Club", "description": "Of tea"});
    let club = client.post(&of("communities"), club).await.expect(200);
    assert_eq!((&club["kind"], &club["name"]), (&json!("community"), &json!("Club")));
    assert_eq!((&club["description"], &club["community"]), (&json!("Of tea"), &json!(null)));
    let id = club["id"].as_str().expect("an id");
    let groups = of(&format!("communities/{id}/groups"));
    let listed = client.get(&groups).await.expect(200);
    let all = &listed["groups"][0];
    assert_eq!((&all["name"], &all["announcements"]), (&json!("Club"), &json!(true)));
    let inside = json!({"name": "Inside", "participants": [BOB], "community": id});
    let inside = client.post(&of("groups"), inside).await.expect(200);
    assert_eq!((&inside["kind"], &inside["community"]), (&json!("group"), &json!(id)));
    let tea = client.post(&of("groups"), json!({"name": "Tea", "participants": [BOB]})).await.expect(200);
    let link = |action: &str| json!({"action": action, "group": tea["id"]});
    client.post(&groups, link("link")).await.expect(200);
    let told = app
        .event(&bob, "group_updated", |data| data["remoteJid"] == tea["id"] && data["action"] == "linked")
        .await;
    assert_eq!((&told["data"]["reason"], &told["data"]["otherGroup"]), (&json!("community"), &json!(id)));
    client.post(&groups, link("link")).await.expect_error(409, "conflict");
    let listed = client.get(&groups).await.expect(200);
    assert_eq!(listed["groups"].as_array().map(Vec::len), Some(3), "{listed}");
    let announced = all["id"].as_str().expect("an id");
    app.send(&alice, announced, "welcome").await.expect(200);
    app.event(&bob, "message_received", |data| data["remoteJid"] == announced && data["body"] == "welcome")
        .await;
    client.post(&groups, link("unlink")).await.expect(200);
    client.post(&groups, link("unlink")).await.expect_error(404, "not_found");
    let shown = client.get(&of(&format!("groups/{}", tea["id"].as_str().expect("an id")))).await.expect(200);
    assert_eq!((&shown["kind"], &shown["community"]), (&json!("group"), &json!(null)));
    app.stop().await;
}

#[tokio::test]
async fn what_a_community_refuses_says_why() {
    let app = TestApp::start().await;
    let (alice, bob) = (app.paired(ALICE).await, app.paired(BOB).await);
    let client = app.client();
    let club =
        client.post(&format!("/api/whatsapp/{alice}/communities"), json!({"name": "Club"})).await.expect(200);
    let id = club["id"].as_str().expect("an id");
    let of = |what: &str| format!("/api/whatsapp/{bob}/{what}");
    let nameless = client.post(&of("communities"), json!({"name": " "})).await;
    nameless.expect_error(400, "invalid_request").about("name");
    client.get(&of(&format!("communities/{id}/groups"))).await.expect_error(403, "forbidden");
    client.get(&of("communities/1@g.us/groups")).await.expect_error(404, "not_found");
    client.get(&of("communities/tea/groups")).await.expect_error(404, "not_found");
    let inside = json!({"name": "Inside", "community": id});
    client.post(&of("groups"), inside).await.expect_error(403, "forbidden");
    let body = json!({"action": "merge", "group": "1@g.us"});
    client.post(&of(&format!("communities/{id}/groups")), body).await.expect_error(400, "invalid_request");
    // Nobody writes in a community itself.
    app.send(&alice, id, "hello?").await.expect_error(422, "refused");
    app.stop().await;
}
