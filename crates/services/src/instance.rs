//! Instances: create, change, connect, tell how they are.

mod passkey;
mod settings;

use std::sync::Arc;
use std::time::Duration;

use outbound::AddressGuard;
use storage::{
    CauseKind, ConnectionCause, ConnectionSettings, DeviceLook, FailureCause, Instance, InstanceId,
    InstancePatch, InstanceStatus, Journal, Page, Retention, SecretText, Storage, StorageError, Timestamp,
    Webhook,
};
use tokio::time::{sleep, timeout};
use wa_client::{Limits, LogoutError, PairingCode, RequestError, State};

pub use passkey::ShownPasskey;
pub use settings::{
    CreateInstance, MAX_DESCRIPTION, MAX_DEVICE_NAME, MAX_NAME, RETENTION_DAYS, UpdateInstance,
};
use settings::{check_connection, check_description, check_look, check_name, check_retention};

use crate::auth::Caller;
use crate::clock::now;
use crate::error::{ConflictCause, ServiceError};
use crate::farewell::Buried;
use crate::field::Field;
use crate::node::Node;
use crate::page::check_limit;
use crate::recipient::parse_recipient;
use crate::running::RunningInstance;
use crate::status::ConnectionStatus;
use crate::supervisor::Supervisor;
use crate::webhooks::{WebhookService, check_change, check_new, patched};

/// Most instances of one user.
pub const MAX_INSTANCES: u64 = 10_000;
/// How long WhatsApp may take to confirm a logout.
const LOGOUT_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a deletion waits for that.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a wish for a pairing code may take, the way to WhatsApp included.
const CODE_TIMEOUT: Duration = Duration::from_secs(30);
/// How often is looked whether a code can be asked for.
const CODE_POLL: Duration = Duration::from_millis(100);
/// How long to wait when WhatsApp has heard of too many codes.
const CODE_RETRY: Duration = Duration::from_secs(60);

/// An instance, its default webhook and its connection.
#[derive(Clone, Debug)]
pub struct InstanceView {
    /// The instance as it is stored.
    pub instance: Instance,
    /// The webhook named [`Webhook::DEFAULT`].
    pub webhook: Webhook,
    /// Where its connection stands now.
    pub connection: ConnectionStatus,
    /// Whom WhatsApp lets its account write to, as far as it said and the instance runs here.
    pub limits: Limits,
}

/// The answer to a wish for a QR code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Qr {
    /// A code that the phone can scan now.
    Code {
        /// What WhatsApp Web shows today: an https link that carries the code.
        text: String,
        /// The code alone, as older clients show it.
        bare: String,
        /// When the next code replaces it.
        expires_at: Timestamp,
    },
    /// There is none yet.
    Generating {
        /// Why the last try to connect failed; without, there will be a code in a few seconds.
        cause: Option<ConnectionCause>,
        /// When the next try is due.
        retry_at: Option<Timestamp>,
    },
}

/// Use cases about instances. Clones are the same service.
#[derive(Clone, Debug)]
pub struct InstanceService {
    inner: Arc<Inner>,
}

struct Inner {
    journal: Journal,
    node: Node,
    supervisor: Supervisor,
    webhooks: WebhookService,
    guard: AddressGuard,
}

impl InstanceService {
    /// A service over these parts.
    pub(crate) fn new(
        journal: Journal,
        node: Node,
        supervisor: Supervisor,
        webhooks: WebhookService,
        guard: AddressGuard,
    ) -> Self {
        Self { inner: Arc::new(Inner { journal, node, supervisor, webhooks, guard }) }
    }

    /// Creates an instance and starts to connect it.
    ///
    /// # Errors
    /// `Invalid` names the first field that can't be accepted; `Conflict` when the user has
    /// [`MAX_INSTANCES`].
    pub async fn create(
        &self,
        caller: &Caller,
        create: CreateInstance,
    ) -> Result<InstanceView, ServiceError> {
        let now = now();
        let instance = Instance {
            id: InstanceId::generate(),
            owner: caller.user,
            name: check_name(&create.name)?,
            description: check_description(create.description)?,
            retention: check_retention(create.retention)?,
            connection: check_connection(create.connection, &self.inner.guard)?,
            look: check_look(create.look)?,
            status: InstanceStatus::Connecting,
            status_cause: None,
            jid: None,
            lid: None,
            phone: None,
            push_name: None,
            last_activity: None,
            created_at: now,
            updated_at: now,
        };
        let webhook = Webhook::new(instance.id, Webhook::DEFAULT, now);
        let webhook = patched(&webhook, &check_new(create.webhook, &webhook, &self.inner.guard)?);
        let (node, webhooks) = (self.inner.node.id(), vec![webhook.clone()]);
        let creating = self.storage().create_instance(instance.clone(), webhooks, node, MAX_INSTANCES);
        let epoch = creating.await.map_err(|error| match error {
            StorageError::LimitReached { .. } => ServiceError::Conflict {
                cause: ConflictCause::TooManyInstances,
                message: format!("a user can have at most {MAX_INSTANCES} instances"),
            },
            error => error.into(),
        })?;
        self.inner.supervisor.take_in(&instance, epoch)?;
        Ok(self.view(instance, webhook))
    }

