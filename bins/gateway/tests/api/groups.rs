use serde_json::{Value, json};

use crate::app::TestApp;

const ALICE: &str = "15550100001";
const BOB: &str = "15550100002";
const CAROL: &str = "15550100003";
const STRANGER: &str = "120363000000000000@g.us";

fn pn(number: &str) -> String {
    format!("{number}@s.whatsapp.net")
}

/// Alice's instance, and a group of the three that she has made.
async fn with_group(app: &TestApp) -> (String, String) {
    let alice = app.paired(ALICE).await;
    app.phones().create(BOB).await;
    app.phones().create(CAROL).await;
    let new = json!({"name": "Tea", "participants": [BOB, pn(CAROL)], "description": "About tea"});
    let made = app.client().post(&format!("/api/whatsapp/{alice}/groups"), new).await.expect(200);
    assert_eq!((&made["name"], &made["description"]), (&json!("Tea"), &json!("About tea")), "{made}");
    assert_eq!(made["notAdded"], json!([]));
    let group = made["id"].as_str().expect("an id").to_owned();
    (alice, group)
}

fn ranks(group: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let members = group["participants"].as_array().expect("a list").iter();
    let mut ranks: Vec<_> = members.map(|it| (text(&it["jid"]), text(&it["rank"]))).collect();
    ranks.sort();
    ranks
}

#[tokio::test]
async fn a_group_is_made_shown_changed_and_left() {
    let app = TestApp::start().await;
    let (alice, group) = with_group(&app).await;
    let base = format!("/api/whatsapp/{alice}/groups");
    let one = format!("{base}/{group}");
    let shown = app.client().get(&one).await.expect(200);
    let member = |number, rank: &str| (pn(number), rank.to_owned());
    assert_eq!(ranks(&shown), [member(ALICE, "superadmin"), member(BOB, "member"), member(CAROL, "member")]);
    for participant in shown["participants"].as_array().expect("a list") {
        assert!(participant["pn"].is_string() && participant["lid"].is_string(), "{participant}");
    }
    let listed = app.client().get(&base).await.expect(200);
    assert_eq!(listed["groups"].as_array().map(Vec::len), Some(1));
    let change = json!({
        "name": "Coffee", "description": "", "announcement": true, "locked": true, "approval": true, "expiration": 86_400,
    });
    let changed = app.client().put(&one, change).await.expect(200);
    assert_eq!((&changed["name"], &changed["description"]), (&json!("Coffee"), &Value::Null));
    for setting in ["announcement", "locked", "approval"] {
        assert_eq!(changed[setting], true, "{setting}");
    }
    assert_eq!((&changed["expiration"], &changed["allAdd"]), (&json!(86_400), &json!(false)));
    let members = format!("{one}/participants");
    for (action, who, rank) in
        [("promote", BOB, Some("admin")), ("demote", BOB, Some("member")), ("remove", CAROL, None)]
    {
        let body = json!({"action": action, "participants": [who]});
        let answer = app.client().post(&members, body).await.expect(200);
        assert_eq!(answer, json!({"success": true, "notReached": []}));
        let now = ranks(&app.client().get(&one).await.expect(200));
        let found = now.iter().find(|(jid, _)| *jid == pn(who)).map(|(_, rank)| rank.as_str());
        assert_eq!(found, rank, "{action}");
    }
    let body = json!({"action": "add", "participants": [BOB]});
    let answer = app.client().post(&members, body).await.expect(200);
    assert_eq!((&answer["success"], &answer["notReached"][0]["code"]), (&json!(false), &json!(409)));
    app.client().call(&format!("{one}/leave")).await.expect(200);
    app.client().get(&one).await.expect_error(403, "forbidden");
    app.stop().await;
}

#[tokio::test]
async fn links_are_followed_and_requests_answered() {
    let app = TestApp::start().await;
    let (alice, group) = with_group(&app).await;
    let dave = app.paired("15550100004").await;
    let one = format!("/api/whatsapp/{alice}/groups/{group}");
    let first = app.client().get(&format!("{one}/invite")).await.expect(200);
    let second = app.client().call(&format!("{one}/invite/reset")).await.expect(200);
    assert_ne!(first["code"], second["code"]);
    assert_eq!(
        second["link"],
        format!("https://chat.whatsapp.com/{}", second["code"].as_str().expect("a code"))
    );
    let invite =
        |code: &Value| format!("/api/whatsapp/{dave}/group-invites/{}", code.as_str().expect("a code"));
    app.client().get(&invite(&first["code"])).await.expect_error(404, "not_found");
    app.client().call(&invite(&first["code"])).await.expect_error(404, "not_found");
    assert_eq!(app.client().get(&invite(&second["code"])).await.expect(200)["name"], "Tea");
    app.client().put(&one, json!({"approval": true})).await.expect(200);
    let asked = app.client().call(&invite(&second["code"])).await.expect(200);
    assert_eq!(asked, json!({"group": group, "status": "asked"}));
    let requests = app.client().get(&format!("{one}/requests")).await.expect(200);
    let who = &requests["requests"][0]["jid"];
    let body = json!({"action": "approve", "participants": [who]});
    app.client().post(&format!("{one}/participants"), body).await.expect(200);
    assert_eq!(app.client().get(&format!("{one}/requests")).await.expect(200)["requests"], json!([]));
    let told = app.event(&dave, "group_updated", |data| data["remoteJid"] == group.as_str()).await;
    assert_eq!(told["data"]["concernsMe"], true, "{told}");
    let in_it = app.client().get(&format!("/api/whatsapp/{dave}/groups/{group}")).await.expect(200);
    assert_eq!(ranks(&in_it).len(), 4);
    app.client().call(&invite(&second["code"])).await.expect_error(409, "conflict");
    app.stop().await;
}

