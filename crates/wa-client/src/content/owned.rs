use std::fmt;

use bytes::Bytes;
use prost::Message as _;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
use wa_protobuf::{e2e::Message, lenient};

use super::secret;
use super::view::View;

/// `device_sent_message` of a `Message`, and `message` of that (PROTOCOL.md 11.1).
const DEVICE_SENT: u32 = 31;
const SENT_MESSAGE: u32 = 2;
/// `sender_key_distribution_message` of a `Message` (PROTOCOL.md 11.5).
const HANDED_OUT: u32 = 2;

/// A message with its bytes.
///
/// The bytes hold also what this version's protobuf doesn't know, so they are what is stored and passed on.
#[derive(Clone)]
pub struct Content {
    message: Box<Message>,
    raw: Bytes,
}

/// Bytes that are no message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("these bytes are no message: {0}")]
pub struct Unreadable(String);

/// A copy of what another device of the own account sent, taken out of its envelope.
#[derive(Debug, Clone)]
pub struct OwnCopy {
    /// What was sent.
    pub content: Content,
    /// JID of the chat that it went to.
    pub destination: Option<String>,
}

impl Content {
    /// Reads the `Message` protobuf, as it came or was stored. `Bytes` are shared, not copied. Texts that are no UTF-8 are
    /// repaired, also in [`Self::raw`] (PROTOCOL.md 12.1).
    ///
    /// # Errors
    /// The bytes are no such protobuf.
    pub fn decode(raw: impl Into<Bytes>) -> Result<Self, Unreadable> {
        let raw = raw.into();
        if let Ok(message) = Message::decode(raw.clone()) {
            return Ok(Self { message: Box::new(message), raw });
        }
        match lenient::decode::<Message>(&raw) {
            Ok((message, repaired)) => {
                Ok(Self { message: Box::new(message), raw: repaired.map_or(raw, Bytes::from) })
            }
            Err(error) => Err(Unreadable(error.to_string())),
        }
    }

    /// Bytes of which nothing is known, as a message of unknown kind.
    pub fn unknown(raw: impl Into<Bytes>) -> Self {
        Self { message: Box::default(), raw: raw.into() }
    }

    /// What is in it.
    pub fn view(&self) -> View<'_> {
        View::of(&self.message)
    }

    /// The decoded protobuf, for what the view doesn't show.
    pub fn message(&self) -> &Message {
        &self.message
    }

    /// Its protobuf as it came or was encoded; the bytes never change.
    pub fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// Opens the envelope in which own devices get copies of what the account sent. To be called only for messages of the
    /// own account: others have no business sending such an envelope.
    ///
    /// # Errors
    /// There is no envelope: the message is given back.
    pub fn into_own_copy(mut self) -> Result<OwnCopy, Self> {
        let Some(sent) = self.message.device_sent_message.take() else { return Err(self) };
        let message = sent.message.unwrap_or_default();
        let raw = inside(&self.raw, DEVICE_SENT).and_then(|sent| inside(&sent, SENT_MESSAGE));
        // An envelope in several pieces, which nobody sends, is merged by decoding: then the bytes are made anew.
        let raw = raw.filter(|raw| Message::decode(raw.clone()).as_ref() == Ok(&message));
        let raw = raw.unwrap_or_else(|| message.encode_to_vec().into());
        Ok(OwnCopy { content: Self { message, raw }, destination: sent.destination_jid })
    }

    /// The secret that additions to it are encrypted with.
    pub(crate) fn secret(&self) -> Option<[u8; 32]> {
        secret::of(&self.message)
    }

    /// The sender key that it hands out, if it does; also in the envelope for own devices.
    pub(crate) fn handed_out(&self) -> Option<&Bytes> {
        let inside = self.message.device_sent_message.as_deref().and_then(|sent| sent.message.as_deref());
        let handed = [Some(&*self.message), inside].into_iter().flatten();
        handed
            .filter_map(|message| message.sender_key_distribution_message.as_deref())
            .find_map(|handed| handed.axolotl_sender_key_distribution_message.as_ref())
    }

    /// What else is in a message that hands out a sender key, which nobody else is to see. `None` if there is nothing.
    pub(crate) fn beside_key(&self) -> Option<Bytes> {
        let mut rest = self.message.clone();
        rest.sender_key_distribution_message = None;
        let is_empty = Message { message_context_info: None, ..(*rest).clone() } == Message::default();
        (!is_empty).then(|| outside(&self.raw, HANDED_OUT).unwrap_or_else(|| rest.encode_to_vec().into()))
    }

    pub(super) fn into_parts(self) -> (Box<Message>, Bytes) {
        (self.message, self.raw)
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Content").field("kind", &self.view().kind()).field("bytes", &self.raw.len()).finish()
    }
}

/// The bytes of an embedded message, shared with those of the one around it; the last one where there are several.
fn inside(raw: &Bytes, wanted: u32) -> Option<Bytes> {
    let mut rest = raw.clone();
    let mut found = None;
    while !rest.is_empty() {
        let (tag, kind) = decode_key(&mut rest).ok()?;
        if tag == wanted && kind == WireType::LengthDelimited {
            let length = usize::try_from(decode_varint(&mut rest).ok()?).ok()?;
            found = Some((length <= rest.len()).then(|| rest.split_to(length))?);
        } else {
            skip_field(kind, tag, &mut rest, DecodeContext::default()).ok()?;
        }
    }
    found
}

/// The bytes of a message without one of its fields.
fn outside(raw: &Bytes, unwanted: u32) -> Option<Bytes> {
    let mut rest = raw.clone();
    let mut kept = Vec::with_capacity(raw.len());
    while !rest.is_empty() {
        let field = rest.clone();
        let (tag, kind) = decode_key(&mut rest).ok()?;
        skip_field(kind, tag, &mut rest, DecodeContext::default()).ok()?;
        if tag != unwanted {
            kept.extend_from_slice(&field[..field.len() - rest.len()]);
        }
    }
    Some(kept.into())
}
