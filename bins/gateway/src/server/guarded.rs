//! A connection that has to make progress, and whose memory is bounded.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use super::bare::{self, Instead};
use super::channel::Channel;
use super::gate::Place;
use crate::connection::{Phase, Watch};

/// How long a client may take to send a request's head.
pub(super) const HEAD: Duration = Duration::from_secs(10);
/// How long a connection may idle between two requests.
pub(super) const IDLE: Duration = Duration::from_secs(75);
/// How much longer a connection bears a request that makes no progress than the layer around the routes does, which answers it
/// then.
const GRACE: Duration = Duration::from_secs(15);
/// How long nothing of an answer may leave, because the client reads nothing.
pub(super) const STALLED: Duration = Duration::from_secs(20);
/// How often a connection looks what time it is. So each limit may be exceeded by this much, and no request sets a timer.
const TICK: Duration = Duration::from_secs(5);
/// Bytes that are read before they are parsed. So many hold 200 of the shortest requests, each of which takes some hundred
/// bytes once it is parsed.
const TURN: usize = 4096;

/// A stream over TCP, or TLS, that reads nothing of a next request while one is answered or an answer is stuck.
pub(crate) struct Guarded {
    stream: Channel,
    watch: Watch,
    timer: Pin<Box<Sleep>>,
    /// Since when nothing could be written, or the last that could was not all there was.
    stuck: Option<Instant>,
    /// Bytes that were read in this turn.
    turn: usize,
    instead: Option<Instead>,
    _place: Place,
}

impl Guarded {
    pub(super) fn new(stream: Channel, place: Place) -> Self {
        let timer = Box::pin(tokio::time::sleep(TICK));
        Self { stream, watch: Watch::new(), timer, stuck: None, turn: 0, instead: None, _place: place }
    }

    pub(super) fn watch(&self) -> Watch {
        self.watch.clone()
    }

    /// Fails when the connection has made no progress for too long. Called whenever anything is asked of it.
    fn in_time(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        while self.timer.as_mut().poll(cx).is_ready() {
            let (now, due) = (Instant::now(), self.due());
            if now >= due {
                tracing::debug!(phase = ?self.watch.phase().0, stuck = self.stuck.is_some(), "a connection made no progress");
                return Err(io::ErrorKind::TimedOut.into());
            }
            self.timer.as_mut().reset(now + TICK);
        }
        Ok(())
    }

    fn due(&self) -> Instant {
        let (phase, since) = self.watch.phase();
        match (self.stuck, phase) {
            (Some(since), _) => since + STALLED,
            (None, Phase::Idle) => since + IDLE,
            (None, Phase::Head) => since + HEAD,
            (None, Phase::Answering { patience, .. }) => since + patience + GRACE,
        }
    }

    /// How many bytes may be read now.
    fn readable(&self) -> usize {
        match self.watch.phase().0 {
            _ if self.stuck.is_some() => 0,
            Phase::Answering { body, .. } => body,
            Phase::Idle | Phase::Head => TURN,
        }
    }

