use std::{collections::VecDeque, fmt};

use rand_core::CryptoRng;
use wa_crypto::{AgreementError, KeyPair, PublicKey};

use crate::{
    Bundle, LocalIdentity,
    chain::MAX_STORED_KEYS,
    state::{Opened, State},
    wire::{ParseError, PreKeyMessage, SignalMessage},
};

/// How many archived states a session keeps; the oldest go first.
pub const MAX_ARCHIVED: usize = 40;

/// The Signal session with one device: its current double ratchet, and archived ones whose messages
/// may still be under way.
///
/// A plain value. Whoever holds it stores [`Session::to_record`] when [`Session::needs_save`] says
/// so, before anything that the change caused leaves the process.
#[derive(Clone)]
pub struct Session {
    pub(crate) current: State,
    /// Newest first.
    pub(crate) archived: VecDeque<State>,
    pub(crate) changed: bool,
}

/// An encrypted message, ready for an `<enc>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ciphertext {
    /// Whether it opens a session, as the stanza's `type` has to say.
    pub kind: Kind,
    /// The message as it stands on the wire, version byte and MAC included.
    pub bytes: Vec<u8>,
}

/// The two types of a [`Ciphertext`], by which the receiver knows how to open it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Opens a session with the receiver: `pkmsg`.
    PreKey,
    /// Of a session the receiver has: `msg`.
    Message,
}

impl Kind {
    /// The `type` attribute of an `<enc>`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PreKey => "pkmsg",
            Self::Message => "msg",
        }
    }
}

/// What came of [`Session::accept`] beside the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The one-time prekey that was used: forget it together with storing the session.
    pub used_prekey: Option<u32>,
    /// Whether the message started a session, instead of belonging to one that exists.
    pub new_session: bool,
}

/// Why no session could be started with a bundle: the other device's fault, or the server's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InitiateError {
    /// The identity key didn't sign the signed prekey.
    #[error("the signed prekey is not signed by the identity key")]
    BadSignature,
    /// One of the bundle's keys is of small order.
    #[error("the bundle holds an unusable key")]
    BadKey,
}

/// Why nothing can be encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncryptError {
    /// All counters of the chain are used: the other side has not answered for 2^32 messages.
    #[error("the sending chain has no counter left")]
    Exhausted,
}

/// Why a message can't be decrypted. The session is as it was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecryptError {
    /// The bytes are no message: the sender's fault.
    #[error(transparent)]
    Malformed(#[from] ParseError),
    /// The message was decrypted before, or its key was dropped: nobody's fault. The MAC was not
    /// looked at, since there is no key to check it with.
    #[error("the message with counter {counter} was received before")]
    Duplicate {
        /// The message's counter.
        counter: u32,
    },
    /// More than [`MAX_AHEAD`](crate::MAX_AHEAD) messages are missing before this one.
    #[error("the message with counter {counter} is too far ahead")]
    TooFarAhead {
        /// The message's counter.
        counter: u32,
    },
    /// The message is of no state of this session: one side has lost a session.
    #[error("no state of the session has made the message")]
    NoSession,
    /// The message is of a chain we know, but was changed, or made with other identity keys.
    #[error("the message's MAC is wrong")]
    BadMac,
    /// The message is genuine, but its ciphertext can't be: the sender's fault.
    #[error("the message's ciphertext is invalid")]
    BadCiphertext,
    /// The message brings a key of small order: the sender's fault.
    #[error("the message holds an unusable key")]
    BadKey,
    /// The message needs a one-time prekey that wasn't given: it was used before, or lost.
    #[error("the one-time prekey {0} is unknown")]
    UnknownPreKey(u32),
}

impl From<AgreementError> for DecryptError {
    fn from(_: AgreementError) -> Self {
        Self::BadKey
    }
}

impl From<AgreementError> for InitiateError {
    fn from(_: AgreementError) -> Self {
        Self::BadKey
    }
}

