use reqwest::Method;
use serde_json::{Value, json};

use crate::app::TestApp;
use crate::until::until;

const ALICE: &str = "15550100001";
const BOB: &str = "15550100002";

/// Sends what a body says; the answer's id.
async fn send(app: &TestApp, instance: &str, what: &str, mut body: Value) -> String {
    if body.get("phone").is_none() {
        body["phone"] = json!(BOB);
    }
    let answer = app.client().post(&format!("/api/whatsapp/{instance}/{what}"), body).await.expect(200);
    answer["id"].as_str().expect("an id").to_owned()
}

/// What Bob's phone shows of a message.
async fn shown(app: &TestApp, id: &str) -> Value {
    until("the phone shows it", || async {
        let inbox = app.phones().entries(BOB).await;
        inbox.into_iter().find(|entry| entry["id"] == id)
    })
    .await
}

async fn stored(app: &TestApp, instance: &str, id: &str) -> Value {
    let path = format!("/api/instances/{instance}/chats/{BOB}/messages");
    let page = app.client().get(&path).await.expect(200);
    let messages = page["messages"].as_array().expect("a list").clone();
    messages.into_iter().find(|message| message["messageId"] == id).expect("it is stored")
}

#[tokio::test]
async fn each_kind_is_sent_told_and_listed() {
    let app = TestApp::start().await;
    let alice = app.paired(ALICE).await;
    app.phones().create(BOB).await;
    let place = json!({"latitude": 52.5, "longitude": 13.4, "name": "Here"});
    let contacts = json!({"contacts": [{"name": "Carol", "number": "+1 555 010 0003"}]});
    let poll = json!({"question": "Tea?", "options": ["green", "black"], "choices": 1});
    let event = json!({"name": "Tea time", "startsAt": "2030-01-01T17:00:00Z", "location": place});
    for (what, body, kind, text, field) in [
        ("send-location", place.clone(), "location", "Here", "location"),
        ("send-contacts", contacts, "contact", "Carol", "contacts"),
        ("send-poll", poll, "poll", "Tea?", "poll"),
        ("send-event", event, "event", "Tea time", "event"),
    ] {
        let id = send(&app, &alice, what, body).await;
        let entry = shown(&app, &id).await;
        assert_eq!((&entry["kind"], &entry["text"]), (&json!(kind), &json!(text)));
        let told = app.event(&alice, "message_sent", |data| data["messageId"] == id.as_str()).await;
        let data = &told["data"];
        assert_eq!((&data["type"], &data["body"]), (&json!(kind), &json!(text)), "{data}");
        assert!(!data[field].is_null(), "{data}");
        let message = stored(&app, &alice, &id).await;
        assert_eq!((&message["messageType"], &message["content"]), (&json!(kind), &json!(text)));
        assert!(!message[field].is_null(), "{message}");
    }
    let location = stored(&app, &alice, &send(&app, &alice, "send-location", place).await).await;
    assert_eq!(location["location"]["latitude"], 52.5);
    app.stop().await;
}

#[tokio::test]
async fn a_text_has_what_goes_with_it() {
    let app = TestApp::start().await;
    let alice = app.paired(ALICE).await;
    app.phones().create(BOB).await;
    let first = app.phones().write(BOB, ALICE, "Tea?").await;
    app.event(&alice, "message_received", |data| data["messageId"] == first.as_str()).await;
    let text = json!({
        "message": "Yes @15550100002, see https://tea.test", "quotedMessageId": first, "mentions": [BOB],
        "linkPreview": {"url": "https://tea.test", "title": "Tea"}, "forwarded": true,
    });
    let id = send(&app, &alice, "send", text).await;
    let entry = shown(&app, &id).await;
    assert_eq!((&entry["quoted"], &entry["forwarded"]), (&json!(first), &json!(1)));
    assert_eq!(entry["mentions"], json!([format!("{BOB}@s.whatsapp.net")]));
    let told = app.event(&alice, "message_sent", |data| data["messageId"] == id.as_str()).await;
    assert_eq!(told["data"]["quotedMessageId"], first.as_str());
    assert_eq!(told["data"]["linkPreview"]["title"], "Tea");
    assert_eq!(told["data"]["forwarded"], true);
    let listed = app.client().get(&format!("/api/instances/{alice}/messages/{id}")).await.expect(200);
    assert_eq!(listed["quotedMessageId"], first.as_str());
    let answered = app.client().get(&format!("/api/instances/{alice}/messages/{first}")).await.expect(200);
    assert!(answered.get("quotedMessageId").is_none());
    app.stop().await;
}

