use super::{SharedBackend, puts, text};
use crate::{Batch, Kind, StoreError};

/// A new owner finds what the old one stored, and stores on.
pub async fn a_new_owner_continues(backend: impl SharedBackend) {
    let old = backend.companion(1).await;
    old.apply(puts(Kind::SESSION, &[("a", "old")])).await.unwrap();
    let new = backend.take_over(1).await;
    assert_eq!(text(&*new, Kind::SESSION, "a").await.as_deref(), Some("old"));
    new.apply(puts(Kind::SESSION, &[("a", "new")])).await.unwrap();
    let newest = backend.take_over(1).await;
    newest.apply(puts(Kind::SESSION, &[("b", "newest")])).await.unwrap();
    let of_newest = backend.companion(1).await;
    assert_eq!(text(&*of_newest, Kind::SESSION, "a").await.as_deref(), Some("new"));
    of_newest.apply(Batch::new()).await.unwrap();
}

/// A handle of an earlier owner changes nothing any more, not even by a wipe, and says why. Other companions go on.
pub async fn a_stale_owner_is_fenced(backend: impl SharedBackend) {
    let (old, another) = (backend.companion(1).await, backend.companion(1).await);
    let bystander = backend.companion(2).await;
    old.apply(puts(Kind::SESSION, &[("a", "old")])).await.unwrap();
    let new = backend.take_over(1).await;
    let mut wipe = Batch::new();
    wipe.wipe();
    for (handle, batch) in [
        (&old, puts(Kind::SESSION, &[("a", "stale"), ("b", "stale")])),
        (&another, wipe),
        (&old, Batch::new()),
    ] {
        let refused = handle.apply(batch).await;
        assert!(matches!(refused, Err(StoreError::Fenced)), "{refused:?}");
    }
    assert_eq!(text(&*new, Kind::SESSION, "a").await.as_deref(), Some("old"));
    assert_eq!(new.count(Kind::SESSION).await.unwrap(), 1);
    bystander.apply(puts(Kind::SESSION, &[("a", "bystander")])).await.unwrap();
}

/// Reading needs no ownership.
pub async fn a_stale_owner_can_still_read(backend: impl SharedBackend) {
    let old = backend.companion(1).await;
    let new = backend.take_over(1).await;
    new.apply(puts(Kind::PN_OF_LID, &[("9001", "1001")])).await.unwrap();
    assert_eq!(text(&*old, Kind::PN_OF_LID, "9001").await.as_deref(), Some("1001"));
    assert_eq!(old.count(Kind::PN_OF_LID).await.unwrap(), 1);
}
