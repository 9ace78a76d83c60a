//! Taking credentials back.

use storage::{ApiKey, Missing, SecretText, User, UserPatch};

use super::{AuthService, new_api_key, random_text};
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
        let password_hash = Some(self.inner.passwords.hash(&password).await?);
        self.renew(&user, UserPatch { password_hash, ..UserPatch::default() }).await?;
        Ok(Renewed { email: user.email, password: Some(password), api_key: None })
    }

    /// Gives the user with this e-mail a new API key. The old one and every login token end, as with
    /// [`reset_password`](Self::reset_password).
    ///
    /// # Errors
    /// `NotFound` if there is no such user.
    pub async fn rotate_key(&self, email: &str) -> Result<Renewed, ServiceError> {
        let user = self.user_of(email).await?;
        let api_key = new_api_key();
        self.renew(&user, UserPatch { api_key: Some(api_key.clone()), ..UserPatch::default() }).await?;
        Ok(Renewed { email: user.email, password: None, api_key: Some(api_key) })
    }

    async fn user_of(&self, email: &str) -> Result<User, ServiceError> {
        let user = self.inner.storage.user_by_email(email.trim()).await?;
        user.ok_or(ServiceError::NotFound { what: Missing::User })
    }

    async fn renew(&self, user: &User, patch: UserPatch) -> Result<(), ServiceError> {
        self.inner.storage.update_user(user.id, patch, now()).await?;
        self.forget(user.id);
        Ok(())
    }
}
