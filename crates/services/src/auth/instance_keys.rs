//! Keys that address one instance and open it: dialects have them.

use std::net::IpAddr;

use storage::{ApiKey, InstanceId, User, UserId};
use tokio::time::Instant;

use super::{AuthService, Caller, MAX_CREDENTIAL};
use crate::error::ServiceError;

impl AuthService {
    /// Whose instance a dialect's key opens, and which. `from` is the client's address: whoever shows many keys that open
    /// nothing has to wait; keys that open something are never slowed down.
    ///
    /// # Errors
    /// `Unauthorized` if the key opens nothing, or its user is disabled; `RateLimited` after too many of these;
    /// `AddressNotAllowed` if its user isn't to come from there.
    pub async fn by_instance_key(
        &self,
        dialect: &str,
        key: &str,
        from: IpAddr,
    ) -> Result<(Caller, InstanceId), ServiceError> {
        match self.opened(dialect, key).await? {
            Some((user, _)) if !user.may_come_from(from.to_canonical()) => {
                Err(ServiceError::AddressNotAllowed)
            }
            Some((user, instance)) => Ok((Caller::new(user.id, user.role), instance)),
            None => {
                self.missed(from)?;
                Err(ServiceError::Unauthorized { message: "the key is invalid" })
            }
        }
    }

    /// The same for a key that stands in an address which is handed on: a page for whoever has it. `None` if there is none
    /// such.
    ///
    /// # Errors
    /// `RateLimited` for whoever tries many that there aren't; when the store fails.
    pub async fn by_public_key(
        &self,
        dialect: &str,
        key: &str,
        from: IpAddr,
    ) -> Result<Option<(Caller, InstanceId)>, ServiceError> {
        let opened = self.opened(dialect, key).await?;
        if opened.is_none() {
            self.missed(from)?;
        }
        Ok(opened.map(|(user, instance)| (Caller::new(user.id, user.role), instance)))
    }

    /// Whether a key opens an instance. A no counts for nothing: it may open something else, where it is looked at next.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn opens_instance(&self, dialect: &str, key: &str) -> Result<bool, ServiceError> {
        Ok(self.opened(dialect, key).await?.is_some())
    }

    /// A user as a caller, whose instance somebody has the address of; `None` for one who is disabled.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn by_id(&self, user: UserId) -> Result<Option<Caller>, ServiceError> {
        let user = self.inner.storage.user(user).await?.filter(|user| user.disabled_at.is_none());
        Ok(user.map(|user| Caller::new(user.id, user.role)))
    }

    /// Counts a key that opens nothing.
    fn missed(&self, from: IpAddr) -> Result<(), ServiceError> {
        let missed = self.inner.tries.lock().miss(from, Instant::now());
        missed.map_err(|retry_after| ServiceError::RateLimited { retry_after })
    }

    async fn opened(&self, dialect: &str, key: &str) -> Result<Option<(User, InstanceId)>, ServiceError> {
        if key.is_empty() || key.len() > MAX_CREDENTIAL {
            return Ok(None);
        }
        let storage = &self.inner.storage;
        let found = storage.dialect_instance(dialect, ApiKey::new(key).hash()).await?;
        let Some((owner, instance)) = found else { return Ok(None) };
        let user = storage.user(owner).await?.filter(|user| user.disabled_at.is_none());
        Ok(user.map(|user| (user, instance)))
    }
}
