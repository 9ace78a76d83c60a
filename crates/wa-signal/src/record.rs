//! The stored form of a session: version byte, current state, archived states. Numbers are varints,
//! keys raw bytes. A typical record has some 500 bytes, because it is written for every message.

use std::collections::VecDeque;

use prost::encoding::{decode_varint, encode_varint};
use wa_crypto::{KeyPair, PrivateKey, PublicKey, Secret};

use crate::{
    chain::{Chain, Inbound, MAX_LEASE, MAX_STORED_KEYS, Outbound, SkippedKey},
    session::{MAX_ARCHIVED, Session},
    state::{MAX_RECEIVE_CHAINS, ReceiveChain, State, Unanswered},
};

const VERSION: u8 = 1;

/// Bits of a state's first byte.
const UNANSWERED: u8 = 1;
const WITH_PREKEY: u8 = 2;

/// Bytes that are no stored record: the store's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Written by a newer version of this crate.
    #[error("the record has the unknown version {0}")]
    Version(u8),
    /// The record ends too early.
    #[error("the record is cut short")]
    Truncated,
    /// The record holds a value that no record has.
    #[error("the record has an invalid {0}")]
    Invalid(&'static str),
}

impl Session {
    /// The value to store, and reserves `lease` counters (at most
    /// [`MAX_LEASE`](crate::MAX_LEASE)): once it is stored, so many messages may be encrypted
    /// without another save, and a later [`Session::from_record`] skips them all. A `lease` of 0
    /// suits a value that is put away in good order: nothing is skipped.
    ///
    /// Until the record is stored no new ciphertext may leave. If storing fails, drop the value and
    /// load the stored one.
    pub fn to_record(&mut self, lease: u32) -> Vec<u8> {
        let mut out = Writer(Vec::with_capacity(256 + 80 * self.current.receive.len()));
        out.byte(VERSION);
        self.current.send.reserve(lease);
        out.state(&self.current, true);
        out.number(self.archived.len() as u32);
        for state in &self.archived {
            out.state(state, false);
        }
        self.changed = false;
        out.0
    }

    /// Reads a stored value. Counters that it had reserved may have been used since, so they are
    /// skipped when something is encrypted.
    pub fn from_record(record: &[u8]) -> Result<Self, RecordError> {
        let mut input = Reader(record);
        input.version(VERSION)?;
        let current = input.state()?;
        let archived = (0..input.count(MAX_ARCHIVED, "number of archived states")?)
            .map(|_| input.state())
            .collect::<Result<VecDeque<_>, _>>()?;
        input.end()?;
        Ok(Self { current, archived, changed: false })
    }
}

/// Builds a record: its fields one after the other, without names.
pub(crate) struct Writer(pub(crate) Vec<u8>);

impl Writer {
    pub(crate) fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    pub(crate) fn number(&mut self, number: u32) {
        encode_varint(number.into(), &mut self.0);
    }

    pub(crate) fn key(&mut self, key: &[u8; 32]) {
        self.0.extend_from_slice(key);
    }

    pub(crate) fn chain(&mut self, chain: &Chain) {
        self.key(chain.key.expose());
        self.number(chain.counter);
    }

    pub(crate) fn inbound(&mut self, inbound: &Inbound) {
        self.chain(&inbound.chain);
        self.number(inbound.skipped.len() as u32);
        let mut next = 0;
        for key in &inbound.skipped {
            self.number(key.counter - next);
            self.key(key.seed.expose());
            next = key.counter + 1;
        }
    }

    /// `sends` says whether the chain may send before the next write.
    pub(crate) fn outbound(&mut self, outbound: &Outbound, sends: bool) {
        let (chain, until) = outbound.stored(sends);
        self.chain(chain);
        self.number(until - chain.counter);
    }

    fn state(&mut self, state: &State, current: bool) {
        let prekey_id = state.unanswered.and_then(|unanswered| unanswered.prekey_id);
        let unanswered = if state.unanswered.is_some() { UNANSWERED } else { 0 };
        self.byte(unanswered | if prekey_id.is_some() { WITH_PREKEY } else { 0 });
        self.key(state.remote_identity.as_bytes());
        self.number(state.remote_registration_id);
        self.key(state.base_key.as_bytes());
        self.key(state.root.expose());
        self.key(state.ratchet.private().as_bytes());
        self.key(state.ratchet.public().as_bytes());
        self.outbound(&state.send, current);
        self.number(state.previous_counter);
        if let Some(unanswered) = state.unanswered {
            self.number(unanswered.signed_prekey_id);
        }
        if let Some(id) = prekey_id {
            self.number(id);
        }
        self.number(state.receive.len() as u32);
        for chain in &state.receive {
            self.key(chain.ratchet_key.as_bytes());
            self.inbound(&chain.inbound);
        }
    }
}

