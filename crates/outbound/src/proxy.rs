//! Proxies: SOCKS5 (RFC 1928, 1929) and HTTP CONNECT (RFC 9110).

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use url::{Host, Url};

/// A proxy: `socks5://[user:password@]host[:port]` or `http://[user:password@]host[:port]`. It resolves the names of
/// destinations. Neither `Debug` nor `Display` show its credentials.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    kind: Kind,
    host: String,
    port: u16,
    credentials: Option<(String, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Socks5,
    HttpConnect,
}

/// Why a text names no proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidProxy {
    /// Not a URL with one of the two schemes and a host.
    #[error("must be socks5://[user:password@]host:port or http://[user:password@]host:port")]
    Malformed,
    /// SOCKS5 takes 255 bytes of each.
    #[error("must have at most 255 bytes of user name and of password")]
    Credentials,
}

/// Why there is no way through a proxy.
#[derive(Debug, Error)]
pub enum ProxyError {
    /// The connection to it failed.
    #[error("the connection to it failed: {0}")]
    Io(#[from] io::Error),
    /// It wants other credentials, or some.
    #[error("it does not accept the credentials")]
    Credentials,
    /// It can't reach the destination, or won't.
    #[error("it refuses the destination ({0})")]
    Refused(u16),
    /// It answers something else.
    #[error("it does not speak the protocol")]
    Protocol,
}

/// Longest head of an answer to CONNECT.
const MAX_HEAD: usize = 8 << 10;
/// What SOCKS5 takes of a name and of either credential.
const MAX_FIELD: usize = 255;

impl Proxy {
    /// Its host: a name, or an address without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port that it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Asks for a way to the destination over a connection to the proxy. After it, the connection is one to the
    /// destination.
    pub(crate) async fn open<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut S,
        host: &str,
        port: u16,
    ) -> Result<(), ProxyError> {
        match self.kind {
            Kind::Socks5 => self.socks5(stream, host, port).await,
            Kind::HttpConnect => self.http_connect(stream, host, port).await,
        }
    }

    async fn socks5<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut S,
        host: &str,
        port: u16,
    ) -> Result<(), ProxyError> {
        const NONE: u8 = 0;
        const PASSWORD: u8 = 2;
        let methods: &[u8] = if self.credentials.is_some() { &[5, 2, NONE, PASSWORD] } else { &[5, 1, NONE] };
        stream.write_all(methods).await?;
        match (read::<2>(stream).await?, &self.credentials) {
            ([5, NONE], _) => {}
            ([5, PASSWORD], Some((user, password))) => {
                let mut login = vec![1];
                put_field(&mut login, user.as_bytes())?;
                put_field(&mut login, password.as_bytes())?;
                stream.write_all(&login).await?;
                if read::<2>(stream).await?[1] != 0 {
                    return Err(ProxyError::Credentials);
                }
            }
            ([5, _], _) => return Err(ProxyError::Credentials),
            _ => return Err(ProxyError::Protocol),
        }
        let mut request = vec![5, 1, 0];
        match host.parse::<IpAddr>() {
            Ok(IpAddr::V4(v4)) => {
                request.push(1);
                request.extend(v4.octets());
            }
            Ok(IpAddr::V6(v6)) => {
                request.push(4);
                request.extend(v6.octets());
            }
            Err(_) => {
                request.push(3);
                put_field(&mut request, host.as_bytes())?;
            }
        }
        request.extend(port.to_be_bytes());
        stream.write_all(&request).await?;
        let [version, reply, _, address] = read::<4>(stream).await?;
        if version != 5 {
            return Err(ProxyError::Protocol);
        }
        if reply != 0 {
            return Err(ProxyError::Refused(reply.into()));
        }
        // Where the proxy connects from: of no use to us.
        match address {
            1 => read::<6>(stream).await.map(drop),
            4 => read::<18>(stream).await.map(drop),
            3 => {
                let [length] = read::<1>(stream).await?;
                let mut rest = vec![0; usize::from(length) + 2];
                stream.read_exact(&mut rest).await.map(drop)
            }
            _ => return Err(ProxyError::Protocol),
        }?;
        Ok(())
    }

    async fn http_connect<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut S,
        host: &str,
        port: u16,
    ) -> Result<(), ProxyError> {
        let authority =
            if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        let mut request = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n");
        if let Some((user, password)) = &self.credentials {
            let basic = STANDARD.encode(format!("{user}:{password}"));
            request.push_str(&format!("Proxy-Authorization: Basic {basic}\r\n"));
        }
        request.push_str("\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            if head.len() >= MAX_HEAD {
                return Err(ProxyError::Protocol);
            }
            // Byte by byte: what follows the head is the destination's.
            head.extend(read::<1>(stream).await?);
        }
        let status = std::str::from_utf8(&head).ok().and_then(|head| head.split(' ').nth(1)?.parse().ok());
        match status {
            Some(200..=299) if head.starts_with(b"HTTP/1.") => Ok(()),
            Some(407) => Err(ProxyError::Credentials),
            Some(status) => Err(ProxyError::Refused(status)),
            None => Err(ProxyError::Protocol),
        }
    }
}

