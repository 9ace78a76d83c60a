//! Who is calling: passwords, login tokens, API keys.

mod callers;
mod hashing;
mod hmac;
mod instance_keys;
mod login;
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
use serde_json::Value;
use storage::{
    Actor, ApiKey, AuditAction, AuditEntry, KeyId, Missing, Role, ScopedKey, SecretText, Storage,
    StorageError, Timestamp, User, UserId,
};

use crate::audit::{self, AuditService};
use crate::clock::now;
use crate::error::ServiceError;
use callers::{Callers, Credential, Known};
use password::Passwords;
pub use password::{MAX_PASSWORD, MIN_PASSWORD};
pub use rotation::Renewed;
use token::{Bearer, Tokens};
use tries::Tries;

/// Longest e-mail address, in bytes (RFC 5321, section 4.5.3.1.3).
pub const MAX_EMAIL: usize = 254;
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
    /// Who that is for the audit log: the user, unless somebody else acts for them; and how they came.
    pub actor: Actor,
}

impl Caller {
    /// A user of whom nothing else is known.
    pub fn new(user: UserId, role: Role) -> Self {
        Self { user, role, actor: Actor { user: Some(user), ..Actor::default() } }
    }

    /// The same, who has shown this key and comes from this address.
    #[must_use]
    pub fn coming(mut self, key: Option<KeyId>, from: IpAddr) -> Self {
        self.actor.key = key;
        self.actor.address = Some(from.to_canonical());
        self
    }

    /// # Errors
    /// `Forbidden` unless they administer the gateway.
    pub(crate) fn check_administers(&self) -> Result<(), ServiceError> {
        match self.role {
            Role::Admin => Ok(()),
            Role::User => Err(ServiceError::Forbidden { message: "only administrators may do that" }),
        }
    }

    /// What is kept of something that they do now, with their own credential.
    pub(crate) fn tells(
        &self,
        from: IpAddr,
        action: AuditAction,
        target: String,
        details: Value,
    ) -> AuditEntry {
        audit::entry(audit::actor(self.user, from), action, Some(target), details)
    }
}

/// Who calls, and by which credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Whose credential it is.
    pub caller: Caller,
    /// The scoped key, if it is one. Without it the credential is the user's own, which opens all that the user may do.
    pub key: Option<Arc<ScopedKey>>,
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
    audit: AuditService,
    passwords: Passwords,
    tokens: Tokens,
    callers: Callers,
    tries: Mutex<Tries>,
}

