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
    /// When the user was created.
    pub created_at: Timestamp,
    /// When anything of this was last changed.
    pub updated_at: Timestamp,
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
}

impl UserPatch {
    /// Applies the changes as of `now`.
    pub fn apply(self, user: &mut User, now: Timestamp) {
        let takes_away = self.takes_a_credential_away();
        let Self { email, password_hash, first_name, last_name, role, api_key, disabled_at } = self;
        set(&mut user.email, email);
        set(&mut user.password_hash, password_hash);
        set(&mut user.first_name, first_name);
        set(&mut user.last_name, last_name);
        set(&mut user.role, role);
        set(&mut user.api_key, api_key);
        set(&mut user.disabled_at, disabled_at);
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
