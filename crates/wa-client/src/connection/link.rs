use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use tokio::time::timeout;
use wa_binary::{Node, encode_into};
use wa_noise::frame::FrameDecoder;
use wa_noise::{Ciphers, OpenCipher, SealCipher};

use crate::cause::Cause;
use crate::transport::{Connection, Inbound, TransportError};
use crate::version::Version;

use super::outgoing::Outgoing;

/// A peer that takes nothing for this long is gone.
const WRITE_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a goodbye may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// Room for a text message to one device, so that most frames need one allocation.
const FRAME_CAPACITY: usize = 512;
/// What is read ahead while a write waits.
const MAX_UNREAD: usize = 1 << 20;

/// An encrypted connection: stanzas out, decrypted frames in.
pub(crate) struct Link {
    outgoing: Outgoing,
    unread: Unread,
    seal: SealCipher,
    open: OpenCipher,
    /// What the client said it is.
    pub(crate) announced: Version,
}

/// What comes in, and what of it is waiting to be decrypted.
struct Unread {
    incoming: Inbound,
    frames: FrameDecoder,
    ended: bool,
}

impl Link {
    pub(crate) fn new(
        connection: Connection,
        frames: FrameDecoder,
        ciphers: Ciphers,
        announced: Version,
    ) -> Self {
        let Connection { outgoing, incoming } = connection;
        let unread = Unread { incoming, frames, ended: false };
        Self { outgoing: Outgoing::new(outgoing), unread, seal: ciphers.seal, open: ciphers.open, announced }
    }

    /// Sends a stanza now.
    pub(crate) async fn send(&mut self, node: &Node<'_>) -> Result<(), Cause> {
        self.feed(node).await?;
        self.flush().await
    }

    /// Queues a stanza until [`Self::flush`], so that a batch leaves in few system calls.
    pub(crate) async fn feed(&mut self, node: &Node<'_>) -> Result<(), Cause> {
        tracing::trace!(stanza = %node, "sent");
        let mut frame = Vec::with_capacity(FRAME_CAPACITY);
        let mut encoded = Ok(());
        let sealed = self.seal.seal_frame(&mut frame, |body| encoded = encode_into(node, body));
        if let Err(error) = encoded {
            tracing::error!(%error, "a stanza could not be encoded");
            return Err(Cause::Protocol);
        }
        sealed.map_err(|_| Cause::Restart)?;
        self.unread.read_while(self.outgoing.feed(frame.into())).await
    }

    /// Lets everything that was queued leave.
    pub(crate) async fn flush(&mut self) -> Result<(), Cause> {
        self.unread.read_while(self.outgoing.flush()).await
    }

    /// Waits for frames and takes what is there, at most `most`; each is a flag byte and a stanza. Can be dropped
    /// at any time without losing any.
    pub(crate) async fn receive(&mut self, most: usize) -> Result<Vec<Vec<u8>>, Cause> {
        let mut batch = Vec::new();
        loop {
            self.drain(&mut batch, most)?;
            if batch.len() >= most || (self.unread.ended && !batch.is_empty()) {
                return Ok(batch);
            }
            if self.unread.ended {
                return Err(Cause::Network);
            }
            let message = match self.unread.incoming.next().now_or_never() {
                Some(message) => message,
                None if batch.is_empty() => self.unread.incoming.next().await,
                None => return Ok(batch),
            };
            self.unread.take(message);
        }
    }

    fn drain(&mut self, batch: &mut Vec<Vec<u8>>, most: usize) -> Result<(), Cause> {
        while batch.len() < most {
            let Some(mut frame) = self.unread.frames.next().map_err(|_| Cause::Protocol)? else { break };
            self.open.open(&mut frame).map_err(|_| Cause::Protocol)?;
            batch.push(frame);
        }
        Ok(())
    }

    /// Gives memory back while nothing is under way.
    pub(crate) fn shrink(&mut self) {
        if self.unread.frames.pending() == 0 {
            self.unread.frames = FrameDecoder::default();
        }
    }

    /// Says goodbye and closes.
    pub(crate) async fn close(self: Box<Self>) {
        let _ = timeout(CLOSE_TIMEOUT, self.outgoing.close()).await;
    }
}

impl Unread {
    fn take(&mut self, message: Option<Result<bytes::Bytes, TransportError>>) {
        match message {
            Some(Ok(message)) => self.frames.push(&message),
            Some(Err(error)) => {
                tracing::debug!(%error, "the connection ended");
                self.ended = true;
            }
            None => self.ended = true,
        }
    }

    /// Finishes a write. While it waits, what comes is read ahead: a peer that is busy writing may read only
    /// once it is through.
    async fn read_while(
        &mut self,
        write: impl Future<Output = Result<(), TransportError>>,
    ) -> Result<(), Cause> {
        let mut write = pin!(write);
        let written = poll_fn(|cx| {
            if let Poll::Ready(written) = write.as_mut().poll(cx) {
                return Poll::Ready(written);
            }
            while !self.ended && self.frames.pending() < MAX_UNREAD {
                match self.incoming.poll_next_unpin(cx) {
                    Poll::Ready(message) => self.take(message),
                    Poll::Pending => break,
                }
            }
            Poll::Pending
        });
        match timeout(WRITE_TIMEOUT, written).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => {
                tracing::debug!(%error, "the connection ended while writing");
                Err(Cause::Network)
            }
            Err(_) => Err(Cause::Network),
        }
    }
}
