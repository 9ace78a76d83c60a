//! Nodes to bytes.

use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;

use crate::packed::Packing;
use crate::token::{self, Token};
use crate::unpack::COMPRESSED;
use crate::{Content, Jid, MAX_ATTRIBUTES, MAX_DEPTH, Node, Server, Value, tag};

/// Why a node cannot be sent. All of these are the caller's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// A node has no tag, or an attribute no name.
    #[error("a node without tag or an attribute without name")]
    Unnamed,
    /// A node has more than [`MAX_ATTRIBUTES`].
    #[error("{0} attributes on one node")]
    TooManyAttributes(usize),
    /// A node has more than [`MAX_LIST`](crate::MAX_LIST) children.
    #[error("{0} children of one node")]
    TooManyChildren(usize),
    /// Nodes are nested deeper than [`MAX_DEPTH`].
    #[error("nodes nested too deeply")]
    TooDeep,
    /// A string or byte content is longer than 32 bits can say.
    #[error("content of {0} bytes")]
    TooLong(usize),
    /// A JID has parts that its server's wire form has no room for: a device on a group, a device above 255
    /// on a user, an agent that stands for another server.
    #[error("a JID of server {0} that has no wire form")]
    Jid(Server),
}

/// A frame's content: the flag byte 0 (not compressed) and the node.
///
/// Fails only for nodes that WhatsApp's format cannot express; see [`EncodeError`]. What it writes,
/// [`decode`](crate::decode) reads.
pub fn encode(node: &Node<'_>) -> Result<Vec<u8>, EncodeError> {
    let mut out = Vec::with_capacity(256);
    encode_into(node, &mut out)?;
    Ok(out)
}

/// Like [`encode`], appended to `out`, which can be reused from frame to frame. After an error `out` is as
/// it was.
pub fn encode_into(node: &Node<'_>, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let start = out.len();
    out.push(0);
    let written = Encoder { out }.node(node, 1);
    if written.is_err() {
        out.truncate(start);
    }
    written
}

/// Like [`encode`], but compressed, as servers send large frames: the flag byte 2 and zlib data.
pub fn encode_compressed(node: &Node<'_>) -> Result<Vec<u8>, EncodeError> {
    let plain = encode(node)?;
    let out = vec![COMPRESSED];
    let mut encoder = ZlibEncoder::new(out, Compression::default());
    // Writing to a Vec cannot fail; should it ever, the frame is still right, only larger.
    let written = encoder.write_all(plain.get(1..).unwrap_or_default());
    Ok(written.and_then(|()| encoder.finish()).unwrap_or(plain))
}

struct Encoder<'o> {
    out: &'o mut Vec<u8>,
}

impl Encoder<'_> {
    fn node(&mut self, node: &Node<'_>, depth: usize) -> Result<(), EncodeError> {
        if depth > MAX_DEPTH {
            return Err(EncodeError::TooDeep);
        }
        let attributes = node.attrs.iter().filter(|(_, value)| !value.is_empty()).count();
        if attributes > MAX_ATTRIBUTES {
            return Err(EncodeError::TooManyAttributes(attributes));
        }
        let has_content = usize::from(node.content != Content::Empty);
        self.list_size(1 + 2 * attributes + has_content)?;
        self.name(&node.tag)?;
        for (name, value) in node.attrs.iter().filter(|(_, value)| !value.is_empty()) {
            self.name(name)?;
            match value {
                Value::Text(text) => self.string(text)?,
                Value::Jid(jid) => self.jid(jid)?,
            }
        }
        match &node.content {
            Content::Empty => Ok(()),
            Content::Bytes(bytes) => self.binary(bytes),
            Content::Text(text) => self.string(text),
            Content::Nodes(nodes) => {
                self.list_size(nodes.len())?;
                nodes.iter().try_for_each(|child| self.node(child, depth + 1))
            }
        }
    }

    fn list_size(&mut self, size: usize) -> Result<(), EncodeError> {
        match (u8::try_from(size), u16::try_from(size)) {
            (Ok(0), _) => self.out.push(tag::LIST_EMPTY),
            (Ok(size), _) => self.out.extend([tag::LIST_8, size]),
            (_, Ok(size)) => {
                self.out.push(tag::LIST_16);
                self.out.extend(size.to_be_bytes());
            }
            _ => return Err(EncodeError::TooManyChildren(size)),
        }
        Ok(())
    }

    fn name(&mut self, name: &str) -> Result<(), EncodeError> {
        if name.is_empty() { Err(EncodeError::Unnamed) } else { self.string(name) }
    }

    fn string(&mut self, text: &str) -> Result<(), EncodeError> {
        match token::find(text) {
            Some(Token::Single(byte)) => self.out.push(byte),
            Some(Token::Double(dictionary, index)) => {
                self.out.extend([tag::DICTIONARY_0 + dictionary, index]);
            }
            None => match Packing::of(text) {
                Some(packing) => packing.write(text, self.out),
                None => return self.binary(text.as_bytes()),
            },
        }
        Ok(())
    }

    fn binary(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        let len = u32::try_from(bytes.len()).map_err(|_| EncodeError::TooLong(bytes.len()))?;
        let [top, high, middle, low] = len.to_be_bytes();
        match len {
            0..0x100 => self.out.extend([tag::BINARY_8, low]),
            0x100..0x10_0000 => self.out.extend([tag::BINARY_20, high, middle, low]),
            _ => self.out.extend([tag::BINARY_32, top, high, middle, low]),
        }
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    fn jid(&mut self, jid: &Jid) -> Result<(), EncodeError> {
        match WireForm::of(jid)? {
            WireForm::Pair => {
                self.out.push(tag::JID_PAIR);
                if jid.user.is_empty() {
                    self.out.push(tag::LIST_EMPTY);
                } else {
                    self.string(&jid.user)?;
                }
                self.string(jid.server.as_str())
            }
            WireForm::Ad { domain, device } => {
                self.out.extend([tag::AD_JID, domain, device]);
                self.string(&jid.user)
            }
            WireForm::Messenger => {
                self.out.push(tag::FB_JID);
                self.string(&jid.user)?;
                self.out.extend(jid.device.to_be_bytes());
                self.string(jid.server.as_str())
            }
            WireForm::Interop => {
                self.out.push(tag::INTEROP_JID);
                self.string(&jid.user)?;
                self.out.extend(jid.device.to_be_bytes());
                self.out.extend(jid.integrator.to_be_bytes());
                self.string(jid.server.as_str())
            }
        }
    }
}