#[tokio::test]
async fn what_others_do_to_a_group_is_told() {
    let app = TestApp::start().await;
    let (alice, group) = with_group(&app).await;
    let bob = app.paired(BOB).await;
    let one = format!("/api/whatsapp/{alice}/groups/{group}");
    app.client().put(&one, json!({"name": "Coffee"})).await.expect(200);
    let told = app.event(&bob, "group_updated", |data| data["action"] == "subject").await;
    assert_eq!((&told["data"]["subject"], &told["data"]["by"]), (&json!("Coffee"), &json!(pn(ALICE))));
    assert_eq!((&told["data"]["remoteJid"], &told["data"]["concernsMe"]), (&json!(group), &json!(false)));
    for (action, who, told_as, is_me) in [
        ("promote", BOB, "promoted", true),
        ("remove", CAROL, "removed", false),
        ("remove", BOB, "removed", true),
    ] {
        let body = json!({"action": action, "participants": [who]});
        app.client().post(&format!("{one}/participants"), body).await.expect(200);
        let is_it =
            |data: &Value| data["action"] == told_as && data["participants"][0]["pn"] == pn(who).as_str();
        let told = app.event(&bob, "group_updated", is_it).await;
        assert_eq!(told["data"]["concernsMe"], is_me, "{told}");
        assert!(told["data"]["participants"][0]["lid"].is_string(), "{told}");
    }
    app.stop().await;
}

#[tokio::test]
async fn what_a_group_refuses_says_why() {
    let app = TestApp::start().await;
    let (alice, group) = with_group(&app).await;
    let bob = app.paired(BOB).await;
    let of = |instance: &str, rest: &str| format!("/api/whatsapp/{instance}/groups/{rest}");
    let client = app.client();
    client.get(&of(&alice, STRANGER)).await.expect_error(404, "not_found");
    client.get(&of(&alice, BOB)).await.expect_error(404, "not_found");
    let remove = json!({"action": "remove", "participants": [CAROL]});
    client.post(&of(&bob, &format!("{group}/participants")), remove).await.expect_error(403, "forbidden");
    client.get(&of(&bob, &format!("{group}/requests"))).await.expect_error(403, "forbidden");
    let nobody = json!({"action": "remove", "participants": []});
    client
        .post(&of(&alice, &format!("{group}/participants")), nobody)
        .await
        .expect_error(400, "invalid_request")
        .about("participants");
    for (body, field) in [
        (json!({"name": " "}), "name"),
        (json!({"name": "x".repeat(101)}), "name"),
        (json!({"expiration": 5}), "expiration"),
    ] {
        client.put(&of(&alice, &group), body).await.expect_error(400, "invalid_request").about(field);
    }
    let new = json!({"name": "", "participants": [BOB]});
    client.post(&format!("/api/whatsapp/{alice}/groups"), new).await.expect_error(400, "invalid_request");
    app.stop().await;
}

#[tokio::test]
async fn a_group_has_a_picture() {
    let app = TestApp::start().await;
    let (alice, group) = with_group(&app).await;
    let bob = app.paired(BOB).await;
    let path = format!("/api/whatsapp/{alice}/groups/{group}/picture");
    assert_eq!(app.client().get(&path).await.expect(200), json!({"id": null, "url": null}));
    app.client()
        .put(&path, json!({"picture": "no base64!"}))
        .await
        .expect_error(400, "invalid_request")
        .about("picture");
    app.client()
        .put(&path, json!({"picture": "AAAA"}))
        .await
        .expect_error(400, "invalid_request")
        .about("picture");
    let theirs = format!("/api/whatsapp/{bob}/groups/{group}/picture");
    app.client().put(&path, json!({"picture": "/9gA"})).await.expect(200);
    assert!(app.client().get(&theirs).await.expect(200)["url"].is_string());
    app.client()
        .put(&format!("/api/whatsapp/{alice}/groups/{group}"), json!({"locked": true}))
        .await
        .expect(200);
    app.client().put(&theirs, json!({"picture": "/9gA"})).await.expect_error(403, "forbidden");
    app.client().delete(&path).await.expect(200);
    assert_eq!(app.client().get(&theirs).await.expect(200)["id"], Value::Null);
    app.stop().await;
}

#[tokio::test]
async fn members_are_named_by_what_people_write_for_their_numbers() {
    let app = TestApp::start().await;
    let alice = app.paired(ALICE).await;
    let groups = format!("/api/whatsapp/{alice}/groups");
    for (own, typed) in [
        ("551155550100", "5511955550100"),
        ("525555550100", "5215555550100"),
        ("541155550100", "5491155550100"),
    ] {
        app.phones().create(own).await;
        let new = json!({"name": "Tea", "participants": [typed, "15559999999"]});
        let made = app.client().post(&groups, new).await.expect(200);
        assert_eq!(made["notAdded"], json!([pn("15559999999")]), "{made}");
        assert!(ranks(&made).contains(&(pn(own), "member".to_owned())), "{made}");
        let group = made["id"].as_str().expect("an id");
        let promote = json!({"action": "promote", "participants": [typed]});
        let path = format!("{groups}/{group}/participants");
        let answer = app.client().post(&path, promote).await.expect(200);
        assert_eq!(answer, json!({"success": true, "notReached": []}), "{typed}");
    }
    app.stop().await;
}
