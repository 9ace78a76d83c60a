//! Who may use the gateway.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use serde_json::{Value, json};
use storage::{
    AuditAction, AuditPage, AuditQuery, Missing, Page, Role, SecretText, Storage, User, UserId, UserPatch,
};

use crate::audit;
use crate::auth::{AuthService, Caller, MAX_EMAIL, new_api_key};
use crate::clock::now;
use crate::error::ServiceError;
use crate::field::Field;
use crate::instance::InstanceService;
use crate::page::{MAX_PAGE, check_limit};
use crate::supervisor::Supervisor;
use crate::text::unfit_for_a_name;

/// Most characters of a given or a family name.
pub const MAX_USER_NAME: usize = 100;
/// Most networks that a user is bound to: each is looked at with every request.
pub const MAX_ALLOWED_IPS: usize = 100;
/// Instances that are deleted with their user before it is looked which are left.
const PIECE: u64 = 100;

/// A user to create.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// To log in with.
    pub email: String,
    /// To log in with.
    pub password: SecretText,
    /// Given name; may be empty.
    pub first_name: String,
    /// Family name; may be empty.
    pub last_name: String,
    /// What they may do.
    pub role: Role,
    /// Where their credentials are good; empty for everywhere.
    pub allowed_ips: Vec<IpNet>,
}

/// Changes to a user; `None` leaves a field as it is.
#[derive(Clone, Debug, Default)]
pub struct UserChange {
    /// New email.
    pub email: Option<String>,
    /// New password; the old one and every login token end.
    pub password: Option<SecretText>,
    /// New given name.
    pub first_name: Option<String>,
    /// New family name.
    pub last_name: Option<String>,
    /// New role.
    pub role: Option<Role>,
    /// Whether they are shut out; nothing of theirs runs meanwhile.
    pub disabled: Option<bool>,
    /// Where their credentials are good.
    pub allowed_ips: Option<Vec<IpNet>>,
}

/// What becomes of the instances of a user who is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Belongings {
    /// The user isn't deleted while there are any.
    #[default]
    Keep,
    /// They are deleted first, as [`InstanceService::delete`] does.
    Delete,
}

/// Use cases about users. All but [`Self::rename`] are for administrators. Clones are the same service.
#[derive(Clone)]
pub struct UserService {
    storage: Arc<dyn Storage>,
    auth: AuthService,
    instances: InstanceService,
    supervisor: Supervisor,
}

impl UserService {
    /// A service over these parts.
    pub(crate) fn new(
        storage: Arc<dyn Storage>,
        auth: AuthService,
        instances: InstanceService,
        supervisor: Supervisor,
    ) -> Self {
        Self { storage, auth, instances, supervisor }
    }

    /// Creates a user with an API key.
    ///
    /// # Errors
    /// `Forbidden`; `Invalid` names the first field that can't be accepted; `Conflict` when the email is taken.
    pub async fn create(&self, caller: &Caller, from: IpAddr, new: NewUser) -> Result<User, ServiceError> {
        caller.check_administers()?;
        let now = now();
        let user = User {
            id: UserId::generate(),
            email: check_email(&new.email)?,
            first_name: check_name(Field::FirstName, &new.first_name)?,
            last_name: check_name(Field::LastName, &new.last_name)?,
            allowed_ips: check_networks(new.allowed_ips)?,
            password_hash: self.auth.hash(&new.password).await?,
            role: new.role,
            api_key: new_api_key(),
            disabled_at: None,
            credentials_version: 0,
            created_at: now,
            updated_at: now,
        };
        let details = json!({"role": user.role});
        let told = caller.tells(from, AuditAction::UserCreated, user.id.to_string(), details);
        self.storage.add_user(user.clone(), Some(told)).await?;
        Ok(user)
    }

    /// A page of users, oldest first.
    ///
    /// # Errors
    /// `Forbidden`; `Invalid` for a limit of 0 or above [`MAX_PAGE`].
    pub async fn list(&self, caller: &Caller, limit: u64, skip: u64) -> Result<Page<User>, ServiceError> {
        caller.check_administers()?;
        check_limit(limit, MAX_PAGE)?;
        Ok(self.storage.users(limit, skip).await?)
    }

