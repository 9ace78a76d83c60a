use std::io::Read;
use std::sync::Arc;

use bytes::Bytes;
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint};
use wa_protobuf::history::{Conversation, HistorySyncMsg};
use wa_protobuf::lenient;

use crate::fields::{Key, has_few_tiny};
use crate::inflate::Inflate;
use crate::{Item, Part, Refusal};

/// Bytes of the longest message that is given out, and of the longest of everything else; a chat's messages aside. The
/// longest that there are hold a thumbnail, or the receipts of each device of a thousand members.
pub const MAX_PART: u64 = 512 << 10;
/// Tiny fields, below 16 bytes, that one of them may have: each could become a value of kilobytes. Reactions have three, and
/// a text of the longest kind that is all line breaks looks like five thousand.
pub const MAX_TINY: usize = 8192;

/// A chunk of history, read item by item. After an error or the end it gives nothing more.
pub struct History<R> {
    stream: Inflate<R>,
    /// The chat whose messages are being read.
    chat: Option<OpenChat>,
    ended: bool,
}

/// Why a chunk ends early. What was given out before it was right.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The reader failed: try again.
    #[error("can't read history")]
    Read(#[from] std::io::Error),
    /// It ends in the middle: it didn't arrive whole.
    #[error("the history is cut off")]
    Truncated,
    /// It is no zlib stream, or its checksum is wrong: ask for it again.
    #[error("the history is no zlib stream")]
    Corrupt,
    /// It inflates to no protobuf: the phone's fault.
    #[error("the history is no protobuf")]
    Malformed,
    /// It is longer than [`MAX_INFLATED`](crate::MAX_INFLATED), or compressed more than
    /// [`MAX_RATIO`](crate::MAX_RATIO) times.
    #[error("the history is too large")]
    TooLarge,
}

struct OpenChat {
    /// Where in the stream it ends.
    end: u64,
    id: Option<Arc<str>>,
    /// Its fields, messages aside.
    rest: Vec<u8>,
    /// How long `rest` would be, had it all been kept.
    length: u64,
}

/// Numbers of fields that are treated in a way of their own.
const CONVERSATIONS: u32 = 2;
const CHAT_ID: u32 = 1;
const CHAT_MESSAGES: u32 = 2;

impl<R: Read> History<R> {
    /// Reads a zlib stream of a `HistorySync`. Nothing of it is read before the first item is asked for.
    pub fn new(source: R) -> Self {
        Self { stream: Inflate::new(source), chat: None, ended: false }
    }

    /// The next item, if there is one.
    fn step(&mut self) -> Result<Option<Item>, HistoryError> {
        loop {
            let item = match self.chat.take() {
                Some(chat) if self.stream.position() == chat.end => Some(chat.close()),
                Some(mut chat) => {
                    let item = chat.read(&mut self.stream)?;
                    self.chat = Some(chat);
                    item
                }
                None if self.stream.is_at_end()? => return Ok(None),
                None => self.field()?,
            };
            if item.is_some() {
                return Ok(item);
            }
        }
    }

    /// A field of the chunk.
    fn field(&mut self) -> Result<Option<Item>, HistoryError> {
        let key = self.stream.key()?;
        match self.stream.length(key.wire)? {
            None => Ok(number(key.tag, self.stream.varint()?)),
            Some(length) if key.wire == WireType::LengthDelimited && key.tag == CONVERSATIONS => {
                let end = self.stream.position().checked_add(length).ok_or(HistoryError::Malformed)?;
                self.chat = Some(OpenChat { end, id: None, rest: Vec::new(), length: 0 });
                Ok(None)
            }
            Some(length) if key.wire == WireType::LengthDelimited && is_known(key.tag) => {
                let value = part(&mut self.stream, length)?;
                let raw = value.clone().unwrap_or_default();
                Ok(Some(value.and_then(|value| known(key.tag, &value)).unwrap_or_else(|why| {
                    let part = Part::Field(key.tag);
                    Item::Refused { part, why, raw }
                })))
            }
            Some(length) => self.stream.skip(length).map(|()| None),
        }
    }
}

impl<R: Read> Iterator for History<R> {
    type Item = Result<Item, HistoryError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = self.step().transpose();
        self.ended = !matches!(next, Some(Ok(_)));
        next
    }
}

impl<R> std::fmt::Debug for History<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("History").field("ended", &self.ended).finish_non_exhaustive()
    }
}