/// The four ways a JID is written.
enum WireForm {
    Pair,
    Ad { domain: u8, device: u8 },
    Messenger,
    Interop,
}

impl WireForm {
    fn of(jid: &Jid) -> Result<Self, EncodeError> {
        let error = || EncodeError::Jid(jid.server);
        let is_bare = jid.device == 0 && jid.agent == 0 && jid.integrator == 0;
        let is_hosted = matches!(jid.server, Server::Hosted | Server::HostedLid);
        match jid.server {
            _ if jid.user.is_empty() => is_bare.then_some(Self::Pair).ok_or_else(error),
            Server::Messenger if jid.agent == 0 && jid.integrator == 0 => Ok(Self::Messenger),
            Server::Interop if jid.agent == 0 => Ok(Self::Interop),
            server if (is_hosted || !is_bare) && jid.integrator == 0 => {
                let domain = server.domain_of(jid.agent).ok_or_else(error)?;
                let device = u8::try_from(jid.device).map_err(|_| error())?;
                Ok(Self::Ad { domain, device })
            }
            _ => is_bare.then_some(Self::Pair).ok_or_else(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MAX_LIST, decode, unpack};

    fn error(node: &Node<'_>) -> EncodeError {
        let mut out = b"kept".to_vec();
        let error = encode_into(node, &mut out).unwrap_err();
        assert_eq!(out, b"kept");
        error
    }

    fn to(jid: Jid) -> Node<'static> {
        Node::new("to").attr("jid", jid)
    }

    #[test]
    fn frames_are_appended() {
        let mut out = vec![9];
        encode_into(&Node::new("iq"), &mut out).unwrap();
        assert_eq!(out, [9, 0, 248, 1, 25]);
    }

    #[test]
    fn empty_attributes_are_left_out() {
        let node = Node::new("iq").attr("id", "").attr("type", "get").opt_attr("to", None::<&str>);
        assert_eq!(encode(&node).unwrap(), encode(&Node::new("iq").attr("type", "get")).unwrap());
    }

    #[test]
    fn text_that_looks_like_a_jid_stays_text() {
        let frame = encode(&Node::new("to").attr("jid", "1@lid")).unwrap();
        let node = decode(&frame[1..]).unwrap();
        assert_eq!(node.attrs.get("jid"), Some(&Value::from("1@lid")));
        assert_eq!(node.attrs.jid("jid"), None);
        assert_eq!(node.attrs.parse_jid("jid"), Some(Jid::lid("1")));
    }

    #[test]
    fn nodes_and_attributes_have_names() {
        assert_eq!(error(&Node::new("")), EncodeError::Unnamed);
        assert_eq!(error(&Node::new("iq").attr("", "x")), EncodeError::Unnamed);
        assert_eq!(error(&Node::new("iq").child(Node::new(""))), EncodeError::Unnamed);
    }

    #[test]
    fn what_the_decoder_would_refuse_is_not_sent() {
        let attributes = |count| (0..count).fold(Node::new("x"), |node, at| node.attr(format!("n{at}"), at));
        assert!(encode(&attributes(MAX_ATTRIBUTES)).is_ok());
        assert_eq!(error(&attributes(128)), EncodeError::TooManyAttributes(128));

        let children = |count| Node::new("x").with_children((0..count).map(|_| Node::new("y")));
        assert!(encode(&children(MAX_LIST)).is_ok());
        assert_eq!(error(&children(MAX_LIST + 1)), EncodeError::TooManyChildren(MAX_LIST + 1));

        let nested = |depth| (1..depth).fold(Node::new("x"), |inner, _| Node::new("x").child(inner));
        assert!(encode(&nested(MAX_DEPTH)).is_ok());
        assert_eq!(error(&nested(MAX_DEPTH + 1)), EncodeError::TooDeep);
    }

    #[test]
    fn jids_without_wire_form_are_not_sent_as_something_else() {
        for jid in [
            Jid::pn("1").with_device(256),
            Jid::lid("1").with_device(256),
            Jid::group("1").with_device(1),
            Jid::server().with_device(1),
            Jid { agent: 1, ..Jid::pn("1") },
            Jid { agent: 7, ..Jid::lid("1") },
            Jid { agent: 7, ..Jid::new("1", Server::Messenger) },
            Jid { agent: 7, ..Jid::new("1", Server::Interop) },
            Jid { integrator: 1, ..Jid::pn("1").with_device(1) },
            Jid { integrator: 1, ..Jid::new("1", Server::Hosted) },
        ] {
            assert_eq!(error(&to(jid.clone())), EncodeError::Jid(jid.server), "{jid}");
        }
    }

    #[test]
    fn compressed_frames_say_so() {
        let node = Node::new("enc").with_bytes(vec![7; 1000]);
        let frame = encode_compressed(&node).unwrap();
        assert_eq!(frame[0], 2);
        assert!(frame.len() < 100);
        assert_eq!(decode(&unpack(&frame).unwrap()), Ok(node));
    }
}
