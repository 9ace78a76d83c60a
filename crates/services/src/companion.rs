//! The services' view of a running WhatsApp companion, and the real one.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::join;
use storage::{ConnectionSettings, DeviceIcon, DeviceLook, Epoch, InstanceId, StorageError};
use tokio::sync::watch;
use wa_binary::Jid;
use wa_client::{
    AddressBook, Appearance, Client, ClientBuilder, DeviceCount, DownloadError, Downloaded, Event, Events,
    Group, Limit, Limits, LogoutError, MediaKind, MediaOrigin, Outgoing, PairingCode, PartialFile,
    PasskeyAssertion, Person, PlatformType, ReceivedMessages, RemoteFile, RequestError, SendError,
    SentMessages, State, Store, StoreError, Traffic, UploadError, Uploaded,
};
use wa_import::Import;

/// A running companion: [`wa_client::Client`], or a stand-in in tests.
#[async_trait]
pub trait Companion: Send + Sync + 'static {
    /// Follows the state. The sender is dropped when the companion ends.
    fn watch(&self) -> watch::Receiver<State>;

    /// Sends a message; resolves at WhatsApp's ack. Calls to one chat leave in their order.
    async fn send(&self, message: Outgoing) -> Result<Acked, SendError>;

    /// Says who a message to this user would reach, under both addresses as far as they are known. The server is asked
    /// only where that isn't known yet.
    async fn who_is(&self, user: &Jid) -> Result<Person, SendError> {
        let named = Some(user.clone());
        Ok(if user.is_lid() { Person { pn: None, lid: named } } else { Person { pn: named, lid: None } })
    }

    /// The same of many users, in their order; `None` for a number that has no account.
    async fn who_are(&self, users: &[Jid]) -> Result<Vec<Option<Person>>, RequestError> {
        Ok(users.iter().map(|_| Some(Person::default())).collect())
    }

    /// The time by WhatsApp's clock, in Unix milliseconds; `None` if it isn't known.
    fn server_millis(&self) -> Option<i64> {
        None
    }

    /// Whom WhatsApp lets the account write to, as far as it said.
    fn limits(&self) -> Limits;

    /// The limit that forbids to write to this person now, if any. Nothing is asked of WhatsApp.
    async fn limit_on(&self, to: &Jid) -> Result<Option<Limit>, RequestError>;

    /// What it has exchanged with WhatsApp since it was started.
    fn traffic(&self) -> Traffic {
        Traffic::default()
    }

    /// The client itself, for what else it can be asked. A stand-in has none.
    fn client(&self) -> Option<Client> {
        None
    }

    /// Shows this name instead of that of the account's owner; `None` ends that.
    async fn set_push_name(&self, name: Option<&str>) -> Result<(), RequestError>;

    /// All groups that the account is in.
    async fn groups(&self) -> Result<Vec<Group>, RequestError> {
        Ok(Vec::new())
    }

    /// Puts somebody into the account's address book; `lid`: their LID, where it is known.
    async fn save_contact(
        &self,
        _contact: &Jid,
        _lid: Option<&Jid>,
        _name: &str,
    ) -> Result<(), RequestError> {
        Ok(())
    }

    /// Encrypts a file of this machine and brings it to WhatsApp's media hosts.
    async fn upload(&self, _kind: MediaKind, _file: &PathBuf) -> Result<Uploaded, UploadError> {
        Err(UploadError::Request(RequestError::Stopped))
    }

    /// Downloads and verifies the file of a message, going on with what is there of it.
    async fn download(
        &self,
        _file: &RemoteFile,
        _origin: &MediaOrigin,
        _partial: &mut dyn PartialFile,
    ) -> Result<Downloaded, DownloadError> {
        Err(DownloadError::Request(RequestError::Stopped))
    }

    /// Unlinks the companion from the account.
    async fn logout(&self) -> Result<(), LogoutError>;

    /// Asks for a code by which the owner of this phone number can link the companion.
    async fn pairing_code(&self, number: &str) -> Result<PairingCode, RequestError>;

    /// Shows the passkey that was asked for.
    async fn answer_passkey(&self, assertion: PasskeyAssertion) -> Result<(), RequestError>;

    /// Says that the phone shows the code that is to be compared.
    async fn confirm_passkey(&self) -> Result<(), RequestError>;

    /// Closes the connection, if there is one, and connects anew without waiting.
    async fn reconnect(&self);

    /// Finishes what is in flight and closes the connection, by its owner's wish.
    async fn pause(&self);

    /// Finishes what is in flight and ends the companion.
    async fn stop(&self);
}

