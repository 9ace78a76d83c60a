use bytes::Bytes;

use crate::{Key, Kind, StoreError};

/// Keeps the values of one companion private where they are stored. [`Store`](crate::Store) passes every value through
/// it, and nobody else does.
///
/// A sealed value has to be bound to its place: one that was moved to another kind, key or companion must not open.
pub trait Seal: Send + Sync + 'static {
    /// Seals a value for its place.
    fn seal(&self, kind: Kind, key: &Key, plain: &[u8]) -> Result<Bytes, StoreError>;

    /// Opens a value at its place; an unreadable one is [`StoreError::Corrupt`].
    fn open(&self, kind: Kind, key: &Key, sealed: Bytes) -> Result<Bytes, StoreError>;
}

/// Seals nothing: for stores that nobody else can read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Plain;

impl Seal for Plain {
    fn seal(&self, _: Kind, _: &Key, plain: &[u8]) -> Result<Bytes, StoreError> {
        Ok(Bytes::copy_from_slice(plain))
    }

    fn open(&self, _: Kind, _: &Key, sealed: Bytes) -> Result<Bytes, StoreError> {
        Ok(sealed)
    }
}
