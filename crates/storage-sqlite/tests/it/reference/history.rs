//! Random histories of a store.

use proptest::collection::vec;
use proptest::prelude::*;
use storage::{Change, EventKind, InstanceStatus, MessageKind, MessageStatus, NodeId, Retention};

pub(super) const PEERS: [&str; 3] = ["15550000002", "15550000003", "15550000004"];
pub(super) const WEBHOOKS: [&str; 3] = ["default", "one", "two"];
pub(super) const NODES: [NodeId; 2] = [NodeId::from_bytes([1; 16]), NodeId::from_bytes([2; 16])];
pub(super) const A_DAY: i64 = 24 * 60 * 60 * 1_000;
/// When a history begins, Unix milliseconds.
pub(super) const START: i64 = 2 * A_DAY;

/// One thing done to a store.
#[derive(Clone, Debug)]
pub(super) struct Step {
    /// Milliseconds that pass before.
    pub(super) pause: i64,
    /// Whether the second handle on the database does it.
    pub(super) second_handle: bool,
    pub(super) action: Action,
}

/// What is done.
#[derive(Clone, Debug)]
pub(super) enum Action {
    Record { parts: Vec<Part>, key: Option<usize>, stale: bool },
    Settle { webhook: usize, cursor: Option<i64>, put: Vec<(i64, bool)>, done: Vec<i64>, stale: bool },
    Replay(Option<Vec<i64>>),
    Webhook(usize, WebhookAction),
    Lease(usize, LeaseAction),
    Retain(Retention),
    Prune(PruneAction),
    Recreate,
}

/// What is done to a webhook.
#[derive(Clone, Debug)]
pub(super) enum WebhookAction {
    Create,
    Switch(bool),
    Delete,
}

/// What a node does with its lease of so many milliseconds.
#[derive(Clone, Debug)]
pub(super) enum LeaseAction {
    Acquire { anew: bool, lease: u64 },
    Renew { lease: u64 },
    Release { all: bool },
}

/// What is forgotten.
#[derive(Clone, Debug)]
pub(super) enum PruneAction {
    Events {
        limit: u64,
    },
    /// Which ones go first is not promised, so it is all or nothing.
    Messages {
        all: bool,
    },
    Claims {
        before: i64,
    },
}

/// One part of a record.
#[derive(Clone, Debug)]
pub(super) enum Part {
    Incoming { peer: usize, id: usize, at: i64, kind: MessageKind },
    Outgoing { peer: usize, id: usize, at: i64 },
    Status { peer: usize, id: usize, status: MessageStatus, at: i64, from_me: bool, any_chat: bool },
    Amend { peer: usize, id: usize, at: i64, change: Change, carrier: Option<usize>, by: usize },
    Merge { from: usize, into: usize },
    Event { kind: EventKind, peer: Option<usize> },
    State(InstanceStatus),
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    let pause = prop_oneof![4 => Just(0i64), 4 => 1i64..5, 1 => Just(A_DAY / 2)];
    (pause, any::<bool>(), action()).prop_map(|(pause, second_handle, action)| Step {
        pause,
        second_handle,
        action,
    })
}

fn action() -> impl Strategy<Value = Action> {
    let seqs = || vec(0i64..20, 0..4);
    let stale = || prop::bool::weighted(0.1);
    let days = || prop::option::of(0u32..2);
    let record = (vec(part(), 0..5), prop::option::weighted(0.2, 0usize..3), stale())
        .prop_map(|(parts, key, stale)| Action::Record { parts, key, stale });
    let settle = (
        0..WEBHOOKS.len(),
        prop::option::of(0i64..20),
        vec((0i64..20, any::<bool>()), 0..4),
        seqs(),
        stale(),
    )
        .prop_map(|(webhook, cursor, put, done, stale)| Action::Settle {
            webhook,
            cursor,
            put,
            done,
            stale,
        });
    let retain = (days(), days()).prop_map(|(event_days, message_days)| {
        Action::Retain(Retention { event_days, message_days, media_days: None })
    });
    prop_oneof![
        14 => record,
        3 => settle,
        1 => prop::option::of(seqs()).prop_map(Action::Replay),
        2 => (0..WEBHOOKS.len(), webhook_action()).prop_map(|(webhook, action)| Action::Webhook(webhook, action)),
        3 => (0..NODES.len(), lease_action()).prop_map(|(node, action)| Action::Lease(node, action)),
        1 => retain,
        3 => prune_action().prop_map(Action::Prune),
        1 => Just(Action::Recreate),
    ]
}