    /// One user.
    ///
    /// # Errors
    /// `Forbidden`; `NotFound`.
    pub async fn find(&self, caller: &Caller, id: UserId) -> Result<User, ServiceError> {
        caller.check_administers()?;
        self.storage.user(id).await?.ok_or(ServiceError::NotFound { what: Missing::User })
    }

    /// Changes a user. Who is disabled is out at once: their credentials open nothing, and their instances are
    /// disconnected, but stay linked, until they are enabled again.
    ///
    /// # Errors
    /// `Forbidden`; `NotFound`; `Invalid` names the first field that can't be accepted; `Conflict` when the email is taken,
    /// or nobody would administer the gateway any more.
    pub async fn update(
        &self,
        caller: &Caller,
        from: IpAddr,
        id: UserId,
        change: UserChange,
    ) -> Result<User, ServiceError> {
        caller.check_administers()?;
        let details = json!({"fields": change.named()});
        let disables = change.disabled.is_some();
        let patch = self.checked(change).await?;
        let told = caller.tells(from, AuditAction::UserUpdated, id.to_string(), details);
        let user = self.storage.change_user(id, patch, now(), Some(told)).await?;
        self.auth.forget(id);
        if disables {
            self.supervisor.heed_users().await?;
        }
        Ok(user)
    }

    /// Changes the caller's own names.
    ///
    /// # Errors
    /// `Invalid` names the first field that can't be accepted; `NotFound` if the user was deleted meanwhile.
    pub async fn rename(
        &self,
        caller: &Caller,
        from: IpAddr,
        first_name: Option<String>,
        last_name: Option<String>,
    ) -> Result<User, ServiceError> {
        let change = UserChange { first_name, last_name, ..UserChange::default() };
        let details = json!({"fields": change.named()});
        let patch = self.checked(change).await?;
        let told = caller.tells(from, AuditAction::UserUpdated, caller.user.to_string(), details);
        Ok(self.storage.change_user(caller.user, patch, now(), Some(told)).await?)
    }

    /// Deletes a user with their keys, and what belongs to them if that is wanted.
    ///
    /// # Errors
    /// `Forbidden`; `NotFound`; `Conflict` while they have instances, or when nobody would administer the gateway any more;
    /// `Unavailable` when another process carries one of the instances.
    pub async fn delete(
        &self,
        caller: &Caller,
        from: IpAddr,
        id: UserId,
        belongings: Belongings,
    ) -> Result<(), ServiceError> {
        let user = self.find(caller, id).await?;
        if belongings == Belongings::Delete {
            // First, since it is refused for the last administrator; and no more instances come.
            let patch = UserPatch { disabled_at: Some(Some(now())), ..UserPatch::default() };
            self.storage.update_user(id, patch, now()).await?;
            self.auth.forget(id);
            let actor = audit::actor(caller.user, from);
            self.delete_instances(&Caller { actor, ..Caller::new(id, user.role) }).await?;
        }
        let told = caller.tells(from, AuditAction::UserDeleted, id.to_string(), Value::Null);
        self.storage.delete_user(id, Some(told)).await?;
        self.auth.forget(id);
        Ok(())
    }

    /// A page of the audit log, newest first.
    ///
    /// # Errors
    /// `Forbidden`; `Invalid` for a limit of 0 or above [`MAX_PAGE`].
    pub async fn audited(&self, caller: &Caller, query: &AuditQuery) -> Result<AuditPage, ServiceError> {
        caller.check_administers()?;
        check_limit(query.limit, MAX_PAGE)?;
        Ok(self.storage.audited(query).await?)
    }

