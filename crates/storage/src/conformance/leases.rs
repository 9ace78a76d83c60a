//! Who runs which instance.

use std::time::Duration;

use super::held::Held;
use super::{Backend, SAMPLE_NODE, sample_incoming, sample_instance, sample_user};
use crate::{Epoch, InstanceId, Leased, NodeId, Record, Storage, StorageError, UserId};

const ONE: NodeId = NodeId::from_bytes([1; 16]);
const TWO: NodeId = NodeId::from_bytes([2; 16]);
const LONG: Duration = Duration::from_secs(600);
const OVER: Duration = Duration::ZERO;

/// An instance goes to the node that made it, or else to the first that asks; oldest first, no more than asked for.
pub async fn an_instance_is_held_by_one_node(backend: impl Backend) {
    let store = backend.storage().await;
    let owner = owner(&*store).await;
    store.renew(ONE, LONG).await.unwrap();
    let mut ids = Vec::new();
    for n in 0..5 {
        let mut instance = sample_instance(owner, &n.to_string());
        instance.created_at = instance.created_at.plus_millis(-n);
        let epoch = store.create_instance(instance.clone(), Vec::new(), ONE, 9).await.unwrap();
        assert_eq!(epoch.number(), 1);
        ids.insert(0, instance.id);
    }
    assert!(store.acquire(TWO, true, 9, LONG).await.unwrap().is_empty());
    assert_eq!(store.held_by_others(TWO).await.unwrap().0, 5);
    assert!(store.held_by_others(TWO).await.unwrap().1.is_some());
    assert_eq!(store.held_by_others(ONE).await.unwrap(), (0, None));

    store.release(ONE, None).await.unwrap();
    let first = store.acquire(TWO, false, 2, LONG).await.unwrap();
    assert_eq!(ids_of(&first), ids[..2]);
    assert_eq!(first[0].instance.name, "4");
    assert!(first.iter().all(|leased| leased.epoch > Epoch::new(1)));
    assert_eq!(ids_of(&store.acquire(ONE, false, 9, LONG).await.unwrap()), ids[2..]);
    assert!(store.acquire(TWO, false, 9, LONG).await.unwrap().is_empty());
    assert_eq!(store.held_by_others(ONE).await.unwrap().0, 2);
}

/// When a lease has run out, whoever asks takes over under a new epoch; the loser is told once. Until then the instance
/// stays with who held it, who may renew.
pub async fn a_lease_that_ran_out_is_taken_over(backend: impl Backend) {
    let store = backend.storage().await;
    let owner = owner(&*store).await;
    let (lost, kept) = (create(&*store, owner, ONE).await, create(&*store, owner, ONE).await);
    store.renew(ONE, OVER).await.unwrap();
    assert_eq!(store.held_by_others(TWO).await.unwrap(), (0, None), "nobody holds what nobody renews");
    let taken = store.acquire(TWO, false, 1, LONG).await.unwrap();
    assert_eq!((ids_of(&taken), taken[0].epoch), (vec![lost], Epoch::new(2)));
    assert_eq!(store.renew(ONE, LONG).await.unwrap(), [lost]);
    assert!(store.renew(ONE, LONG).await.unwrap().is_empty());
    assert!(store.acquire(TWO, false, 9, LONG).await.unwrap().is_empty(), "{kept} was renewed in time");
    let record = Record::new(kept, Epoch::new(1));
    store.record(record).await.unwrap();
    // Taken back: nothing was lost then.
    store.renew(TWO, OVER).await.unwrap();
    assert_eq!(ids_of(&store.acquire(ONE, false, 9, LONG).await.unwrap()), [lost]);
    assert!(store.renew(ONE, LONG).await.unwrap().is_empty());
}

/// A process that was killed and started again need not wait for its own lease to run out.
pub async fn a_node_that_comes_back_takes_its_own_instances_at_once(mut backend: impl Backend) {
    let store = backend.storage().await;
    let owner = owner(&*store).await;
    let (mine, theirs) = (create(&*store, owner, ONE).await, create(&*store, owner, TWO).await);
    store.renew(ONE, LONG).await.unwrap();
    store.renew(TWO, LONG).await.unwrap();
    drop(store);
    backend.reopen().await;
    let store = backend.storage().await;
    assert!(store.acquire(ONE, false, 9, LONG).await.unwrap().is_empty(), "it holds it already");
    let anew = store.acquire(ONE, true, 9, LONG).await.unwrap();
    assert_eq!(ids_of(&anew), [mine]);
    assert!(anew[0].epoch > Epoch::new(1));
    // In pieces, when there are many.
    let rest = create(&*store, owner, ONE).await;
    assert_eq!(ids_of(&store.acquire(ONE, true, 1, LONG).await.unwrap()), [mine]);
    assert_eq!(ids_of(&store.acquire(ONE, false, 1, LONG).await.unwrap()), [rest]);
    assert!(store.acquire(ONE, false, 1, LONG).await.unwrap().is_empty(), "{theirs} is held");
}

/// One instance or all, and only what the node holds.
pub async fn what_is_released_is_free_at_once(backend: impl Backend) {
    let store = backend.storage().await;
    let owner = owner(&*store).await;
    let (one, two) = (create(&*store, owner, ONE).await, create(&*store, owner, ONE).await);
    store.renew(ONE, LONG).await.unwrap();
    store.release(TWO, Some(one)).await.unwrap();
    store.release(TWO, None).await.unwrap();
    assert!(store.acquire(TWO, false, 9, LONG).await.unwrap().is_empty());
    store.release(ONE, Some(one)).await.unwrap();
    assert_eq!(ids_of(&store.acquire(TWO, false, 9, LONG).await.unwrap()), [one]);
    store.release(ONE, None).await.unwrap();
    assert_eq!(ids_of(&store.acquire(TWO, false, 9, LONG).await.unwrap()), [two]);
    assert!(store.renew(ONE, LONG).await.unwrap().is_empty(), "nothing of it was lost");
}