async fn read<const N: usize>(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

/// A length and the bytes.
fn put_field(message: &mut Vec<u8>, field: &[u8]) -> Result<(), ProxyError> {
    message.push(u8::try_from(field.len()).map_err(|_| ProxyError::Protocol)?);
    message.extend(field);
    Ok(())
}

impl FromStr for Proxy {
    type Err = InvalidProxy;

    fn from_str(text: &str) -> Result<Self, InvalidProxy> {
        let url = Url::parse(text.trim()).map_err(|_| InvalidProxy::Malformed)?;
        let (kind, usual) = match url.scheme() {
            "socks5" | "socks5h" => (Kind::Socks5, 1080),
            "http" => (Kind::HttpConnect, 80),
            _ => return Err(InvalidProxy::Malformed),
        };
        let has_more = !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some();
        let host = match url.host() {
            Some(Host::Ipv6(address)) => address.to_string(),
            Some(host) => host.to_string(),
            None => return Err(InvalidProxy::Malformed),
        };
        let port = url.port().unwrap_or(usual);
        if has_more || host.is_empty() || port == 0 {
            return Err(InvalidProxy::Malformed);
        }
        let decoded = |text: &str| {
            let text = percent_decode_str(text).decode_utf8().map_err(|_| InvalidProxy::Credentials)?;
            let is_usable = text.len() <= MAX_FIELD && !text.contains(char::is_control);
            if is_usable { Ok(text.into_owned()) } else { Err(InvalidProxy::Credentials) }
        };
        let credentials = match (url.username(), url.password()) {
            ("", None) => None,
            (user, password) => Some((decoded(user)?, decoded(password.unwrap_or_default())?)),
        };
        Ok(Self { kind, host, port, credentials })
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.kind {
            Kind::Socks5 => "socks5",
            Kind::HttpConnect => "http",
        };
        let (open, close) = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        write!(f, "{scheme}://{open}{}{close}:{}", self.host, self.port)
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::DuplexStream;

    use super::*;

    #[test]
    fn proxies_are_read_and_shown_without_their_credentials() {
        for (text, shown) in [
            ("socks5://127.0.0.1:1080", "socks5://127.0.0.1:1080"),
            ("socks5h://proxy.example", "socks5://proxy.example:1080"),
            (" socks5://us%40er:se%3Acret@[::1]:9050 ", "socks5://[::1]:9050"),
            ("http://user:secret@proxy.example:3128/", "http://proxy.example:3128"),
            ("http://proxy.example", "http://proxy.example:80"),
        ] {
            let proxy: Proxy = text.parse().unwrap();
            assert_eq!((proxy.to_string(), format!("{proxy:?}")), (shown.to_owned(), shown.to_owned()));
        }
        let proxy: Proxy = "socks5://us%40er:se%3Acret@[::1]:9050".parse().unwrap();
        assert_eq!(proxy.credentials, Some(("us@er".to_owned(), "se:cret".to_owned())));
    }

    #[test]
    fn other_texts_are_refused() {
        let long = format!("socks5://{}@h:1", "u".repeat(256));
        for text in [
            "",
            "proxy:1080",
            "https://p:1",
            "socks4://p:1",
            "socks5://",
            "http://p:0",
            "http://p/path",
            "ftp://p",
        ] {
            assert_eq!(text.parse::<Proxy>(), Err(InvalidProxy::Malformed), "{text}");
        }
        for text in [&long, "http://a%0d%0ab:c@p:1"] {
            assert_eq!(text.parse::<Proxy>(), Err(InvalidProxy::Credentials), "{text}");
        }
    }

    /// What the proxy is sent in turn, and what it answers.
    async fn conversation(proxy: &str, host: &str, turns: &[(&[u8], &[u8])]) -> Result<(), ProxyError> {
        let (mut ours, theirs) = tokio::io::duplex(1024);
        let proxy: Proxy = proxy.parse().unwrap();
        let serving = async {
            let mut theirs: DuplexStream = theirs;
            for (expected, answer) in turns {
                let mut asked = vec![0; expected.len()];
                theirs.read_exact(&mut asked).await.unwrap();
                assert_eq!(asked, *expected, "{}", String::from_utf8_lossy(&asked));
                theirs.write_all(answer).await.unwrap();
            }
            theirs
        };
        let (opened, _theirs) = tokio::join!(proxy.open(&mut ours, host, 443), serving);
        opened
    }

    #[tokio::test]
    async fn socks5_is_spoken_with_and_without_credentials() {
        let to_name: &[u8] = b"\x05\x01\x00\x03\x0bexample.org\x01\xbb";
        let done: &[u8] = &[5, 0, 0, 1, 10, 0, 0, 1, 4, 4];
        conversation("socks5://p", "example.org", &[(&[5, 1, 0], &[5, 0]), (to_name, done)]).await.unwrap();
        let login: &[u8] = b"\x01\x01u\x02pw";
        let turns: &[(&[u8], &[u8])] = &[(&[5, 2, 0, 2], &[5, 2]), (login, &[1, 0]), (to_name, done)];
        conversation("socks5://u:pw@p", "example.org", turns).await.unwrap();
        let to_address: &[u8] = &[5, 1, 0, 1, 192, 0, 2, 7, 1, 0xbb];
        conversation("socks5://p", "192.0.2.7", &[(&[5, 1, 0], &[5, 0]), (to_address, done)]).await.unwrap();
    }

    #[tokio::test]
    async fn socks5_refusals_have_their_names() {
        let refused = conversation("socks5://u:pw@p", "h", &[(&[5, 2, 0, 2], &[5, 0xff])]).await;
        assert!(matches!(refused, Err(ProxyError::Credentials)), "{refused:?}");
        let turns: &[(&[u8], &[u8])] = &[(&[5, 2, 0, 2], &[5, 2]), (b"\x01\x01u\x02pw", &[1, 1])];
        let refused = conversation("socks5://u:pw@p", "h", turns).await;
        assert!(matches!(refused, Err(ProxyError::Credentials)), "{refused:?}");
        let turns: &[(&[u8], &[u8])] =
            &[(&[5, 1, 0], &[5, 0]), (b"\x05\x01\x00\x03\x01h\x01\xbb", &[5, 4, 0, 1, 0, 0, 0, 0, 0, 0])];
        let refused = conversation("socks5://p", "h", turns).await;
        assert!(matches!(refused, Err(ProxyError::Refused(4))), "{refused:?}");
        let refused = conversation("socks5://p", "h", &[(&[5, 1, 0], b"HT")]).await;
        assert!(matches!(refused, Err(ProxyError::Protocol)), "{refused:?}");
    }

    #[tokio::test]
    async fn http_connect_is_spoken() {
        let asked: &[u8] = b"CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\
            Proxy-Authorization: Basic dTpwdw==\r\n\r\n";
        let answer = b"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n";
        conversation("http://u:pw@p", "example.org", &[(asked, answer)]).await.unwrap();
        let asked: &[u8] = b"CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\n\r\n";
        conversation("http://p", "::1", &[(asked, b"HTTP/1.0 200 OK\r\n\r\n")]).await.unwrap();
        for (answer, status) in [(&b"HTTP/1.1 403 No\r\n\r\n"[..], 403), (b"HTTP/1.1 502 Bad\r\n\r\n", 502)] {
            let refused = conversation("http://p", "::1", &[(asked, answer)]).await;
            assert!(matches!(refused, Err(ProxyError::Refused(found)) if found == status), "{refused:?}");
        }
        let refused = conversation("http://p", "::1", &[(asked, b"HTTP/1.1 407 Auth\r\n\r\n")]).await;
        assert!(matches!(refused, Err(ProxyError::Credentials)), "{refused:?}");
    }
}
