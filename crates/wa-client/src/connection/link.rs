use std::time::Duration;

use futures_util::{FutureExt, SinkExt, StreamExt};
use tokio::time::timeout;
use wa_binary::{Node, encode_into};
use wa_noise::frame::FrameDecoder;
use wa_noise::{Ciphers, OpenCipher, SealCipher};

use crate::state::Cause;
use crate::transport::{Connection, Inbound, Outbound};

/// A peer that takes nothing for this long is gone.
const WRITE_TIMEOUT: Duration = Duration::from_secs(20);
/// Room for a text message to one device, so that most frames need one allocation.
const FRAME_CAPACITY: usize = 512;
/// How long a goodbye may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// An encrypted connection: stanzas out, decrypted frames in.
pub(crate) struct Link {
    outgoing: Outbound,
    incoming: Inbound,
    frames: FrameDecoder,
    seal: SealCipher,
    open: OpenCipher,
}

impl Link {
    pub(crate) fn new(connection: Connection, frames: FrameDecoder, ciphers: Ciphers) -> Self {
        let Connection { outgoing, incoming } = connection;
        Self { outgoing, incoming, frames, seal: ciphers.seal, open: ciphers.open }
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
        timely(self.outgoing.feed(frame.into())).await
    }

    /// Lets everything that was queued leave.
    pub(crate) async fn flush(&mut self) -> Result<(), Cause> {
        timely(self.outgoing.flush()).await
    }

    /// Waits for frames and takes what is there, at most about `most`; each is a flag byte and a stanza. Can be
    /// dropped at any time without losing any.
    pub(crate) async fn receive(&mut self, most: usize) -> Result<Vec<Vec<u8>>, Cause> {
        let mut batch = Vec::new();
        loop {
            self.drain(&mut batch, most)?;
            if batch.len() >= most {
                return Ok(batch);
            }
            let message = match self.incoming.next().now_or_never() {
                Some(message) => message,
                None if batch.is_empty() => self.incoming.next().await,
                None => return Ok(batch),
            };
            match message {
                Some(Ok(message)) => self.frames.push(&message),
                // What came before the end is still worth reading; the end shows again at the next call.
                _ if !batch.is_empty() => return Ok(batch),
                Some(Err(error)) => {
                    tracing::debug!(%error, "the connection ended");
                    return Err(Cause::Network);
                }
                None => return Err(Cause::Network),
            }
        }
    }

    fn drain(&mut self, batch: &mut Vec<Vec<u8>>, most: usize) -> Result<(), Cause> {
        while batch.len() < most {
            let Some(mut frame) = self.frames.next().map_err(|_| Cause::Protocol)? else { break };
            self.open.open(&mut frame).map_err(|_| Cause::Protocol)?;
            batch.push(frame);
        }
        Ok(())
    }

    /// Says goodbye and closes.
    pub(crate) async fn close(mut self) {
        let _ = timeout(CLOSE_TIMEOUT, self.outgoing.close()).await;
    }
}

async fn timely<E: std::fmt::Display>(write: impl Future<Output = Result<(), E>>) -> Result<(), Cause> {
    match timeout(WRITE_TIMEOUT, write).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => {
            tracing::debug!(%error, "the connection ended while writing");
            Err(Cause::Network)
        }
        Err(_) => Err(Cause::Network),
    }
}