/// Takes a record apart.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl Reader<'_> {
    pub(crate) fn version(&mut self, known: u8) -> Result<(), RecordError> {
        match self.byte()? {
            version if version == known => Ok(()),
            other => Err(RecordError::Version(other)),
        }
    }

    pub(crate) fn end(&self) -> Result<(), RecordError> {
        if self.0.is_empty() { Ok(()) } else { Err(RecordError::Invalid("end")) }
    }

    pub(crate) fn byte(&mut self) -> Result<u8, RecordError> {
        let (&byte, rest) = self.0.split_first().ok_or(RecordError::Truncated)?;
        self.0 = rest;
        Ok(byte)
    }

    pub(crate) fn number(&mut self) -> Result<u32, RecordError> {
        let number = decode_varint(&mut self.0).map_err(|_| RecordError::Truncated)?;
        u32::try_from(number).map_err(|_| RecordError::Invalid("number"))
    }

    pub(crate) fn count(&mut self, limit: usize, name: &'static str) -> Result<usize, RecordError> {
        let count = self.number()? as usize;
        if count > limit { Err(RecordError::Invalid(name)) } else { Ok(count) }
    }

    pub(crate) fn key(&mut self) -> Result<[u8; 32], RecordError> {
        let (key, rest) = self.0.split_first_chunk().ok_or(RecordError::Truncated)?;
        self.0 = rest;
        Ok(*key)
    }

    pub(crate) fn public_key(&mut self) -> Result<PublicKey, RecordError> {
        self.key().map(PublicKey::from_bytes)
    }

    pub(crate) fn secret(&mut self) -> Result<Secret<32>, RecordError> {
        self.key().map(Secret::new)
    }

    pub(crate) fn key_pair(&mut self) -> Result<KeyPair, RecordError> {
        let private = PrivateKey::from_bytes(self.key()?);
        Ok(KeyPair::from_parts(private, self.public_key()?))
    }

    pub(crate) fn chain(&mut self) -> Result<Chain, RecordError> {
        Ok(Chain { key: self.secret()?, counter: self.number()? })
    }

    pub(crate) fn inbound(&mut self) -> Result<Inbound, RecordError> {
        let chain = self.chain()?;
        let count = self.count(MAX_STORED_KEYS, "number of skipped keys")?;
        let mut skipped = Vec::with_capacity(count.min(self.0.len() / 33));
        let mut next = 0u32;
        for _ in 0..count {
            let counter = next.checked_add(self.number()?).filter(|&counter| counter < chain.counter);
            let counter = counter.ok_or(RecordError::Invalid("counter of a skipped key"))?;
            skipped.push(SkippedKey { counter, seed: self.secret()? });
            next = counter + 1;
        }
        Ok(Inbound { chain, skipped })
    }

    pub(crate) fn outbound(&mut self) -> Result<Outbound, RecordError> {
        let chain = self.chain()?;
        let lease = self.count(MAX_LEASE as usize, "lease")? as u32;
        let until = chain.counter.checked_add(lease).ok_or(RecordError::Invalid("lease"))?;
        Ok(Outbound::from_stored(chain, until))
    }

    fn state(&mut self) -> Result<State, RecordError> {
        let flags = self.byte()?;
        if !matches!(flags, 0 | UNANSWERED) && flags != UNANSWERED | WITH_PREKEY {
            return Err(RecordError::Invalid("flag"));
        }
        Ok(State {
            remote_identity: self.public_key()?,
            remote_registration_id: self.number()?,
            base_key: self.public_key()?,
            root: self.secret()?,
            ratchet: self.key_pair()?,
            send: self.outbound()?,
            previous_counter: self.number()?,
            unanswered: self.unanswered(flags)?,
            receive: (0..self.count(MAX_RECEIVE_CHAINS, "number of receiving chains")?)
                .map(|_| Ok(ReceiveChain { ratchet_key: self.public_key()?, inbound: self.inbound()? }))
                .collect::<Result<_, _>>()?,
        })
    }

    fn unanswered(&mut self, flags: u8) -> Result<Option<Unanswered>, RecordError> {
        if flags & UNANSWERED == 0 {
            return Ok(None);
        }
        let signed_prekey_id = self.number()?;
        let prekey_id = if flags & WITH_PREKEY == 0 { None } else { Some(self.number()?) };
        Ok(Some(Unanswered { prekey_id, signed_prekey_id }))
    }
}