    async fn delete_instances(&self, owner: &Caller) -> Result<(), ServiceError> {
        loop {
            let page = self.instances.list(owner, PIECE, 0).await?;
            if page.items.is_empty() {
                return Ok(());
            }
            for view in page.items {
                match self.instances.delete(owner, view.instance.id).await {
                    Ok(()) | Err(ServiceError::NotFound { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
        }
    }

    /// The changes as they are stored.
    async fn checked(&self, change: UserChange) -> Result<UserPatch, ServiceError> {
        let name = |field, name: Option<String>| name.map(|name| check_name(field, &name)).transpose();
        let mut patch = UserPatch {
            email: change.email.map(|email| check_email(&email)).transpose()?,
            first_name: name(Field::FirstName, change.first_name)?,
            last_name: name(Field::LastName, change.last_name)?,
            role: change.role,
            disabled_at: change.disabled.map(|disabled| disabled.then(now)),
            allowed_ips: change.allowed_ips.map(check_networks).transpose()?,
            ..UserPatch::default()
        };
        if let Some(password) = change.password {
            patch.password_hash = Some(self.auth.hash(&password).await?);
        }
        Ok(patch)
    }
}

impl std::fmt::Debug for UserService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UserService").finish_non_exhaustive()
    }
}

impl UserChange {
    /// What it changes, without how.
    fn named(&self) -> Vec<&'static str> {
        let Self { email, password, first_name, last_name, role, disabled, allowed_ips } = self;
        let all = [
            (Field::Email, email.is_some()),
            (Field::Password, password.is_some()),
            (Field::FirstName, first_name.is_some()),
            (Field::LastName, last_name.is_some()),
            (Field::Role, role.is_some()),
            (Field::Disabled, disabled.is_some()),
            (Field::AllowedIps, allowed_ips.is_some()),
        ];
        all.into_iter().filter_map(|(field, is_named)| is_named.then_some(field.as_str())).collect()
    }
}

fn check_email(email: &str) -> Result<String, ServiceError> {
    // Counted as it was given, as the description says it: blanks around it, too.
    let length = email.len();
    let email = email.trim();
    let is_one =
        email.rsplit_once('@').is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty());
    let is_seen = !email.contains(char::is_whitespace) && unfit_for_a_name(email).is_none();
    if is_one && is_seen && length <= MAX_EMAIL {
        return Ok(email.to_owned());
    }
    let message = format!("must be an e-mail address of at most {MAX_EMAIL} bytes");
    Err(ServiceError::invalid(Field::Email, message))
}

/// An empty name is none.
fn check_name(field: Field, name: &str) -> Result<String, ServiceError> {
    // Counted as it was given, as the description says it: blanks around it, too.
    let length = name.chars().count();
    let name = name.trim();
    if length > MAX_USER_NAME {
        let message = format!("must have at most {MAX_USER_NAME} characters");
        return Err(ServiceError::invalid(field, message));
    }
    match unfit_for_a_name(name) {
        Some(_) if name.is_empty() => Ok(String::new()),
        Some(problem) => Err(ServiceError::invalid(field, problem)),
        None => Ok(name.to_owned()),
    }
}

fn check_networks(networks: Vec<IpNet>) -> Result<Vec<IpNet>, ServiceError> {
    if networks.len() <= MAX_ALLOWED_IPS {
        return Ok(networks);
    }
    let message = format!("must list at most {MAX_ALLOWED_IPS} networks");
    Err(ServiceError::invalid(Field::AllowedIps, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_a_users_is_named() {
        for email in ["", "ada", "@b", "a@", "a b@c", "a@b\u{202e}c", &format!("a@{}", "b".repeat(MAX_EMAIL))]
        {
            let error = check_email(email).unwrap_err();
            assert!(matches!(error, ServiceError::Invalid { field: Field::Email, .. }), "{email}");
        }
        assert_eq!(check_email(" ada@example.org ").unwrap(), "ada@example.org");
        assert_eq!(check_name(Field::FirstName, " ").unwrap(), "");
        assert_eq!(check_name(Field::FirstName, " Ada ").unwrap(), "Ada");
        assert!(check_name(Field::LastName, "a\u{1b}[2J").is_err());
        assert!(check_name(Field::LastName, &"x".repeat(MAX_USER_NAME + 1)).is_err());
        let network: IpNet = "192.0.2.0/24".parse().unwrap();
        assert!(check_networks(vec![network; MAX_ALLOWED_IPS]).is_ok());
        assert!(check_networks(vec![network; MAX_ALLOWED_IPS + 1]).is_err());
    }

    #[test]
    fn what_is_told_of_a_change_holds_no_value() {
        let change = UserChange {
            password: Some(SecretText::new("correct horse")),
            role: Some(Role::Admin),
            ..UserChange::default()
        };
        assert_eq!(json!(change.named()), json!(["password", "role"]));
    }
}
