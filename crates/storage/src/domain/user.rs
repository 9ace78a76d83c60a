use std::net::IpAddr;

use ipnet::IpNet;

use super::id::identifier;
use super::word::words;
use crate::{ApiKey, SecretText, Timestamp};

identifier! {
    /// Identifies a user: the owner of instances.
    UserId
}

impl UserId {
    /// The owner of what nobody may see any more. No user has this id.
    pub const NOBODY: Self = Self::from_bytes([0; 16]);
}

words! {
    /// What a user may do.
    Role, "role" {
        /// Everything, other users included.
        Admin = "admin",
        /// Their own instances.
        User = "user",
    }
}

/// Someone who logs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Chosen by the caller.
    pub id: UserId,
    /// Unique, whatever the case of its ASCII letters.
    pub email: String,
    /// bcrypt hash in its usual text form.
    pub password_hash: SecretText,
    /// Given name.
    pub first_name: String,
    /// Family name.
    pub last_name: String,
    /// What they may do.
    pub role: Role,
    /// Unique; found again by its hash.
    pub api_key: ApiKey,
    /// Since when the user may not log in any more; `None` while they may.
    pub disabled_at: Option<Timestamp>,
    /// Counts the changes of the credentials; what was issued under an earlier version is no longer good.
    pub credentials_version: u32,
    /// Where their credentials are good; empty for everywhere.
    pub allowed_ips: Vec<IpNet>,
    /// When the user was created.
    pub created_at: Timestamp,
    /// When anything of this was last changed.
    pub updated_at: Timestamp,
}

impl User {
    /// Whether their credentials are good at this address, which is canonical.
    pub fn may_come_from(&self, address: IpAddr) -> bool {
        self.allowed_ips.is_empty() || self.allowed_ips.iter().any(|network| network.contains(&address))
    }

    /// Whether they administer the gateway now.
    pub fn administers(&self) -> bool {
        self.role == Role::Admin && self.disabled_at.is_none()
    }

    /// About how many bytes a page holds of them.
    pub fn size(&self) -> usize {
        let networks = self.allowed_ips.len() * size_of::<IpNet>();
        size_of::<Self>() + self.email.len() + self.first_name.len() + self.last_name.len() + networks
    }
}

/// Changes to a user; `None` leaves a field as it is. One that takes a credential away (a new password, a new API key,
/// a user who is disabled) makes a new version of the credentials.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserPatch {
    /// New email.
    pub email: Option<String>,
    /// New bcrypt hash.
    pub password_hash: Option<SecretText>,
    /// New given name.
    pub first_name: Option<String>,
    /// New family name.
    pub last_name: Option<String>,
    /// New role.
    pub role: Option<Role>,
    /// New API key; the old one stops working at once.
    pub api_key: Option<ApiKey>,
    /// `Some(None)` enables the user again.
    pub disabled_at: Option<Option<Timestamp>>,
    /// Where their credentials are good from now on.
    pub allowed_ips: Option<Vec<IpNet>>,
}

impl UserPatch {
    /// Applies the changes as of `now`.
    pub fn apply(self, user: &mut User, now: Timestamp) {
        let takes_away = self.takes_a_credential_away();
        let Self { email, password_hash, first_name, last_name, role, api_key, disabled_at, allowed_ips } =
            self;
        set(&mut user.email, email);
        set(&mut user.password_hash, password_hash);
        set(&mut user.first_name, first_name);
        set(&mut user.last_name, last_name);
        set(&mut user.role, role);
        set(&mut user.api_key, api_key);
        set(&mut user.disabled_at, disabled_at);
        set(&mut user.allowed_ips, allowed_ips);
        if takes_away {
            user.credentials_version = user.credentials_version.saturating_add(1);
        }
        user.updated_at = now;
    }

    fn takes_a_credential_away(&self) -> bool {
        self.password_hash.is_some() || self.api_key.is_some() || matches!(self.disabled_at, Some(Some(_)))
    }
}

/// Replaces a field when the patch names it.
pub(super) fn set<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}
