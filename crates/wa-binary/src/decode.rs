//! Bytes to nodes.

use std::borrow::Cow;

use compact_str::CompactString;

use crate::packed::{self, Packing};
use crate::{Attrs, Content, Jid, Limits, Node, Server, Value, tag, token};

/// Why a frame cannot be read. All of these are the peer's fault. `at` is a byte offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The data ends before what it promised.
    #[error("data ends early (at byte {at})")]
    Truncated {
        /// Where something is missing.
        at: usize,
    },
    /// There is data after the root node (or after the zlib stream).
    #[error("{left} bytes left over")]
    TrailingData {
        /// Number of bytes after the end.
        left: usize,
    },
    /// A type byte that means nothing, or nothing in its place.
    #[error("unexpected type byte {byte} (at byte {at})")]
    UnexpectedTag {
        /// The byte in the place of a type.
        byte: u8,
        /// Offset of that byte.
        at: usize,
    },
    /// A node of size zero, a node without tag or an attribute without name.
    #[error("node without tag or attribute without name (at byte {at})")]
    Unnamed {
        /// Offset after what should have named it.
        at: usize,
    },
    /// Nodes are nested deeper than [`Limits::depth`].
    #[error("nodes nested too deeply (at byte {at})")]
    TooDeep {
        /// Where the bound was passed.
        at: usize,
    },
    /// A node has more children than [`Limits::list`].
    #[error("list of {size} nodes (at byte {at})")]
    ListTooLong {
        /// What the list says.
        size: usize,
        /// Offset after that size.
        at: usize,
    },
    /// A node has more attributes than [`Limits::attributes`].
    #[error("{count} attributes (at byte {at})")]
    TooManyAttributes {
        /// What the node says.
        count: usize,
        /// Offset after that number.
        at: usize,
    },
    /// A node has the same attribute twice. Clients would differ about which one counts.
    #[error("duplicate attribute (at byte {at})")]
    DuplicateAttribute {
        /// After the second one.
        at: usize,
    },
    /// A packed string has a nibble without meaning or wrong padding.
    #[error("malformed packed string (at byte {at})")]
    Packed {
        /// After the string.
        at: usize,
    },
    /// A tag, an attribute's name or a part of a JID is not UTF-8.
    #[error("name that is not UTF-8 (at byte {at})")]
    Utf8 {
        /// After the string.
        at: usize,
    },
    /// A JID without server, a device without user, or a form with another server than its own.
    #[error("malformed JID (at byte {at})")]
    Jid {
        /// After the JID.
        at: usize,
    },
    /// The content is no zlib stream or a broken one.
    #[error("malformed zlib data")]
    Inflate,
    /// The content inflates to more than [`Limits::inflated`].
    #[error("content inflates to more than {limit} bytes")]
    InflatedTooLarge {
        /// What the bound allows.
        limit: usize,
    },
}

/// Reads the node that `data` consists of; `data` is a frame's content after [`unpack`](crate::unpack).
///
/// Strings of the node borrow from `data` or from the token dictionary; only packed ones are copied.
///
/// Strict where clients would differ or break: leftover bytes, duplicate attributes, empty tags and
/// malformed packed strings are errors. Lenient where real clients are sloppy: text that is not UTF-8 gets
/// replacement characters where it is a value (push names do come cut in the middle of a character), and a
/// JID pair with a server that is unknown here becomes text.
pub fn decode(data: &[u8]) -> Result<Node<'_>, DecodeError> {
    decode_with(data, &Limits::DEFAULT)
}

/// Like [`decode`] with other bounds.
pub fn decode_with<'a>(data: &'a [u8], limits: &Limits) -> Result<Node<'a>, DecodeError> {
    let mut decoder = Decoder { rest: data, len: data.len(), owed: 0, limits: *limits };
    let node = decoder.node(1)?;
    match decoder.rest.len() {
        0 => Ok(node),
        left => Err(DecodeError::TrailingData { left }),
    }
}

/// Fewest bytes of a node: list tag, list size, a token.
const MIN_NODE: usize = 3;
/// Fewest bytes of an attribute: two tokens.
const MIN_ATTRIBUTE: usize = 2;

struct Decoder<'a> {
    rest: &'a [u8],
    len: usize,
    /// Bytes that the unread siblings of all open lists need at least. Lists that promise more than there is
    /// are refused before anything is allocated, so that nesting cannot multiply the promise.
    owed: usize,
    limits: Limits,
}

