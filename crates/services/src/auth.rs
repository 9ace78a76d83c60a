//! Who is calling: passwords, login tokens, API keys.

mod callers;
mod hashing;
mod hmac;
mod password;
mod rotation;
mod throttle;
mod token;
mod tries;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::Mutex;
use storage::{ApiKey, Missing, Role, SecretText, Storage, Timestamp, User, UserId};
use tokio::time::Instant;

use crate::clock::now;
use crate::error::ServiceError;
use callers::{Callers, Credential};
use password::Passwords;
pub use password::{MAX_PASSWORD, MIN_PASSWORD};
pub use rotation::Renewed;
use token::{Bearer, Tokens};
use tries::Tries;

/// Longest e-mail address (RFC 5321, section 4.5.3.1.3).
const MAX_EMAIL: usize = 254;
/// A credential longer than this is not ours.
const MAX_CREDENTIAL: usize = 4096;

/// How tokens are signed and passwords hashed.
#[derive(Clone, Debug)]
pub struct AuthConfig {
    /// Signs login tokens.
    pub jwt_secret: SecretText,
    /// From login to expiry.
    pub token_lifetime: Duration,
    /// Cost of bcrypt, 4 to 31: each step doubles the work.
    pub bcrypt_cost: u32,
}

impl AuthConfig {
    /// Tokens for a day, bcrypt at cost 12.
    pub fn new(jwt_secret: SecretText) -> Self {
        Self { jwt_secret, token_lifetime: Duration::from_secs(24 * 60 * 60), bcrypt_cost: 12 }
    }
}

/// A user whose credential was found good. Every use case takes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The user whose credential it was.
    pub user: UserId,
    /// What they may do.
    pub role: Role,
}

/// A successful login.
#[derive(Clone, Debug)]
pub struct Login {
    /// For `Authorization: Bearer`.
    pub token: String,
    /// When the token stops working.
    pub expires_at: Timestamp,
    /// Who logged in, with their API key.
    pub user: User,
}

/// The administrator whom the first start creates.
#[derive(Clone, Debug)]
pub struct FirstAdmin {
    /// Email to log in with.
    pub email: String,
    /// Password; one is generated when there is none.
    pub password: Option<SecretText>,
    /// Given name: any text, which nothing depends on.
    pub first_name: String,
    /// Family name: any text, which nothing depends on.
    pub last_name: String,
}

/// What is shown once after the first start, and can't be told again.
#[derive(Clone, Debug)]
pub struct Welcome {
    /// Email to log in with.
    pub email: String,
    /// The password, if it was generated.
    pub password: Option<SecretText>,
    /// The API key.
    pub api_key: ApiKey,
}

/// Users and their credentials. Clones are the same service.
#[derive(Clone)]
pub struct AuthService {
    inner: Arc<Inner>,
}

struct Inner {
    storage: Arc<dyn Storage>,
    passwords: Passwords,
    tokens: Tokens,
    callers: Callers,
    tries: Mutex<Tries>,
}

