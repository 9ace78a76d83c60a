//! Sender keys: a group member's own chain, which it hands to every other member, so that a message
//! to the group is encrypted once (protocol facts, section 10).
//!
//! ```
//! use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
//! use wa_signal::sender_key::SenderKeyRecord;
//!
//! let mut rng = ChaCha20Rng::seed_from_u64(7); // an example; seed from the system's randomness
//! let mut at_alice = SenderKeyRecord::create(&mut rng);
//! let mut at_bob = SenderKeyRecord::empty();
//! at_bob.process(&at_alice.distribute()?)?; // travels in a message of their session
//!
//! let message = at_alice.encrypt(b"padded text", &mut rng)?;
//! assert!(at_alice.needs_save());
//! assert_eq!(at_bob.decrypt(&message)?, b"padded text");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::fmt;

use rand_core::CryptoRng;
use wa_crypto::{KeyPair, PublicKey, Secret, Signature, cbc, kdf};
use zeroize::Zeroizing;

use crate::{
    RecordError,
    chain::{Chain, Inbound, MAX_STORED_KEYS, NoKey, Outbound},
    message_keys::array,
    record::{Reader, Writer},
    wire::{Fields, ParseError, VERSION_BYTE, body, put_bytes, put_uint32},
};

/// How many keys of one sender a record keeps, for messages under way when the sender took a new
/// one; the oldest go first.
pub const MAX_STATES: usize = 5;

const RECORD_VERSION: u8 = 1;
const SIGNATURE_LEN: usize = 64;

/// What one address has sent with in one group: our own key, or the keys we were handed.
///
/// A plain value like [`Session`](crate::Session), with the same rules for storing it.
#[derive(Clone)]
pub struct SenderKeyRecord {
    /// Newest last.
    states: Vec<State>,
    changed: bool,
}

#[derive(Clone)]
pub(crate) struct State {
    pub(crate) id: u32,
    pub(crate) key: Key,
}

#[derive(Clone)]
pub(crate) enum Key {
    Own { signing: KeyPair, outbound: Outbound },
    Theirs { signing: PublicKey, inbound: Inbound },
}

/// Why nothing can be encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncryptError {
    /// The record holds keys of others only.
    #[error("the record has no sender key of our own")]
    NotOurs,
    /// All counters of the chain are used: take a new sender key.
    #[error("the sender key has no iteration left")]
    Exhausted,
}

/// Why a group message can't be decrypted. The record is as it was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecryptError {
    /// The bytes are no message: the sender's fault.
    #[error(transparent)]
    Malformed(#[from] ParseError),
    /// The sender has not handed us this key.
    #[error("the sender key {0} is unknown")]
    UnknownKey(u32),
    /// The message was changed, or isn't the sender's.
    #[error("the message's signature is wrong")]
    BadSignature,
    /// The message was decrypted before, or its key was dropped: nobody's fault.
    #[error("the message with iteration {iteration} was received before")]
    Duplicate {
        /// The message's iteration.
        iteration: u32,
    },
    /// More than [`MAX_AHEAD`](crate::MAX_AHEAD) messages are missing before this one.
    #[error("the message with iteration {iteration} is too far ahead")]
    TooFarAhead {
        /// The message's iteration.
        iteration: u32,
    },
    /// The message is genuine, but its ciphertext can't be: the sender's fault.
    #[error("the message's ciphertext is invalid")]
    BadCiphertext,
}

impl SenderKeyRecord {
    /// A record that holds no key, for [`SenderKeyRecord::process`].
    pub fn empty() -> Self {
        Self { states: Vec::new(), changed: false }
    }

    /// A key of our own, with a random id of 31 bits.
    pub fn create(rng: &mut impl CryptoRng) -> Self {
        let signing = KeyPair::generate(rng);
        let outbound = Outbound::new(Secret::generate(rng));
        let state = State { id: rng.next_u32() >> 1, key: Key::Own { signing, outbound } };
        Self { states: vec![state], changed: true }
    }

    /// The message that hands our key to another member: it can read what we send from now on.
    /// It goes into an `axolotlSenderKeyDistributionMessage`.
    pub fn distribute(&self) -> Result<Vec<u8>, EncryptError> {
        let (id, signing, outbound) = self.own().ok_or(EncryptError::NotOurs)?;
        let chain = outbound.unused_chain();
        let mut out = Vec::with_capacity(88);
        out.push(VERSION_BYTE);
        put_uint32(1, id, &mut out);
        put_uint32(2, chain.counter, &mut out);
        put_bytes(3, chain.key.expose(), &mut out);
        put_bytes(4, &signing.public().to_signal(), &mut out);
        Ok(out)
    }

