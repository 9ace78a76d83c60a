use serde_json::json;

use crate::app::TestApp;
use crate::until::until;

const ALICE: &str = "15550100001";
const BOB: &str = "15550100002";

#[tokio::test]
async fn instances_come_back_after_a_restart_and_miss_nothing() {
    let app = TestApp::start().await;
    let alice = app.paired(ALICE).await;
    app.phones().create(BOB).await;
    app.send(&alice, BOB, "before").await.expect(200);

    let (app, written) = app
        .restart_after(async |phones| {
            let mut ids = Vec::new();
            for n in 0..5 {
                ids.push(phones.write(BOB, ALICE, &format!("while you were out {n}")).await);
            }
            ids
        })
        .await;
    app.until_ready(&alice).await;
    for id in &written {
        app.event(&alice, "message_received", |data| data["messageId"] == id.as_str()).await;
    }
    app.send(&alice, BOB, "after").await.expect(200);
    let texts: Vec<String> = app.phones().inbox(BOB).await.into_iter().map(|(_, text)| text).collect();
    assert!(texts.contains(&"before".to_owned()) && texts.contains(&"after".to_owned()), "{texts:?}");
    app.stop().await;
}

#[tokio::test]
async fn readiness_follows_the_resume() {
    let app = TestApp::start().await;
    let alice = app.paired(ALICE).await;
    let app = app.restart().await;
    let anonymous = app.anonymous();
    until("ready", || async {
        let answer = anonymous.get("/readyz").await;
        match answer.status.as_u16() {
            200 => Some(()),
            _ => {
                answer.expect_error(503, "unavailable");
                None
            }
        }
    })
    .await;
    app.until_ready(&alice).await;
    app.stop().await;
}

#[tokio::test]
async fn an_instance_that_was_logged_out_stays_so() {
    let app = TestApp::start().await;
    let alice = app.paired(ALICE).await;
    app.client().call(&format!("/api/instances/{alice}/logout")).await.expect(200);
    let app = app.restart().await;
    let status = app.client().get(&format!("/api/whatsapp/{alice}/status")).await.expect(200);
    assert_eq!((&status["ready"], &status["status"]), (&json!(false), &json!("logged_out")));
    app.stop().await;
}

#[tokio::test]
async fn a_send_that_is_under_way_when_the_gateway_stops_is_answered() {
    let app = TestApp::start().await;
    let alice = app.paired(ALICE).await;
    app.phones().create(BOB).await;
    let client = app.client();
    let path = format!("/api/whatsapp/{alice}/send");
    let sends: Vec<_> = (0..20)
        .map(|n| {
            let (client, path) = (client.clone(), path.clone());
            tokio::spawn(
                async move { client.post(&path, json!({"phone": BOB, "message": format!("{n}")})).await },
            )
        })
        .collect();
    until("one has arrived", || async { (!app.phones().inbox(BOB).await.is_empty()).then_some(()) }).await;
    let (app, ()) = app.restart_after(async |_| ()).await;
    app.until_ready(&alice).await;
    let mut accepted = Vec::new();
    for send in sends {
        // A connection that the stopping gateway no longer took is no answer; every answer given is kept to.
        if let Ok(answer) = send.await
            && answer.status.is_success()
        {
            accepted.push(answer.body["id"].as_str().expect("an id").to_owned());
        }
    }
    assert!(!accepted.is_empty());
    until("all accepted ones have arrived", || async {
        let inbox = app.phones().inbox(BOB).await;
        accepted.iter().all(|id| inbox.iter().filter(|(known, _)| known == id).count() == 1).then_some(())
    })
    .await;
    app.stop().await;
}

#[tokio::test]
async fn a_paused_instance_does_nothing_until_it_is_resumed() {
    let app = TestApp::start().await;
    let alice = app.paired(ALICE).await;
    app.phones().create(BOB).await;
    let one = format!("/api/instances/{alice}");
    for _ in 0..2 {
        let paused = app.client().call(&format!("{one}/pause")).await.expect(200);
        assert_eq!(paused["success"], true);
    }
    let told = app.event(&alice, "disconnected", |data| data["cause"] == "paused").await;
    assert_eq!(told["data"]["willReconnect"], false);

    let (app, written) = app.restart_after(async |phones| phones.write(BOB, ALICE, "meanwhile").await).await;
    let client = app.client();
    let status = client.get(&format!("{one}/status")).await.expect(200);
    assert_eq!((&status["status"], &status["ready"]), (&json!("paused"), &json!(false)));
    assert_eq!(status["connectionDetails"]["cause"], "paused");
    let refused = app.send(&alice, BOB, "too early").await;
    assert_eq!(refused.expect_error(409, "not_connected").body["error"]["cause"], "paused");
    client.call(&format!("{one}/reconnect")).await.expect_error(409, "not_connected");

    client.call(&format!("{one}/resume")).await.expect(200);
    app.until_ready(&alice).await;
    app.event(&alice, "message_received", |data| data["messageId"] == written.as_str()).await;
    app.send(&alice, BOB, "in time").await.expect(200);
    client.call(&format!("{one}/resume")).await.expect(200);
    for action in ["pause", "resume"] {
        let other = format!("/api/instances/0190a0a0-0000-7000-8000-000000000000/{action}");
        client.call(&other).await.expect_error(404, "not_found");
    }
    app.stop().await;
}
