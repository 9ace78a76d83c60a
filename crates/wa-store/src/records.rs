use std::fmt;
use std::future::Future;
use std::ops::Range;
use std::pin::Pin;

use async_trait::async_trait;
use bytes::Bytes;

use crate::{Key, Kind, StoreError};

/// The answer of [`Records::apply`]: resolves when the batch is durable.
///
/// It borrows nothing, so it can be kept while the store goes on being used. Dropping it doesn't cancel the batch.
pub type Commit = Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send>>;

/// What a backend implements: the records of one companion, as opaque bytes under a kind and a key.
///
/// A handle belongs to one owner of the companion, and at any time there is one owner. Where a backend can be shared by
/// several processes, ownership has an epoch that the handle was opened with; when another owner has taken over, the
/// older handle's batches are refused with [`StoreError::Fenced`], so that no ratchet is used twice. Reading stays free
/// to every handle.
#[async_trait]
pub trait Records: Send + Sync + 'static {
    /// The values under these keys, in the order asked; a key may be asked twice.
    async fn get(&self, kind: Kind, keys: &[Key]) -> Result<Vec<Option<Bytes>>, StoreError>;

    /// Up to `limit` records with keys in this range, in ascending order of their keys.
    async fn scan(
        &self,
        kind: Kind,
        range: Range<Key>,
        limit: usize,
    ) -> Result<Vec<(Key, Bytes)>, StoreError>;

    /// How many records of this kind there are.
    async fn count(&self, kind: Kind) -> Result<u64, StoreError>;

    /// Stores a batch: all of it, or on an error nothing.
    ///
    /// The call itself queues it: batches of a companion are applied in the order of their calls, whichever future is
    /// polled first. A read that starts after the future resolved sees it. An empty batch resolves after all before it.
    fn apply(&self, batch: Batch) -> Commit;
}

/// Changes of records that are stored together, applied in their order.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Batch {
    steps: Vec<Step>,
}

/// One change of a [`Batch`].
#[derive(Clone, PartialEq, Eq)]
pub enum Step {
    /// Stores a value, over an older one under the same key.
    Put(Kind, Key, Bytes),
    /// Removes a record, if it is there.
    Delete(Kind, Key),
    /// Removes all records of a kind but those with the greatest keys, so many of them.
    KeepLast(Kind, usize),
    /// Removes all records of the companion, of every kind.
    Wipe,
}

impl Batch {
    /// A batch without steps, which changes nothing.
    pub const fn new() -> Self {
        Self { steps: Vec::new() }
    }

    /// Adds [`Step::Put`].
    pub fn put(&mut self, kind: Kind, key: Key, value: Bytes) {
        self.steps.push(Step::Put(kind, key, value));
    }

    /// Adds [`Step::Delete`].
    pub fn delete(&mut self, kind: Kind, key: Key) {
        self.steps.push(Step::Delete(kind, key));
    }

    /// Adds [`Step::KeepLast`].
    pub fn keep_last(&mut self, kind: Kind, count: usize) {
        self.steps.push(Step::KeepLast(kind, count));
    }

    /// Adds [`Step::Wipe`].
    pub fn wipe(&mut self) {
        self.steps.push(Step::Wipe);
    }

    /// What is to be done, in order.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The same, by value.
    pub fn into_steps(self) -> Vec<Step> {
        self.steps
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.steps).finish()
    }
}

/// Values and keys are private: only kinds and sizes are shown.
impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Put(kind, _, value) => write!(f, "Put({kind:?}, {} bytes)", value.len()),
            Self::Delete(kind, _) => write!(f, "Delete({kind:?})"),
            Self::KeepLast(kind, count) => write!(f, "KeepLast({kind:?}, {count})"),
            Self::Wipe => f.write_str("Wipe"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_neither_keys_nor_values() {
        let mut batch = Batch::new();
        batch.wipe();
        batch.put(Kind::SESSION, Key::new(["15550000001", "0"]), Bytes::from_static(b"ratchet"));
        batch.delete(Kind::PREKEY, Key::new(["00000001"]));
        batch.keep_last(Kind::SENT_MESSAGE, 3);
        assert_eq!(
            format!("{batch:?}"),
            "[Wipe, Put(Kind(2), 7 bytes), Delete(Kind(4)), KeepLast(Kind(9), 3)]"
        );
    }
}
