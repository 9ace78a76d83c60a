use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::{Sink, SinkExt, Stream, StreamExt, sink, stream};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::mpsc,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        self, Message,
        protocol::{Role, WebSocketConfig},
    },
};

/// Messages that wait in one direction of an in-memory connection.
const IN_MEMORY_CAPACITY: usize = 64;
/// Thousands of connections each have these buffers: small ones do.
const READ_BUFFER: usize = 4 << 10;
const WRITE_BUFFER: usize = 4 << 10;
/// The largest message taken: a frame's three length bytes can announce no more.
const MAX_MESSAGE: usize = (1 << 24) + 64;

/// A client's side of a connection: binary WebSocket messages each way.
///
/// One that is dropped is gone for the server, as when a socket is closed.
pub struct Connection {
    /// Messages to the server.
    pub outgoing: Pin<Box<dyn Sink<Bytes, Error = io::Error> + Send>>,
    /// Messages from the server; it ends when the server closes.
    pub incoming: Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Connection")
    }
}

/// The server's side of a connection.
pub(crate) type Wire = Connection;

/// Both sides of a connection without a socket.
pub(crate) fn in_memory() -> (Connection, Wire) {
    let (to_server, from_client) = mpsc::channel(IN_MEMORY_CAPACITY);
    let (to_client, from_server) = mpsc::channel(IN_MEMORY_CAPACITY);
    (side(to_server, from_server), side(to_client, from_client))
}

fn side(to: mpsc::Sender<Bytes>, from: mpsc::Receiver<Bytes>) -> Connection {
    let outgoing = sink::unfold(to, |to, message| async move {
        to.send(message).await.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok(to)
    });
    let incoming =
        stream::unfold(from, |mut from| async move { from.recv().await.map(|message| (Ok(message), from)) });
    Connection { outgoing: Box::pin(outgoing), incoming: Box::pin(incoming) }
}

/// The server's side of a WebSocket whose HTTP upgrade is done.
pub(crate) async fn websocket<S>(socket: S) -> Wire
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE));
    let (outgoing, incoming) =
        WebSocketStream::from_raw_socket(socket, Role::Server, Some(config)).await.split();
    // A text message is none of the protocol's; it is skipped, as clients skip ours (PROTOCOL.md 1).
    let incoming = incoming.filter_map(|message| async {
        match message {
            Ok(Message::Binary(bytes)) => Some(Ok(bytes)),
            Ok(_) => None,
            Err(error) => Some(Err(into_io(error))),
        }
    });
    Connection { outgoing: Box::pin(Binary(outgoing)), incoming: Box::pin(incoming) }
}

/// Messages as binary ones, and errors as those of a socket, as often as there are any: `sink_map_err` of futures panics
/// at the second, which is that of the goodbye.
struct Binary<S>(S);

impl<S: Sink<Message, Error = tungstenite::Error> + Unpin> Sink<Bytes> for Binary<S> {
    type Error = io::Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_ready_unpin(cx).map_err(into_io)
    }

    fn start_send(mut self: Pin<&mut Self>, bytes: Bytes) -> io::Result<()> {
        self.0.start_send_unpin(Message::Binary(bytes)).map_err(into_io)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_flush_unpin(cx).map_err(into_io)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_close_unpin(cx).map_err(into_io)
    }
}

fn into_io(error: tungstenite::Error) -> io::Error {
    match error {
        tungstenite::Error::Io(error) => error,
        other => io::Error::other(other),
    }
}
