//! Stops and starts in the midst of things. That the process may also be killed is proven with the whole gateway.

use std::collections::BTreeSet;
use std::time::Duration;

use services::SendText;
use storage::{EventKind, MessageStatus};

use crate::stage::{Stage, until};

#[tokio::test(start_paused = true)]
async fn after_a_stop_instances_come_back_and_what_was_missed_arrives() {
    let mut stage = Stage::new().await;
    let (own, peer) = (stage.phone("15550000001"), stage.phone("15550000002"));
    let id = stage.linked(&own).await;
    assert!(stage.services.stop(Duration::from_secs(10)).await);
    let missed = peer.send("15550000001", "while you were away").await.unwrap();
    stage.restart().await;
    stage.online(id).await;
    assert_eq!(stage.received(id, 1).await[0].1.message_id, missed);
    assert_eq!(own.devices().len(), 1, "the same companion");
    stage.send(id, &peer, "back").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn every_message_is_stored_once_and_shown_once_whatever_is_interrupted() {
    let mut stage = Stage::new().await;
    let (own, peer) = (stage.phone("15550000001"), stage.phone("15550000002"));
    let id = stage.linked(&own).await;
    let (mut sent, mut received) = (BTreeSet::new(), BTreeSet::new());
    for round in 0..8 {
        let calls: Vec<_> = (0..5)
            .map(|n| {
                let (messages, caller) = (stage.services.messages.clone(), stage.caller);
                let send = SendText {
                    phone: peer.number().to_owned(),
                    message: format!("out {round}.{n}"),
                    idempotency_key: Some(format!("{round}.{n}")),
                    on_limit: Default::default(),
                };
                tokio::spawn(async move { messages.send_text(&caller, id, send).await })
            })
            .collect();
        received.insert(peer.send("15550000001", &format!("in {round}")).await.unwrap());
        // Some way into it, ever further.
        for _ in 0..round * 15 {
            tokio::task::yield_now().await;
        }
        calls.iter().for_each(tokio::task::JoinHandle::abort);
        assert!(stage.services.stop(Duration::from_secs(30)).await);
        stage.restart().await;
        stage.online(id).await;
        for n in 0..5 {
            let send = SendText {
                phone: peer.number().to_owned(),
                message: format!("out {round}.{n}"),
                idempotency_key: Some(format!("{round}.{n}")),
                on_limit: Default::default(),
            };
            sent.insert(stage.services.messages.send_text(&stage.caller, id, send).await.unwrap().id);
        }
    }
    let inbox = peer.wait_for_inbox(|inbox| inbox.len() >= 40).await;
    assert_eq!(inbox.iter().map(|entry| entry.id.to_string()).collect::<BTreeSet<_>>(), sent);
    assert_eq!((inbox.len(), sent.len()), (40, 40));
    stage.received(id, received.len()).await;
    for message_id in &received {
        stage.message(id, message_id).await;
    }
    for message_id in &sent {
        until("no longer pending", || async {
            (stage.message(id, message_id).await.status != MessageStatus::Pending).then_some(())
        })
        .await;
    }
    assert_eq!(stage.told(id, EventKind::MessageSent, 40).await.len(), 40);
    assert_eq!(stage.events(id, &[EventKind::MessageReceived]).await.len(), received.len());
}

#[tokio::test(start_paused = true)]
async fn a_second_process_leaves_the_companions_of_the_first_alone() {
    let stage = Stage::new().await;
    let (own, peer) = (stage.phone("15550000001"), stage.phone("15550000002"));
    let id = stage.linked(&own).await;
    let second = stage.second_process().await;
    // Longer than a lease: the first one renews it.
    tokio::time::sleep(Duration::from_secs(100)).await;
    assert_eq!(second.supervisor.running(), 0);
    stage.send(id, &peer, "still mine").await.unwrap();

    assert!(stage.services.stop(Duration::from_secs(10)).await);
    until("it is carried on", || async {
        second.instances.status(&stage.caller, id).await.unwrap().ready().then_some(())
    })
    .await;
    let send = SendText {
        phone: peer.number().to_owned(),
        message: "mine now".to_owned(),
        idempotency_key: None,
        on_limit: Default::default(),
    };
    second.messages.send_text(&stage.caller, id, send).await.unwrap();
    assert_eq!(own.devices().len(), 1, "the same companion");
}
