//! How many bytes of files each user may have kept. No message waits for its file, so none is held back.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use storage::{Storage, StorageError, UserId};
use thiserror::Error;
use tokio::time::Instant;

use super::MediaObjects;
use crate::error::ServiceError;

/// Before anything is refused the files are counted anew, unless they were within this time: what is deleted isn't told here.
const COUNTED: Duration = Duration::from_secs(60);
/// Instances that are read at once.
const PAGE: u64 = 500;

/// Knows how much room each user has left. Clones are the same.
#[derive(Clone)]
pub(crate) struct MediaRoom {
    storage: Arc<dyn Storage>,
    objects: Arc<dyn MediaObjects>,
    /// Bytes of each user; `None` without a bound.
    most: Option<u64>,
    /// As many users as there are.
    kept: Arc<Mutex<HashMap<UserId, Kept>>>,
}

#[derive(Clone, Copy)]
struct Kept {
    bytes: u64,
    counted_at: Instant,
}

/// Why it can't be said how much there is.
#[derive(Debug, Error)]
pub(crate) enum RoomError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl MediaRoom {
    pub(crate) fn new(storage: Arc<dyn Storage>, objects: Arc<dyn MediaObjects>, most: Option<u64>) -> Self {
        Self { storage, objects, most, kept: Arc::default() }
    }

    /// Whether a file of so many bytes may be kept for this user.
    pub(crate) async fn has(&self, user: UserId, bytes: u64) -> Result<bool, RoomError> {
        let Some(most) = self.most else { return Ok(true) };
        let fits = |kept: Kept| kept.bytes.saturating_add(bytes) <= most;
        let known = self.kept.lock().get(&user).copied();
        if let Some(known) = known
            && (fits(known) || known.counted_at.elapsed() < COUNTED)
        {
            return Ok(fits(known));
        }
        let counted = Kept { bytes: self.count(user).await?, counted_at: Instant::now() };
        self.kept.lock().insert(user, counted);
        Ok(fits(counted))
    }

    /// Lets a file pass that a user brings.
    ///
    /// # Errors
    /// `NoRoom`.
    pub(crate) async fn check(&self, user: UserId, bytes: u64) -> Result<(), ServiceError> {
        match self.has(user, bytes).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(ServiceError::NoRoom { most: self.most.unwrap_or_default() }),
            Err(error) => Err(ServiceError::internal(error)),
        }
    }

    /// A file is kept.
    pub(crate) fn took(&self, user: UserId, bytes: u64) {
        if let Some(kept) = self.kept.lock().get_mut(&user) {
            kept.bytes = kept.bytes.saturating_add(bytes);
        }
    }

    async fn count(&self, user: UserId) -> Result<u64, RoomError> {
        let (mut bytes, mut skip) = (0_u64, 0);
        loop {
            let page = self.storage.instances(user, PAGE, skip).await?;
            for (instance, _) in &page.items {
                bytes = bytes.saturating_add(self.objects.usage(instance.id).await?.bytes);
            }
            skip += page.items.len() as u64;
            if page.items.is_empty() || skip >= page.total {
                return Ok(bytes);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use storage::conformance::{sample_leased, sample_user};
    use storage::{MemoryStorage, StoredMessageId};

    use super::*;
    use crate::media::LocalObjects;

    #[tokio::test(start_paused = true)]
    async fn a_user_has_so_much_over_all_instances_and_room_that_is_made_is_seen() {
        let folder = std::env::temp_dir().join(format!("trunkline-{}", StoredMessageId::generate()));
        std::fs::create_dir(&folder).unwrap();
        let objects: Arc<dyn MediaObjects> = Arc::new(LocalObjects::new(folder.join("files")));
        let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
        let user = sample_user("zoe");
        storage.create_user(user.clone()).await.unwrap();
        let room = MediaRoom::new(Arc::clone(&storage), Arc::clone(&objects), Some(100));
        for name in ["one", "other"] {
            let (instance, _) = sample_leased(&*storage, user.id, name).await.unwrap();
            let file = folder.join(name);
            std::fs::write(&file, [0; 40]).unwrap();
            objects.put(instance.id, "file", &file).await.unwrap();
        }
        assert!(room.has(user.id, 20).await.unwrap());
        room.took(user.id, 20);
        assert!(!room.has(user.id, 1).await.unwrap());
        assert!(room.has(UserId::generate(), 100).await.unwrap(), "another has as much");
        tokio::time::advance(COUNTED).await;
        assert!(room.has(user.id, 20).await.unwrap(), "the file didn't stay");
        let unbounded = MediaRoom::new(storage, objects, None);
        assert!(unbounded.has(user.id, u64::MAX).await.unwrap());
        std::fs::remove_dir_all(folder).unwrap();
    }
}
