use super::{Backend, key, puts, scanned, text};
use crate::{Batch, Key, Kind};

/// Steps of a batch are applied in their order.
pub async fn later_steps_win(backend: impl Backend) {
    let records = backend.companion(1).await;
    let mut batch = puts(Kind::SESSION, &[("kept", "old"), ("gone", "old"), ("kept", "new")]);
    batch.delete(Kind::SESSION, key("gone"));
    batch.delete(Kind::SESSION, key("never there"));
    batch.delete(Kind::SESSION, key("back"));
    batch.put(Kind::SESSION, key("back"), "value".into());
    records.apply(batch).await.unwrap();
    assert_eq!(text(&*records, Kind::SESSION, "kept").await.as_deref(), Some("new"));
    assert_eq!(text(&*records, Kind::SESSION, "gone").await, None);
    assert_eq!(text(&*records, Kind::SESSION, "back").await.as_deref(), Some("value"));
}

/// Keeping the last of a kind removes those with the smallest keys, of that kind and that companion only.
pub async fn only_the_last_are_kept(backend: impl Backend) {
    let (records, other) = (backend.companion(1).await, backend.companion(2).await);
    let names = [("3", ""), ("1", ""), ("2", ""), ("5", "")];
    other.apply(puts(Kind::SENT_MESSAGE, &names)).await.unwrap();
    let mut batch = puts(Kind::SENT_MESSAGE, &names);
    batch.put(Kind::PEER_DATA, key("1"), "value".into());
    batch.keep_last(Kind::SENT_MESSAGE, 2);
    batch.put(Kind::SENT_MESSAGE, key("0"), "value".into());
    records.apply(batch).await.unwrap();
    let all = || scanned(&*records, Kind::SENT_MESSAGE, Key::FIRST..Key::END, 99);
    assert_eq!(all().await, ["0", "3", "5"]);
    let keep = |count| {
        let mut batch = Batch::new();
        batch.keep_last(Kind::SENT_MESSAGE, count);
        records.apply(batch)
    };
    keep(3).await.unwrap();
    keep(99).await.unwrap();
    assert_eq!(all().await, ["0", "3", "5"]);
    keep(0).await.unwrap();
    assert_eq!(all().await, [""; 0]);
    assert_eq!(records.count(Kind::PEER_DATA).await.unwrap(), 1);
    assert_eq!(other.count(Kind::SENT_MESSAGE).await.unwrap(), 4);
}

/// A wipe removes every kind of record, before the steps that follow it.
pub async fn a_wipe_removes_what_came_before(backend: impl Backend) {
    let records = backend.companion(1).await;
    let every_kind = || [1, 2, 9, 11, 200].map(Kind::from_number);
    for kind in every_kind() {
        records.apply(puts(kind, &[("a", ""), ("b", "")])).await.unwrap();
    }
    let mut batch = puts(Kind::DEVICE, &[("c", "")]);
    batch.wipe();
    batch.put(Kind::PREKEY, key("d"), "value".into());
    records.apply(batch).await.unwrap();
    for kind in every_kind() {
        assert_eq!(records.count(kind).await.unwrap(), 0, "{kind:?}");
    }
    assert_eq!(text(&*records, Kind::PREKEY, "d").await.as_deref(), Some("value"));
}

/// Of batches queued one after the other, the last one called wins, even when it is polled first. An empty one resolves
/// after what was queued before it.
pub async fn batches_apply_in_the_order_of_their_calls(backend: impl Backend) {
    let records = backend.companion(1).await;
    let first = records.apply(puts(Kind::SESSION, &[("a", "first")]));
    let second = records.apply(puts(Kind::SESSION, &[("a", "second")]));
    records.apply(Batch::new()).await.unwrap();
    assert_eq!(text(&*records, Kind::SESSION, "a").await.as_deref(), Some("second"));
    second.await.unwrap();
    first.await.unwrap();
    assert_eq!(text(&*records, Kind::SESSION, "a").await.as_deref(), Some("second"));
}

/// Dropping the answer doesn't cancel the batch.
pub async fn unpolled_batches_are_applied(backend: impl Backend) {
    let records = backend.companion(1).await;
    drop(records.apply(puts(Kind::SESSION, &[("a", "first")])));
    records.apply(puts(Kind::SESSION, &[("b", "second")])).await.unwrap();
    assert_eq!(text(&*records, Kind::SESSION, "a").await.as_deref(), Some("first"));
}

/// What was acknowledged is there after a restart, and what was removed is not.
pub async fn what_was_stored_survives_a_restart(mut backend: impl Backend) {
    let records = backend.companion(1).await;
    records.apply(puts(Kind::SESSION, &[("a", "kept"), ("b", "removed")])).await.unwrap();
    let mut batch = puts(Kind::DEVICE, &[("", "device")]);
    batch.delete(Kind::SESSION, key("b"));
    records.apply(batch).await.unwrap();
    drop(records);
    backend.reopen().await;
    let records = backend.companion(1).await;
    assert_eq!(text(&*records, Kind::DEVICE, "").await.as_deref(), Some("device"));
    assert_eq!(text(&*records, Kind::SESSION, "a").await.as_deref(), Some("kept"));
    assert_eq!(text(&*records, Kind::SESSION, "b").await, None);
    records.apply(puts(Kind::SESSION, &[("c", "new")])).await.unwrap();
    assert_eq!(records.count(Kind::SESSION).await.unwrap(), 2);
}

/// Two handles of one owner see and replace each other's records, in the order of the calls.
pub async fn two_handles_are_one_companion(backend: impl Backend) {
    let (one, two) = (backend.companion(1).await, backend.companion(1).await);
    one.apply(puts(Kind::SESSION, &[("a", "of one")])).await.unwrap();
    assert_eq!(text(&*two, Kind::SESSION, "a").await.as_deref(), Some("of one"));
    let first = two.apply(puts(Kind::SESSION, &[("a", "of two")]));
    let second = one.apply(puts(Kind::SESSION, &[("a", "of one again")]));
    second.await.unwrap();
    first.await.unwrap();
    assert_eq!(text(&*two, Kind::SESSION, "a").await.as_deref(), Some("of one again"));
}

/// Two companions of one database share nothing.
pub async fn companions_share_nothing(backend: impl Backend) {
    let (one, two) = (backend.companion(1).await, backend.companion(2).await);
    one.apply(puts(Kind::SESSION, &[("a", "of one")])).await.unwrap();
    assert_eq!(text(&*two, Kind::SESSION, "a").await, None);
    assert_eq!(two.count(Kind::SESSION).await.unwrap(), 0);
    assert_eq!(scanned(&*two, Kind::SESSION, Key::FIRST..Key::END, 99).await, [""; 0]);
    let mut batch = Batch::new();
    batch.wipe();
    two.apply(batch).await.unwrap();
    assert_eq!(text(&*one, Kind::SESSION, "a").await.as_deref(), Some("of one"));
}
