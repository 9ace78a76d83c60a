use std::{io, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{FutureExt, SinkExt, StreamExt};
use tokio::time::timeout;
use wa_binary::Node;
use wa_noise::{
    Ciphers, OpenCipher, OpenError, SealCipher, SealError,
    frame::{FrameDecoder, FrameError},
};

use super::Wire;
use crate::{
    stanza,
    trace::{Direction, Peer},
    world::World,
};

/// Frames longer than this are refused: none is, since their length has three bytes. A long text is in a frame once for
/// each device.
pub(crate) const MAX_FRAME: usize = (1 << 24) - 1;

/// How long a client has to close the socket after its last stanza.
const LINGER: Duration = Duration::from_secs(2);
/// A client that takes nothing for this long is gone.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// Why a connection can't go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChannelError {
    #[error("the client closed the connection")]
    Closed,
    #[error("the client was silent for too long")]
    Silent,
    #[error("the socket failed: {0}")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error("a frame could not be decrypted: {0}")]
    Open(#[from] OpenError),
    #[error("a frame could not be encrypted: {0}")]
    Seal(#[from] SealError),
    #[error("the preamble is wrong: {0}")]
    Preamble(#[from] wa_noise::preamble::PreambleError),
    #[error("the handshake failed: {0}")]
    Handshake(#[from] wa_noise::HandshakeError),
    #[error("a frame holds no stanza: {0}")]
    Stanza(#[from] wa_binary::DecodeError),
}

/// An encrypted connection that carries stanzas.
pub(crate) struct Channel {
    wire: Wire,
    frames: FrameDecoder,
    seal: SealCipher,
    open: OpenCipher,
    world: Arc<World>,
    pub(crate) peer: Peer,
}

impl Channel {
    pub(crate) fn new(world: Arc<World>, wire: Wire, frames: FrameDecoder, ciphers: Ciphers) -> Self {
        let peer = Peer { connection: world.next_connection(), ..Peer::default() };
        Self { wire, frames, seal: ciphers.seal, open: ciphers.open, world, peer }
    }

    /// Writes a stanza to the buffer: one frame, alone in its message, since whatsmeow can't put together a
    /// frame of two messages (PROTOCOL.md 1).
    pub(crate) async fn feed(&mut self, encoded: &Bytes) -> Result<(), ChannelError> {
        if encoded.is_empty() {
            return Ok(());
        }
        self.world.trace.record(&self.peer, Direction::Sent, &stanza::without_flag(encoded));
        let mut message = Vec::with_capacity(encoded.len() + 3 + 16);
        self.seal.seal_frame(&mut message, |out| out.extend_from_slice(encoded))?;
        let fed = timeout(WRITE_TIMEOUT, self.wire.outgoing.feed(message.into())).await;
        Ok(fed.map_err(|_| ChannelError::Silent)??)
    }

    pub(crate) async fn flush(&mut self) -> Result<(), ChannelError> {
        let flushed = timeout(WRITE_TIMEOUT, self.wire.outgoing.flush()).await;
        Ok(flushed.map_err(|_| ChannelError::Silent)??)
    }

    /// Writes a stanza and flushes.
    pub(crate) async fn send(&mut self, node: &Node<'_>) -> Result<(), ChannelError> {
        self.feed(&stanza::encode(node)).await?;
        self.flush().await
    }

    /// The next stanza, encoded, without its flag byte. Cancelling loses nothing.
    pub(crate) async fn receive(&mut self) -> Result<Bytes, ChannelError> {
        loop {
            if let Some(stanza) = self.next_buffered()? {
                return Ok(stanza);
            }
            let message = self.wire.incoming.next().await.ok_or(ChannelError::Closed)??;
            self.frames.push(&message);
        }
    }

    /// A stanza that has arrived already.
    pub(crate) fn receive_ready(&mut self) -> Result<Option<Bytes>, ChannelError> {
        loop {
            if let Some(stanza) = self.next_buffered()? {
                return Ok(Some(stanza));
            }
            match self.wire.incoming.next().now_or_never() {
                Some(message) => self.frames.push(&message.ok_or(ChannelError::Closed)??),
                None => return Ok(None),
            }
        }
    }

    fn next_buffered(&mut self) -> Result<Option<Bytes>, ChannelError> {
        let Some(mut frame) = self.frames.next()? else { return Ok(None) };
        self.open.open(&mut frame)?;
        let stanza = match wa_binary::unpack(&frame)? {
            std::borrow::Cow::Owned(inflated) => Bytes::from(inflated),
            std::borrow::Cow::Borrowed(_) => Bytes::from(frame).slice(1..),
        };
        self.world.trace.record(&self.peer, Direction::Received, &stanza);
        Ok(Some(stanza))
    }

    /// Closes the socket, once the client has had a moment to close it first: after an instant close only
    /// one in ten whatsmeow clients came back (PROTOCOL.md 7.8).
    pub(crate) async fn linger(mut self) {
        let client_closes = async {
            while let Ok(stanza) = self.receive().await {
                drop(stanza);
            }
        };
        timeout(LINGER, client_closes).await.ok();
        self.wire.outgoing.close().await.ok();
    }
}