/// Under an epoch that isn't the instance's nothing is stored: neither message nor event, claim or state.
pub async fn a_stale_epoch_writes_nothing(backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    held.append(&*store, 2).await;
    let before = (held.log(&*store).await, store.fleet_instance(held.instance).await.unwrap());
    store.release(SAMPLE_NODE, None).await.unwrap();
    let taken = store.acquire(TWO, false, 9, LONG).await.unwrap().remove(0);
    for epoch in [held.epoch, taken.epoch.next(), Epoch::default()] {
        let claim = crate::Claim {
            scope: "send".into(),
            key: "key".into(),
            fingerprint: [0; 32],
            answer: crate::Json::default(),
            at: crate::Timestamp::default(),
        };
        let record = Record::new(held.instance, epoch)
            .claim(Some(claim))
            .state(crate::StateChange::status(crate::InstanceStatus::Paused, None))
            .message(sample_incoming(held.instance, "15550000002", "B", 1));
        let refused = store.record(record).await;
        assert!(matches!(refused, Err(StorageError::Fenced)), "{refused:?}");
    }
    assert_eq!(store.claim("send", "key").await.unwrap(), None);
    assert!(store.fleet_messages_by_id(held.instance, "B").await.unwrap().is_empty());
    assert_eq!((held.log(&*store).await, store.fleet_instance(held.instance).await.unwrap()), before);
    Held { epoch: taken.epoch, ..held }.append(&*store, 3).await;
    assert_eq!(held.log(&*store).await.len(), 3, "two of the three messages are repeated");
}

/// From the moment of a release the former holder writes nothing more, though nobody has taken the instance yet; when it
/// takes it again itself, what it still writes under its former epoch is refused as well.
pub async fn what_was_let_go_of_is_written_no_more(backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    let kept = Held::of(&*store, held.owner, "kept").await;
    held.append(&*store, 2).await;
    store.release(SAMPLE_NODE, Some(held.instance)).await.unwrap();
    let late = || held.record().message(sample_incoming(held.instance, "15550000002", "late", 1));
    let settlement = || crate::Settlement { cursor: Some(1), ..held.settlement() };
    for taken in [false, true] {
        if taken {
            let leased = store.acquire(SAMPLE_NODE, false, 9, LONG).await.unwrap();
            assert_eq!(ids_of(&leased), [held.instance]);
            assert!(leased[0].epoch > held.epoch);
        }
        for _ in 0..2 {
            let refused = store.record(late()).await;
            assert!(matches!(refused, Err(StorageError::Fenced)), "{refused:?}");
            assert_eq!(store.settle(vec![settlement()]).await.unwrap(), [held.instance]);
        }
    }
    assert_eq!(held.log(&*store).await.len(), 2);
    kept.append(&*store, 1).await;
    assert!(store.renew(SAMPLE_NODE, LONG).await.unwrap().is_empty(), "nothing of it was lost");
}

/// While two nodes take an instance from each other, what is recorded is recorded by the holder, and the log has it all.
pub async fn nobody_but_the_holder_is_served_between_changes_of_hands(backend: impl Backend) {
    let (store, other) = (backend.storage().await, backend.second().await);
    let owner = owner(&*store).await;
    let instance = create(&*store, owner, ONE).await;
    let nodes: [(&dyn Storage, NodeId); 2] = [(store.first(), ONE), (&*other, TWO)];
    let mut epochs = [Epoch::new(1), Epoch::default()];
    let mut recorded = 0;
    for round in 0..30_usize {
        let (at, of) = (round % 3 % 2, round % 2);
        if round % 5 == 0 {
            let ((from, loser), (to, winner)) = (nodes[1 - at], nodes[at]);
            from.release(loser, None).await.unwrap();
            if let Some(leased) = to.acquire(winner, false, 1, LONG).await.unwrap().pop() {
                epochs[at] = leased.epoch;
            }
        }
        let record = Record::new(instance, epochs[of]).message(sample_incoming(
            instance,
            "15550000002",
            &round.to_string(),
            1,
        ));
        match nodes[of].0.record(record).await {
            Ok(_) => recorded += 1,
            Err(StorageError::Fenced) => assert!(epochs[of] < epochs[1 - of]),
            Err(error) => panic!("{error}"),
        }
    }
    let log = store.events_after(instance, 0, 100).await.unwrap();
    assert!(recorded > 5 && recorded < 25, "both happened");
    assert_eq!(log.len(), recorded);
    assert!(log.is_sorted_by(|one, next| one.seq < next.seq && one.timestamp < next.timestamp));
}

async fn owner(store: &dyn Storage) -> UserId {
    let owner = sample_user("owner");
    store.create_user(owner.clone()).await.unwrap();
    owner.id
}

async fn create(store: &dyn Storage, owner: UserId, node: NodeId) -> InstanceId {
    let instance = sample_instance(owner, "instance");
    let id = instance.id;
    store.create_instance(instance, Vec::new(), node, 9).await.unwrap();
    id
}

fn ids_of(leased: &[Leased]) -> Vec<InstanceId> {
    leased.iter().map(|leased| leased.instance.id).collect()
}
