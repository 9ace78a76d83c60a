use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::talker::Talker;
use crate::{Gateway, Simulator, WebhookReceiver, events_by_message, message_id};
use test_support::until_within;

/// How long all that is under way may take to arrive once the troubles are over.
const AFTERMATH: Duration = Duration::from_secs(300);

/// What was found at the end.
pub(super) struct Verdict {
    pub(super) sent: usize,
    pub(super) received: usize,
    /// Arrived damaged at first.
    pub(super) damaged: usize,
    /// Damaged, told as that, and never read: the process died before it could ask.
    pub(super) never_read: usize,
    /// Webhook calls beyond the first of their event.
    pub(super) repeated_calls: usize,
    /// Texts that a phone got again under their id, and showed once.
    pub(super) repeats: u64,
}

/// Looks at everything, everywhere.
pub(super) async fn of(
    talkers: &[Arc<Talker>],
    simulator: &Simulator,
    gateway: &Gateway,
    receiver: &WebhookReceiver,
) -> Verdict {
    for talker in talkers {
        gateway.connected(&talker.instance).await;
    }
    let mut verdict =
        Verdict { sent: 0, received: 0, damaged: 0, never_read: 0, repeated_calls: 0, repeats: 0 };
    for talker in talkers {
        let (sent, received) = (set(&talker.sent.lock()), set(&talker.received.lock()));
        let stored = everything_stored(talker, gateway, &sent, &received).await;
        let unread = stored.iter().filter(|message| message["messageType"] == "undecryptable");
        let unread: BTreeSet<String> = unread.map(message_id).collect();
        verdict.damaged += everything_told(talker, receiver, &sent, &received, &unread).await;
        verdict.repeats += everything_shown(talker, simulator, &sent).await;
        verdict.never_read += unread.len();
        verdict.sent += sent.len();
        verdict.received += received.len();
    }
    assert_eq!(receiver.refused(), 0, "every call was signed");
    let ids: Vec<String> = receiver.hooks().into_iter().map(|hook| hook.id).collect();
    verdict.repeated_calls = ids.len() - ids.iter().collect::<BTreeSet<_>>().len();
    verdict
}

/// Each message is in the chat exactly once, and none is pending.
async fn everything_stored(
    talker: &Talker,
    gateway: &Gateway,
    sent: &BTreeSet<String>,
    received: &BTreeSet<String>,
) -> Vec<Value> {
    let what = format!("all messages of {} are stored", talker.number);
    let stored = until_within(&what, AFTERMATH, || async {
        let stored = gateway.messages(&talker.instance, &talker.peer).await?;
        let done = stored.iter().filter(|message| message["status"] != "pending").count();
        (done >= sent.len() + received.len()).then_some(stored)
    })
    .await;
    let (ours, theirs): (Vec<&Value>, Vec<&Value>) =
        stored.iter().partition(|message| message["fromMe"] == true);
    for (stored, expected) in [(ours, sent), (theirs, received)] {
        let mut ids: Vec<String> = stored.into_iter().map(message_id).collect();
        ids.sort_unstable();
        assert!(ids.iter().eq(expected.iter()), "{}: each is stored exactly once", talker.number);
    }
    stored
}

/// Each message is told under one event; tells how many were told as damaged.
async fn everything_told(
    talker: &Talker,
    receiver: &WebhookReceiver,
    sent: &BTreeSet<String>,
    received: &BTreeSet<String>,
    unread: &BTreeSet<String>,
) -> usize {
    let read: BTreeSet<String> = received.difference(unread).cloned().collect();
    let expected = [("message_sent", sent), ("message_received", &read), ("message_undecryptable", unread)];
    for (kind, messages) in expected {
        let what = format!("{kind} of {}", talker.number);
        until_within(&what, AFTERMATH, || async {
            let told = events_by_message(&receiver.hooks(), kind);
            messages.iter().all(|id| told.contains_key(id)).then_some(())
        })
        .await;
        let told = events_by_message(&receiver.hooks(), kind);
        for id in messages {
            assert_eq!(told[id].len(), 1, "one stable event id for {kind} of {id}");
        }
    }
    let damaged = events_by_message(&receiver.hooks(), "message_undecryptable");
    received.iter().filter(|id| damaged.contains_key(*id)).count()
}

/// Each text is shown by the peer's phone exactly once; tells how many came again.
async fn everything_shown(talker: &Talker, simulator: &Simulator, sent: &BTreeSet<String>) -> u64 {
    let what = format!("the peer of {} shows every text", talker.number);
    let shown = until_within(&what, AFTERMATH, || async {
        let inbox = simulator.inbox(&talker.peer).await;
        let shown: Vec<Value> = inbox.into_iter().filter(|entry| entry["fromMe"] != true).collect();
        (shown.len() >= sent.len()).then_some(shown)
    })
    .await;
    let mut ids: Vec<String> =
        shown.iter().map(|entry| entry["id"].as_str().expect("id").to_owned()).collect();
    ids.sort_unstable();
    assert!(ids.iter().eq(sent.iter()), "{}: each text is shown exactly once", talker.number);
    shown.iter().map(|entry| entry["repeats"].as_u64().unwrap_or(0)).sum()
}

fn set(ids: &[String]) -> BTreeSet<String> {
    let set: BTreeSet<String> = ids.iter().cloned().collect();
    assert_eq!(set.len(), ids.len(), "distinct ids");
    set
}
