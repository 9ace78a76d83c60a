//! The listener with its three doors: the socket of WhatsApp Web, the media host, and the control API.

mod api;
mod guard;
mod media;
mod payload;
mod request;
mod tls;
mod web;

use std::{convert::Infallible, net::SocketAddr, sync::Arc};

use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{self, HeaderValue},
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_util::sync::CancellationToken;

pub(crate) use guard::Guard;
use payload::Payload;
pub(crate) use tls::Certificate;

use crate::{ControlError, Info, connection, world::World};

/// Where the page is whose socket this is; browsers say so, and so must who pretends to be one.
const ORIGIN: &str = "https://web.whatsapp.com";

/// The media host of a simulator without a socket, as `media_conn` names it.
const NO_LISTENER: &str = "https://mmg.whatsapp.net";

/// An answer of any door.
type Reply = Response<Payload>;

/// What the doors share.
#[derive(Clone)]
pub(crate) struct Doors {
    world: Arc<World>,
    info: Arc<Info>,
    media_base: Arc<str>,
    guard: Arc<Guard>,
}

impl Doors {
    pub(crate) fn new(world: Arc<World>, info: Info, guard: Guard) -> Self {
        let media_base =
            info.media_url.as_deref().and_then(|url| url.strip_suffix("/mms")).unwrap_or(NO_LISTENER);
        Self { media_base: media_base.into(), world, info: Arc::new(info), guard: Arc::new(guard) }
    }

    async fn answer(self, request: Request<Incoming>) -> Result<Reply, Infallible> {
        let path = request.uri().path().to_owned();
        let reply = match path.as_str() {
            "/ws/chat" => self.chat(request),
            "/sw.js" => web::service_worker(&self, &request),
            "/" => web::page(&self, &request),
            _ if path.starts_with("/mms/") || path.starts_with("/v/") => media::answer(&self, request).await,
            _ if path.starts_with("/sim/") => api::answer(&self, request).await,
            _ => request::refuse(&ControlError::UnknownPath(path)),
        };
        Ok(reply)
    }

    /// Turns the request into a WebSocket, and serves the client that comes over it.
    fn chat(self, request: Request<Incoming>) -> Reply {
        let headers = request.headers();
        let is_upgrade = request.method() == Method::GET
            && headers
                .get(header::UPGRADE)
                .is_some_and(|upgrade| upgrade.as_bytes().eq_ignore_ascii_case(b"websocket"))
            && headers.get(header::SEC_WEBSOCKET_VERSION).is_some_and(|version| version == "13");
        if headers.get(header::ORIGIN).is_some_and(|origin| origin != ORIGIN) {
            return request::refuse(&ControlError::WrongOrigin);
        }
        let key = headers.get(header::SEC_WEBSOCKET_KEY).filter(|_| is_upgrade);
        let Some(accept) = key.and_then(|key| HeaderValue::try_from(derive_accept_key(key.as_bytes())).ok())
        else {
            let reason = "this is the socket of WhatsApp Web: a WebSocket upgrade is expected".to_owned();
            return request::refuse(&ControlError::InvalidRequest(reason));
        };
        let world = self.world.clone();
        self.world.runtime.spawn(async move {
            match hyper::upgrade::on(request).await {
                Ok(upgraded) => {
                    let wire = connection::websocket(TokioIo::new(upgraded)).await;
                    connection::serve(world, wire).await;
                }
                Err(error) => tracing::debug!(%error, "an upgrade failed"),
            }
        });
        let mut reply = Response::new(Payload::default());
        *reply.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = reply.headers_mut();
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
        reply
    }
}

/// Accepts connections until told to stop.
pub(crate) async fn accept(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    doors: Doors,
    stop: CancellationToken,
) {
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((socket, peer)) => {
                let serving = open(socket, peer, tls.clone(), doors.clone());
                let stop = stop.clone();
                tokio::spawn(async move {
                    tokio::select! {
                        () = stop.cancelled() => {}
                        () = serving => {}
                    }
                });
            }
            Err(error) => {
                // Usually too many open files: others may close.
                tracing::warn!(%error, "a connection can't be accepted");
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        }
    }
}

async fn open(socket: TcpStream, peer: SocketAddr, tls: Option<TlsAcceptor>, doors: Doors) {
    socket.set_nodelay(true).ok();
    match tls {
        None => serve(socket, doors).await,
        Some(acceptor) => match acceptor.accept(socket).await {
            Ok(socket) => serve(socket, doors).await,
            Err(error) => tracing::debug!(%peer, %error, "a TLS handshake failed"),
        },
    }
}

pub(crate) async fn serve<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(socket: S, doors: Doors) {
    let service = service_fn(move |request| doors.clone().answer(request));
    let http = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(socket), service)
        .with_upgrades();
    if let Err(error) = http.await {
        tracing::debug!(%error, "an HTTP connection ended");
    }
}
