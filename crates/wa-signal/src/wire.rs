//! The `msg` and `pkmsg` wire formats (protocol facts, section 10), read without copying.

use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, encode_key, encode_varint};
use wa_crypto::{PublicKey, SignalKeyError};

use crate::message_keys::MAC_LEN;

/// Version 3 in both halves: of the message, and the highest its sender speaks.
pub(crate) const VERSION_BYTE: u8 = 0x33;

const VERSION: u8 = 3;

/// Bytes that are no Signal message: the sender's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Too short to hold a version byte and what must follow it.
    #[error("the message is cut short")]
    Truncated,
    /// Only version 3 is in use; the upper half of the first byte says another one.
    #[error("the message is of version {0}, not 3")]
    Version(u8),
    /// The body is no protobuf, or a field is of another type.
    #[error("the message's body is not valid protobuf")]
    Protobuf,
    /// A field that every message has is missing.
    #[error("the message has no {0}")]
    Missing(&'static str),
    /// A key is not 33 bytes starting with 0x05.
    #[error("the message's {0} is not a key: {1}")]
    Key(&'static str, SignalKeyError),
    /// A chain key is not 32 bytes.
    #[error("the message's chain key is not 32 bytes long")]
    ChainKey,
}

/// A parsed `msg`, borrowed from its bytes.
#[derive(Clone, Copy)]
pub(crate) struct SignalMessage<'a> {
    /// Version byte and body: what the MAC covers besides the identities.
    pub(crate) authenticated: &'a [u8],
    pub(crate) mac: &'a [u8; MAC_LEN],
    pub(crate) ratchet_key: PublicKey,
    pub(crate) counter: u32,
    pub(crate) ciphertext: &'a [u8],
}

impl<'a> SignalMessage<'a> {
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        let (authenticated, mac) = bytes.split_last_chunk().ok_or(ParseError::Truncated)?;
        let mut fields = Fields(body(authenticated)?);
        let (mut ratchet_key, mut counter, mut ciphertext) = (None, None, None);
        while let Some((tag, value)) = fields.next()? {
            match tag {
                1 => ratchet_key = Some(value.key("ratchet key")?),
                2 => counter = Some(value.uint32()?),
                // The previous chain's length isn't needed, as its key is kept; some clients send
                // 0xFFFFFFFF for none.
                3 => drop(value.uint32()?),
                4 => ciphertext = Some(value.bytes()?),
                _ => {}
            }
        }
        Ok(Self {
            authenticated,
            mac,
            ratchet_key: ratchet_key.ok_or(ParseError::Missing("ratchet key"))?,
            counter: counter.ok_or(ParseError::Missing("counter"))?,
            ciphertext: ciphertext.ok_or(ParseError::Missing("ciphertext"))?,
        })
    }
}

/// A `msg` up to its MAC; room for that is left.
pub(crate) fn encode_message(ratchet: &PublicKey, counter: u32, previous: u32, ciphertext: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(ciphertext.len() + 64);
    out.push(VERSION_BYTE);
    put_bytes(1, &ratchet.to_signal(), &mut out);
    put_uint32(2, counter, &mut out);
    put_uint32(3, previous, &mut out);
    put_bytes(4, ciphertext, &mut out);
    out
}

/// A `pkmsg`: a `msg` together with what the receiver needs to open a session for it.
#[derive(Clone, Copy, Debug)]
pub struct PreKeyMessage<'a> {
    /// The sender's registration id; some leave it out.
    pub registration_id: Option<u32>,
    /// Id of the receiver's one-time prekey, if one was used. The wire says absent or 0 for none.
    pub prekey_id: Option<u32>,
    /// Id of the receiver's signed prekey.
    pub signed_prekey_id: u32,
    /// The sender's base key: names the session.
    pub base_key: PublicKey,
    /// The sender's identity key. Nothing vouches for it but the sender.
    pub identity: PublicKey,
    /// The `msg` inside, for [`Session::decrypt`](crate::Session::decrypt).
    pub inner: &'a [u8],
}

