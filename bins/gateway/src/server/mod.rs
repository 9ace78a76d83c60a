//! The HTTP server: actix's, behind a gate and over streams of ours.
//!
//! actix-http bounds neither how long a write may be blocked nor how many requests a client may send ahead: it reads and
//! parses up to 128 KB of them (thousands of requests, megabytes) while an earlier answer can't leave, and keeps such a
//! connection for ever. `TCP_USER_TIMEOUT` would end it after a while, but not bound its memory until then. A server of
//! another kind would do neither by itself. So the sockets are ours: [`Guarded`] gives actix no byte of a next request
//! before the last one is answered and the answer has left, and ends a connection that makes no progress.

mod bare;
mod channel;
mod descriptors;
mod gate;
mod guarded;
mod tls;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use actix_http::HttpService;
use actix_http::body::MessageBody;
use actix_server::Server;
use actix_service::{IntoServiceFactory, ServiceFactory, ServiceFactoryExt as _, fn_service, map_config};
use actix_web::Error;
use actix_web::dev::{AppConfig, Service, ServiceResponse};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::TcpStream;

use channel::Channel;
pub(crate) use descriptors::{limit as descriptor_limit, raise as raise_descriptor_limit};
pub(crate) use gate::{Gate, Limits};
use guarded::Guarded;
pub(crate) use tls::CertificateError;
pub(crate) use tls::Tls;

/// How long answers that are under way may take after the stop, in seconds: the stop as a whole takes less than 5.
const ANSWERS_GRACE: u64 = 1;
/// How long a client may go on sending a body that nobody reads, once it is answered.
const LINGER: Duration = Duration::from_secs(2);
/// Connections that wait to be accepted.
const BACKLOG: i32 = 1024;
/// What the kernel keeps for a connection at most, in each direction: it takes twice as much for itself. A client must
/// read a third of it within [`guarded::STALLED`].
const SEND_BUFFER: usize = 64 * 1024;
const RECEIVE_BUFFER: usize = 64 * 1024;
/// After this long without an acknowledgement the kernel ends a connection, also one that we have closed and that has not
/// taken our last bytes.
#[cfg(target_os = "linux")]
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);

/// A socket that listens at this address.
pub(crate) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Not on Windows, where it would share the port.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    // Connections have what their listener has.
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Serves what `app` makes, in each worker anew, to whom the gate lets in; over TLS, if that is given.
pub(crate) fn serve<F, I, S, B>(
    listener: TcpListener,
    gate: Gate,
    tls: Option<Tls>,
    app: F,
) -> io::Result<Server>
where
    F: Fn() -> I + Send + Clone + 'static,
    I: IntoServiceFactory<S, actix_http::Request>,
    S: ServiceFactory<
            actix_http::Request,
            Config = AppConfig,
            Response = ServiceResponse<B>,
            Error = Error,
            InitError = (),
        > + 'static,
    S::Service: 'static,
    S::Future: 'static,
    <S::Service as Service<actix_http::Request>>::Future: 'static,
    B: MessageBody + 'static,
{
    let server = Server::build()
        .disable_signals()
        .shutdown_timeout(ANSWERS_GRACE)
        // The gate is the limit; one more, so that it is asked.
        .max_concurrent_connections(gate.limits().all + 1);
    let stopping = server.graceful_shutdown_signal();
    let server = server.listen("http", listener, move || {
        let (gate, tls, stopping) = (gate.clone(), tls.clone(), stopping.clone());
        let http = HttpService::build()
            .keep_alive(guarded::IDLE)
            .client_request_timeout(guarded::HEAD)
            .client_disconnect_timeout(LINGER)
            .graceful_shutdown_signal(move || {
                let stopping = stopping.clone();
                async move { stopping.notified().await }
            })
            .on_connect_ext(|stream: &Guarded, data| {
                data.insert(stream.watch());
            })
            .h1(map_config(app().into_factory(), |()| AppConfig::default()));
        let enter = fn_service(move |stream: TcpStream| {
            let (gate, tls) = (gate.clone(), tls.clone());
            async move { admit(&gate, tls.as_ref(), stream).await }
        });
        enter.and_then(http.map_err(|_| ()))
    })?;
    Ok(server.run())
}

/// A connection that may stay, before a byte of a request is read.
async fn admit(
    gate: &Gate,
    tls: Option<&Tls>,
    stream: TcpStream,
) -> Result<(Guarded, Option<SocketAddr>), ()> {
    let Ok(peer) = stream.peer_addr() else {
        // It is gone already.
        return Err(());
    };
    let place = gate.admit(peer.ip()).map_err(|refused| {
        tracing::debug!(%peer, %refused, "a connection was refused");
    })?;
    let set = stream.set_nodelay(true).and_then(|()| patience(&stream));
    if let Err(error) = set {
        tracing::debug!(%peer, error = &error as &dyn std::error::Error, "a socket option can't be set");
    }
    let channel = match tls {
        None => Channel::Plain(stream),
        Some(tls) => tls.accept(stream).await.map_err(|error| {
            tracing::debug!(%peer, error = &error as &dyn std::error::Error, "a client did not shake hands");
        })?,
    };
    Ok((Guarded::new(channel, place), Some(peer)))
}

#[cfg(target_os = "linux")]
fn patience(stream: &TcpStream) -> io::Result<()> {
    SockRef::from(stream).set_tcp_user_timeout(Some(UNACKNOWLEDGED))
}

#[cfg(not(target_os = "linux"))]
fn patience(stream: &TcpStream) -> io::Result<()> {
    SockRef::from(stream).set_keepalive(true)
}