    /// Takes the key another member hands us. A key we have already stays where it is, so that a
    /// repeated distribution doesn't make old messages readable again.
    pub fn process(&mut self, distribution: &[u8]) -> Result<(), ParseError> {
        let (id, signing, chain) = parse_distribution(distribution)?;
        let known = |state: &State| state.id == id && state.is_signed_by(&signing);
        let state = match self.states.iter().position(known) {
            Some(index) => self.states.remove(index),
            None => State { id, key: Key::Theirs { signing, inbound: Inbound::new(chain) } },
        };
        self.states.retain(|state| state.id != id);
        if self.states.len() >= MAX_STATES {
            self.states.remove(0);
        }
        self.states.push(state);
        self.changed = true;
        Ok(())
    }

    /// Encrypts an already padded plaintext with our key and signs it: the bytes of a `skmsg`.
    ///
    /// If [`SenderKeyRecord::needs_save`] is true afterwards, they must not leave before the record
    /// is stored.
    pub fn encrypt(&mut self, plaintext: &[u8], rng: &mut impl CryptoRng) -> Result<Vec<u8>, EncryptError> {
        let newest = self.states.iter_mut().rev().find_map(|state| match &mut state.key {
            Key::Own { signing, outbound } => Some((state.id, signing, outbound)),
            Key::Theirs { .. } => None,
        });
        let (id, signing, outbound) = newest.ok_or(EncryptError::NotOurs)?;
        let (iteration, seed) = outbound.take().map_err(|_| EncryptError::Exhausted)?;
        let (iv, key) = message_key(&seed);
        let ciphertext = cbc::encrypt(&key, &iv, plaintext);
        let mut out = Vec::with_capacity(ciphertext.len() + 20 + SIGNATURE_LEN);
        out.push(VERSION_BYTE);
        put_uint32(1, id, &mut out);
        put_uint32(2, iteration, &mut out);
        put_bytes(3, &ciphertext, &mut out);
        let signature = signing.private().sign(&[&out], rng);
        out.extend_from_slice(signature.as_bytes());
        Ok(out)
    }

    /// Decrypts the bytes of a `skmsg`; gives the plaintext, still padded. On an error nothing has
    /// changed.
    pub fn decrypt(&mut self, message: &[u8]) -> Result<Vec<u8>, DecryptError> {
        let message = SenderKeyMessage::parse(message)?;
        let theirs = self.states.iter_mut().find_map(|state| match &mut state.key {
            Key::Theirs { signing, inbound } if state.id == message.id => Some((signing, inbound)),
            _ => None,
        });
        let (signing, inbound) = theirs.ok_or(DecryptError::UnknownKey(message.id))?;
        signing.verify(&[message.signed], &message.signature).map_err(|_| DecryptError::BadSignature)?;
        let iteration = message.iteration;
        let (seed, step) = inbound.find(iteration).map_err(|reason| match reason {
            NoKey::Used => DecryptError::Duplicate { iteration },
            NoKey::TooFarAhead => DecryptError::TooFarAhead { iteration },
        })?;
        let (iv, key) = message_key(&seed);
        let plaintext =
            cbc::decrypt(&key, &iv, message.ciphertext).map_err(|_| DecryptError::BadCiphertext)?;
        inbound.apply(step);
        inbound.forget_skipped(inbound.skipped.len().saturating_sub(MAX_STORED_KEYS));
        self.changed = true;
        Ok(plaintext)
    }

    /// Whether a key has been handed to us, or made by us.
    pub fn is_empty(&self) -> bool {
        self.states.is_empty()
    }

    /// Whether the record that was made last no longer stands for this value.
    pub fn needs_save(&self) -> bool {
        self.changed || self.own().is_some_and(|(_, _, outbound)| !outbound.is_covered())
    }

    /// The value to store, with `lease` iterations of our own key reserved; the rules are those of
    /// [`Session::to_record`](crate::Session::to_record).
    pub fn to_record(&mut self, lease: u32) -> Vec<u8> {
        let mut out = Writer(Vec::with_capacity(150));
        out.byte(RECORD_VERSION);
        out.number(self.states.len() as u32);
        for state in &mut self.states {
            out.number(state.id);
            match &mut state.key {
                Key::Own { signing, outbound } => {
                    outbound.reserve(lease);
                    out.byte(OWN);
                    out.key(signing.private().as_bytes());
                    out.key(signing.public().as_bytes());
                    out.outbound(outbound, true);
                }
                Key::Theirs { signing, inbound } => {
                    out.byte(THEIRS);
                    out.key(signing.as_bytes());
                    out.inbound(inbound);
                }
            }
        }
        self.changed = false;
        out.0
    }

