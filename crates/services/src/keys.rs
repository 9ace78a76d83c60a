//! Keys that open less than their owner may do.

use std::net::IpAddr;
use std::sync::Arc;

use serde_json::{Value, json};
use storage::{
    ApiKey, AuditAction, InstanceId, KeyId, Page, Scope, ScopedKey, Storage, StorageError, Timestamp,
};

use crate::auth::{AuthService, Caller, new_scoped_key};
use crate::clock::now;
use crate::error::{ConflictCause, ServiceError};
use crate::field::Field;
use crate::page::{MAX_PAGE, check_limit};
use crate::text::unfit_for_a_name;

/// Most scoped keys of one user.
pub const MAX_KEYS: u64 = 100;
/// Most characters of a key's name.
pub const MAX_KEY_NAME: usize = 100;
/// Most instances that a key is bound to: they are looked through with every request.
pub const MAX_KEY_INSTANCES: usize = 100;

/// A key to make.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// What it is for.
    pub name: String,
    /// What it opens, in any order.
    pub scopes: Vec<Scope>,
    /// The only instances that there are for it; `None` for all of the owner's.
    pub instances: Option<Vec<InstanceId>>,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
}

/// Use cases about a user's own scoped keys. Clones are the same service.
#[derive(Clone)]
pub struct KeyService {
    storage: Arc<dyn Storage>,
    auth: AuthService,
}

impl KeyService {
    /// A service over these parts.
    pub(crate) fn new(storage: Arc<dyn Storage>, auth: AuthService) -> Self {
        Self { storage, auth }
    }

    /// Makes a key. What is to be shown of it can't be told again.
    ///
    /// # Errors
    /// `Invalid` names the first field that can't be accepted; `Conflict` when the user has [`MAX_KEYS`].
    pub async fn create(
        &self,
        caller: &Caller,
        from: IpAddr,
        new: NewKey,
    ) -> Result<(ScopedKey, ApiKey), ServiceError> {
        let now = now();
        let key = ScopedKey {
            id: KeyId::generate(),
            owner: caller.user,
            name: check_name(&new.name)?,
            scopes: check_scopes(&new.scopes)?,
            instances: self.check_instances(caller, new.instances).await?,
            expires_at: check_end(new.expires_at, now)?,
            created_at: now,
            last_used_at: None,
        };
        let shown = new_scoped_key();
        let details = json!({"name": key.name, "scopes": key.scopes, "instances": key.instances});
        let told = caller.tells(from, AuditAction::KeyCreated, key.id.to_string(), details);
        let made = self.storage.create_key(key.clone(), shown.hash(), MAX_KEYS, Some(told));
        made.await.map_err(|error| match error {
            StorageError::LimitReached { .. } => ServiceError::Conflict {
                cause: ConflictCause::TooMany,
                message: format!("a user can have at most {MAX_KEYS} keys"),
            },
            error => error.into(),
        })?;
        Ok((key, shown))
    }

    /// A page of the caller's keys, oldest first.
    ///
    /// # Errors
    /// `Invalid` for a limit of 0 or above [`MAX_PAGE`].
    pub async fn list(
        &self,
        caller: &Caller,
        limit: u64,
        skip: u64,
    ) -> Result<Page<ScopedKey>, ServiceError> {
        check_limit(limit, MAX_PAGE)?;
        Ok(self.storage.keys(caller.user, limit, skip).await?)
    }

    /// Takes a key back: it opens nothing any more, here at once, in other processes within 5 s.
    ///
    /// # Errors
    /// `NotFound` when the caller has no such key.
    pub async fn delete(&self, caller: &Caller, from: IpAddr, id: KeyId) -> Result<(), ServiceError> {
        let told = caller.tells(from, AuditAction::KeyDeleted, id.to_string(), Value::Null);
        self.storage.delete_key(caller.user, id, Some(told)).await?;
        self.auth.forget(caller.user);
        Ok(())
    }

    /// Only the caller's own, each once.
    async fn check_instances(
        &self,
        caller: &Caller,
        instances: Option<Vec<InstanceId>>,
    ) -> Result<Option<Vec<InstanceId>>, ServiceError> {
        let invalid = |message: String| ServiceError::invalid(Field::KeyInstances, message);
        let Some(mut bound) = instances else { return Ok(None) };
        bound.sort_unstable();
        bound.dedup();
        if bound.is_empty() || bound.len() > MAX_KEY_INSTANCES {
            return Err(invalid(format!("must list 1 to {MAX_KEY_INSTANCES} instances, or be left out")));
        }
        for id in &bound {
            if self.storage.instance(caller.user, *id).await?.is_none() {
                return Err(invalid(format!("lists {id}, which is no instance of yours")));
            }
        }
        Ok(Some(bound))
    }
}

