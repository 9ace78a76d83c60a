//! The services' view of a running WhatsApp companion, and the real one.

use std::sync::Arc;

use async_trait::async_trait;
use storage::InstanceId;
use tokio::sync::watch;
use wa_client::{Client, ClientBuilder, Handle, Handler, LogoutError, Outgoing, SendError, State};
use wa_store::Store;

/// A running companion: [`wa_client::Handle`], or a stand-in in tests.
#[async_trait]
pub trait Companion: Send + Sync + 'static {
    /// Follows the state. The sender is dropped when the companion ends.
    fn watch(&self) -> watch::Receiver<State>;

    /// Sends a message; resolves at WhatsApp's ack, with the time that WhatsApp gave it (Unix seconds). Calls
    /// to one chat leave in their order.
    async fn send(&self, message: Outgoing) -> Result<i64, SendError>;

    /// Unlinks the companion from the account.
    async fn logout(&self) -> Result<(), LogoutError>;

    /// Connects now.
    async fn reconnect(&self);

    /// Finishes what is in flight and ends the companion.
    async fn stop(&self);
}

/// Starts companions and knows what they store.
#[async_trait]
pub trait Companions: Send + Sync + 'static {
    /// Starts the companion of this instance, which tells the handler everything that happens.
    fn start(&self, instance: InstanceId, handler: Arc<dyn Handler>) -> Arc<dyn Companion>;

    /// The phone number (digits) that belongs to this LID (digits), where the companion has learnt it.
    async fn number_of(&self, instance: InstanceId, lid: &str) -> Option<String>;
}

#[async_trait]
impl Companion for Handle {
    fn watch(&self) -> watch::Receiver<State> {
        Self::watch(self)
    }

    async fn send(&self, message: Outgoing) -> Result<i64, SendError> {
        Ok(Self::send(self, message).await?.timestamp)
    }

    async fn logout(&self) -> Result<(), LogoutError> {
        Self::logout(self).await
    }

    async fn reconnect(&self) {
        Self::reconnect(self).await;
    }

    async fn stop(&self) {
        Self::stop(self).await;
    }
}

/// Gives the store of an instance's companion.
pub type CompanionStores = dyn Fn(InstanceId) -> Arc<dyn Store> + Send + Sync;

/// Sets connector, trust root and time-outs of a new client.
pub type ConfigureClient = dyn Fn(ClientBuilder) -> ClientBuilder + Send + Sync;

/// Real companions: one [`Client`] each.
#[derive(Clone)]
pub struct WhatsApp {
    stores: Arc<CompanionStores>,
    configure: Arc<ConfigureClient>,
}

impl WhatsApp {
    /// Companions over these stores, configured by a function.
    pub fn new(
        stores: impl Fn(InstanceId) -> Arc<dyn Store> + Send + Sync + 'static,
        configure: impl Fn(ClientBuilder) -> ClientBuilder + Send + Sync + 'static,
    ) -> Self {
        Self { stores: Arc::new(stores), configure: Arc::new(configure) }
    }
}

#[async_trait]
impl Companions for WhatsApp {
    fn start(&self, instance: InstanceId, handler: Arc<dyn Handler>) -> Arc<dyn Companion> {
        let client = Client::builder((self.stores)(instance), handler);
        Arc::new((self.configure)(client).spawn())
    }

    async fn number_of(&self, instance: InstanceId, lid: &str) -> Option<String> {
        // Not knowing it is no error: the chat then keeps the name it has.
        (self.stores)(instance).pn_of(lid).await.ok().flatten()
    }
}

impl std::fmt::Debug for WhatsApp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WhatsApp").finish_non_exhaustive()
    }
}
