//! Passwords that somebody tries: to log in, and to change them.

use std::net::IpAddr;

use serde_json::Value;
use storage::{Actor, AuditAction, SecretText, User, UserPatch};
use tokio::time::Instant;

use super::tries::Try;
use super::{AuthService, Bearer, Caller, Inner, Login, MAX_EMAIL};
use crate::audit;
use crate::clock::now;
use crate::error::ServiceError;

impl AuthService {
    /// Checks email and password and issues a token. `from` is the client's address.
    ///
    /// # Errors
    /// `Unauthorized`, the same and after the same work whether the email or the password is wrong;
    /// `AddressNotAllowed` when both are right, and the user isn't to come from there; `RateLimited` after too many tries
    /// from this address, or while too many others try.
    pub async fn login(
        &self,
        email: &str,
        password: &SecretText,
        from: IpAddr,
    ) -> Result<Login, ServiceError> {
        const WRONG: ServiceError = ServiceError::Unauthorized { message: "email or password is wrong" };
        let (inner, email, at) = (&self.inner, email.trim(), Instant::now());
        if email.len() > MAX_EMAIL {
            return Err(WRONG);
        }
        let attempt = inner.admit(email, from, at)?;
        let found = inner.storage.user_by_email(email).await?;
        let active = found.filter(|user| user.disabled_at.is_none());
        let right = inner.is_right(attempt, active.as_ref(), password, at).await?;
        let Some(user) = active.as_ref().filter(|_| right) else {
            inner.tell_failure(active.as_ref(), from, "password").await;
            return Err(WRONG);
        };
        if !user.may_come_from(from.to_canonical()) {
            inner.tell_failure(active.as_ref(), from, "address").await;
            return Err(ServiceError::AddressNotAllowed);
        }
        inner.tries.lock().succeeded(user.id, attempt, at);
        inner.open_session(user.clone(), from).await
    }

    /// Changes the caller's own password. The old one and every login token end, this one included.
    ///
    /// # Errors
    /// `Invalid` if the new one's length can't be accepted; `Forbidden` if `current` is wrong, which counts as a try to log
    /// in; `RateLimited` as there.
    pub async fn change_password(
        &self,
        caller: &Caller,
        current: &SecretText,
        new: &SecretText,
        from: IpAddr,
    ) -> Result<(), ServiceError> {
        let (inner, at) = (&self.inner, Instant::now());
        inner.passwords.check(new)?;
        let user = self.me(caller).await?;
        let attempt = inner.admit(&user.email, from, at)?;
        if !inner.is_right(attempt, Some(&user), current, at).await? {
            inner.tell_failure(Some(&user), from, "current_password").await;
            return Err(ServiceError::Forbidden { message: "the current password is wrong" });
        }
        inner.tries.lock().succeeded(user.id, attempt, at);
        let password_hash = Some(inner.passwords.hash(new).await?);
        let patch = UserPatch { password_hash, ..UserPatch::default() };
        self.renew(&user, patch, AuditAction::PasswordChanged, audit::actor(user.id, from)).await
    }
}

impl Inner {
    fn admit(&self, email: &str, from: IpAddr, at: Instant) -> Result<Try, ServiceError> {
        self.tries.lock().admit(email, from, at).map_err(limited)
    }

    /// Whether the password is this user's. A try that isn't looked at is taken back.
    async fn is_right(
        &self,
        attempt: Try,
        user: Option<&User>,
        password: &SecretText,
        at: Instant,
    ) -> Result<bool, ServiceError> {
        let looked_at = async {
            if let Some(user) = user {
                self.tries.lock().admit_to(user.id, attempt, at).map_err(limited)?;
            }
            let hash = user.map(|user| &user.password_hash);
            self.passwords.verify(attempt.address, password, hash).await
        };
        looked_at.await.inspect_err(|_| self.tries.lock().take_back(attempt))
    }

    async fn open_session(&self, user: User, from: IpAddr) -> Result<Login, ServiceError> {
        let bearer = Bearer { user: user.id, version: user.credentials_version };
        let (token, expires_at) = self.tokens.issue(bearer, now())?;
        self.audit.tell(audit::actor(user.id, from), AuditAction::Login, None, Value::Null).await;
        Ok(Login { token, expires_at, user })
    }

    /// Of an account that doesn't exist nothing is kept but that it was tried: what was typed may be a password.
    async fn tell_failure(&self, user: Option<&User>, from: IpAddr, cause: &str) {
        let actor = Actor { address: Some(from.to_canonical()), ..Actor::default() };
        self.audit.tell_failure(actor, user.map(|user| user.id.to_string()), cause).await;
    }
}

fn limited(retry_after: std::time::Duration) -> ServiceError {
    ServiceError::RateLimited { retry_after }
}