    /// A page of the caller's instances, oldest first; all of them fit on one.
    ///
    /// # Errors
    /// `Invalid` for a limit of 0 or above [`MAX_INSTANCES`].
    pub async fn list(
        &self,
        caller: &Caller,
        limit: u64,
        skip: u64,
    ) -> Result<Page<InstanceView>, ServiceError> {
        check_limit(limit, MAX_INSTANCES)?;
        let Page { items, total } = self.storage().instances(caller.user, limit, skip).await?;
        let items = items.into_iter().map(|(instance, webhook)| self.view(instance, webhook)).collect();
        Ok(Page { items, total })
    }

    /// One instance, with its connection.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn find(&self, caller: &Caller, id: InstanceId) -> Result<InstanceView, ServiceError> {
        let instance = self.stored(caller, id).await?;
        let webhook = self.inner.webhooks.find(caller, id, Webhook::DEFAULT).await?;
        Ok(self.view(instance, webhook))
    }

    /// Where the connection stands. Cheaper than [`Self::find`].
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn status(&self, caller: &Caller, id: InstanceId) -> Result<ConnectionStatus, ServiceError> {
        match self.inner.supervisor.find(caller.user, id) {
            Some(running) => Ok(ConnectionStatus::of_state(&running.state())),
            None => Ok(self.inner.supervisor.status(&self.stored(caller, id).await?)),
        }
    }

    /// Changes an instance and its default webhook. What happened while that was off isn't delivered when it is
    /// switched on.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` names the first field that can't be accepted; `NotConnected` for a push name, which is
    /// announced at once; `Unavailable` when another process carries the instance.
    pub async fn update(
        &self,
        caller: &Caller,
        id: InstanceId,
        update: UpdateInstance,
    ) -> Result<InstanceView, ServiceError> {
        let InstanceView { instance, webhook: present, .. } = self.find(caller, id).await?;
        let retention = Retention {
            event_days: update.event_days.unwrap_or(instance.retention.event_days),
            message_days: update.message_days.unwrap_or(instance.retention.message_days),
        };
        let before = instance.connection.clone();
        let connection = ConnectionSettings {
            proxy: update.proxy.map_or(before.proxy.clone(), |proxy| proxy.map(SecretText::new)),
            shows_delivery: update.shows_delivery.unwrap_or(before.shows_delivery),
        };
        let changes_connection = connection != before;
        let look = DeviceLook {
            name: update.device_name.unwrap_or(instance.look.name.clone()),
            icon: update.device_icon.unwrap_or(instance.look.icon),
        };
        let webhook = check_change(update.webhook, &present, &self.inner.guard)?;
        let changes_webhook = patched(&present, &webhook) != present;
        let patch = InstancePatch {
            name: update.name.as_deref().map(check_name).transpose()?,
            description: update.description.map(check_description).transpose()?,
            retention: Some(check_retention(retention)?),
            connection: Some(check_connection(connection, &self.inner.guard)?),
            look: Some(check_look(look)?),
            webhook: if changes_webhook { webhook } else { Default::default() },
        };
        if let Some(name) = &update.push_name {
            self.set_push_name(&instance, name.as_deref()).await?;
        }
        if changes_connection {
            self.inner.supervisor.epoch(id)?;
        }
        if changes_webhook {
            self.inner.supervisor.epoch(id)?;
            self.inner.webhooks.before_change(caller.user, &present, &patch.webhook).await?;
        }
        let (instance, webhook) = self.storage().update_instance(caller.user, id, patch, now()).await?;
        if changes_webhook {
            self.inner.webhooks.tell(&webhook, false).await?;
        }
        if changes_connection {
            self.inner.supervisor.renew(&instance).await;
        }
        Ok(self.view(instance, webhook))
    }

    /// Removes the instance with everything that belongs to it, and unlinks it from the phone. Where that isn't possible at
    /// once, its credentials are kept, unseen, until WhatsApp has confirmed it, for at most two weeks.
    ///
    /// # Errors
    /// `NotFound`; `Unavailable` when another process carries the instance.
    pub async fn delete(&self, caller: &Caller, id: InstanceId) -> Result<(), ServiceError> {
        let instance = self.stored(caller, id).await?;
        let epoch = self.inner.supervisor.epoch(id)?;
        if let Some(running) = self.inner.supervisor.find(caller.user, id)
            && running.state() == State::Online
            && let Err(error) = self.unlink(&running, FAREWELL_TIMEOUT).await
        {
            tracing::info!(instance = %id, %error, "deleted before it is unlinked");
        }
        self.inner.supervisor.end(id).await;
        // Only now: until its end a companion may be linked by a scan.
        if self.inner.supervisor.is_linked(id, epoch).await {
            let since = now();
            let epoch = self.storage().bury_instance(caller.user, id, since).await?;
            self.inner.supervisor.bury(Buried {
                instance: id,
                connection: instance.connection,
                epoch,
                since,
            });
        } else {
            self.storage().delete_instance(caller.user, id).await?;
            self.inner.supervisor.forget(id);
        }
        Ok(())
    }

    /// Connects now, whatever the instance was doing.
    ///
    /// # Errors
    /// `NotFound`; `Unavailable` when another process carries the instance.
    pub async fn reconnect(&self, caller: &Caller, id: InstanceId) -> Result<(), ServiceError> {
        match self.inner.supervisor.find(caller.user, id) {
            Some(running) => running.companion.reconnect().await,
            None => self.inner.supervisor.start(&self.stored(caller, id).await?).await?,
        }
        Ok(())
    }

    /// Unlinks the instance from the account. The credentials are deleted only when WhatsApp has confirmed.
    ///
    /// # Errors
    /// `NotFound`; `NotConnected` when WhatsApp can't be told; `Unavailable` when it doesn't confirm.
    pub async fn logout(&self, caller: &Caller, id: InstanceId) -> Result<(), ServiceError> {
        match self.inner.supervisor.find(caller.user, id) {
            Some(running) => self.unlink(&running, LOGOUT_TIMEOUT).await,
            None => {
                let instance = self.stored(caller, id).await?;
                let unlinked = instance.jid.is_none();
                if unlinked { Ok(()) } else { Err(self.not_connected(&instance)) }
            }
        }
    }

    /// The QR code to scan. An instance that gave up waiting for a scan, or was unlinked, starts anew.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` when an account is linked already; `NotConnected` when no code can come, with
    /// the cause; `Unavailable` when another process carries the instance.
    pub async fn qr(&self, caller: &Caller, id: InstanceId) -> Result<Qr, ServiceError> {
        if let Some(running) = self.inner.supervisor.find(caller.user, id) {
            return qr_of(&running);
        }
        let instance = self.stored(caller, id).await?;
        let connection = self.inner.supervisor.status(&instance);
        let needs_more = [CauseKind::Outdated, CauseKind::BadUserAgent];
        if instance.jid.is_some() || connection.cause.is_some_and(|cause| needs_more.contains(&cause.kind)) {
            return Err(ServiceError::not_connected(&connection));
        }
        self.inner.supervisor.start(&instance).await?;
        Ok(Qr::Generating { cause: None, retry_at: None })
    }

    /// A code by which the owner of this phone number can link the instance without scanning: in WhatsApp under "Linked
    /// devices", "Link with phone number instead". Each call makes a new one, and the one before is good no longer. An
    /// instance that gave up waiting for a scan, or was unlinked, starts anew.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` for what is no phone number; `Conflict` when an account is linked already; `NotConnected`
    /// when no code can come, with the cause; `RateLimited` when WhatsApp says that there were too many; `Refused` when it
    /// doesn't link this number by code; `Unavailable` when there is none in time, or another process carries the
    /// instance.
    pub async fn pairing_code(
        &self,
        caller: &Caller,
        id: InstanceId,
        phone: &str,
    ) -> Result<PairingCode, ServiceError> {
        let number = parse_recipient(phone)
            .map_err(|error| ServiceError::invalid(Field::Recipient, error.to_string()))?;
        if !number.is_pn() {
            return Err(ServiceError::invalid(Field::Recipient, "must be a phone number"));
        }
        let asking = async {
            loop {
                // Starts it where it has to be started, and says what stands against a code.
                if let Qr::Code { .. } = self.qr(caller, id).await?
                    && let Some(running) = self.inner.supervisor.find(caller.user, id)
                    && let Some(code) = answered(running.companion.pairing_code(&number.user).await)?
                {
                    return Ok(code);
                }
                sleep(CODE_POLL).await;
            }
        };
        let late = ServiceError::Unavailable { message: "WhatsApp did not give a code in time" };
        timeout(CODE_TIMEOUT, asking).await.unwrap_or(Err(late))
    }

    async fn stored(&self, caller: &Caller, id: InstanceId) -> Result<Instance, ServiceError> {
        let found = self.storage().instance(caller.user, id).await?;
        found.ok_or(ServiceError::NotFound { what: "instance" })
    }

    fn view(&self, instance: Instance, webhook: Webhook) -> InstanceView {
        let connection = self.inner.supervisor.status(&instance);
        let running = self.inner.supervisor.find(instance.owner, instance.id);
        let limits = running.map(|running| running.companion.limits()).unwrap_or_default();
        InstanceView { instance, webhook, connection, limits }
    }

    async fn set_push_name(&self, instance: &Instance, name: Option<&str>) -> Result<(), ServiceError> {
        let Some(running) = self.inner.supervisor.find(instance.owner, instance.id) else {
            return Err(self.not_connected(instance));
        };
        match running.companion.set_push_name(name).await {
            Ok(()) => Ok(()),
            Err(RequestError::NotConnected { .. } | RequestError::Stopped) => {
                Err(ServiceError::not_connected(&ConnectionStatus::of_state(&running.state())))
            }
            Err(RequestError::Invalid(_)) => {
                Err(ServiceError::invalid(Field::PushName, "must have 1 to 25 characters"))
            }
            Err(error) => Err(ServiceError::internal(error)),
        }
    }

    fn not_connected(&self, instance: &Instance) -> ServiceError {
        ServiceError::not_connected(&self.inner.supervisor.status(instance))
    }

    async fn unlink(&self, running: &RunningInstance, limit: Duration) -> Result<(), ServiceError> {
        match timeout(limit, running.companion.logout()).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(LogoutError(RequestError::NotConnected { .. } | RequestError::Stopped))) => {
                Err(ServiceError::not_connected(&ConnectionStatus::of_state(&running.state())))
            }
            Ok(Err(error)) => {
                tracing::warn!(instance = %running.instance, %error, "logout failed");
                Err(ServiceError::Unavailable { message: "WhatsApp did not confirm the logout" })
            }
            Err(_) => {
                Err(ServiceError::Unavailable { message: "WhatsApp did not confirm the logout in time" })
            }
        }
    }

    fn storage(&self) -> &Arc<dyn Storage> {
        self.inner.journal.storage()
    }
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InstanceService").finish_non_exhaustive()
    }
}

