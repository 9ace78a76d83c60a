//! Users who are disabled: nothing of theirs runs here, and what is linked stays so.

use std::collections::HashSet;

use futures_util::{StreamExt as _, stream};
use storage::{Instance, StorageError, UserId};

use super::Supervisor;
use crate::status::resumes;

/// Instances that are looked at in one page.
const PIECE: u64 = 1_000;
/// Companions that are ended at once.
const AT_ONCE: usize = 32;

impl Supervisor {
    /// Ends what runs of users who were disabled, and takes up what belongs to those who no longer are.
    ///
    /// # Errors
    /// [`StorageError`] if the store can't tell; what could not be done is done with the next call.
    pub(crate) async fn heed_users(&self) -> Result<(), StorageError> {
        // In turn: an older answer of the store must not undo a newer one.
        let _turn = self.inner.heeding.lock().await;
        let disabled = self.disabled_users().await?;
        let suspended = self.inner.suspended.lock().clone();
        for owner in disabled.difference(&suspended) {
            self.inner.suspended.lock().insert(*owner);
            if let Err(error) = self.end_all(*owner).await {
                self.inner.suspended.lock().remove(owner);
                return Err(error);
            }
        }
        for owner in suspended.difference(&disabled) {
            self.inner.suspended.lock().remove(owner);
            if let Err(error) = self.take_up_all(*owner).await {
                self.inner.suspended.lock().insert(*owner);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Learns who is disabled before anything runs.
    pub(super) async fn learn_users(&self) -> Result<(), StorageError> {
        *self.inner.suspended.lock() = self.disabled_users().await?;
        Ok(())
    }

    /// Whether nothing of this user may run.
    pub(super) fn is_suspended(&self, owner: UserId) -> bool {
        self.inner.suspended.lock().contains(&owner)
    }

    async fn disabled_users(&self) -> Result<HashSet<UserId>, StorageError> {
        Ok(self.inner.journal.storage().disabled_users().await?.into_iter().collect())
    }

    async fn end_all(&self, owner: UserId) -> Result<(), StorageError> {
        let held = self.held_of(owner).await?;
        tracing::info!(%owner, count = held.len(), "the instances of a disabled user are disconnected");
        let end = |instance: Instance| async move {
            self.inner.dispatcher.release(instance.id);
            self.end(instance.id).await;
        };
        stream::iter(held).for_each_concurrent(AT_ONCE, end).await;
        Ok(())
    }

    async fn take_up_all(&self, owner: UserId) -> Result<(), StorageError> {
        for instance in self.held_of(owner).await? {
            let Some(epoch) = self.inner.node.epoch(instance.id) else { continue };
            self.inner.dispatcher.serve(instance.id, owner, epoch);
            if resumes(&instance) {
                self.launch(&instance, epoch);
            }
        }
        Ok(())
    }

    /// The user's instances that this process holds.
    async fn held_of(&self, owner: UserId) -> Result<Vec<Instance>, StorageError> {
        let (mut held, mut seen) = (Vec::new(), 0);
        loop {
            let page = self.inner.journal.storage().instances(owner, PIECE, seen).await?;
            seen += page.items.len() as u64;
            let all = page.items.into_iter().map(|(instance, _)| instance);
            held.extend(all.filter(|instance| self.holds(instance.id)));
            if !page.has_more {
                return Ok(held);
            }
        }
    }
}