    /// Reads nothing, but tells when the client has hung up.
    fn poll_hangup(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut byte = [0];
        match ready!(self.stream.tcp().poll_peek(cx, &mut ReadBuf::new(&mut byte)))? {
            0 => Poll::Ready(Ok(())),
            _ => {
                self.watch.hold(cx.waker());
                Poll::Pending
            }
        }
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.stream).poll_write(cx, bytes) {
            Poll::Ready(Ok(sent)) => {
                self.watch.told();
                if sent < bytes.len() {
                    self.stuck = Some(Instant::now());
                } else if !self.stream.holds_back() {
                    // Else it is known only when it is flushed: TLS takes what fits into its buffer.
                    self.stuck = None;
                    self.watch.release();
                }
                Poll::Ready(Ok(sent))
            }
            Poll::Pending => {
                self.stuck.get_or_insert_with(Instant::now);
                Poll::Pending
            }
            failed => failed,
        }
    }

    /// Writes the answer that stands for a bare one of `length` bytes.
    fn poll_instead(
        &mut self,
        cx: &mut Context<'_>,
        mut instead: Instead,
        length: usize,
    ) -> Poll<io::Result<usize>> {
        while !instead.rest().is_empty() {
            match self.poll_send(cx, instead.rest()) {
                Poll::Ready(Ok(sent)) => instead.advance(sent),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    self.instead = Some(instead);
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(Ok(length))
    }
}

impl AsyncRead for Guarded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.in_time(cx)?;
        let readable = self.readable();
        if readable == 0 {
            return self.poll_hangup(cx);
        }
        let room = TURN.saturating_sub(self.turn).min(readable).min(buffer.remaining());
        if room == 0 {
            // What was read is parsed first.
            self.turn = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let mut some = ReadBuf::new(buffer.initialize_unfilled_to(room));
        let polled = Pin::new(&mut self.stream).poll_read(cx, &mut some);
        let count = some.filled().len();
        if polled.is_pending() {
            self.turn = 0;
            return Poll::Pending;
        }
        buffer.advance(count);
        self.turn += count;
        self.watch.heard(count);
        polled
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.in_time(cx)?;
        match self.instead.take().or_else(|| bare::instead_of(bytes)) {
            Some(instead) => self.poll_instead(cx, instead, bytes.len()),
            None => self.poll_send(cx, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.in_time(cx)?;
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        if self.stream.holds_back() {
            match flushed {
                Poll::Pending => {
                    self.stuck.get_or_insert_with(Instant::now);
                }
                Poll::Ready(_) => {
                    self.stuck = None;
                    self.watch.release();
                }
            }
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::net::SocketAddr;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    use super::super::gate::{Gate, Limits};
    use super::*;

    /// Our end of a connection, and the client's.
    async fn connected() -> (Guarded, TcpStream) {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, peer) = listener.accept().await.unwrap();
        let gate = Gate::new(Vec::new(), Vec::new(), Limits { all: 1, per_address: 1 });
        (Guarded::new(Channel::Plain(stream), gate.admit(peer.ip()).unwrap()), client)
    }

    async fn is_held(guarded: &mut Guarded) -> bool {
        let mut byte = [0];
        poll_fn(|cx| {
            Poll::Ready(Pin::new(&mut *guarded).poll_read(cx, &mut ReadBuf::new(&mut byte)).is_pending())
        })
        .await
    }

    /// Our end of a connection over TLS, and the client's.
    async fn connected_over_tls() -> (Guarded, tokio_rustls::client::TlsStream<TcpStream>) {
        let folder = tempfile::tempdir().unwrap();
        let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
        std::fs::write(&certificate, own.cert.pem()).unwrap();
        std::fs::write(&key, own.signing_key.serialize_pem()).unwrap();
        let tls = super::super::Tls::new(&crate::config::TlsFiles { certificate, key }).unwrap();
        let mut roots = rustls::RootCertStore::empty();
        roots.add(own.cert.der().clone()).unwrap();
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider);
        let config = config.with_safe_default_protocol_versions().unwrap();
        let config = config.with_root_certificates(roots).with_no_client_auth();
        let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config));

        let (plain, client) = connected().await;
        let Guarded { stream: Channel::Plain(stream), _place: place, .. } = plain else { panic!("plain") };
        let name = "localhost".try_into().unwrap();
        let (channel, client) = tokio::join!(tls.accept(stream), connector.connect(name, client));
        (Guarded::new(channel.unwrap(), place), client.unwrap())
    }

    /// A client that has stopped reading is not waited for because it is told a little now and then.
    #[tokio::test]
    async fn what_tls_takes_and_cannot_send_is_no_progress() {
        let (mut guarded, client) = connected_over_tls().await;
        let tell = async |guarded: &mut Guarded| {
            poll_fn(|cx| {
                let taken = Pin::new(&mut *guarded).poll_write(cx, &[0; 1024]);
                let flushed = Pin::new(&mut *guarded).poll_flush(cx);
                Poll::Ready((taken, flushed))
            })
            .await
        };
        let mut told = 0;
        while guarded.stuck.is_none() {
            let (taken, _) = tell(&mut guarded).await;
            assert!(matches!(taken, Poll::Ready(Ok(1024))), "{taken:?}");
            told += 1;
            assert!(told < 64 << 10, "the kernel takes everything");
        }
        let since = guarded.stuck;
        let (taken, flushed) = tell(&mut guarded).await;
        assert!(matches!(taken, Poll::Ready(Ok(1024))) && flushed.is_pending(), "{taken:?} {flushed:?}");
        assert_eq!(guarded.stuck, since);
        drop(client);
    }

    #[tokio::test]
    async fn the_next_request_waits_for_the_answer() {
        let (mut guarded, mut client) = connected().await;
        client.write_all(b"first").await.unwrap();
        let mut first = [0; 5];
        guarded.read_exact(&mut first).await.unwrap();
        assert_eq!(guarded.watch().phase().0, Phase::Head);
        guarded.watch().enter(Phase::Answering { body: 4, patience: IDLE });
        client.write_all(b"bodynext").await.unwrap();
        let mut body = [0; 4];
        guarded.read_exact(&mut body).await.unwrap();
        guarded.stream.tcp().readable().await.unwrap();
        assert!(is_held(&mut guarded).await);
        guarded.watch().enter(Phase::Idle);
        let mut next = [0; 4];
        guarded.read_exact(&mut next).await.unwrap();
        assert_eq!((&body, &next), (b"body", b"next"));
    }

    #[tokio::test]
    async fn nothing_is_read_while_an_answer_is_stuck_and_the_end_of_the_client_is_noticed() {
        let (mut guarded, mut client) = connected().await;
        client.write_all(b"more").await.unwrap();
        guarded.stream.tcp().readable().await.unwrap();
        let large = vec![0; 64 << 20];
        let blocked = poll_fn(|cx| {
            let mut sent = 0;
            while let Poll::Ready(count) = Pin::new(&mut guarded).poll_write(cx, &large[sent..]) {
                sent += count.unwrap();
                assert!(sent < large.len(), "the kernel takes everything");
            }
            Poll::Ready(true)
        });
        assert!(blocked.await && is_held(&mut guarded).await);
        assert!(guarded.due() <= Instant::now() + STALLED);

        let (mut guarded, client) = connected().await;
        guarded.watch().enter(Phase::Answering { body: 0, patience: IDLE });
        drop(client);
        assert_eq!(guarded.read(&mut [0; 8]).await.unwrap(), 0);
    }
}
