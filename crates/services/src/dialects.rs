//! How dialects reach an instance: by keys of their own.

use std::sync::Arc;

use serde_json::json;
use storage::{AuditAction, DialectAccess, InstanceId, Storage, StorageError};

use crate::audit::AuditService;
use crate::auth::Caller;
use crate::error::ServiceError;

/// How often a change is made anew that met another one.
const TRIES: usize = 5;

/// Use cases about what dialects keep of an instance. Clones are the same service.
#[derive(Clone)]
pub struct DialectService {
    storage: Arc<dyn Storage>,
    audit: AuditService,
}

impl DialectService {
    pub(crate) fn new(storage: Arc<dyn Storage>, audit: AuditService) -> Self {
        Self { storage, audit }
    }

    /// What this dialect keeps of an instance; the first time that is `fresh`.
    ///
    /// # Errors
    /// `NotFound`; `Unreadable` until it is [replaced](Self::replace).
    pub async fn access(
        &self,
        caller: &Caller,
        instance: InstanceId,
        dialect: &str,
        fresh: impl FnOnce() -> DialectAccess,
    ) -> Result<DialectAccess, ServiceError> {
        if let Some(known) = self.storage.dialect_access(caller.user, instance, dialect).await? {
            return Ok(known);
        }
        let init = self.storage.init_dialect_access(caller.user, instance, dialect.to_owned(), fresh());
        Ok(init.await?)
    }

    /// Changes what this dialect keeps of an instance: from what is there by then, so that two changes at once undo nothing
    /// of each other. The first time, it is a change of `fresh`. A key that it had before reaches nothing from then on.
    ///
    /// # Errors
    /// `NotFound`; `Unreadable` until it is [replaced](Self::replace); `Conflict` when the key reaches another instance;
    /// `Stale` when others change it all the time.
    pub async fn change(
        &self,
        caller: &Caller,
        instance: InstanceId,
        dialect: &str,
        fresh: impl Fn() -> DialectAccess,
        change: impl Fn(DialectAccess) -> DialectAccess,
    ) -> Result<DialectAccess, ServiceError> {
        for _ in 0..TRIES {
            let seen = self.access(caller, instance, dialect, &fresh).await?;
            let next = change(seen.clone());
            let (owner, is_another_key) = (caller.user, next.key != seen.key);
            let exchange =
                self.storage.exchange_dialect_access(owner, instance, dialect.to_owned(), seen, next.clone());
            match exchange.await {
                Err(StorageError::Stale) => {}
                exchanged => {
                    exchanged?;
                    if is_another_key {
                        self.rotated(caller, instance, dialect).await;
                    }
                    return Ok(next);
                }
            }
        }
        Err(ServiceError::Stale)
    }

    /// Has this dialect keep something else of an instance, be it unreadable. A key that it had before reaches nothing from
    /// then on.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` when the key reaches another instance.
    pub async fn replace(
        &self,
        caller: &Caller,
        instance: InstanceId,
        dialect: &str,
        access: DialectAccess,
    ) -> Result<(), ServiceError> {
        let put = self.storage.put_dialect_access(caller.user, instance, dialect.to_owned(), access);
        put.await?;
        self.rotated(caller, instance, dialect).await;
        Ok(())
    }

    async fn rotated(&self, caller: &Caller, instance: InstanceId, dialect: &str) {
        let details = json!({"dialect": dialect});
        self.audit.did(caller.actor, AuditAction::DialectKeyRotated, instance, details).await;
    }
}

impl std::fmt::Debug for DialectService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DialectService").finish_non_exhaustive()
    }
}