/// WhatsApp has a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acked {
    /// The time that WhatsApp gave it, in Unix seconds.
    pub timestamp: i64,
    /// For how many devices it was encrypted, where the companion says so.
    pub devices: Option<DeviceCount>,
    /// Whom it reached, as WhatsApp calls them, as far as that is known; nobody where it went to a group.
    pub to: Person,
}

/// Keeps what a companion tells, and what it has sent.
#[async_trait]
pub trait Recorder: SentMessages + ReceivedMessages + AddressBook {
    /// Stores what happened, in this order. Everything is durable when it returns, so that WhatsApp may be told.
    async fn record(&self, events: &[Event]) -> Result<(), NotRecorded>;
}

/// Nothing of a batch was stored. The reason is shared with all that was to be stored together with it.
#[derive(Clone, Debug, thiserror::Error)]
#[error(transparent)]
pub struct NotRecorded(#[from] pub Arc<StorageError>);

/// A companion that is ready to run.
pub struct Started {
    /// What it can be asked for.
    pub companion: Arc<dyn Companion>,
    /// Runs it to its end. Dropped before that, the companion dies as in a crash: nothing more is stored or told.
    pub run: Pin<Box<dyn Future<Output = ()> + Send>>,
}

/// Starts companions and knows what they store.
#[async_trait]
pub trait Companions: Send + Sync + 'static {
    /// The companion of this instance, held under this epoch. What it tells goes to the recorder; if it is to be
    /// linked, it shows itself like this.
    fn start(
        &self,
        instance: InstanceId,
        connection: &ConnectionSettings,
        look: &DeviceLook,
        epoch: Epoch,
        recorder: Arc<dyn Recorder>,
    ) -> Started;

    /// Whether a phone has linked the instance's companion, as far as anybody knows.
    async fn is_linked(&self, instance: InstanceId, epoch: Epoch) -> bool;

    /// Has the instance go on with the device of another gateway's store, in the place of all that it kept.
    async fn take_over(&self, instance: InstanceId, epoch: Epoch, import: Import) -> Result<(), StoreError>;

    /// The number (digits) of the account that was found under this one, where the companion has looked it up.
    async fn alias_of(&self, _instance: InstanceId, _number: &str) -> Option<String> {
        None
    }

    /// The phone number (digits) that belongs to this LID (digits), where the companion has learnt it.
    async fn number_of(&self, instance: InstanceId, lid: &str) -> Option<String>;
}

#[async_trait]
impl Companion for Client {
    fn watch(&self) -> watch::Receiver<State> {
        Self::watch(self)
    }

    async fn send(&self, message: Outgoing) -> Result<Acked, SendError> {
        let ack = Self::send(self, message).await?;
        Ok(Acked { timestamp: ack.timestamp, devices: Some(ack.devices), to: ack.to })
    }

    async fn who_is(&self, user: &Jid) -> Result<Person, SendError> {
        Self::who_is(self, user).await
    }

    async fn who_are(&self, users: &[Jid]) -> Result<Vec<Option<Person>>, RequestError> {
        Self::who_are(self, users).await
    }

    fn server_millis(&self) -> Option<i64> {
        Some(Self::server_millis(self))
    }

    fn limits(&self) -> Limits {
        Self::limits(self)
    }

    async fn limit_on(&self, to: &Jid) -> Result<Option<Limit>, RequestError> {
        Self::limit_on(self, to).await
    }

    fn traffic(&self) -> Traffic {
        Self::traffic(self)
    }

    fn client(&self) -> Option<Client> {
        Some(self.clone())
    }

    async fn set_push_name(&self, name: Option<&str>) -> Result<(), RequestError> {
        Self::set_push_name(self, name).await
    }

    async fn groups(&self) -> Result<Vec<Group>, RequestError> {
        Self::groups(self).await
    }

    async fn save_contact(&self, contact: &Jid, lid: Option<&Jid>, name: &str) -> Result<(), RequestError> {
        Self::save_contact(self, contact, lid, name, None).await
    }

    async fn upload(&self, kind: MediaKind, file: &PathBuf) -> Result<Uploaded, UploadError> {
        Self::upload(self, kind, file).await
    }

    async fn download(
        &self,
        file: &RemoteFile,
        origin: &MediaOrigin,
        partial: &mut dyn PartialFile,
    ) -> Result<Downloaded, DownloadError> {
        Self::download(self, file, Some(origin), partial).await
    }

    async fn logout(&self) -> Result<(), LogoutError> {
        Self::logout(self).await
    }

    async fn pairing_code(&self, number: &str) -> Result<PairingCode, RequestError> {
        Self::pairing_code(self, number).await
    }

    async fn answer_passkey(&self, assertion: PasskeyAssertion) -> Result<(), RequestError> {
        Self::answer_passkey(self, assertion).await
    }

