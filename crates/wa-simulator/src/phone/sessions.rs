use std::collections::{HashMap, HashSet};

use compact_str::CompactString;
use rand_chacha::ChaCha20Rng;
use wa_crypto::PublicKey;
use wa_signal::{Bundle, Ciphertext, DecryptError, EncryptError, InitiateError, PreKeyMessage, Session};

use super::PhoneKeys;
use crate::behaviour::Rhythm;

/// Whom a session is with: the account and the device. One session serves all addresses of a user (PROTOCOL.md 16).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Address {
    pub(crate) number: CompactString,
    pub(crate) device: u16,
}

/// A phone's Signal sessions.
#[derive(Default)]
pub(crate) struct Sessions {
    by_address: HashMap<Address, Session>,
    /// One-time prekeys that have opened a session.
    used_prekeys: HashSet<u32>,
    /// Messages that were encrypted for each device.
    encrypted: HashMap<Address, Rhythm>,
}

/// Why a phone can't decrypt a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OpenError {
    /// The very same ciphertext was decrypted before.
    #[error("it was decrypted before")]
    Repeated,
    #[error("there is no session")]
    NoSession,
    #[error("it names the signed prekey {0}, which is not ours")]
    SignedPrekey(u32),
    #[error("it names the one-time prekey {0}, which is used up")]
    UsedPrekey(u32),
    #[error(transparent)]
    Decrypt(DecryptError),
}

impl From<DecryptError> for OpenError {
    fn from(error: DecryptError) -> Self {
        match error {
            DecryptError::Duplicate { .. } => Self::Repeated,
            other => Self::Decrypt(other),
        }
    }
}

impl Sessions {
    /// Whether there is a session with the device that has this identity.
    pub(crate) fn is_open(&self, address: &Address, identity: &PublicKey) -> bool {
        self.by_address.get(address).is_some_and(|session| session.remote_identity() == identity)
    }

    /// Opens a session from a bundle, in front of the one that may be there.
    pub(crate) fn initiate(
        &mut self,
        keys: &PhoneKeys,
        address: &Address,
        bundle: &Bundle,
        rng: &mut ChaCha20Rng,
    ) -> Result<(), InitiateError> {
        let previous = self.by_address.get(address).cloned();
        let session = Session::initiate(&keys.identity, bundle, previous, rng)?;
        self.by_address.insert(address.clone(), session);
        Ok(())
    }

    /// Notes that a message is encrypted for a device; whether the phone forgets that it was, as it does every so many
    /// times.
    pub(crate) fn forgets(&mut self, address: &Address, every: Option<u32>) -> bool {
        every.is_some() && self.encrypted.entry(address.clone()).or_default().beats(every)
    }

    /// Encrypts a padded plaintext in an open session. One that `forgets` it uses the same key for the next.
    pub(crate) fn encrypt(
        &mut self,
        keys: &PhoneKeys,
        address: &Address,
        plaintext: &[u8],
        forgets: bool,
    ) -> Option<Result<Ciphertext, EncryptError>> {
        let session = self.by_address.get_mut(address)?;
        let before = forgets.then(|| session.clone());
        let ciphertext = session.encrypt(&keys.identity, plaintext);
        if let Some(before) = before {
            *session = before;
        }
        Some(ciphertext)
    }

    /// Decrypts a `msg`.
    pub(crate) fn open(
        &mut self,
        keys: &PhoneKeys,
        address: &Address,
        message: &[u8],
        rng: &mut ChaCha20Rng,
    ) -> Result<Vec<u8>, OpenError> {
        let session = self.by_address.get_mut(address).ok_or(OpenError::NoSession)?;
        Ok(session.decrypt(&keys.identity, message, rng)?)
    }

    /// Whether a `pkmsg` belongs to a session that is there.
    pub(crate) fn recognizes(&self, address: &Address, message: &PreKeyMessage<'_>) -> bool {
        self.by_address.get(address).is_some_and(|session| session.recognizes(message))
    }

    /// Decrypts a `pkmsg`, with the session that it opens or has opened.
    pub(crate) fn accept(
        &mut self,
        keys: &PhoneKeys,
        address: &Address,
        message: &PreKeyMessage<'_>,
        rng: &mut ChaCha20Rng,
    ) -> Result<Vec<u8>, OpenError> {
        let existing = self.by_address.get(address);
        let is_known = existing.is_some_and(|session| session.recognizes(message));
        if !is_known && message.signed_prekey_id != keys.signed_prekey.id {
            return Err(OpenError::SignedPrekey(message.signed_prekey_id));
        }
        let prekey = match message.prekey_id {
            Some(id) if !is_known && self.used_prekeys.contains(&id) => {
                return Err(OpenError::UsedPrekey(id));
            }
            Some(id) if !is_known => Some(keys.prekey(id)),
            _ => None,
        };
        let (session, plaintext, accepted) = Session::accept(
            existing,
            &keys.identity,
            &keys.signed_prekey.key,
            prekey.as_ref(),
            message,
            rng,
        )?;
        self.used_prekeys.extend(accepted.used_prekey);
        self.by_address.insert(address.clone(), session);
        Ok(plaintext)
    }
}