impl AuthService {
    /// A service over this store.
    pub fn new(storage: Arc<dyn Storage>, config: &AuthConfig) -> Self {
        let inner = Inner {
            storage,
            passwords: Passwords::new(config.bcrypt_cost),
            tokens: Tokens::new(config.jwt_secret.expose().as_bytes(), config.token_lifetime),
            callers: Callers::default(),
            tries: Mutex::new(Tries::new()),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Creates the administrator if there are no users yet.
    ///
    /// # Errors
    /// `Invalid` if the password's length can't be accepted.
    pub async fn first_start(&self, admin: FirstAdmin) -> Result<Option<Welcome>, ServiceError> {
        let inner = &self.inner;
        // Somebody who can't be read is somebody: this would hand the gateway to whoever starts it.
        if inner.storage.has_users().await? {
            return Ok(None);
        }
        let generated = admin.password.is_none();
        let password = admin.password.unwrap_or_else(|| SecretText::new(random_text::<15>()));
        let now = now();
        let user = User {
            id: UserId::generate(),
            email: admin.email,
            password_hash: inner.passwords.hash(&password).await?,
            first_name: admin.first_name,
            last_name: admin.last_name,
            role: Role::Admin,
            api_key: new_api_key(),
            disabled_at: None,
            credentials_version: 0,
            created_at: now,
            updated_at: now,
        };
        inner.storage.create_user(user.clone()).await?;
        Ok(Some(Welcome {
            email: user.email,
            password: generated.then_some(password),
            api_key: user.api_key,
        }))
    }

    /// Checks email and password and issues a token. `from` is the client's address.
    ///
    /// # Errors
    /// `Unauthorized`, the same and after the same work whether the email or the password is wrong;
    /// `RateLimited` after too many tries from this address, or while too many others try.
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
        let limited = |retry_after| ServiceError::RateLimited { retry_after };
        let attempt = inner.tries.lock().admit(email, from, at).map_err(limited)?;
        let found = inner.storage.user_by_email(email).await?;
        let active = found.filter(|user| user.disabled_at.is_none());
        let looked_at = async {
            if let Some(user) = &active {
                inner.tries.lock().admit_to(user.id, attempt, at).map_err(limited)?;
            }
            let hash = active.as_ref().map(|user| &user.password_hash);
            inner.passwords.verify(attempt.address, password, hash).await
        };
        let right = looked_at.await.inspect_err(|_| inner.tries.lock().take_back(attempt))?;
        let user = active.filter(|_| right).ok_or(WRONG)?;
        inner.tries.lock().succeeded(user.id, attempt, at);
        let bearer = Bearer { user: user.id, version: user.credentials_version };
        let (token, expires_at) = inner.tokens.issue(bearer, now())?;
        Ok(Login { token, expires_at, user })
    }

    /// The caller with this login token.
    ///
    /// # Errors
    /// `Unauthorized` if it isn't ours, has expired, was issued under other credentials than its user has now, or its user
    /// is gone or disabled.
    pub async fn by_token(&self, token: &str) -> Result<Caller, ServiceError> {
        const REFUSED: ServiceError =
            ServiceError::Unauthorized { message: "the token is invalid or has expired" };
        let inner = &self.inner;
        let ours = Some(token).filter(|token| token.len() <= MAX_CREDENTIAL);
        let bearer = ours.and_then(|token| inner.tokens.read(token, now())).ok_or(REFUSED)?;
        let Bearer { user, version } = bearer;
        let look_up = async || {
            let user = inner.storage.user(user).await?;
            Ok(user.filter(|user| user.credentials_version == version))
        };
        inner.caller(Credential::Token(user, version), look_up).await?.ok_or(REFUSED)
    }

    /// The caller with this API key.
    ///
    /// # Errors
    /// `Unauthorized` if there is no such key, or its user is disabled.
    pub async fn by_api_key(&self, key: &str) -> Result<Caller, ServiceError> {
        const REFUSED: ServiceError = ServiceError::Unauthorized { message: "the API key is invalid" };
        if key.is_empty() || key.len() > MAX_CREDENTIAL {
            return Err(REFUSED);
        }
        let inner = &self.inner;
        let key = ApiKey::new(key);
        inner
            .caller(Credential::ApiKey(key.hash()), async || inner.storage.user_by_api_key(&key).await)
            .await?
            .ok_or(REFUSED)
    }

    /// The caller's own record.
    ///
    /// # Errors
    /// `NotFound` if the user was deleted meanwhile.
    pub async fn me(&self, caller: &Caller) -> Result<User, ServiceError> {
        self.inner.storage.user(caller.user).await?.ok_or(ServiceError::NotFound { what: Missing::User })
    }

    /// Must be called after a user was changed: their old credentials stop working at once. Another process on the same
    /// database notices within 5 s.
    pub fn forget(&self, user: UserId) {
        self.inner.callers.forget(user);
    }
}

impl std::fmt::Debug for AuthService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuthService").finish_non_exhaustive()
    }
}

impl Inner {
    async fn caller(
        &self,
        credential: Credential,
        look_up: impl AsyncFnOnce() -> Result<Option<User>, storage::StorageError>,
    ) -> Result<Option<Caller>, ServiceError> {
        if let Some(caller) = self.callers.find(credential) {
            return Ok(Some(caller));
        }
        let user = look_up().await?.filter(|user| user.disabled_at.is_none());
        let caller = user.map(|user| Caller { user: user.id, role: user.role });
        if let Some(caller) = caller {
            self.callers.remember(credential, caller);
        }
        Ok(caller)
    }
}

fn new_api_key() -> ApiKey {
    ApiKey::new(format!("tl_{}", random_text::<32>()))
}

/// Text of `N` random bytes, safe in URLs and headers.
fn random_text<const N: usize>() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; N]>())
}

#[cfg(test)]
mod tests;