    async fn confirm_passkey(&self) -> Result<(), RequestError> {
        Self::confirm_passkey(self).await
    }

    async fn reconnect(&self) {
        Self::reconnect(self).await;
    }

    async fn pause(&self) {
        self.disconnect().await;
    }

    async fn stop(&self) {
        Self::stop(self).await;
    }
}

/// Gives the store of an instance's companion. What is written through it names the epoch.
pub type CompanionStores = dyn Fn(InstanceId, Epoch) -> Store + Send + Sync;

/// Sets connector, trust root and time-outs of a new client that is to connect like this.
pub type ConfigureClient = dyn Fn(&ConnectionSettings, ClientBuilder) -> ClientBuilder + Send + Sync;

/// Real companions: one [`Client`] each.
#[derive(Clone)]
pub struct WhatsApp {
    stores: Arc<CompanionStores>,
    configure: Arc<ConfigureClient>,
}

impl WhatsApp {
    /// Companions over these stores, configured by a function.
    pub fn new(
        stores: impl Fn(InstanceId, Epoch) -> Store + Send + Sync + 'static,
        configure: impl Fn(&ConnectionSettings, ClientBuilder) -> ClientBuilder + Send + Sync + 'static,
    ) -> Self {
        Self { stores: Arc::new(stores), configure: Arc::new(configure) }
    }
}

#[async_trait]
impl Companions for WhatsApp {
    fn start(
        &self,
        instance: InstanceId,
        connection: &ConnectionSettings,
        look: &DeviceLook,
        epoch: Epoch,
        recorder: Arc<dyn Recorder>,
    ) -> Started {
        let builder = Client::builder((self.stores)(instance, epoch))
            .sent_messages(recorder.clone())
            .received_messages(recorder.clone())
            .address_book(recorder.clone())
            .label(instance.to_string());
        let builder = (self.configure)(connection, builder).appearance(|appearance| dress(appearance, look));
        let (client, events, driver) = builder.build();
        // Both in one task, so that no thread is woken to hand a batch over.
        let run = async move {
            join(driver.run(), record_all(instance, events, &*recorder)).await;
        };
        Started { companion: Arc::new(client), run: Box::pin(run) }
    }

    async fn is_linked(&self, instance: InstanceId, epoch: Epoch) -> bool {
        // What can't be read may be the credentials of a device that is in a phone's list.
        (self.stores)(instance, epoch)
            .device()
            .await
            .map_or(true, |device| device.is_some_and(|it| it.is_paired()))
    }

    async fn take_over(&self, instance: InstanceId, epoch: Epoch, import: Import) -> Result<(), StoreError> {
        let mut changes = import.changes;
        changes.wipe = true;
        (self.stores)(instance, epoch).commit(changes).await
    }

    async fn alias_of(&self, instance: InstanceId, number: &str) -> Option<String> {
        let alias = (self.stores)(instance, Epoch::default()).alias(number).await.ok().flatten();
        alias.map(|alias| alias.number.to_string())
    }

    async fn number_of(&self, instance: InstanceId, lid: &str) -> Option<String> {
        // Only reads, so it needs no epoch. Not knowing it is no error: the chat then keeps the name it has.
        (self.stores)(instance, Epoch::default()).pn_of(lid).await.ok().flatten()
    }
}

fn dress(appearance: &mut Appearance, look: &DeviceLook) {
    if let Some(name) = &look.name {
        appearance.os.clone_from(name);
    }
    if let Some(icon) = look.icon {
        appearance.set_platform(match icon {
            DeviceIcon::Chrome => PlatformType::Chrome,
            DeviceIcon::Firefox => PlatformType::Firefox,
            DeviceIcon::Edge => PlatformType::Edge,
            DeviceIcon::Safari => PlatformType::Safari,
            DeviceIcon::Opera => PlatformType::Opera,
            DeviceIcon::Desktop => PlatformType::Desktop,
        });
    }
}

/// Accepts each batch once it is recorded. One that can't be is dropped: WhatsApp delivers it again.
async fn record_all(instance: InstanceId, mut events: Events, recorder: &dyn Recorder) {
    while let Some(batch) = events.next().await {
        if let Err(error) = recorder.record(batch.events()).await {
            tracing::warn!(%instance, %error, "what the companion told could not be stored; it will be told again");
            continue;
        }
        if let Err(error) = batch.accept().await {
            tracing::debug!(%instance, %error, "what was recorded will be told again");
        }
    }
}

impl std::fmt::Debug for Started {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Started").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for WhatsApp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WhatsApp").finish_non_exhaustive()
    }
}