fn qr_of(running: &RunningInstance) -> Result<Qr, ServiceError> {
    match running.state() {
        State::Pairing { qr: Some(code) } => Ok(Qr::Code {
            text: code.text,
            bare: code.bare,
            expires_at: Timestamp::from_millis(code.expires_at),
        }),
        State::Online => Err(linked()),
        _ if running.recorder.own_jid().is_some() => Err(linked()),
        State::Stopped(cause) => Err(ServiceError::not_connected(&ConnectionStatus::of_cause(&cause))),
        state => {
            let ConnectionStatus { cause, retry_at, .. } = ConnectionStatus::of_state(&state);
            Ok(Qr::Generating { cause, retry_at })
        }
    }
}

/// What WhatsApp said to a wish for a pairing code; `None` if there is no connection to ask on at the moment.
fn answered(answer: Result<PairingCode, RequestError>) -> Result<Option<PairingCode>, ServiceError> {
    let refused = |code, message: &str| ServiceError::Refused {
        cause: Some(if code == 404 { FailureCause::NotOnWhatsApp } else { FailureCause::Refused }),
        code: Some(code),
        message: message.to_owned(),
    };
    Err(match answer {
        Ok(code) => return Ok(Some(code)),
        Err(RequestError::NotConnected { .. } | RequestError::Stopped | RequestError::TimedOut) => {
            return Ok(None);
        }
        Err(RequestError::Invalid(_)) => {
            ServiceError::invalid(Field::Recipient, "is no international phone number")
        }
        // WhatsApp says 400 as well when codes were asked for too often for a number.
        Err(RequestError::Refused { code: 400 | 429, .. }) => {
            ServiceError::RateLimited { retry_after: CODE_RETRY }
        }
        Err(RequestError::Refused { code: code @ (404 | 452), .. }) => {
            refused(code, "WhatsApp does not link this number by code; scan the QR code instead")
        }
        Err(RequestError::Refused { code, .. }) => refused(code, "WhatsApp refused to give a pairing code"),
        Err(error) => ServiceError::internal(error),
    })
}

fn linked() -> ServiceError {
    let message = "an account is linked already; log out to link another one".to_owned();
    ServiceError::Conflict { cause: ConflictCause::AlreadyLinked, message }
}

#[cfg(test)]
mod tests;
