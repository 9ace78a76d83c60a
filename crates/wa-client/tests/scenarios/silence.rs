//! A server that doesn't answer one question, and goes on otherwise.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use wa_simulator::{Fault, FaultKind, Phone};

use crate::stage::{Companion, Stage, nothing_waits};

async fn paired(stage: &Stage) -> (Phone, Companion) {
    let alice = stage.phone("15550000001");
    let companion = stage.companion(&alice).await;
    (alice, companion)
}

fn silence(child: &str) -> FaultKind {
    FaultKind::IqSilence { xmlns: None, child: Some(child.into()) }
}

#[tokio::test(start_paused = true)]
async fn a_login_goes_on_whatever_is_left_unanswered() {
    for children in [&["count"][..], &["active"], &["digest"], &["count", "active", "digest"]] {
        let stage = Stage::new().await;
        let (alice, companion) = paired(&stage).await;
        let store = companion.stop().await;
        for child in children {
            stage.sim.add_fault(Fault::new(silence(child)).times(1000)).unwrap();
        }
        let start = Instant::now();
        let companion = stage.start(store);
        companion.online().await;
        assert!(start.elapsed() < Duration::from_secs(30), "{children:?}: {:?}", start.elapsed());
        sleep(Duration::from_secs(600)).await;
        assert_eq!(alice.devices()[0].logins, 2, "{children:?}: the connection stays");
        stage.sim.clear_faults();
        companion.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_first_login_uploads_its_keys_once_the_server_answers() {
    let stage = Stage::new().await;
    let alice = stage.phone("15550000001");
    stage.sim.add_fault(Fault::new(silence("count")).number(alice.number())).unwrap();
    let companion = stage.companion(&alice).await;
    assert_eq!(alice.devices()[0].prekeys, 0);
    sleep(Duration::from_secs(60)).await;
    assert!(alice.devices()[0].prekeys > 0);
    companion.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_look_up_that_is_not_answered_is_asked_again() {
    let stage = Stage::new().await;
    let (alice, companion) = paired(&stage).await;
    let bob = stage.phone("15550000002");
    for xmlns in ["usync", "encrypt"] {
        let kind = FaultKind::IqSilence { xmlns: Some(xmlns.into()), child: None };
        stage.sim.add_fault(Fault::new(kind).number(alice.number())).unwrap();
    }
    let start = Instant::now();
    companion.send(bob.jid(), "after all").await;
    let took = start.elapsed();
    assert!((Duration::from_secs(20)..Duration::from_secs(60)).contains(&took), "{took:?}");
    assert_eq!(bob.wait_for_inbox(|entries| !entries.is_empty()).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_question_of_the_server_that_nobody_understands_is_answered() {
    let stage = Stage::new().await;
    let (alice, companion) = paired(&stage).await;
    nothing_waits(&alice).await;
    let before = stage.seen("feature-not-implemented");
    stage.fault_for(&alice, FaultKind::Stanza { tag: "iq".into() });
    sleep(Duration::from_secs(1)).await;
    assert_eq!(stage.seen("feature-not-implemented"), before + 1);
    companion.stop().await;
}