#[tokio::test]
async fn a_mention_may_be_written_as_people_write_the_number() {
    let app = TestApp::start().await;
    let alice = app.paired(ALICE).await;
    for number in [BOB, "551155550100"] {
        app.phones().create(number).await;
    }
    let text = json!({"message": "Ask @5511955550100!", "mentions": ["+55 11 95555-0100"]});
    let id = send(&app, &alice, "send", text).await;
    let entry = shown(&app, &id).await;
    assert_eq!(entry["mentions"], json!(["551155550100@s.whatsapp.net"]));
    assert_eq!(entry["text"], "Ask @551155550100!");
    app.stop().await;
}

#[tokio::test]
async fn what_is_about_a_message_changes_it_where_it_is_stored() {
    let app = TestApp::start().await;
    let alice = app.paired(ALICE).await;
    app.phones().create(BOB).await;
    let theirs = app.phones().write(BOB, ALICE, "theirs").await;
    app.event(&alice, "message_received", |data| data["messageId"] == theirs.as_str()).await;
    let ours = app.send(&alice, BOB, "ours").await.expect(200)["id"].as_str().expect("an id").to_owned();
    let gone = app.send(&alice, BOB, "gone").await.expect(200)["id"].as_str().expect("an id").to_owned();
    for (what, body, kind, text, target) in [
        ("react", json!({"messageId": theirs, "emoji": "👍"}), "reaction", json!("👍"), &theirs),
        ("edit", json!({"messageId": ours, "message": "edited"}), "edit", json!("edited"), &ours),
        ("revoke", json!({"messageId": gone}), "revoke", Value::Null, &gone),
        ("pin", json!({"messageId": theirs, "seconds": 86_400}), "pin", Value::Null, &theirs),
        ("pin", json!({"messageId": theirs, "seconds": 0}), "unpin", Value::Null, &theirs),
        ("keep", json!({"messageId": theirs, "keep": true}), "keep", Value::Null, &theirs),
        ("keep", json!({"messageId": theirs, "keep": false}), "let_go", Value::Null, &theirs),
    ] {
        let id = send(&app, &alice, what, body).await;
        let entry = shown(&app, &id).await;
        assert_eq!((&entry["kind"], &entry["text"], &entry["ignored"]), (&json!(kind), &text, &Value::Null));
        assert_eq!(entry["target"], target.as_str());
        let told = app.event(&alice, "message_sent", |data| data["messageId"] == id.as_str()).await;
        assert_eq!(told["data"]["targetMessageId"], target.as_str());
    }
    let message = stored(&app, &alice, &ours).await;
    assert_eq!((&message["content"], &message["editedAt"].is_string()), (&json!("edited"), &true));
    let message = stored(&app, &alice, &gone).await;
    assert_eq!((&message["content"], &message["revokedAt"].is_string()), (&Value::Null, &true));
    app.stop().await;
}

#[tokio::test]
async fn polls_are_voted_on_from_both_sides_and_counted() {
    let app = TestApp::start().await;
    let alice = app.paired(ALICE).await;
    app.phones().create(BOB).await;
    let poll = json!({"question": "Tea?", "options": ["green", "black"], "choices": 0});
    let id = send(&app, &alice, "send-poll", poll).await;
    shown(&app, &id).await;
    for choices in [json!(["green"]), json!(["black", "green"])] {
        let vote = json!({"vote": {"id": id, "choices": choices}});
        let vote = app.phones().change(BOB, ALICE, vote).await;
        let told = app.event(&alice, "message_received", |data| data["messageId"] == vote.as_str()).await;
        assert_eq!(told["data"]["type"], "poll_vote");
        assert_eq!(told["data"]["targetMessageId"], id.as_str());
        assert_eq!(
            told["data"]["selectedOptions"].as_array().map(Vec::len),
            choices.as_array().map(Vec::len)
        );
    }
    let ours = send(&app, &alice, "vote", json!({"messageId": id, "options": ["black"]})).await;
    assert_eq!(shown(&app, &ours).await["chosen"], json!(["black"]));
    let path = format!("/api/instances/{alice}/chats/{BOB}/polls/{id}");
    let result = app.client().get(&path).await.expect(200);
    let voters: Vec<_> =
        result["options"].as_array().expect("a list").iter().map(|it| &it["votes"]).collect();
    assert_eq!((voters, &result["voters"]), (vec![&json!(1), &json!(2)], &json!(2)), "{result}");
    let bob = format!("{BOB}@s.whatsapp.net");
    assert_eq!(result["options"][0], json!({"name": "green", "votes": 1, "voters": [bob]}));

    let theirs = json!({"poll": {"question": "?", "options": ["a", "b"], "choices": 1}});
    let theirs = app.phones().change(BOB, ALICE, theirs).await;
    app.event(&alice, "message_received", |data| data["messageId"] == theirs.as_str()).await;
    let client = app.client();
    for (options, field) in [(json!(["c"]), "options"), (json!(["a", "b"]), "options")] {
        let body = json!({"phone": BOB, "messageId": theirs, "options": options});
        client
            .post(&format!("/api/whatsapp/{alice}/vote"), body)
            .await
            .expect_error(400, "invalid_request")
            .about(field);
    }
    let ours = send(&app, &alice, "vote", json!({"messageId": theirs, "options": ["a"]})).await;
    assert_eq!(shown(&app, &ours).await["chosen"], json!(["a"]));
    client
        .get(&format!("/api/instances/{alice}/chats/{BOB}/polls/3EB0"))
        .await
        .expect_error(404, "not_found");
    app.stop().await;
}

