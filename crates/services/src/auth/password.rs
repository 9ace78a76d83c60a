//! bcrypt, on threads of its own and a few at a time.

use std::sync::Arc;
use std::time::Duration;

use storage::SecretText;
use tokio::sync::OnceCell;

use super::hashing::{Busy, Hashing};
use super::throttle::Key;
use crate::error::ServiceError;
use crate::field::Field;

/// bcrypt reads no further than this, so longer passwords are refused instead of cut.
pub const MAX_PASSWORD: usize = 72;
/// Shortest password that can be set, in bytes.
pub const MIN_PASSWORD: usize = 8;
/// When somebody may try again who found too many waiting: half of them are done by then.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// Hashes and verifies passwords.
#[derive(Clone, Debug)]
pub(crate) struct Passwords {
    cost: u32,
    hashing: Hashing,
    /// The hash of no password, so that an unknown user costs as much as a known one.
    nobody: Arc<OnceCell<SecretText>>,
}

impl Passwords {
    pub(crate) fn new(cost: u32) -> Self {
        Self { cost, hashing: Hashing::default(), nobody: Arc::default() }
    }

    /// The hash to store.
    pub(crate) async fn hash(&self, password: &SecretText) -> Result<SecretText, ServiceError> {
        self.check(password)?;
        let (password, cost) = (password.clone(), self.cost);
        self.work(Key::OURS, move || bcrypt::hash(password.expose(), cost)).await.map(SecretText::new)
    }

    /// # Errors
    /// `Invalid` if its length can't be accepted.
    pub(crate) fn check(&self, password: &SecretText) -> Result<(), ServiceError> {
        if (MIN_PASSWORD..=MAX_PASSWORD).contains(&password.expose().len()) {
            return Ok(());
        }
        let message = format!("must have {MIN_PASSWORD} to {MAX_PASSWORD} bytes");
        Err(ServiceError::invalid(Field::Password, message))
    }

    /// Whether the password is that of `hash`. Without a hash it takes as long and is never right. `whose` is the address
    /// that asks.
    ///
    /// # Errors
    /// `RateLimited` if too many wait for theirs.
    pub(crate) async fn verify(
        &self,
        whose: Key,
        password: &SecretText,
        hash: Option<&SecretText>,
    ) -> Result<bool, ServiceError> {
        let known = hash.is_some();
        let hash = match hash {
            Some(hash) => hash.clone(),
            None => self.nobody.get_or_try_init(|| self.hash_of_nobody()).await?.clone(),
        };
        // Too long can't be right, but is worked on all the same.
        let fits = password.expose().len() <= MAX_PASSWORD;
        let password = if fits { password.clone() } else { SecretText::new("too long to be right") };
        let right = self.work(whose, move || bcrypt::verify(password.expose(), hash.expose())).await?;
        Ok(right && known && fits)
    }

    async fn hash_of_nobody(&self) -> Result<SecretText, ServiceError> {
        let cost = self.cost;
        let unguessable = super::random_text::<32>();
        self.work(Key::OURS, move || bcrypt::hash(unguessable, cost)).await.map(SecretText::new)
    }

    async fn work<T: Send + 'static>(
        &self,
        whose: Key,
        work: impl FnOnce() -> Result<T, bcrypt::BcryptError> + Send + 'static,
    ) -> Result<T, ServiceError> {
        let done = self.hashing.run(whose, work).await;
        done.map_err(|Busy| ServiceError::RateLimited { retry_after: RETRY_AFTER })?
            .map_err(ServiceError::internal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> SecretText {
        SecretText::new(text)
    }

    #[tokio::test]
    async fn a_password_is_right_only_for_its_own_hash() {
        let passwords = Passwords::new(4);
        let hash = passwords.hash(&secret("correct horse")).await.unwrap();
        assert!(hash.expose().starts_with("$2b$04$"));
        assert!(passwords.verify(Key::OURS, &secret("correct horse"), Some(&hash)).await.unwrap());
        assert!(!passwords.verify(Key::OURS, &secret("correct hors"), Some(&hash)).await.unwrap());
        assert!(!passwords.verify(Key::OURS, &secret("correct horse"), None).await.unwrap());
        assert!(!passwords.verify(Key::OURS, &secret(""), Some(&hash)).await.unwrap());
    }

    #[tokio::test]
    async fn nothing_beyond_the_limit_is_cut_off_silently() {
        let passwords = Passwords::new(4);
        let longest = "x".repeat(MAX_PASSWORD);
        let hash = passwords.hash(&secret(&longest)).await.unwrap();
        assert!(passwords.verify(Key::OURS, &secret(&longest), Some(&hash)).await.unwrap());
        assert!(!passwords.verify(Key::OURS, &secret(&format!("{longest}y")), Some(&hash)).await.unwrap());
        assert!(passwords.hash(&secret(&format!("{longest}y"))).await.is_err());
        assert!(passwords.hash(&secret("short")).await.is_err());
    }
}
