use std::future::Future;
use std::pin::Pin;

use async_trait::async_trait;
use bytes::Bytes;
use wa_binary::Jid;

use crate::{Changes, Device, DeviceAddress, DeviceList, RecordError, SenderKeyName, SentMessage};

/// The answer of [`Store::commit`]: resolves when the change is durable.
///
/// It borrows nothing, so it can be kept while the store goes on being used. Dropping it doesn't cancel the change.
pub type Commit = Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send>>;

/// Signal records: sessions, identities, prekeys, sender keys.
#[async_trait]
pub trait SignalStore: Send + Sync + 'static {
    /// The session records of these addresses, in the order asked.
    async fn sessions(&self, addresses: &[DeviceAddress]) -> Result<Vec<Option<Bytes>>, StoreError>;

    /// The identity public keys of these addresses, in the order asked.
    async fn identities(&self, addresses: &[DeviceAddress]) -> Result<Vec<Option<[u8; 32]>>, StoreError>;

    /// Every address of this Signal name that has a session or an identity, by device number.
    async fn addresses(&self, name: &str) -> Result<Vec<DeviceAddress>, StoreError>;

    /// The private key of a one-time prekey that has not been used up.
    async fn prekey(&self, id: u32) -> Result<Option<[u8; 32]>, StoreError>;

    /// Up to `limit` one-time prekeys with this id or a higher one, in ascending order: what is to be uploaded.
    async fn prekeys(&self, from_id: u32, limit: usize) -> Result<Vec<(u32, [u8; 32])>, StoreError>;

    /// How many one-time prekeys are stored.
    async fn prekey_count(&self) -> Result<usize, StoreError>;

    /// A sender key record.
    async fn sender_key(&self, name: &SenderKeyName) -> Result<Option<Bytes>, StoreError>;
}

/// Who is who: phone numbers and LIDs, and the devices of a user.
#[async_trait]
pub trait AddressBook: Send + Sync + 'static {
    /// The LID user of a phone number user.
    async fn lid_of(&self, pn_user: &str) -> Result<Option<String>, StoreError>;

    /// The phone number user of a LID user.
    async fn pn_of(&self, lid_user: &str) -> Result<Option<String>, StoreError>;

    /// The device lists of these users (JIDs without device), in the order asked.
    async fn device_lists(&self, users: &[Jid]) -> Result<Vec<Option<DeviceList>>, StoreError>;
}

/// The store of one companion.
#[async_trait]
pub trait Store: SignalStore + AddressBook {
    /// The device record; `None` before the first start and after a wipe.
    async fn device(&self) -> Result<Option<Device>, StoreError>;

    /// A message that left recently, by the chat and the id under which it was committed.
    async fn sent_message(&self, chat: &Jid, id: &str) -> Result<Option<SentMessage>, StoreError>;

    /// Stores the changes atomically.
    ///
    /// The call itself queues them: commits are applied in the order of their calls, whichever future is polled
    /// first. A read that starts after the future resolved sees them. On an error nothing of them is stored.
    fn commit(&self, changes: Changes) -> Commit;
}

/// Why a store could not answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// What was stored can't be read: damaged, or sealed with another key.
    #[error("stored {what} is unreadable")]
    Corrupt {
        /// The kind of record.
        what: &'static str,
        /// What exactly failed.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// More changes wait than the store accepts; try again later.
    #[error("the store is overloaded")]
    Overloaded,
    /// The store has been closed.
    #[error("the store is closed")]
    Closed,
    /// The database below failed.
    #[error("the store failed")]
    Backend(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl StoreError {
    /// Wraps the error of a database.
    pub fn backend(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Backend(error.into())
    }
}

impl From<RecordError> for StoreError {
    fn from(error: RecordError) -> Self {
        Self::Corrupt { what: error.what(), source: Box::new(error) }
    }
}
