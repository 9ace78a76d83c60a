//! What was tried is told, and can be tried again.

use storage::{Attempt, AttemptOutcome, AttemptQuery, Webhook, WebhookPatch};

use crate::fixture::{Fixture, eager};
use crate::receiver::{Receiver, until};

async fn attempts(fixture: &Fixture) -> Vec<Attempt> {
    let query = AttemptQuery { outcome: None, before: None, limit: 1_000 };
    let page = fixture.dispatcher.attempts(fixture.owner, &fixture.consumer(), &query).await;
    let mut attempts = page.expect("read").items;
    attempts.reverse();
    attempts
}

async fn stored_webhook(fixture: &Fixture) -> Webhook {
    fixture.storage.webhooks(fixture.owner, fixture.instance).await.expect("read").remove(0)
}

#[tokio::test]
async fn every_attempt_is_told_with_what_became_of_it() {
    let receiver = Receiver::start().await;
    let fixture = Fixture::new(Webhook { max_retries: 1, ..eager(&receiver.url()) }).await;
    receiver.answer(|_| 500.into());
    fixture.record([("a", 1)]).await;
    until("a dead letter", || async { (!fixture.dead().await.is_empty()).then_some(()) }).await;
    receiver.answer(|_| 204.into());
    fixture.record([("a", 2)]).await;
    fixture.until_settled().await;
    let told = until("all attempts", || async {
        let told = attempts(&fixture).await;
        (told.len() == 3).then_some(told)
    })
    .await;
    let shown: Vec<_> = told
        .iter()
        .map(|attempt| (attempt.seq, attempt.number, attempt.status_code, attempt.outcome))
        .collect();
    assert_eq!(
        shown,
        [
            (1, 1, Some(500), AttemptOutcome::Failed),
            (1, 2, Some(500), AttemptOutcome::GivenUp),
            (2, 1, Some(204), AttemptOutcome::Delivered),
        ]
    );
    assert_eq!((told[0].error.as_deref(), &told[2].error), (Some("HTTP 500"), &None));
    assert!(told[0].at <= told[1].at && !told[0].replayed);
    fixture.stop().await;
}

#[tokio::test]
async fn a_part_of_the_log_is_delivered_again_in_its_order() {
    let receiver = Receiver::start().await;
    let fixture = Fixture::new(eager(&receiver.url())).await;
    fixture.record((1..=9).map(|n| ("a", n))).await;
    fixture.until_settled().await;
    assert_eq!(receiver.calls().len(), 9);
    let webhook = stored_webhook(&fixture).await;
    let replay = fixture.dispatcher.replay_range(fixture.owner, &webhook, 3, 6).await.expect("replayed");
    assert_eq!((replay.count, replay.next), (4, None));
    fixture.until_settled().await;
    let calls = receiver.calls();
    assert_eq!(receiver.ns()[9..], [3, 4, 5, 6]);
    let marked: Vec<_> = calls.iter().map(|call| call.header("x-webhook-replayed") == "true").collect();
    assert_eq!(marked, [vec![false; 9], vec![true; 4]].concat());

    assert!(fixture.dispatcher.redeliver(fixture.owner, &fixture.consumer(), 2).await.expect("read"));
    assert!(!fixture.dispatcher.redeliver(fixture.owner, &fixture.consumer(), 99).await.expect("read"));
    fixture.until_settled().await;
    assert_eq!(receiver.calls().len(), 14);

    // What it doesn't want isn't delivered, and what it has not come to yet comes anyway.
    let none = WebhookPatch { received: Some(false), ..WebhookPatch::default() };
    let mut unwanting = webhook.clone();
    none.apply(&mut unwanting, webhook.updated_at).expect("sound");
    let replay = fixture.dispatcher.replay_range(fixture.owner, &unwanting, 0, i64::MAX).await;
    assert_eq!(replay.expect("replayed").count, 0);
    fixture.record([("b", 10)]).await;
    fixture.until_settled().await;
    fixture.stop().await;
}

#[tokio::test]
async fn a_test_call_tells_what_the_receiver_says_and_leaves_no_trace() {
    let receiver = Receiver::start().await;
    let secret = Some(storage::SecretText::new("a webhook secret"));
    let webhook = Webhook { enabled: false, secret, ..eager(&receiver.url()) };
    let fixture = Fixture::new(webhook).await;
    receiver.answer(|_| 418.into());
    let webhook = stored_webhook(&fixture).await;
    let tested = fixture.dispatcher.test(fixture.owner, &webhook).await.expect("it has a URL");
    assert_eq!(tested.answer.expect("an answer"), (418, "ok".into()));
    let call = receiver.calls().remove(0);
    let body = call.json();
    assert_eq!((&body["event"], &body["data"]["webhook"]), (&"webhook_test".into(), &"default".into()));
    let signature = call.header("x-webhook-signature");
    assert!(webhook::Signer::new("a webhook secret").verify(&call.body, signature));
    assert!(attempts(&fixture).await.is_empty());

    let refused = Webhook { url: Some("http://169.254.169.254/".to_owned()), ..webhook.clone() };
    let tested = fixture.dispatcher.test(fixture.owner, &refused).await.expect("it has a URL");
    assert!(tested.answer.unwrap_err().contains("link-local"));
    let without = Webhook { url: None, ..webhook };
    assert_eq!(fixture.dispatcher.test(fixture.owner, &without).await, None);
    fixture.stop().await;
}