impl Session {
    /// Starts a session with the device that `bundle` is of, after checking the bundle's signature.
    /// A `previous` session with the device is archived, since its messages may be under way.
    ///
    /// Whether the bundle's identity is the expected one is for the caller to know.
    pub fn initiate(
        local: &LocalIdentity,
        bundle: &Bundle,
        previous: Option<Self>,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, InitiateError> {
        bundle.verify().map_err(|_| InitiateError::BadSignature)?;
        let state = State::initiate(local, bundle, rng)?;
        Ok(Self::succeed(previous, state))
    }

    /// Decrypts a prekey message: with the state it belongs to, if `existing` has it (its sender
    /// repeats the prekey message until it hears from us), else by starting a session, which
    /// archives the existing one. Gives the plaintext, still padded.
    ///
    /// `signed_prekey` and `prekey` are those the message names; they are only used for a new
    /// session. Whether the message's identity is the expected one is for the caller to know.
    pub fn accept(
        existing: Option<&Self>,
        local: &LocalIdentity,
        signed_prekey: &KeyPair,
        prekey: Option<&KeyPair>,
        message: &PreKeyMessage<'_>,
        rng: &mut impl CryptoRng,
    ) -> Result<(Self, Vec<u8>, Accepted), DecryptError> {
        if let Some(session) = existing.filter(|session| session.recognizes(message)) {
            let mut session = session.clone();
            let plaintext = session.decrypt_prekey_message(local, message, rng)?;
            return Ok((session, plaintext, Accepted { used_prekey: None, new_session: false }));
        }
        let prekey = match (message.prekey_id, prekey) {
            (Some(id), None) => return Err(DecryptError::UnknownPreKey(id)),
            (Some(_), prekey) => prekey,
            (None, _) => None,
        };
        let (state, plaintext) = State::respond(local, signed_prekey, prekey, message, rng)?;
        let accepted = Accepted { used_prekey: message.prekey_id, new_session: true };
        Ok((Self::succeed(existing.cloned(), state), plaintext, accepted))
    }

    /// Whether a prekey message belongs to a state this session has, so that no prekey is needed.
    pub fn recognizes(&self, message: &PreKeyMessage<'_>) -> bool {
        self.state_of(message).is_some()
    }

    /// Encrypts an already padded plaintext with the next key of the current chain.
    ///
    /// If [`Session::needs_save`] is true afterwards, the ciphertext must not leave before the
    /// record is stored: a crash would make the next life use the key again.
    pub fn encrypt(&mut self, local: &LocalIdentity, plaintext: &[u8]) -> Result<Ciphertext, EncryptError> {
        let message = self.current.seal(local, plaintext).map_err(|_| EncryptError::Exhausted)?;
        let Some(opened_with) = self.current.unanswered else {
            return Ok(Ciphertext { kind: Kind::Message, bytes: message });
        };
        let outer = PreKeyMessage {
            registration_id: Some(local.registration_id),
            prekey_id: opened_with.prekey_id,
            signed_prekey_id: opened_with.signed_prekey_id,
            base_key: self.current.base_key,
            identity: *local.key.public(),
            inner: &message,
        };
        Ok(Ciphertext { kind: Kind::PreKey, bytes: outer.encode() })
    }

    /// Decrypts the wire bytes of a `msg`, with whichever state made it; that one becomes the
    /// current one, as the other side is using it. Gives the plaintext, still padded. On an error
    /// nothing has changed.
    pub fn decrypt(
        &mut self,
        local: &LocalIdentity,
        message: &[u8],
        rng: &mut impl CryptoRng,
    ) -> Result<Vec<u8>, DecryptError> {
        let message = SignalMessage::parse(message)?;
        let (index, opened) = self.open(local, &message, rng)?;
        Ok(self.commit(index, opened))
    }

    /// The other device's identity key.
    pub fn remote_identity(&self) -> &PublicKey {
        &self.current.remote_identity
    }

    /// The other device's registration id; 0 if it never told.
    pub fn remote_registration_id(&self) -> u32 {
        self.current.remote_registration_id
    }

    /// The base key of the side that started the current state. Two devices that agree on it use
    /// the same state; it changes when a session is started anew.
    pub fn base_key(&self) -> &PublicKey {
        &self.current.base_key
    }

    /// Whether this side started the session and has not heard from the other one yet, so that the
    /// next ciphertext is a prekey message.
    pub fn is_unanswered(&self) -> bool {
        self.current.unanswered.is_some()
    }

    /// Whether the record that was made last no longer stands for this value: something was
    /// received, a session was started, or more was encrypted than the record had reserved.
    pub fn needs_save(&self) -> bool {
        self.changed || !self.current.send.is_covered()
    }

    /// Puts `state` in front of what a session had.
    fn succeed(previous: Option<Self>, state: State) -> Self {
        let mut session = match previous {
            Some(mut session) => {
                session.archive_current_behind(state);
                session
            }
            None => Self { current: state, archived: VecDeque::new(), changed: true },
        };
        session.changed = true;
        session.forget_surplus_keys();
        session
    }

    fn archive_current_behind(&mut self, state: State) {
        let previous = std::mem::replace(&mut self.current, state);
        self.archived.push_front(previous);
        self.archived.truncate(MAX_ARCHIVED);
    }

    /// States with their place: 0 is the current one, archived ones follow.
    fn states(&self) -> impl Iterator<Item = (usize, &State)> {
        std::iter::once(&self.current).chain(&self.archived).enumerate()
    }

    fn state_of(&self, message: &PreKeyMessage<'_>) -> Option<(usize, &State)> {
        self.states().find(|(_, state)| {
            state.base_key == message.base_key && state.remote_identity == message.identity
        })
    }

    fn decrypt_prekey_message(
        &mut self,
        local: &LocalIdentity,
        message: &PreKeyMessage<'_>,
        rng: &mut impl CryptoRng,
    ) -> Result<Vec<u8>, DecryptError> {
        let (index, state) = self.state_of(message).ok_or(DecryptError::NoSession)?;
        let opened = state.open(local, &SignalMessage::parse(message.inner)?, rng)?;
        Ok(self.commit(index, opened))
    }

    /// Finds the state that made the message. One that knows its chain settles it; otherwise each
    /// has to try a step of its ratchet.
    fn open(
        &self,
        local: &LocalIdentity,
        message: &SignalMessage<'_>,
        rng: &mut impl CryptoRng,
    ) -> Result<(usize, Opened), DecryptError> {
        if let Some((index, state)) = self.states().find(|(_, state)| state.knows(message)) {
            return Ok((index, state.open(local, message, rng)?));
        }
        for (index, state) in self.states() {
            match state.open(local, message, rng) {
                Ok(opened) => return Ok((index, opened)),
                Err(DecryptError::BadMac) => {}
                Err(error) => return Err(error),
            }
        }
        Err(DecryptError::NoSession)
    }

    fn commit(&mut self, index: usize, opened: Opened) -> Vec<u8> {
        if let Some(archived) = index.checked_sub(1).and_then(|index| self.archived.remove(index)) {
            self.archive_current_behind(archived);
        }
        self.current.apply(opened.change);
        self.changed = true;
        self.forget_surplus_keys();
        opened.plaintext
    }

    /// Keeps a peer that skips keys on purpose from filling the record.
    pub(crate) fn forget_surplus_keys(&mut self) {
        let total: usize = self.states().map(|(_, state)| state.skipped_keys()).sum();
        let mut surplus = total.saturating_sub(MAX_STORED_KEYS);
        for state in self.archived.iter_mut().rev() {
            surplus = state.forget_skipped(surplus);
        }
        self.current.forget_skipped(surplus);
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("remote_identity", self.remote_identity())
            .field("base_key", self.base_key())
            .field("unanswered", &self.is_unanswered())
            .field("archived", &self.archived.len())
            .finish_non_exhaustive()
    }
}