impl OpenChat {
    /// A field of the chat.
    fn read<R: Read>(&mut self, stream: &mut Inflate<R>) -> Result<Option<Item>, HistoryError> {
        let key = stream.key()?;
        let length = stream.length(key.wire)?;
        let number = if length.is_none() { Some(stream.varint()?) } else { None };
        let left = self.end.checked_sub(stream.position());
        if left.is_none_or(|left| left < length.unwrap_or(0)) {
            return Err(HistoryError::Malformed);
        }
        match (length, number) {
            (Some(length), _) if key.wire == WireType::LengthDelimited && key.tag == CHAT_MESSAGES => {
                Ok(Some(self.message(part(stream, length)?)))
            }
            (Some(length), _) => self.keep(key, length, stream).map(|()| None),
            (None, number) => {
                let start = self.rest.len();
                encode_key(key.tag, key.wire, &mut self.rest);
                encode_varint(number.unwrap_or_default(), &mut self.rest);
                self.grown(start);
                Ok(None)
            }
        }
    }

    fn message(&self, value: Result<Bytes, Refusal>) -> Item {
        let raw = value.clone().unwrap_or_default();
        match value.and_then(|value| decode::<HistorySyncMsg>(&value)) {
            Ok(message) => Item::Message { chat: self.id.clone(), message: Box::new(message) },
            Err(why) => Item::Refused { part: Part::Message, why, raw },
        }
    }

    fn keep<R: Read>(&mut self, key: Key, length: u64, stream: &mut Inflate<R>) -> Result<(), HistoryError> {
        if self.length.saturating_add(length) > MAX_PART {
            self.length = self.length.saturating_add(length);
            return stream.skip(length);
        }
        let start = self.rest.len();
        encode_key(key.tag, key.wire, &mut self.rest);
        if key.wire == WireType::LengthDelimited {
            encode_varint(length, &mut self.rest);
        }
        let value = self.rest.len();
        stream.copy(length, &mut self.rest)?;
        if key.wire == WireType::LengthDelimited && key.tag == CHAT_ID {
            self.id = std::str::from_utf8(&self.rest[value..]).ok().map(Into::into);
        }
        self.grown(start);
        Ok(())
    }

    /// Counts what was appended after `start`, and lets it go if it is too much.
    fn grown(&mut self, start: usize) {
        self.length += (self.rest.len() - start) as u64;
        if self.length > MAX_PART {
            self.rest.truncate(start);
        }
    }

    fn close(self) -> Item {
        let chat = match self.length {
            length if length > MAX_PART => Err(Refusal::TooLong(length)),
            _ => decode::<Conversation>(&self.rest),
        };
        match chat {
            Ok(chat) => Item::Chat(Box::new(chat)),
            Err(why) => Item::Refused { part: Part::Chat, why, raw: Bytes::new() },
        }
    }
}

/// The next `length` bytes, or why they were passed over.
fn part<R: Read>(stream: &mut Inflate<R>, length: u64) -> Result<Result<Bytes, Refusal>, HistoryError> {
    if length > MAX_PART {
        stream.skip(length)?;
        return Ok(Err(Refusal::TooLong(length)));
    }
    let mut value = Vec::new();
    stream.copy(length, &mut value)?;
    Ok(Ok(value.into()))
}

fn decode<M: Message + Default>(value: &[u8]) -> Result<M, Refusal> {
    if !has_few_tiny(value, MAX_TINY) {
        return Err(Refusal::TooMany);
    }
    lenient::decode(value).map(|(message, _)| message).map_err(|_| Refusal::Unreadable)
}

/// The numbers of a chunk; what they are cut to is what prost makes of them.
fn number(tag: u32, value: u64) -> Option<Item> {
    match tag {
        1 => Some(Item::SyncType(value as i32)),
        5 => Some(Item::ChunkOrder(value as u32)),
        6 => Some(Item::Progress(value as u32)),
        10 => Some(Item::ThreadTimeframeOffset(value as u32)),
        21 => Some(Item::ContactsProvided(value != 0)),
        _ => None,
    }
}

/// Whether the field is one of [`known`].
const fn is_known(tag: u32) -> bool {
    matches!(tag, 3 | 7 | 8 | 9 | 12 | 15 | 16 | 17 | 18 | 19 | 20)
}

/// What a field of the chunk holds that has a length and is no chat.
fn known(tag: u32, value: &Bytes) -> Result<Item, Refusal> {
    Ok(match tag {
        3 => Item::Status(Box::new(decode(value)?)),
        7 => Item::PushName(decode(value)?),
        8 => Item::Settings(Box::new(decode(value)?)),
        9 => Item::ThreadIdSecret(value.clone()),
        12 => Item::PastParticipants(decode(value)?),
        15 => Item::LidMapping(decode(value)?),
        16 => Item::CompanionMetaNonce(String::from_utf8_lossy(value).into_owned()),
        17 => Item::ShareableChatKey(value.clone()),
        18 => Item::Account(decode(value)?),
        19 => Item::NctSalt(value.clone()),
        20 => Item::Contact(decode(value)?),
        _ => return Err(Refusal::Unreadable),
    })
}
