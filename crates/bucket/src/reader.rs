use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use futures_util::stream::{self, BoxStream, StreamExt as _};
use outbound::Response;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::timeout;

/// Longest silence within a file.
const SILENCE: Duration = Duration::from_secs(30);

/// The body of an answer, to be read.
pub(crate) struct PieceReader {
    pieces: BoxStream<'static, io::Result<Bytes>>,
    rest: Bytes,
}

impl PieceReader {
    pub(crate) fn new(answer: Response) -> Self {
        let pieces = stream::try_unfold(answer, |mut answer| async move {
            let piece = timeout(SILENCE, answer.next()).await;
            let piece = piece.map_err(|_| io::ErrorKind::TimedOut)?.map_err(io::Error::other)?;
            Ok(piece.map(|piece| (piece, answer)))
        });
        Self { pieces: pieces.boxed(), rest: Bytes::new() }
    }
}

impl AsyncRead for PieceReader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.rest.is_empty() {
            match ready!(self.pieces.poll_next_unpin(context)) {
                Some(piece) => self.rest = piece?,
                None => return Poll::Ready(Ok(())),
            }
        }
        let count = self.rest.len().min(buffer.remaining());
        buffer.put_slice(&self.rest[..count]);
        self.rest.advance(count);
        Poll::Ready(Ok(()))
    }
}