    /// Reads a stored value; reserved iterations are skipped when something is encrypted.
    pub fn from_record(record: &[u8]) -> Result<Self, RecordError> {
        let mut input = Reader(record);
        input.version(RECORD_VERSION)?;
        let count = input.count(MAX_STATES, "number of sender keys")?;
        let states = (0..count).map(|_| State::read(&mut input)).collect::<Result<_, _>>()?;
        input.end()?;
        Ok(Self { states, changed: false })
    }

    /// A record that no store has yet.
    pub(crate) fn of_states(states: Vec<State>) -> Self {
        Self { states, changed: true }
    }

    pub(crate) fn states(&self) -> &[State] {
        &self.states
    }

    fn own(&self) -> Option<(u32, &KeyPair, &Outbound)> {
        self.states.iter().rev().find_map(|state| match &state.key {
            Key::Own { signing, outbound } => Some((state.id, signing, outbound)),
            Key::Theirs { .. } => None,
        })
    }
}

impl fmt::Debug for SenderKeyRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids = self.states.iter().map(|state| state.id).collect::<Vec<_>>();
        f.debug_struct("SenderKeyRecord").field("ids", &ids).finish_non_exhaustive()
    }
}

const OWN: u8 = 0;
const THEIRS: u8 = 1;

impl State {
    fn read(input: &mut Reader<'_>) -> Result<Self, RecordError> {
        let id = input.number()?;
        let key = match input.byte()? {
            OWN => Key::Own { signing: input.key_pair()?, outbound: input.outbound()? },
            THEIRS => Key::Theirs { signing: input.public_key()?, inbound: input.inbound()? },
            _ => return Err(RecordError::Invalid("kind of sender key")),
        };
        Ok(Self { id, key })
    }

    fn is_signed_by(&self, key: &PublicKey) -> bool {
        match &self.key {
            Key::Own { signing, .. } => signing.public() == key,
            Key::Theirs { signing, .. } => signing == key,
        }
    }
}

/// A parsed `skmsg`, borrowed from its bytes.
struct SenderKeyMessage<'a> {
    /// Version byte and body.
    signed: &'a [u8],
    signature: Signature,
    id: u32,
    iteration: u32,
    ciphertext: &'a [u8],
}

impl<'a> SenderKeyMessage<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        let (signed, signature) = bytes.split_last_chunk::<SIGNATURE_LEN>().ok_or(ParseError::Truncated)?;
        let mut fields = Fields(body(signed)?);
        let (mut id, mut iteration, mut ciphertext) = (None, None, None);
        while let Some((tag, value)) = fields.next()? {
            match tag {
                1 => id = Some(value.uint32()?),
                2 => iteration = Some(value.uint32()?),
                3 => ciphertext = Some(value.bytes()?),
                _ => {}
            }
        }
        Ok(Self {
            signed,
            signature: Signature::from_bytes(*signature),
            id: id.ok_or(ParseError::Missing("sender key id"))?,
            iteration: iteration.ok_or(ParseError::Missing("iteration"))?,
            ciphertext: ciphertext.ok_or(ParseError::Missing("ciphertext"))?,
        })
    }
}

fn parse_distribution(bytes: &[u8]) -> Result<(u32, PublicKey, Chain), ParseError> {
    let mut fields = Fields(body(bytes)?);
    let (mut id, mut iteration, mut chain_key, mut signing) = (None, None, None, None);
    while let Some((tag, value)) = fields.next()? {
        match tag {
            1 => id = Some(value.uint32()?),
            2 => iteration = Some(value.uint32()?),
            3 => chain_key = Some(value.bytes()?.try_into().map_err(|_| ParseError::ChainKey)?),
            4 => signing = Some(value.key("signing key")?),
            _ => {}
        }
    }
    let chain = Chain {
        key: Secret::new(chain_key.ok_or(ParseError::Missing("chain key"))?),
        counter: iteration.ok_or(ParseError::Missing("iteration"))?,
    };
    let id = id.ok_or(ParseError::Missing("sender key id"))?;
    Ok((id, signing.ok_or(ParseError::Missing("signing key"))?, chain))
}

/// IV and AES key of one message.
fn message_key(seed: &Secret<32>) -> (Zeroizing<[u8; 16]>, Zeroizing<[u8; 32]>) {
    let okm = Zeroizing::new(kdf::hkdf::<48>(seed.expose(), &[], b"WhisperGroup"));
    let (iv, key) = okm.split_at(16);
    (array(iv), array(key))
}