impl std::fmt::Debug for KeyService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyService").finish_non_exhaustive()
    }
}

fn check_name(name: &str) -> Result<String, ServiceError> {
    // Counted as it was given, as the description says it: blanks around it, too.
    let length = name.chars().count();
    let name = name.trim();
    let problem = if length > MAX_KEY_NAME {
        format!("must have at most {MAX_KEY_NAME} characters")
    } else {
        match unfit_for_a_name(name) {
            Some(problem) => problem.to_owned(),
            None => return Ok(name.to_owned()),
        }
    };
    Err(ServiceError::invalid(Field::KeyName, problem))
}

fn check_scopes(scopes: &[Scope]) -> Result<Vec<Scope>, ServiceError> {
    let named: Vec<_> = Scope::ALL.iter().copied().filter(|scope| scopes.contains(scope)).collect();
    if named.is_empty() {
        return Err(ServiceError::invalid(Field::Scopes, "must name at least one of read, send and manage"));
    }
    Ok(named)
}

fn check_end(end: Option<Timestamp>, now: Timestamp) -> Result<Option<Timestamp>, ServiceError> {
    match end {
        Some(end) if end <= now => Err(ServiceError::invalid(Field::ExpiresAt, "must be in the future")),
        end => Ok(end),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::World;

    fn new_key() -> NewKey {
        NewKey { name: "cron".to_owned(), scopes: vec![Scope::Send], instances: None, expires_at: None }
    }

    fn home() -> IpAddr {
        std::net::Ipv4Addr::LOCALHOST.into()
    }

    #[test]
    fn every_bound_is_held_and_named() {
        assert_eq!(
            check_scopes(&[Scope::Manage, Scope::Read, Scope::Manage]).unwrap(),
            [Scope::Read, Scope::Manage]
        );
        let table = [
            (check_name(" ").map(drop), Field::KeyName),
            (check_name(&"x".repeat(MAX_KEY_NAME + 1)).map(drop), Field::KeyName),
            (check_scopes(&[]).map(drop), Field::Scopes),
            (check_end(Some(now()), now()).map(drop), Field::ExpiresAt),
        ];
        for (result, expected) in table {
            assert!(matches!(result, Err(ServiceError::Invalid { field, .. }) if field == expected));
        }
    }

    #[tokio::test]
    async fn a_key_opens_what_it_names_until_it_ends() {
        let world = World::new().await;
        let (keys, auth) = (&world.services.keys, &world.services.auth);
        let instance = world.instance().await;
        let bound = NewKey { instances: Some(vec![instance, instance]), ..new_key() };
        let (key, shown) = keys.create(&world.caller, home(), bound).await.unwrap();
        let found = auth.identify_key(shown.expose(), home()).await.unwrap();
        assert_eq!((found.caller, found.key.as_deref()), (world.caller, Some(&key)));
        assert!(key.reaches(instance) && !key.reaches(InstanceId::generate()));
        // It isn't the user's own.
        assert!(auth.by_api_key(shown.expose(), home()).await.is_err());

        let soon = NewKey { expires_at: Some(now().plus_millis(300)), ..new_key() };
        let (_, shown_too) = keys.create(&world.caller, home(), soon).await.unwrap();
        crate::testing::until("the key ends", || async {
            auth.identify_key(shown_too.expose(), home()).await.is_err().then_some(())
        })
        .await;
        keys.delete(&world.caller, home(), key.id).await.unwrap();
        assert!(auth.identify_key(shown.expose(), home()).await.is_err());
        let stranger = world.stranger().await;
        assert_eq!(keys.list(&stranger, 9, 0).await.unwrap().total, 0);
    }

    #[tokio::test]
    async fn a_key_is_bound_to_ones_own_instances_alone() {
        let world = World::new().await;
        let (stranger, instance) = (world.stranger().await, world.instance().await);
        for instances in [vec![], vec![instance]] {
            let new = NewKey { instances: Some(instances), ..new_key() };
            let refused = world.services.keys.create(&stranger, home(), new).await;
            assert!(matches!(refused, Err(ServiceError::Invalid { field: Field::KeyInstances, .. })));
        }
    }
}