impl AuthService {
    /// A service over this store.
    pub fn new(storage: Arc<dyn Storage>, config: &AuthConfig) -> Self {
        let inner = Inner {
            audit: AuditService::new(Arc::clone(&storage)),
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
            allowed_ips: Vec::new(),
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

    /// The caller with this login token, who comes `from` this address.
    ///
    /// # Errors
    /// `Unauthorized` if it isn't ours, has expired, was issued under other credentials than its user has now, or its user
    /// is gone or disabled; `AddressNotAllowed` if its user isn't to come from there.
    pub async fn by_token(&self, token: &str, from: IpAddr) -> Result<Caller, ServiceError> {
        const REFUSED: ServiceError =
            ServiceError::Unauthorized { message: "the token is invalid or has expired" };
        let inner = &self.inner;
        let ours = Some(token).filter(|token| token.len() <= MAX_CREDENTIAL);
        let bearer = ours.and_then(|token| inner.tokens.read(token, now())).ok_or(REFUSED)?;
        let Bearer { user, version } = bearer;
        let look_up = async || {
            let user = inner.storage.user(user).await?;
            Ok(user.filter(|user| user.credentials_version == version).map(|user| (user, None)))
        };
        let found = inner.identify(Credential::Token(user, version), from, look_up).await?;
        found.map(|identity| identity.caller).ok_or(REFUSED)
    }

    /// The caller with this API key of their own, who comes `from` this address. A scoped key is none:
    /// see [`identify_key`](Self::identify_key).
    ///
    /// # Errors
    /// `Unauthorized` if there is no such key, or its user is disabled; `AddressNotAllowed` if its user isn't to come from
    /// there.
    pub async fn by_api_key(&self, key: &str, from: IpAddr) -> Result<Caller, ServiceError> {
        let (inner, key) = (&self.inner, checked_key(key)?);
        let look_up = async || Ok(inner.storage.user_by_api_key(&key).await?.map(|user| (user, None)));
        let found = inner.identify(Credential::ApiKey(key.hash()), from, look_up).await?;
        found.map(|identity| identity.caller).ok_or(NO_KEY)
    }

    /// Whose this API key or scoped key is, and what it opens. It comes `from` this address.
    ///
    /// # Errors
    /// As [`by_api_key`](Self::by_api_key); `Unauthorized`, too, if a scoped key has expired.
    pub async fn identify_key(&self, key: &str, from: IpAddr) -> Result<Identity, ServiceError> {
        if !key.starts_with(SCOPED_KEY) {
            let caller = self.by_api_key(key, from).await?;
            return Ok(Identity { caller, key: None });
        }
        let (inner, key) = (&self.inner, checked_key(key)?);
        let look_up = async || {
            let found = inner.storage.key_by_hash(key.hash()).await?;
            Ok(found.map(|(key, user)| (user, Some(key))))
        };
        inner.identify(Credential::ScopedKey(key.hash()), from, look_up).await?.ok_or(NO_KEY)
    }

    /// The caller's own record.
    ///
    /// # Errors
    /// `NotFound` if the user was deleted meanwhile.
    pub async fn me(&self, caller: &Caller) -> Result<User, ServiceError> {
        self.inner.storage.user(caller.user).await?.ok_or(ServiceError::NotFound { what: Missing::User })
    }

    /// The hash to store of a password.
    ///
    /// # Errors
    /// `Invalid` if its length can't be accepted.
    pub(crate) async fn hash(&self, password: &SecretText) -> Result<SecretText, ServiceError> {
        self.inner.passwords.hash(password).await
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
    /// Whose credential it is; nothing if it isn't good.
    async fn identify(
        &self,
        credential: Credential,
        from: IpAddr,
        look_up: impl AsyncFnOnce() -> Result<Option<(User, Option<ScopedKey>)>, StorageError>,
    ) -> Result<Option<Identity>, ServiceError> {
        let known = match self.callers.find(credential) {
            Some(known) => known,
            None => {
                let found = look_up().await?.filter(|(user, _)| user.disabled_at.is_none());
                let Some((user, key)) = found else { return Ok(None) };
                let known = Known::new(user, key);
                self.note_use(&known.identity);
                self.callers.remember(credential, known.clone());
                known
            }
        };
        if known.identity.key.as_ref().is_some_and(|key| key.has_expired(now())) {
            return Ok(None);
        }
        if !known.may_come_from(from.to_canonical()) {
            return Err(ServiceError::AddressNotAllowed);
        }
        Ok(Some(known.identity))
    }

    /// Nobody waits for the note, and one that is lost is no harm.
    fn note_use(&self, identity: &Identity) {
        let now = now();
        if let Some(key) = &identity.key
            && key.last_used_at.is_none_or(|last| last <= now.before(USE_NOTED_EVERY))
        {
            drop(self.storage.note_use(key.id, now));
        }
    }
}

/// What scoped keys begin with, and no other credential does.
const SCOPED_KEY: &str = "tlk_";
/// How often is noted that a scoped key is in use.
const USE_NOTED_EVERY: Duration = Duration::from_secs(60);
const NO_KEY: ServiceError = ServiceError::Unauthorized { message: "the API key is invalid" };

fn checked_key(key: &str) -> Result<ApiKey, ServiceError> {
    if key.is_empty() || key.len() > MAX_CREDENTIAL { Err(NO_KEY) } else { Ok(ApiKey::new(key)) }
}

pub(crate) fn new_api_key() -> ApiKey {
    ApiKey::new(format!("tl_{}", random_text::<32>()))
}

pub(crate) fn new_scoped_key() -> ApiKey {
    ApiKey::new(format!("{SCOPED_KEY}{}", random_text::<32>()))
}

/// Text of `N` random bytes, safe in URLs and headers.
pub(crate) fn random_text<const N: usize>() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; N]>())
}

#[cfg(test)]
mod tests;
