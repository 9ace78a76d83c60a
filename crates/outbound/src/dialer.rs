//! One TCP connection: judged, resolved, and through the proxy where there is one.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use thiserror::Error;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::guard::{AddressGuard, Range, Reach, Refused};
use crate::proxy::{Proxy, ProxyError};
use crate::resolver::{NamedBy, ResolveError, Resolver};
use crate::sockets::{Place, Sockets};

/// Opens connections. With a proxy, all of them go through it: one that fails is an error, never a reason to connect
/// directly.
#[derive(Clone, Debug)]
pub struct Dialer {
    guard: AddressGuard,
    resolver: Resolver,
    via: Option<Via>,
    address_timeout: Duration,
    sockets: Sockets,
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
    /// The name leads nowhere.
    #[error("{0}")]
    Name(#[from] ResolveError),
    /// Nobody answers there.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// There is no way through the proxy.
    #[error("the proxy: {0}")]
    Proxy(#[source] ProxyError),
    /// The guard does not let the proxy through.
    #[error("the proxy's address {0}")]
    ProxyRefused(#[source] Refused),
}

/// How long one address may take to answer, unless it is said otherwise.
const ADDRESS_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the proxy may take to open the way.
const PROXY_TIMEOUT: Duration = Duration::from_secs(20);

impl Dialer {
    /// Direct connections to what the guard lets through.
    pub fn new(guard: AddressGuard, resolver: Resolver) -> Self {
        let sockets = Sockets::default();
        Self { guard, resolver, via: None, address_timeout: ADDRESS_TIMEOUT, sockets }
    }

    /// The same, with this much time for each address to answer.
    #[must_use]
    pub fn within(self, address_timeout: Duration) -> Self {
        Self { address_timeout, ..self }
    }

    /// The same for HTTP clients that share these sockets with others.
    #[must_use]
    pub fn among(self, sockets: Sockets) -> Self {
        Self { sockets, ..self }
    }

    /// A place for a connection of an HTTP client.
    pub(crate) async fn place(&self) -> Result<Place, DialError> {
        Ok(self.sockets.take().await?)
    }

    /// The same through a proxy that the gateway's own configuration names, wherever that is.
    #[must_use]
    pub fn through(self, proxy: Proxy) -> Self {
        Self { via: Some(Via { proxy, reach: Reach::Named }), ..self }
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
            Reach::Named | Reach::Trusted => Ok(*reach),
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
            Err(_) => {
                let by = if reach == Reach::Guarded { NamedBy::User } else { NamedBy::Configuration };
                self.resolver.resolve(host, port, by).await?
            }
        };
        let permitted = self.guard.permitted(reach, found)?;
        self.check_not_ours(&permitted, port, reach).await?;
        let mut failed: Option<io::Error> = None;
        for address in permitted {
            match timeout(self.address_timeout, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    stream.set_nodelay(true)?;
                    return Ok(stream);
                }
                // What an address says of itself counts for more than that we could not reach another.
                Ok(Err(error)) if failed.as_ref().is_none_or(is_local) => failed = Some(error),
                Ok(Err(_)) => {}
                Err(_) => failed = Some(io::ErrorKind::TimedOut.into()),
            }
        }
        Err(failed.unwrap_or_else(|| io::ErrorKind::NotFound.into()).into())
    }

    /// A host of ours is not reached under another name either.
    async fn check_not_ours(&self, found: &[SocketAddr], port: u16, reach: Reach) -> Result<(), Refused> {
        // Only what is inside may be ours: of public hosts, nobody needs to be asked for more than one.
        let is_inside = found.iter().any(|address| Range::of(address.ip()).is_some());
        if reach == Reach::Named || !is_inside {
            return Ok(());
        }
        for ours in self.guard.closed_names(port) {
            let known = self.resolver.resolve(&ours, port, NamedBy::Configuration).await.unwrap_or_default();
            if known.iter().any(|known| found.contains(known)) {
                return Err(Refused::Ours);
            }
        }
        Ok(())
    }
}

impl DialError {
    /// Whether it says something about this gateway or the machine that it runs on, and nothing about the destination.
    pub fn is_ours(&self) -> bool {
        match self {
            Self::Name(ResolveError::Failed(_)) => true,
            Self::Io(error) | Self::Proxy(ProxyError::Io(error)) => is_local(error),
            _ => false,
        }
    }
}

/// Whether the system refused a connection before anything left the machine: no descriptor, memory, port or network.
fn is_local(error: &io::Error) -> bool {
    use io::ErrorKind::{
        AddrInUse, AddrNotAvailable, NetworkDown, NetworkUnreachable, OutOfMemory, PermissionDenied,
        QuotaExceeded, ResourceBusy, WouldBlock,
    };
    /// ENFILE and EMFILE, and ENOBUFS of Linux and of the BSDs: they have no kind.
    const CODES: [i32; 4] = [23, 24, 105, 55];
    let is_kind = matches!(
        error.kind(),
        AddrInUse
            | AddrNotAvailable
            | NetworkDown
            | NetworkUnreachable
            | OutOfMemory
            | PermissionDenied
            | QuotaExceeded
            | ResourceBusy
            | WouldBlock
    );
    is_kind || error.raw_os_error().is_some_and(|code| CODES.contains(&code))
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

    #[test]
    fn what_the_machine_lacks_says_nothing_about_the_destination() {
        let io = |code| DialError::from(io::Error::from_raw_os_error(code));
        // EMFILE, ENFILE, ENOMEM, EADDRNOTAVAIL, ENETUNREACH; then ECONNREFUSED, ECONNRESET, ETIMEDOUT, EHOSTUNREACH.
        #[cfg(target_os = "linux")]
        for (code, ours) in [
            (24, true),
            (23, true),
            (12, true),
            (99, true),
            (101, true),
            (111, false),
            (104, false),
            (110, false),
            (113, false),
        ] {
            assert_eq!(io(code).is_ours(), ours, "{code}");
        }
        assert!(io(24).is_ours());
        assert!(DialError::from(ResolveError::Failed(String::new())).is_ours());
        assert!(!DialError::from(ResolveError::Unknown).is_ours());
        assert!(!DialError::from(Refused::Ours).is_ours());
    }

    #[tokio::test]
    async fn this_gateway_is_refused_under_every_name() {
        let (listener, port) = listen().await;
        let dialer = dialer("127.0.0.0/8, inside.example");
        dialer.guard.close(SocketAddr::from(([127, 0, 0, 1], port)));
        for host in
            ["inside.example", "other.example", "127.0.0.1", "127.9.9.9", "0.0.0.0", "[::ffff:127.0.0.1]"]
        {
            let refused = dialer.dial(host, port).await;
            assert!(
                matches!(refused, Err(DialError::Refused(Refused::Ours | Refused::Address { .. }))),
                "{host}: {refused:?}"
            );
        }
        assert!(listener.accept().now_or_never().is_none(), "nobody came");
    }

    #[tokio::test]
    async fn a_closed_host_is_refused_by_its_address_too() {
        let (listener, port) = listen().await;
        let closed = format!("ws://simulator.example:{port}/");
        let dialer = dialer("127.0.0.0/8");
        dialer.guard.close_host(&closed.parse().unwrap());
        for host in ["simulator.example", "127.0.0.1", "alias.example"] {
            let refused = dialer.dial(host, port).await;
            assert!(matches!(refused, Err(DialError::Refused(Refused::Ours))), "{host}: {refused:?}");
        }
        assert!(listener.accept().now_or_never().is_none(), "nobody came");
        let (_other, port) = listen().await;
        assert!(dialer.dial("alias.example", port).await.is_ok(), "another port is somebody else's");
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