#[tokio::test]
async fn events_are_answered_from_both_sides() {
    let app = TestApp::start().await;
    let alice = app.paired(ALICE).await;
    app.phones().create(BOB).await;
    let event = json!({"name": "Tea", "startsAt": "2030-01-01T17:00:00Z"});
    let id = send(&app, &alice, "send-event", event).await;
    shown(&app, &id).await;
    let answer = app.phones().change(BOB, ALICE, json!({"answer": {"id": id, "going": "maybe"}})).await;
    let told = app.event(&alice, "message_received", |data| data["messageId"] == answer.as_str()).await;
    assert_eq!((&told["data"]["type"], &told["data"]["answer"]), (&json!("event_response"), &json!("maybe")));
    let theirs = app.phones().change(BOB, ALICE, json!({"event": {"name": "Coffee", "start": 5}})).await;
    app.event(&alice, "message_received", |data| data["messageId"] == theirs.as_str()).await;
    let ours = send(&app, &alice, "answer", json!({"messageId": theirs, "answer": "going"})).await;
    assert_eq!(shown(&app, &ours).await["text"], "going");
    app.stop().await;
}

#[tokio::test]
async fn a_repeated_poll_is_one_and_a_timer_is_kept_to() {
    let app = TestApp::start().await;
    let alice = app.paired(ALICE).await;
    app.phones().create(BOB).await;
    let client = app.client();
    let path = format!("/api/whatsapp/{alice}/send-poll");
    let ask = |question: &str| {
        let request = client.request(Method::POST, &path).header("idempotency-key", "poll-1");
        client.send(request.json(&json!({"phone": BOB, "question": question, "options": ["a", "b"]})))
    };
    let first = ask("Tea?").await.expect(200);
    assert_eq!(ask("Tea?").await.expect(200), first);
    ask("Coffee?").await.expect_error(409, "conflict");
    let id = send(&app, &alice, "timer", json!({"seconds": 86_400})).await;
    assert_eq!(shown(&app, &id).await["kind"], "timer");
    let text =
        app.send(&alice, BOB, "disappears").await.expect(200)["id"].as_str().expect("an id").to_owned();
    assert_eq!(shown(&app, &text).await["expiration"], 86_400);
    app.stop().await;
}

#[tokio::test]
async fn what_can_not_be_sent_is_refused_by_name() {
    let app = TestApp::start().await;
    let alice = app.paired(ALICE).await;
    app.phones().create(BOB).await;
    let theirs = app.phones().write(BOB, ALICE, "theirs").await;
    app.event(&alice, "message_received", |data| data["messageId"] == theirs.as_str()).await;
    let client = app.client();
    for (what, body, field) in [
        ("send-location", json!({"latitude": 91, "longitude": 0}), "latitude"),
        ("send-location", json!({"latitude": 0, "longitude": 181}), "longitude"),
        ("send-contacts", json!({"contacts": []}), "contacts"),
        ("send-contacts", json!({"contacts": [{"name": "x"}]}), "contacts"),
        ("send-poll", json!({"question": "?", "options": ["a"]}), "options"),
        ("send-poll", json!({"question": "?", "options": ["a", "a"]}), "options"),
        ("send-event", json!({"name": " ", "startsAt": "2030-01-01T17:00:00Z"}), "name"),
        ("send-event", json!({"name": "x", "startsAt": "tomorrow"}), "startsAt"),
        ("edit", json!({"messageId": theirs, "message": "not ours"}), "messageId"),
        ("edit", json!({"messageId": theirs, "message": ""}), "message"),
        ("revoke", json!({"messageId": theirs}), "messageId"),
        ("answer", json!({"messageId": theirs, "answer": "perhaps"}), "answer"),
        ("timer", json!({"seconds": 7}), "seconds"),
    ] {
        let mut body = body;
        body["phone"] = json!(BOB);
        let answer = client.post(&format!("/api/whatsapp/{alice}/{what}"), body).await;
        answer.expect_error(400, "invalid_request").about(field);
    }
    let unknown = json!({"phone": BOB, "messageId": "3EB0", "emoji": "x"});
    client.post(&format!("/api/whatsapp/{alice}/react"), unknown).await.expect_error(404, "not_found");
    app.stop().await;
}
