//! A WebSocket that keeps no room for the largest message it has sent.
//!
//! tungstenite copies each message into a buffer that never shrinks: after the first upload of prekeys (PROTOCOL.md 4),
//! which leaves in one piece, an idle companion would hold some 40 KB for it as long as the connection lasts. So large
//! messages pass below tungstenite.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use futures_util::{Sink, Stream};
use rand::TryRng as _;
use rand::rngs::SysRng;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::{Error, Message};

/// Larger messages are rare (uploads of keys), and not worth a buffer that stays.
const LARGE: usize = 4 << 10;

/// Takes binary messages, and gives messages of all kinds.
pub(super) struct Socket<S> {
    inner: WebSocketStream<Below<S>>,
    /// A frame whose turn comes once tungstenite has written all that it holds.
    staged: Option<Bytes>,
}

/// The stream below tungstenite: what it writes follows a large frame that is under way.
pub(super) struct Below<S> {
    stream: S,
    large: Bytes,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    pub(super) fn new(inner: WebSocketStream<Below<S>>) -> Self {
        Self { inner, staged: None }
    }

    /// Hands over the staged frame. tungstenite, which answers pings by itself, must not be in the middle of a frame.
    fn poll_staged(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if self.staged.is_some() {
            ready!(Pin::new(&mut self.inner).poll_flush(cx))?;
            let below = self.inner.get_mut();
            if let Some(frame) = self.staged.take() {
                below.large = frame;
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Sink<Bytes> for Socket<S> {
    type Error = Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        ready!(self.poll_staged(cx))?;
        Pin::new(&mut self.inner).poll_ready(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, message: Bytes) -> Result<(), Error> {
        if message.len() < LARGE {
            return Pin::new(&mut self.inner).start_send(Message::Binary(message));
        }
        self.staged = Some(framed(message)?);
        Ok(())
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        ready!(self.poll_staged(cx))?;
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        ready!(self.poll_staged(cx))?;
        Pin::new(&mut self.inner).poll_close(cx)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for Socket<S> {
    type Item = Result<Message, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.inner).poll_next(cx)
    }
}

impl<S> Below<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, large: Bytes::new() }
    }
}

impl<S: AsyncWrite + Unpin> Below<S> {
    fn poll_large(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.large.is_empty() {
            match ready!(Pin::new(&mut self.stream).poll_write(cx, &self.large))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.large.advance(written),
            }
        }
        // An empty rest of a frame still holds the whole of it.
        self.large = Bytes::new();
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Below<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Below<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_large(cx))?;
        Pin::new(&mut self.stream).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_large(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_large(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// One final binary frame: no known client divides a message over frames.
fn framed(message: Bytes) -> Result<Bytes, Error> {
    let mut frame = Frame::message(message, OpCode::Data(Data::Binary), true);
    let mut mask = [0; 4];
    SysRng.try_fill_bytes(&mut mask).map_err(|error| Error::Io(io::Error::other(error)))?;
    frame.header_mut().mask = Some(mask);
    let mut bytes = Vec::with_capacity(frame.len());
    frame.format(&mut bytes)?;
    Ok(bytes.into())
}

#[cfg(test)]
mod tests {
    use futures_util::{SinkExt as _, StreamExt as _};
    use tokio_tungstenite::{accept_async, client_async};

    use super::*;

    /// The pipe holds less than a frame, so that each is under way for long while pings are answered beside it.
    #[tokio::test]
    async fn large_and_small_messages_and_pongs_follow_each_other_whole() {
        let (ours, theirs) = tokio::io::duplex(700);
        let (client, server) =
            tokio::join!(client_async("ws://localhost/", Below::new(ours)), accept_async(theirs));
        let ((client, _), mut server) = (client.unwrap(), server.unwrap());
        let messages: Vec<Bytes> =
            [100_000, 3, LARGE, LARGE - 1, 9_000, 1].map(|length| vec![7; length].into()).into();
        let (mut sink, mut stream) = Socket::new(client).split();
        let sending = async {
            for message in messages.clone() {
                sink.feed(message).await.unwrap();
            }
            sink.flush().await.unwrap();
        };
        let answering_pings = async { while stream.next().await.is_some() {} };
        let reading = async {
            let (mut read, mut pongs) = (Vec::new(), 0);
            while read.len() < messages.len() || pongs < messages.len() {
                if pongs + read.len() < 2 * messages.len() {
                    let _ = server.send(Message::Ping(Bytes::from_static(b"still there?"))).await;
                }
                match server.next().await.unwrap().unwrap() {
                    Message::Binary(message) => read.push(message),
                    Message::Pong(_) => pongs += 1,
                    other => panic!("{other:?}"),
                }
            }
            read
        };
        let both = async { tokio::join!(sending, reading).1 };
        let read = tokio::select! {
            read = both => read,
            () = answering_pings => panic!("the connection ended"),
        };
        assert_eq!(read, messages);
    }

    /// What a message leaves behind, however large it was.
    #[tokio::test]
    async fn a_large_message_leaves_no_buffer() {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        let (client, server) =
            tokio::join!(client_async("ws://localhost/", Below::new(ours)), accept_async(theirs));
        let (mut socket, mut server) = (Socket::new(client.unwrap().0), server.unwrap());
        socket.send(vec![7; 100_000].into()).await.unwrap();
        assert_eq!(server.next().await.unwrap().unwrap().len(), 100_000);
        assert!(socket.staged.is_none());
        assert!(socket.inner.get_ref().large.is_empty());
    }
}