impl<'a> PreKeyMessage<'a> {
    /// Reads a `pkmsg`; the `msg` inside is checked too.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        let mut fields = Fields(body(bytes)?);
        let (mut registration_id, mut prekey_id, mut signed_prekey_id) = (None, None, None);
        let (mut base_key, mut identity, mut inner) = (None, None, None);
        while let Some((tag, value)) = fields.next()? {
            match tag {
                1 => prekey_id = Some(value.uint32()?).filter(|&id| id != 0),
                2 => base_key = Some(value.key("base key")?),
                3 => identity = Some(value.key("identity key")?),
                4 => inner = Some(value.bytes()?),
                5 => registration_id = Some(value.uint32()?),
                6 => signed_prekey_id = Some(value.uint32()?),
                _ => {}
            }
        }
        let inner = inner.ok_or(ParseError::Missing("inner message"))?;
        SignalMessage::parse(inner)?;
        Ok(Self {
            registration_id,
            prekey_id,
            signed_prekey_id: signed_prekey_id.ok_or(ParseError::Missing("signed prekey id"))?,
            base_key: base_key.ok_or(ParseError::Missing("base key"))?,
            identity: identity.ok_or(ParseError::Missing("identity key"))?,
            inner,
        })
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.inner.len() + 100);
        out.push(VERSION_BYTE);
        if let Some(id) = self.prekey_id {
            put_uint32(1, id, &mut out);
        }
        put_bytes(2, &self.base_key.to_signal(), &mut out);
        put_bytes(3, &self.identity.to_signal(), &mut out);
        put_bytes(4, self.inner, &mut out);
        if let Some(id) = self.registration_id {
            put_uint32(5, id, &mut out);
        }
        put_uint32(6, self.signed_prekey_id, &mut out);
        out
    }
}

/// What follows the version byte. Its lower half only says what the sender could speak.
pub(crate) fn body(bytes: &[u8]) -> Result<&[u8], ParseError> {
    let (version, body) = bytes.split_first().ok_or(ParseError::Truncated)?;
    match version >> 4 {
        VERSION => Ok(body),
        other => Err(ParseError::Version(other)),
    }
}

pub(crate) fn put_uint32(tag: u32, value: u32, out: &mut Vec<u8>) {
    encode_key(tag, WireType::Varint, out);
    encode_varint(value.into(), out);
}

pub(crate) fn put_bytes(tag: u32, value: &[u8], out: &mut Vec<u8>) {
    encode_key(tag, WireType::LengthDelimited, out);
    encode_varint(value.len() as u64, out);
    out.extend_from_slice(value);
}

/// The fields of a protobuf message, in the order they come.
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

pub(crate) enum Value<'a> {
    Varint(u64),
    Bytes(&'a [u8]),
    Other,
}

impl<'a> Fields<'a> {
    pub(crate) fn next(&mut self) -> Result<Option<(u32, Value<'a>)>, ParseError> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let (tag, wire_type) = decode_key(&mut self.0).map_err(|_| ParseError::Protobuf)?;
        let value = match wire_type {
            WireType::Varint => Value::Varint(self.varint()?),
            WireType::LengthDelimited => {
                let length = usize::try_from(self.varint()?).map_err(|_| ParseError::Protobuf)?;
                let (value, rest) = self.0.split_at_checked(length).ok_or(ParseError::Protobuf)?;
                self.0 = rest;
                Value::Bytes(value)
            }
            other => {
                prost::encoding::skip_field(other, tag, &mut self.0, DecodeContext::default())
                    .map_err(|_| ParseError::Protobuf)?;
                Value::Other
            }
        };
        Ok(Some((tag, value)))
    }

    fn varint(&mut self) -> Result<u64, ParseError> {
        decode_varint(&mut self.0).map_err(|_| ParseError::Protobuf)
    }
}

impl<'a> Value<'a> {
    /// Protobuf cuts a longer varint down to 32 bits.
    pub(crate) fn uint32(&self) -> Result<u32, ParseError> {
        match self {
            Self::Varint(value) => Ok(*value as u32),
            _ => Err(ParseError::Protobuf),
        }
    }

    pub(crate) fn bytes(&self) -> Result<&'a [u8], ParseError> {
        match self {
            Self::Bytes(value) => Ok(value),
            _ => Err(ParseError::Protobuf),
        }
    }

    pub(crate) fn key(&self, name: &'static str) -> Result<PublicKey, ParseError> {
        PublicKey::from_signal(self.bytes()?).map_err(|error| ParseError::Key(name, error))
    }
}
