//! Taking a linked device over from another gateway's store, without linking it anew.

use std::sync::Arc;

use serde_json::Value;
use storage::{
    AuditAction, ConnectionSettings, ContactChange, ContactId, DeviceLook, Epoch, Instance, InstanceAction,
    InstanceId, InstanceStatus, Journal, Missing, NodeId, Record, Retention, StateChange, Storage,
    StorageError, Timestamp, UsageLimits, UserId, Webhook,
};
use wa_import::{Contact, Counts, Import};

use super::settings::check_name;
use super::{InstanceService, MAX_INSTANCES, too_many};
use crate::auth::Caller;
use crate::clock::now;
use crate::companion::Companions;
use crate::error::{ConflictCause, ServiceError};

/// What mutes a chat for good is muted until then.
const END_OF_TIME: i64 = 253_402_300_799;

impl InstanceService {
    /// Looks whether the instance could take a device over: it is there, and no account is linked to it.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` when an account is linked.
    pub async fn check_can_import(&self, caller: &Caller, id: InstanceId) -> Result<(), ServiceError> {
        let instance = self.stored(caller, id).await?;
        if instance.jid.is_some() { Err(linked()) } else { Ok(()) }
    }

    /// Makes the device of another gateway's store that of the instance, and connects it. Whatever it has moved on with
    /// there since the store was read is lost; whoever goes on with the store afterwards breaks the sessions of both.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` when an account is linked; `Unavailable` when another process carries the instance.
    pub async fn import(
        &self,
        caller: &Caller,
        id: InstanceId,
        import: Import,
    ) -> Result<Counts, ServiceError> {
        self.check_can_import(caller, id).await?;
        let supervisor = &self.inner.supervisor;
        let epoch = supervisor.epoch(id).await?;
        // Its own pairing ends here, so that nobody links it meanwhile.
        supervisor.end(id).await;
        let counts = import.counts;
        let taken = if supervisor.is_linked(id, epoch).await {
            Err(linked())
        } else {
            take_over(supervisor.companions(), &self.inner.journal, (caller.user, id), epoch, import).await
        };
        if taken.is_ok() {
            self.did(caller, AuditAction::InstanceImported, id, Value::Null).await;
        }
        // Also when it was not taken: it goes on as it was.
        let instance = self.stored(caller, id).await?;
        if instance.status != InstanceStatus::Paused {
            supervisor.start(&instance).await?;
        }
        taken.map(|()| counts)
    }
}

/// Makes a new instance of the user with this e-mail that goes on with the device, where no gateway has the database open: it
/// connects when one starts.
///
/// # Errors
/// `NotFound` for the user; `Invalid` for the name; `Conflict` when the user has as many instances as are allowed.
pub async fn import_offline(
    storage: Arc<dyn Storage>,
    companions: &dyn Companions,
    node: NodeId,
    (email, name): (&str, &str),
    import: Import,
) -> Result<InstanceId, ServiceError> {
    let user = storage.user_by_email(email).await?.ok_or(ServiceError::NotFound { what: Missing::User })?;
    let instance = new_instance(user.id, check_name(name)?);
    let (id, webhook) = (instance.id, Webhook::new(instance.id, Webhook::DEFAULT, instance.created_at));
    let creating = storage.create_instance(instance, vec![webhook], node, MAX_INSTANCES);
    let epoch = creating.await.map_err(too_many)?;
    let journal = Journal::new(Arc::clone(&storage), []);
    let taken = take_over(companions, &journal, (user.id, id), epoch, import).await;
    if taken.is_err() {
        // Nothing is left of what did not succeed. What keeps it from that is told by the error that comes back.
        let _ = storage.delete_instance(user.id, id).await;
    }
    taken.map(|()| id)
}

fn new_instance(owner: UserId, name: String) -> Instance {
    let now = now();
    Instance {
        id: InstanceId::generate(),
        owner,
        name,
        description: None,
        tags: Vec::new(),
        retention: Retention::default(),
        media_download: None,
        connection: ConnectionSettings::default(),
        look: DeviceLook::default(),
        limits: UsageLimits::default(),
        status: InstanceStatus::Connecting,
        status_cause: None,
        jid: None,
        lid: None,
        phone: None,
        push_name: None,
        last_activity: None,
        created_at: now,
        updated_at: now,
        unreadable: Vec::new(),
    }
}

async fn take_over(
    companions: &dyn Companions,
    journal: &Journal,
    (owner, id): (UserId, InstanceId),
    epoch: Epoch,
    import: Import,
) -> Result<(), ServiceError> {
    let now = now();
    let (change, contacts) = (state_of(&import), import.contacts.clone());
    // The device before what is said of it: an instance that says that it is linked has its credentials.
    companions.take_over(id, epoch, import).await.map_err(ServiceError::internal)?;
    let record = Record::new(id, epoch).state(change).event(InstanceAction::Paired.told());
    journal.record(record).await?;
    learn(&**journal.storage(), owner, id, contacts, now).await?;
    Ok(())
}

/// Who the instance is from now on.
fn state_of(import: &Import) -> StateChange {
    let device = import.changes.device.as_ref();
    let account = import.account();
    let lid = device.and_then(|device| device.lid.as_ref()).map(|lid| lid.to_user().to_string());
    let name = device.map(|device| device.push_name.clone()).filter(|name| !name.is_empty());
    StateChange {
        jid: Some(account.as_ref().map(ToString::to_string)),
        phone: Some(account.map(|account| account.user.to_string())),
        lid: Some(lid),
        push_name: Some(name),
        ..StateChange::default()
    }
}

async fn learn(
    storage: &dyn Storage,
    owner: UserId,
    instance: InstanceId,
    contacts: Vec<Contact>,
    now: Timestamp,
) -> Result<(), StorageError> {
    let writes: Vec<_> = contacts
        .into_iter()
        .map(|contact| storage.save_contact(owner, instance, change_of(contact, now), now))
        .collect();
    for write in writes {
        match write.await {
            // Of somebody of whom nothing is known but that they are there.
            Ok(_) | Err(StorageError::Invalid { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn change_of(contact: Contact, now: Timestamp) -> ContactChange {
    let until = |seconds| if seconds < 0 { END_OF_TIME } else { seconds };
    ContactChange {
        lid: contact.lid,
        saved_name: contact.saved_name.map(Some),
        push_name: contact.push_name.map(Some),
        verified_name: contact.business_name,
        archived: contact.archived.then_some(true),
        pinned_at: contact.pinned.then_some(Some(now)),
        muted_until: contact.muted_until.map(|seconds| Some(Timestamp::from_seconds(until(seconds)))),
        ..ContactChange::of(ContactId::generate(), contact.jid)
    }
}

fn linked() -> ServiceError {
    let message = "an account is linked already; log out to take over another device".to_owned();
    ServiceError::Conflict { cause: ConflictCause::AlreadyLinked, message }
}
