//! Messages and chats from place to place, found by their words, and who has them.

use serde_json::{Value, json};

use crate::answer::{assert_time, keys};
use crate::app::TestApp;
use crate::until::until;

const ALICE: &str = "15550100001";
const BOB: &str = "15550100002";
const CAROL: &str = "15550100003";

async fn cast() -> (TestApp, String) {
    let app = TestApp::start().await;
    let alice = app.paired(ALICE).await;
    app.phones().create(BOB).await;
    app.phones().create(CAROL).await;
    (app, alice)
}

/// A text of a phone, once it is stored.
async fn written(app: &TestApp, alice: &str, from: &str, text: &str) -> String {
    let id = app.phones().write(from, ALICE, text).await;
    app.event(alice, "message_received", |data| data["messageId"] == id.as_str()).await;
    id
}

fn texts(page: &Value) -> Vec<&str> {
    let messages = page["messages"].as_array().expect("a list").iter();
    messages.map(|message| message["content"].as_str().expect("a text")).collect()
}

#[tokio::test]
async fn messages_of_all_chats_are_listed_from_place_to_place() {
    let (app, alice) = cast().await;
    let client = app.client();
    written(&app, &alice, BOB, "one").await;
    written(&app, &alice, CAROL, "two").await;
    app.send(&alice, BOB, "three").await.expect(200);
    let path = format!("/api/instances/{alice}/messages");
    let newest = client.get(&format!("{path}?limit=2")).await.expect(200);
    assert_eq!(keys(&newest), ["hasMore", "messages", "next"]);
    assert_eq!((texts(&newest), &newest["hasMore"]), (vec!["three", "two"], &json!(true)));
    let next = newest["next"].as_str().expect("a place");
    let older = client.get(&format!("{path}?limit=2&before={next}")).await.expect(200);
    assert_eq!((texts(&older), &older["hasMore"]), (vec!["one"], &json!(false)));

    let first = older["next"].as_str().expect("a place");
    let since = client.get(&format!("{path}?after={first}")).await.expect(200);
    assert_eq!(texts(&since), ["two", "three"]);
    let end = since["next"].as_str().expect("a place");
    assert_eq!(client.get(&format!("{path}?after={end}")).await.expect(200)["messages"], json!([]));
    written(&app, &alice, BOB, "four").await;
    assert_eq!(texts(&client.get(&format!("{path}?after={end}")).await.expect(200)), ["four"]);

    for (query, expected) in [
        (format!("chat={BOB}"), vec!["four", "three", "one"]),
        (format!("chat={BOB}&fromMe=false"), vec!["four", "one"]),
        ("fromMe=true".to_owned(), vec!["three"]),
        ("kind=image".to_owned(), vec![]),
        ("status=received&kind=text,image".to_owned(), vec!["four", "two", "one"]),
        ("until=2020-01-01T00:00:00Z".to_owned(), vec![]),
        ("since=2020-01-01T00:00:00Z&limit=1".to_owned(), vec!["four"]),
    ] {
        assert_eq!(texts(&client.get(&format!("{path}?{query}")).await.expect(200)), expected, "{query}");
    }
    for (query, field) in [
        (format!("before={end}&after={end}"), "after"),
        ("before=x".to_owned(), "before"),
        ("limit=1001".to_owned(), "limit"),
        ("kind=poem".to_owned(), "kind"),
        ("status=lost".to_owned(), "status"),
        ("fromMe=maybe".to_owned(), "fromMe"),
        ("since=now".to_owned(), "since"),
        ("chat=nobody".to_owned(), "chat"),
    ] {
        let refused = client.get(&format!("{path}?{query}")).await;
        refused.expect_error(400, "invalid_request").about(field);
    }
    let strange = "/api/instances/0190a0a0-0000-7000-8000-000000000000/messages";
    client.get(strange).await.expect_error(404, "not_found");
    app.stop().await;
}

