//! Taking credentials back.

use std::net::IpAddr;

use serde_json::Value;
use storage::{Actor, ApiKey, AuditAction, Missing, SecretText, User, UserPatch};

use super::{AuthService, Caller, new_api_key, random_text};
use crate::audit;
use crate::clock::now;
use crate::error::ServiceError;

/// A new credential, which can't be told again.
#[derive(Clone, Debug)]
pub struct Renewed {
    /// Whose it is.
    pub email: String,
    /// The new password, if it was that.
    pub password: Option<SecretText>,
    /// The new API key, if it was that.
    pub api_key: Option<ApiKey>,
}

impl AuthService {
    /// Gives the user with this e-mail a new password. The old one and every login token end: here at once, in other
    /// processes within 5 s.
    ///
    /// # Errors
    /// `NotFound` if there is no such user.
    pub async fn reset_password(&self, email: &str) -> Result<Renewed, ServiceError> {
        let user = self.user_of(email).await?;
        let password = SecretText::new(random_text::<15>());
        let patch = UserPatch { password_hash: Some(self.hash(&password).await?), ..UserPatch::default() };
        self.renew(&user, patch, AuditAction::PasswordChanged, Actor::default()).await?;
        Ok(Renewed { email: user.email, password: Some(password), api_key: None })
    }

    /// Gives the user with this e-mail a new API key. The old one and every login token end, as with
    /// [`reset_password`](Self::reset_password).
    ///
    /// # Errors
    /// `NotFound` if there is no such user.
    pub async fn rotate_key(&self, email: &str) -> Result<Renewed, ServiceError> {
        let user = self.user_of(email).await?;
        let api_key = self.rotate(&user, Actor::default()).await?;
        Ok(Renewed { email: user.email, password: None, api_key: Some(api_key) })
    }

    /// Gives the caller a new API key. The old one and every login token end at once.
    ///
    /// # Errors
    /// `NotFound` if the user was deleted meanwhile.
    pub async fn rotate_own_key(&self, caller: &Caller, from: IpAddr) -> Result<ApiKey, ServiceError> {
        let user = self.me(caller).await?;
        self.rotate(&user, audit::actor(user.id, from)).await
    }

    async fn rotate(&self, user: &User, actor: Actor) -> Result<ApiKey, ServiceError> {
        let api_key = new_api_key();
        let patch = UserPatch { api_key: Some(api_key.clone()), ..UserPatch::default() };
        self.renew(user, patch, AuditAction::ApiKeyRotated, actor).await?;
        Ok(api_key)
    }

    async fn user_of(&self, email: &str) -> Result<User, ServiceError> {
        let user = self.inner.storage.user_by_email(email.trim()).await?;
        user.ok_or(ServiceError::NotFound { what: Missing::User })
    }

    pub(super) async fn renew(
        &self,
        user: &User,
        patch: UserPatch,
        action: AuditAction,
        actor: Actor,
    ) -> Result<(), ServiceError> {
        let told = audit::entry(actor, action, Some(user.id.to_string()), Value::Null);
        self.inner.storage.change_user(user.id, patch, now(), Some(told)).await?;
        self.forget(user.id);
        Ok(())
    }
}
