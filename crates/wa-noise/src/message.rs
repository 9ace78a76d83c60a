//! The three protobuf messages of a handshake, and what can be wrong with them.

use std::fmt;

use bytes::Bytes;
use prost::Message;
use wa_crypto::{AgreementError, PublicKey, aead::OpenError};
use wa_protobuf::handshake::{ClientFinish, ClientHello, HandshakeMessage, ServerHello};

use crate::cert::CertificateError;

/// A part of a handshake message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The client's first message.
    ClientHello,
    /// The server's message.
    ServerHello,
    /// The client's last message.
    ClientFinish,
    /// The ephemeral key of a hello.
    Ephemeral,
    /// The encrypted static key.
    Static,
    /// The encrypted certificate chain or client payload.
    Payload,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ClientHello => "client hello",
            Self::ServerHello => "server hello",
            Self::ClientFinish => "client finish",
            Self::Ephemeral => "ephemeral key",
            Self::Static => "static key",
            Self::Payload => "payload",
        })
    }
}

/// Why a handshake failed. It is always the peer's message that is wrong, or somebody changed it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeError {
    /// The message is no protobuf.
    #[error("the peer's handshake message is malformed: {0}")]
    Malformed(#[from] prost::DecodeError),
    /// A part that this step needs is absent.
    #[error("the peer's handshake message has no {0}")]
    Missing(Part),
    /// A message of another step came along.
    #[error("the peer's handshake message has an unexpected {0}")]
    Unexpected(Part),
    /// A key has not 32 bytes.
    #[error("the peer's {part} has {actual} bytes instead of 32")]
    KeyLength {
        /// The part of the message that holds the key.
        part: Part,
        /// Its length in bytes, where 32 belong.
        actual: usize,
    },
    /// The peer's key is a point of small order.
    #[error(transparent)]
    Agreement(#[from] AgreementError),
    /// The part does not decrypt: it was changed, or the peer has other keys.
    #[error("the peer's {0} does not authenticate")]
    Authentication(Part),
    /// The server does not prove to be WhatsApp's, or whatever the trust root stands for.
    #[error("the server's certificate is refused: {0}")]
    Certificate(#[from] CertificateError),
}

impl HandshakeError {
    /// For `map_err` of a failed decryption.
    pub(crate) fn authentication(part: Part) -> impl FnOnce(OpenError) -> Self {
        move |OpenError| Self::Authentication(part)
    }
}

pub(crate) fn parse_client_hello(message: &[u8]) -> Result<ClientHello, HandshakeError> {
    let envelope = HandshakeMessage::decode(message)?;
    refuse(Part::ServerHello, &envelope.server_hello)?;
    refuse(Part::ClientFinish, &envelope.client_finish)?;
    require(Part::ClientHello, envelope.client_hello)
}

pub(crate) fn parse_server_hello(message: &[u8]) -> Result<ServerHello, HandshakeError> {
    let envelope = HandshakeMessage::decode(message)?;
    refuse(Part::ClientHello, &envelope.client_hello)?;
    refuse(Part::ClientFinish, &envelope.client_finish)?;
    require(Part::ServerHello, envelope.server_hello)
}

pub(crate) fn parse_client_finish(message: &[u8]) -> Result<ClientFinish, HandshakeError> {
    let envelope = HandshakeMessage::decode(message)?;
    refuse(Part::ClientHello, &envelope.client_hello)?;
    refuse(Part::ServerHello, &envelope.server_hello)?;
    require(Part::ClientFinish, envelope.client_finish)
}

pub(crate) fn encode_client_hello(ephemeral: &PublicKey) -> Vec<u8> {
    let hello = ClientHello {
        ephemeral: Some(Bytes::copy_from_slice(ephemeral.as_bytes())),
        ..ClientHello::default()
    };
    HandshakeMessage { client_hello: Some(hello), ..HandshakeMessage::default() }.encode_to_vec()
}

/// `static_key` is absent in the answer to an accepted IK.
pub(crate) fn encode_server_hello(
    ephemeral: &PublicKey,
    static_key: Option<Vec<u8>>,
    payload: Vec<u8>,
) -> Vec<u8> {
    let hello = ServerHello {
        ephemeral: Some(Bytes::copy_from_slice(ephemeral.as_bytes())),
        r#static: static_key.map(Bytes::from),
        payload: Some(payload.into()),
        ..ServerHello::default()
    };
    HandshakeMessage { server_hello: Some(hello), ..HandshakeMessage::default() }.encode_to_vec()
}

pub(crate) fn encode_client_finish(static_key: Vec<u8>, payload: Vec<u8>) -> Vec<u8> {
    let finish = ClientFinish {
        r#static: Some(static_key.into()),
        payload: Some(payload.into()),
        ..ClientFinish::default()
    };
    HandshakeMessage { client_finish: Some(finish), ..HandshakeMessage::default() }.encode_to_vec()
}

pub(crate) fn require<T>(part: Part, value: Option<T>) -> Result<T, HandshakeError> {
    value.ok_or(HandshakeError::Missing(part))
}

pub(crate) fn key(part: Part, bytes: &[u8]) -> Result<PublicKey, HandshakeError> {
    PublicKey::from_slice(bytes).map_err(|length| HandshakeError::KeyLength { part, actual: length.actual })
}

fn refuse<T>(part: Part, value: &Option<T>) -> Result<(), HandshakeError> {
    match value {
        Some(_) => Err(HandshakeError::Unexpected(part)),
        None => Ok(()),
    }
}
