//! How dialects reach an instance: by keys of their own.

use std::sync::Arc;

use serde_json::json;
use storage::{ApiKey, AuditAction, DialectAccess, InstanceId, Json, Missing, Storage, StorageError};

use crate::audit::AuditService;
use crate::auth::{Caller, random_text};
use crate::error::ServiceError;

/// How often a change is made anew that met another one.
const TRIES: usize = 5;
/// Instances that are looked at at once for one with a name.
const BATCH: u64 = 1_000;

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

    /// The caller's instance that is called so, for dialects that know instances by their names; where several are, one of
    /// them, and always the same. Once it was found, its key here leads to it.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn named(
        &self,
        caller: &Caller,
        dialect: &str,
        name: &str,
    ) -> Result<InstanceId, ServiceError> {
        let key = ApiKey::new(format!("{}/{name}", caller.user));
        if let Some((owner, id)) = self.storage.dialect_instance(dialect, key.hash()).await?
            && owner == caller.user
        {
            let instance = self.storage.instance(owner, id).await?;
            if instance.is_some_and(|instance| instance.name == name) {
                return Ok(id);
            }
            // It is called something else now.
            self.lead(caller, id, dialect, ApiKey::new(random_text::<32>())).await?;
        }
        let id = self.search(caller, name).await?;
        self.lead(caller, id, dialect, key).await?;
        Ok(id)
    }

    async fn search(&self, caller: &Caller, name: &str) -> Result<InstanceId, ServiceError> {
        let mut skip = 0;
        loop {
            let page = self.storage.instances(caller.user, BATCH, skip).await?;
            skip += page.items.len() as u64;
            if let Some((found, _)) = page.items.iter().find(|(instance, _)| instance.name == name) {
                return Ok(found.id);
            }
            if !page.has_more || page.items.is_empty() {
                return Err(ServiceError::NotFound { what: Missing::Instance });
            }
        }
    }

    /// Has a key lead to an instance. One that leads elsewhere by now will be looked at when it is used next.
    async fn lead(
        &self,
        caller: &Caller,
        id: InstanceId,
        dialect: &str,
        key: ApiKey,
    ) -> Result<(), ServiceError> {
        let fresh = || DialectAccess { key: key.clone(), notes: Json::default() };
        let leading = |access| DialectAccess { key: key.clone(), ..access };
        match self.change(caller, id, dialect, fresh, leading).await {
            Ok(_)
            | Err(ServiceError::Conflict { .. } | ServiceError::Stale | ServiceError::NotFound { .. }) => {
                Ok(())
            }
            Err(error) => Err(error),
        }
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
