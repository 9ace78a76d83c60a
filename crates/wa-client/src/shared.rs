use std::sync::Arc;

use rand_chacha::ChaCha20Rng;
use wa_noise::TrustRoot;
use wa_store::{Changes, Store, StoreError};

use crate::address_book::AddressBook;
use crate::clock::Clock;
use crate::config::Config;
use crate::media::Transfers;
use crate::received::ReceivedMessages;
use crate::sent::SentMessages;
use crate::server_clock::ServerClock;
use crate::transport::{Connector, Meter};
use crate::version::Versions;

/// The companion's one source of randomness: keys, padding, jitter.
pub(crate) type Random = ChaCha20Rng;

/// What a companion was built from and never changes.
pub(crate) struct Shared {
    pub(crate) store: Store,
    pub(crate) connector: Arc<dyn Connector>,
    /// Counts what goes over connections.
    pub(crate) meter: Meter,
    pub(crate) trust: TrustRoot,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) server_clock: ServerClock,
    /// Where sent messages are kept, if it isn't the companion's store.
    pub(crate) sent_messages: Option<Arc<dyn SentMessages>>,
    pub(crate) versions: Arc<dyn Versions>,
    /// Where received messages are kept, if the embedder says so.
    pub(crate) received_messages: Option<Arc<dyn ReceivedMessages>>,
    /// Who stands in the account's address book, if the embedder says so.
    pub(crate) address_book: Option<Arc<dyn AddressBook>>,
    /// What the companion itself fetches from media hosts.
    pub(crate) transfers: Arc<Transfers>,
    pub(crate) config: Config,
}

impl Shared {
    /// Stores changes, if there are any.
    pub(crate) async fn commit(&self, changes: Changes) -> Result<(), StoreError> {
        if changes.is_empty() { Ok(()) } else { self.store.commit(changes).await }
    }

    /// Stores what would be a pity, but no harm, to lose.
    pub(crate) async fn store_quietly(&self, changes: Changes) {
        if let Err(error) = self.commit(changes).await {
            tracing::warn!(%error, "cached changes could not be stored");
        }
    }
}