fn webhook_action() -> impl Strategy<Value = WebhookAction> {
    prop_oneof![
        Just(WebhookAction::Create),
        any::<bool>().prop_map(WebhookAction::Switch),
        Just(WebhookAction::Delete),
    ]
}

fn lease_action() -> impl Strategy<Value = LeaseAction> {
    prop_oneof![
        (any::<bool>(), 0u64..8).prop_map(|(anew, lease)| LeaseAction::Acquire { anew, lease }),
        (0u64..8).prop_map(|lease| LeaseAction::Renew { lease }),
        any::<bool>().prop_map(|all| LeaseAction::Release { all }),
    ]
}

fn prune_action() -> impl Strategy<Value = PruneAction> {
    prop_oneof![
        prop_oneof![0u64..8, Just(100)].prop_map(|limit| PruneAction::Events { limit }),
        any::<bool>().prop_map(|all| PruneAction::Messages { all }),
        (0i64..60).prop_map(|before| PruneAction::Claims { before }),
    ]
}

fn part() -> impl Strategy<Value = Part> {
    let (peer, id, at) = (0..PEERS.len(), 0usize..4, 0i64..50);
    let kinds = [MessageKind::Text, MessageKind::Undecryptable, MessageKind::Reaction, MessageKind::Image];
    let incoming = (peer.clone(), id.clone(), at.clone(), prop::sample::select(kinds.to_vec()))
        .prop_map(|(peer, id, at, kind)| Part::Incoming { peer, id, at, kind });
    let outgoing =
        (peer.clone(), id.clone(), at.clone()).prop_map(|(peer, id, at)| Part::Outgoing { peer, id, at });
    let status = (
        peer.clone(),
        id.clone(),
        prop::sample::select(MessageStatus::ALL),
        at.clone(),
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(|(peer, id, status, at, from_me, any_chat)| Part::Status {
            peer,
            id,
            status,
            at,
            from_me,
            any_chat,
        });
    let amend = (peer.clone(), id.clone(), at, change(), prop::option::of(4usize..7), peer.clone())
        .prop_map(|(peer, id, at, change, carrier, by)| Part::Amend { peer, id, at, change, carrier, by });
    let event = (prop::sample::select(EventKind::ALL), prop::option::of(peer.clone()))
        .prop_map(|(kind, peer)| Part::Event { kind, peer });
    prop_oneof![
        4 => incoming, 3 => outgoing, 4 => status, 4 => amend, 2 => event,
        1 => (peer.clone(), peer).prop_map(|(from, into)| Part::Merge { from, into }),
        1 => prop::sample::select(InstanceStatus::ALL).prop_map(Part::State),
    ]
}

fn change() -> impl Strategy<Value = Change> {
    let text = prop::option::of("[a-z]{0,3}");
    let read_as = prop::sample::select(&[MessageKind::Text, MessageKind::Reaction][..]);
    prop_oneof![
        3 => text.clone().prop_map(|text| Change::Edit { text, raw: "edited".into() }),
        1 => Just(Change::Revoke),
        3 => (read_as, text).prop_map(|(kind, text)| {
            Change::Read { kind, text, target: Some("0".into()), media: None, raw: "read".into() }
        }),
        1 => Just(Change::Refer),
    ]
}