impl<'a> Decoder<'a> {
    fn node(&mut self, depth: usize) -> Result<Node<'a>, DecodeError> {
        if depth > self.limits.depth {
            return Err(DecodeError::TooDeep { at: self.at() });
        }
        let list = self.byte()?;
        let size = self.list_size(list)?;
        let Some(parts) = size.checked_sub(1) else { return Err(DecodeError::Unnamed { at: self.at() }) };
        let tag = self.name()?;
        let attrs = self.attrs(parts / 2)?;
        let content = if parts % 2 == 1 { self.content(depth)? } else { Content::Empty };
        Ok(Node { tag, attrs, content })
    }

    fn attrs(&mut self, count: usize) -> Result<Attrs<'a>, DecodeError> {
        if count > self.limits.attributes {
            return Err(DecodeError::TooManyAttributes { count, at: self.at() });
        }
        self.expect_room(count * MIN_ATTRIBUTE)?;
        let mut attrs = Attrs::with_capacity(count);
        for _ in 0..count {
            let name = self.name()?;
            if attrs.contains(&name) {
                return Err(DecodeError::DuplicateAttribute { at: self.at() });
            }
            let value = self.value()?;
            attrs.push(name, value);
        }
        Ok(attrs)
    }

    fn content(&mut self, depth: usize) -> Result<Content<'a>, DecodeError> {
        let byte = self.byte()?;
        match byte {
            tag::LIST_EMPTY | tag::LIST_8 | tag::LIST_16 => {
                let size = self.list_size(byte)?;
                self.nodes(size, depth + 1).map(Content::Nodes)
            }
            tag::BINARY_8 | tag::BINARY_20 | tag::BINARY_32 => {
                self.binary(byte).map(|bytes| Content::Bytes(Cow::Borrowed(bytes)))
            }
            _ => self.value_of(byte).map(|value| match value {
                Value::Text(text) => Content::Text(text),
                // Clients that write every string with an @ as JID do so in contents too.
                Value::Jid(jid) => Content::Text(Cow::Owned(jid.to_string())),
            }),
        }
    }

    fn nodes(&mut self, size: usize, depth: usize) -> Result<Vec<Node<'a>>, DecodeError> {
        if size > self.limits.list {
            return Err(DecodeError::ListTooLong { size, at: self.at() });
        }
        self.expect_room(size * MIN_NODE)?;
        self.owed += size * MIN_NODE;
        let mut nodes = Vec::with_capacity(size);
        for _ in 0..size {
            self.owed -= MIN_NODE;
            nodes.push(self.node(depth)?);
        }
        Ok(nodes)
    }

    fn list_size(&mut self, byte: u8) -> Result<usize, DecodeError> {
        match byte {
            tag::LIST_EMPTY => Ok(0),
            tag::LIST_8 => self.byte().map(usize::from),
            tag::LIST_16 => self.u16().map(usize::from),
            _ => Err(self.unexpected(byte)),
        }
    }

    /// A tag or an attribute's name: a string that is not empty.
    fn name(&mut self) -> Result<Cow<'a, str>, DecodeError> {
        let byte = self.byte()?;
        let name = match byte {
            tag::BINARY_8 | tag::BINARY_20 | tag::BINARY_32 => self.utf8(byte).map(Cow::Borrowed)?,
            _ => self.text(byte)?,
        };
        if name.is_empty() { Err(DecodeError::Unnamed { at: self.at() }) } else { Ok(name) }
    }

    fn value(&mut self) -> Result<Value<'a>, DecodeError> {
        let byte = self.byte()?;
        self.value_of(byte)
    }

    fn value_of(&mut self, byte: u8) -> Result<Value<'a>, DecodeError> {
        match byte {
            tag::LIST_EMPTY => Ok(Value::Text(Cow::Borrowed(""))),
            tag::JID_PAIR => self.jid_pair(),
            tag::AD_JID => self.ad_jid().map(Value::Jid),
            tag::FB_JID => self.messenger_jid().map(Value::Jid),
            tag::INTEROP_JID => self.interop_jid().map(Value::Jid),
            _ => self.text(byte).map(Value::Text),
        }
    }

    /// A string after its type byte, bad UTF-8 replaced.
    fn text(&mut self, byte: u8) -> Result<Cow<'a, str>, DecodeError> {
        match byte {
            tag::BINARY_8 | tag::BINARY_20 | tag::BINARY_32 => self.binary(byte).map(String::from_utf8_lossy),
            tag::NIBBLE_8 => self.packed(Packing::Nibble, |text| Cow::Owned(text.to_owned())),
            tag::HEX_8 => self.packed(Packing::Hex, |text| Cow::Owned(text.to_owned())),
            _ => self.token(byte).map(Cow::Borrowed),
        }
    }

    fn token(&mut self, byte: u8) -> Result<&'static str, DecodeError> {
        let token = match byte {
            tag::DICTIONARY_0..=tag::DICTIONARY_3 => token::double(byte - tag::DICTIONARY_0, self.byte()?),
            _ => token::single(byte),
        };
        token.ok_or_else(|| self.unexpected(byte))
    }

    fn packed<T>(&mut self, packing: Packing, read: impl FnOnce(&str) -> T) -> Result<T, DecodeError> {
        let count = self.byte()?;
        let bytes = self.take(packed::byte_len(count))?;
        let mut buffer = [0; 254];
        match packing.read(count, bytes, &mut buffer) {
            Some(text) => Ok(read(text)),
            None => Err(DecodeError::Packed { at: self.at() }),
        }
    }

    fn binary(&mut self, byte: u8) -> Result<&'a [u8], DecodeError> {
        let len = match byte {
            tag::BINARY_8 => usize::from(self.byte()?),
            tag::BINARY_20 => {
                let [high, middle, low] = self.array()?;
                u32::from_be_bytes([0, high & 0x0f, middle, low]) as usize
            }
            _ => u32::from_be_bytes(self.array()?) as usize,
        };
        self.take(len)
    }

    fn utf8(&mut self, byte: u8) -> Result<&'a str, DecodeError> {
        let bytes = self.binary(byte)?;
        std::str::from_utf8(bytes).map_err(|_| DecodeError::Utf8 { at: self.at() })
    }

    fn jid_pair(&mut self) -> Result<Value<'a>, DecodeError> {
        let user = self.user()?;
        let server = self.jid_part()?;
        if server.is_empty() {
            return Err(DecodeError::Jid { at: self.at() });
        }
        Ok(match server.parse() {
            Ok(known) if Jid::is_plain_user(&user, known) => {
                Value::Jid(Jid { user, ..Jid::of_server(known) })
            }
            _ => Value::Text(Cow::Owned(format!("{user}@{server}"))),
        })
    }

    fn ad_jid(&mut self) -> Result<Jid, DecodeError> {
        let [domain, device] = self.array()?;
        let (server, agent) = match domain {
            0 => (Server::Pn, 0),
            1 => (Server::Lid, 0),
            128 => (Server::Hosted, 0),
            129 => (Server::HostedLid, 0),
            agent => (Server::Pn, agent),
        };
        let user = self.user_of(server)?;
        Ok(Jid { user, server, agent, device: device.into(), integrator: 0 })
    }

    fn messenger_jid(&mut self) -> Result<Jid, DecodeError> {
        let user = self.user_of(Server::Messenger)?;
        let device = self.u16()?;
        self.expect_server(Server::Messenger)?;
        Ok(Jid { user, server: Server::Messenger, agent: 0, device, integrator: 0 })
    }

    fn interop_jid(&mut self) -> Result<Jid, DecodeError> {
        let user = self.user_of(Server::Interop)?;
        let device = self.u16()?;
        let integrator = self.u16()?;
        self.expect_server(Server::Interop)?;
        Ok(Jid { user, server: Server::Interop, agent: 0, device, integrator })
    }

    /// The user of a form that only users have.
    fn user_of(&mut self, server: Server) -> Result<CompactString, DecodeError> {
        let user = self.user()?;
        if user.is_empty() || !Jid::is_plain_user(&user, server) {
            return Err(DecodeError::Jid { at: self.at() });
        }
        Ok(user)
    }

    fn expect_server(&mut self, server: Server) -> Result<(), DecodeError> {
        let found = self.jid_part()?;
        if found == server.as_str() { Ok(()) } else { Err(DecodeError::Jid { at: self.at() }) }
    }

    /// A user part: mostly packed digits, which go into the JID without a detour over the heap.
    fn user(&mut self) -> Result<CompactString, DecodeError> {
        match self.rest.first() {
            Some(&(tag::NIBBLE_8 | tag::HEX_8)) => {
                let packing = if self.byte()? == tag::HEX_8 { Packing::Hex } else { Packing::Nibble };
                self.packed(packing, |user| CompactString::new(user))
            }
            _ => self.jid_part().map(CompactString::from),
        }
    }

    fn jid_part(&mut self) -> Result<Cow<'a, str>, DecodeError> {
        let byte = self.byte()?;
        match byte {
            tag::LIST_EMPTY => Ok(Cow::Borrowed("")),
            tag::BINARY_8 | tag::BINARY_20 | tag::BINARY_32 => self.utf8(byte).map(Cow::Borrowed),
            _ => self.text(byte),
        }
    }

    fn u16(&mut self) -> Result<u16, DecodeError> {
        self.array().map(u16::from_be_bytes)
    }

    fn byte(&mut self) -> Result<u8, DecodeError> {
        self.array().map(|[byte]| byte)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (array, rest) = self.rest.split_first_chunk().ok_or(DecodeError::Truncated { at: self.len })?;
        self.rest = rest;
        Ok(*array)
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(DecodeError::Truncated { at: self.len })?;
        self.rest = rest;
        Ok(taken)
    }

    fn expect_room(&self, bytes: usize) -> Result<(), DecodeError> {
        if self.owed + bytes > self.rest.len() {
            return Err(DecodeError::Truncated { at: self.len });
        }
        Ok(())
    }

    fn at(&self) -> usize {
        self.len - self.rest.len()
    }

    /// Error for a type byte that was just read.
    fn unexpected(&self, byte: u8) -> DecodeError {
        DecodeError::UnexpectedTag { byte, at: self.at().saturating_sub(1) }
    }
}