#[tokio::test]
async fn messages_are_found_by_their_words() {
    let (app, alice) = cast().await;
    let client = app.client();
    let edited = written(&app, &alice, BOB, "Meet me at the harbour").await;
    written(&app, &alice, CAROL, "他说你好了").await;
    app.send(&alice, BOB, "At the HARBOUR, then").await.expect(200);
    let path = format!("/api/instances/{alice}/messages/search");
    let find = async |query: &str| client.get(&format!("{path}?{query}")).await.expect(200);
    let found = find("q=harbour").await;
    assert_eq!(texts(&found), ["At the HARBOUR, then", "Meet me at the harbour"]);
    assert_eq!(found["messages"][0]["snippet"], "At the HARBOUR, then");
    assert_eq!(texts(&find("q=%22the+harbour+then%22").await), ["At the HARBOUR, then"]);
    assert_eq!(texts(&find("q=harb*+meet").await), ["Meet me at the harbour"]);
    assert_eq!(texts(&find("q=%E4%BD%A0%E5%A5%BD").await), ["他说你好了"]);
    assert_eq!(texts(&find("q=harbour&fromMe=true").await), ["At the HARBOUR, then"]);
    let first = find("q=harbour&limit=1").await;
    assert_eq!(first["hasMore"], true);
    let next = first["next"].as_str().expect("a place");
    assert_eq!(texts(&find(&format!("q=harbour&before={next}")).await), ["Meet me at the harbour"]);

    let change = json!({"text": "Meet me at the station", "edit": edited});
    let id = app.phones().change(BOB, ALICE, change).await;
    app.event(&alice, "message_received", |data| data["messageId"] == id.as_str()).await;
    assert_eq!(texts(&find("q=meet").await), ["Meet me at the station"]);
    assert_eq!(texts(&find("q=harbour").await), ["At the HARBOUR, then"]);
    for query in ["", "q=", "q=%3F", &format!("q={}", "a+".repeat(20)), &format!("q={}", "a".repeat(300))] {
        client.get(&format!("{path}?{query}")).await.expect_error(400, "invalid_request").about("q");
    }
    let strange = "/api/instances/0190a0a0-0000-7000-8000-000000000000/messages/search?q=a";
    client.get(strange).await.expect_error(404, "not_found");
    app.stop().await;
}

#[tokio::test]
async fn chats_are_listed_with_their_last_message() {
    let (app, alice) = cast().await;
    let client = app.client();
    written(&app, &alice, BOB, "one").await;
    let last = written(&app, &alice, BOB, "two").await;
    app.send(&alice, CAROL, "three").await.expect(200);
    let path = format!("/api/instances/{alice}/chats");
    let first = client.get(&format!("{path}?limit=1")).await.expect(200);
    assert_eq!(first["chats"][0]["id"], format!("{CAROL}@s.whatsapp.net"));
    assert_eq!((&first["chats"][0]["unreadCount"], &first["hasMore"]), (&json!(0), &json!(true)));
    let next = first["next"].as_str().expect("a place");
    let rest = client.get(&format!("{path}?after={next}")).await.expect(200);
    let chat = &rest["chats"][0];
    assert_eq!(keys(chat), ["id", "isGroup", "lastMessage", "name", "unreadCount"]);
    assert_eq!((&chat["lastMessage"]["messageId"], &chat["unreadCount"]), (&json!(last), &json!(2)));
    assert_eq!((&chat["isGroup"], &rest["hasMore"]), (&json!(false), &json!(false)));
    let read = json!({"phone": BOB, "messageIds": [last]});
    client.post(&format!("/api/whatsapp/{alice}/read"), read).await.expect(200);
    until("it is read", || async {
        let page = client.get(&path).await.expect(200);
        (page["chats"][1]["unreadCount"] == 0).then_some(())
    })
    .await;
    client.get(&format!("{path}?limit=101")).await.expect_error(400, "invalid_request").about("limit");
    let strange = "/api/instances/0190a0a0-0000-7000-8000-000000000000/chats";
    client.get(strange).await.expect_error(404, "not_found");
    app.stop().await;
}

#[tokio::test]
async fn a_message_to_a_group_says_who_has_it() {
    let (app, alice) = cast().await;
    let client = app.client();
    let group = json!({"name": "Tea", "participants": [BOB, CAROL]});
    let group = client.post(&format!("/api/whatsapp/{alice}/groups"), group).await.expect(200);
    let group = group["id"].as_str().expect("a JID").to_owned();
    let sent = app.send(&alice, &group, "hello").await.expect(200);
    let id = sent["id"].as_str().expect("an id");
    let path = format!("/api/instances/{alice}/messages/{id}");
    let message = until("both have it", || async {
        let message = client.get(&path).await.expect(200);
        (message["receipts"].as_array().expect("a list").len() == 2).then_some(message)
    })
    .await;
    assert_eq!((&message["messageId"], &message["content"]), (&json!(id), &json!("hello")));
    for receipt in message["receipts"].as_array().unwrap() {
        assert_time(&receipt["deliveredAt"]);
        assert_eq!((&receipt["readAt"], &receipt["playedAt"]), (&Value::Null, &Value::Null));
    }
    app.phones().read(BOB, &group, id).await;
    let read = until("one has read it", || async {
        let message = client.get(&path).await.expect(200);
        let receipts = message["receipts"].as_array().expect("a list").clone();
        receipts.into_iter().find(|receipt| receipt["readAt"].is_string())
    })
    .await;
    let names = [&read["participant"], &read["pn"]];
    assert!(names.contains(&&json!(format!("{BOB}@s.whatsapp.net"))), "{read}");

    let alone = app.send(&alice, BOB, "alone").await.expect(200);
    let alone =
        client.get(&format!("/api/instances/{alice}/messages/{}", alone["id"].as_str().unwrap())).await;
    assert_eq!(alone.expect(200)["receipts"], json!([]));
    client.get(&format!("/api/instances/{alice}/messages/nothing")).await.expect_error(404, "not_found");
    app.stop().await;
}
