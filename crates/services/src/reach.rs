//! What is asked of WhatsApp through an instance, besides sending.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use storage::{InstanceId, Missing, Storage};
use wa_client::{Client, Jid};

use crate::auth::Caller;
use crate::error::ServiceError;
use crate::field::Field;
use crate::recipient::{parse_addressee, parse_recipient};
use crate::running::RunningInstance;
use crate::supervisor::Supervisor;

/// Finds the clients of instances that are online. Clones are the same.
#[derive(Clone)]
pub(crate) struct Reach {
    storage: Arc<dyn Storage>,
    supervisor: Supervisor,
}

impl Reach {
    pub(crate) fn new(storage: Arc<dyn Storage>, supervisor: Supervisor) -> Self {
        Self { storage, supervisor }
    }

    /// The client of an instance of this caller.
    ///
    /// # Errors
    /// `NotFound`; `NotConnected` with the cause.
    pub(crate) async fn client(&self, caller: &Caller, instance: InstanceId) -> Result<Client, ServiceError> {
        self.running(caller, instance).await?.client()
    }

    /// The instance itself, while it runs.
    ///
    /// # Errors
    /// As for [`Self::client`].
    pub(crate) async fn running(
        &self,
        caller: &Caller,
        instance: InstanceId,
    ) -> Result<Arc<RunningInstance>, ServiceError> {
        if let Some(running) = self.supervisor.find(caller.user, instance) {
            return Ok(running);
        }
        let stored = self.storage.instance(caller.user, instance).await?;
        let stored = stored.ok_or(ServiceError::NotFound { what: Missing::Instance })?;
        Err(ServiceError::not_connected(&self.supervisor.status(&stored)))
    }

    pub(crate) fn storage(&self) -> &dyn Storage {
        &*self.storage
    }
}

/// People by number or JID, in any form that a recipient may have.
pub(crate) fn people(given: &[String], field: Field) -> Result<Vec<Jid>, ServiceError> {
    let person = |text: &String| match parse_recipient(text) {
        Ok(jid) if jid.is_group() => Err(ServiceError::invalid(field, "must be people, not groups")),
        Ok(jid) => Ok(jid),
        Err(error) => Err(ServiceError::invalid(field, format!("has somebody who {error}"))),
    };
    given.iter().map(person).collect()
}

/// A picture, written as base64.
pub(crate) fn picture(base64: &str) -> Result<Vec<u8>, ServiceError> {
    let text = base64.trim();
    STANDARD.decode(text).map_err(|_| ServiceError::invalid(Field::Jpeg, "must be a JPEG as base64"))
}

/// Somebody, or a group.
pub(crate) fn recipient(given: &str) -> Result<Jid, ServiceError> {
    parse_recipient(given).map_err(|error| ServiceError::invalid(Field::Recipient, error.to_string()))
}

/// Somebody, a group, or the status.
pub(crate) fn addressee(given: &str) -> Result<Jid, ServiceError> {
    parse_addressee(given).map_err(|error| ServiceError::invalid(Field::Recipient, error.to_string()))
}
