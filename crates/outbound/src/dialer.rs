//! One TCP connection: judged, resolved, and through the proxy where there is one.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use thiserror::Error;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::guard::{AddressGuard, Reach, Refused};
use crate::proxy::{Proxy, ProxyError};
use crate::resolver::Resolver;

/// Opens connections. With a proxy, all of them go through it: one that fails is an error, never a reason to connect
/// directly.
#[derive(Clone, Debug)]
pub struct Dialer {
    guard: AddressGuard,
    resolver: Resolver,
    via: Option<Via>,
}

#[derive(Clone, Debug)]
struct Via {
    proxy: Proxy,
    /// Whether the gateway's own configuration names the proxy; one that a user names is judged like any other address.
    reach: Reach,
}

/// Why a connection could not be opened.
#[derive(Debug, Error)]
pub enum DialError {
    /// The guard does not let it through.
    #[error("the address {0}")]
    Refused(#[from] Refused),
    /// The name is unknown, or nobody answers there.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// There is no way through the proxy.
    #[error("the proxy: {0}")]
    Proxy(#[source] ProxyError),
    /// The guard does not let the proxy through.
    #[error("the proxy's address {0}")]
    ProxyRefused(#[source] Refused),
}

/// How long one address may take to answer, where there are others to try.
const ADDRESS_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the proxy may take to open the way.
const PROXY_TIMEOUT: Duration = Duration::from_secs(20);

impl Dialer {
    /// Direct connections to what the guard lets through.
    pub fn new(guard: AddressGuard, resolver: Resolver) -> Self {
        Self { guard, resolver, via: None }
    }

    /// The same through a proxy that the gateway's own configuration names, wherever that is.
    #[must_use]
    pub fn through(self, proxy: Proxy) -> Self {
        Self { via: Some(Via { proxy, reach: Reach::Trusted }), ..self }
    }

    /// The same through a proxy that a user names, and that the guard judges too.
    #[must_use]
    pub fn through_foreign(self, proxy: Proxy) -> Self {
        Self { via: Some(Via { proxy, reach: Reach::Guarded }), ..self }
    }

    /// A connection to this host, as a URL names it.
    ///
    /// # Errors
    /// [`DialError`]; none of its texts holds credentials.
    pub async fn dial(&self, host: &str, port: u16) -> Result<TcpStream, DialError> {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let reach = self.guard.reach(host, port)?;
        let Some(Via { proxy, .. }) = &self.via else { return self.connect(bare, port, reach).await };
        let stream = self.connect_proxy().await?;
        // The proxy resolves the name: what it says of the destination is all that can be judged.
        let mut stream = stream;
        let opening = proxy.open(&mut stream, bare, port);
        match timeout(PROXY_TIMEOUT, opening).await {
            Ok(opened) => opened.map(|()| stream).map_err(DialError::Proxy),
            Err(_) => Err(DialError::Proxy(io::Error::from(io::ErrorKind::TimedOut).into())),
        }
    }

    async fn connect_proxy(&self) -> Result<TcpStream, DialError> {
        let Some(Via { proxy, reach }) = &self.via else {
            return Err(io::Error::from(io::ErrorKind::NotConnected).into());
        };
        let judged = match reach {
            Reach::Trusted => Ok(Reach::Trusted),
            Reach::Guarded => self.guard.reach(proxy.host(), proxy.port()),
        };
        let reach = judged.map_err(DialError::ProxyRefused)?;
        self.connect(proxy.host(), proxy.port(), reach).await.map_err(|error| match error {
            DialError::Refused(refused) => DialError::ProxyRefused(refused),
            DialError::Io(error) => DialError::Proxy(error.into()),
            error => error,
        })
    }

    async fn connect(&self, host: &str, port: u16, reach: Reach) -> Result<TcpStream, DialError> {
        let found = match host.parse::<IpAddr>() {
            Ok(address) => vec![SocketAddr::new(address, port)],
            Err(_) => self.resolver.resolve(host, port).await?,
        };
        let permitted = self.guard.permitted(reach, found)?;
        let mut failed = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in permitted {
            match timeout(ADDRESS_TIMEOUT, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    stream.set_nodelay(true)?;
                    return Ok(stream);
                }
                Ok(Err(error)) => failed = error,
                Err(_) => failed = io::ErrorKind::TimedOut.into(),
            }
        }
        Err(failed.into())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_util::FutureExt as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    fn resolver() -> Resolver {
        Resolver::new(Arc::new(|name| {
            assert!(name.ends_with(".example"), "{name}");
            Box::pin(async { Ok(vec![SocketAddr::from(([127, 0, 0, 1], 0))]) })
        }))
    }

    fn dialer(allow: &str) -> Dialer {
        Dialer::new(AddressGuard::new(allow.parse().unwrap()), resolver())
    }

    async fn listen() -> (TcpListener, u16) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        (listener, port)
    }

    #[tokio::test]
    async fn a_name_that_points_inside_is_refused_before_anything_is_sent() {
        let (listener, port) = listen().await;
        for host in ["inside.example", "127.0.0.1", "[::ffff:127.0.0.1]"] {
            let refused = dialer("").dial(host, port).await;
            assert!(matches!(refused, Err(DialError::Refused(_))), "{host}: {refused:?}");
        }
        assert!(listener.accept().now_or_never().is_none(), "nobody came");
        assert!(dialer("127.0.0.1").dial("inside.example", port).await.is_ok());
    }

    #[tokio::test]
    async fn a_proxy_is_gone_through_and_never_around() {
        let (destination, port) = listen().await;
        let (proxy, proxy_port) = listen().await;
        let through = format!("socks5://127.0.0.1:{proxy_port}").parse().unwrap();
        let dialer = dialer("inside.example").through(through);
        let serving = async {
            let (mut stream, _) = proxy.accept().await.unwrap();
            let mut asked = [0; 3];
            stream.read_exact(&mut asked).await.unwrap();
            // It hangs up instead of an answer.
        };
        let (dialled, ()) = tokio::join!(dialer.dial("inside.example", port), serving);
        assert!(matches!(dialled, Err(DialError::Proxy(_))), "{dialled:?}");
        drop(proxy);
        let dialled = dialer.dial("inside.example", port).await;
        assert!(matches!(dialled, Err(DialError::Proxy(_))), "{dialled:?}");
        assert!(destination.accept().now_or_never().is_none(), "nobody came directly");
    }

    #[tokio::test]
    async fn the_proxy_is_told_the_name_and_then_passes_everything_on() {
        let (proxy, proxy_port) = listen().await;
        let through = format!("http://user:secret@127.0.0.1:{proxy_port}").parse().unwrap();
        let dialer = dialer("far.example").through(through);
        let serving = async {
            let (mut stream, _) = proxy.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                stream.read_buf(&mut head).await.unwrap();
            }
            assert!(head.starts_with(b"CONNECT far.example:443 HTTP/1.1\r\n"));
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nhello").await.unwrap();
            stream
        };
        let (dialled, _stream) = tokio::join!(dialer.dial("far.example", 443), serving);
        let mut greeting = [0; 5];
        dialled.unwrap().read_exact(&mut greeting).await.unwrap();
        assert_eq!(&greeting, b"hello");
    }

    #[tokio::test]
    async fn a_proxy_that_a_user_names_is_judged_too() {
        let (proxy, port) = listen().await;
        let foreign: Proxy = format!("http://127.0.0.1:{port}").parse().unwrap();
        let refused = dialer("far.example").through_foreign(foreign.clone()).dial("far.example", 443).await;
        assert!(matches!(refused, Err(DialError::ProxyRefused(_))), "{refused:?}");
        let named: Proxy = format!("http://proxy.example:{port}").parse().unwrap();
        let refused = dialer("far.example").through_foreign(named).dial("far.example", 443).await;
        assert!(matches!(refused, Err(DialError::ProxyRefused(_))), "{refused:?}");
        assert!(proxy.accept().now_or_never().is_none(), "nobody came");
        // Through a proxy, too, nothing inside is asked for.
        let refused = dialer("").through(foreign).dial("169.254.169.254", 80).await;
        assert!(matches!(refused, Err(DialError::Refused(_))), "{refused:?}");
    }
}
