use std::fmt;

use wa_binary::{Jid, Node, Problem, ShapeError};

/// Hosts that are taken from one answer. WhatsApp names fewer than ten.
const MAX_HOSTS: usize = 32;
/// Longest name of a host with its port, in bytes: 253 of the name, a colon and 5 digits.
const MAX_HOST_LEN: usize = 259;

/// The media hosts, and the word that lets us upload to them: the answer to [`MediaConn::request`] (PROTOCOL.md 19.1).
///
/// Times are seconds of whatever clock the caller has. Nothing but its `auth` is secret, which `Debug` doesn't show.
#[derive(Clone, PartialEq, Eq)]
pub struct MediaConn {
    /// What uploads and deletions carry.
    pub auth: String,
    /// The hosts, in the order of the answer.
    pub hosts: Vec<Host>,
    fetched_at: u64,
    hosts_ttl: u64,
    auth_ttl: u64,
}

/// A media host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Its name, or `name:port`.
    pub hostname: String,
    /// Another that stands in for it.
    pub fallback: Option<String>,
    /// When its turn is.
    pub class: HostClass,
}

/// When a host's turn is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HostClass {
    /// Before any other.
    Primary,
    /// When all others failed.
    Fallback,
}

impl MediaConn {
    /// The request, an IQ without its id.
    pub fn request() -> Node<'static> {
        let iq = Node::new("iq").attr("to", Jid::server()).attr("type", "set").attr("xmlns", "w:m");
        iq.child(Node::new("media_conn"))
    }

    /// Reads the answer, which came `now`. What names no host is left out.
    ///
    /// # Errors
    /// The answer has no `<media_conn>`, which lacks `auth`, `ttl` or any host.
    pub fn parse(answer: &Node<'_>, now: u64) -> Result<Self, ShapeError> {
        let conn = answer.require_child("media_conn")?;
        let hosts: Vec<_> = conn.children_named("host").filter_map(Host::parse).take(MAX_HOSTS).collect();
        if hosts.is_empty() {
            let problem = Problem::MissingChild("host".into());
            return Err(ShapeError { tag: Some("media_conn".into()), problem });
        }
        let hosts_ttl = conn.require_number("ttl")?;
        let auth_ttl = conn.attrs.number("auth_ttl").transpose()?.unwrap_or(hosts_ttl);
        let auth = conn.require_text("auth")?.into_owned();
        Ok(Self { auth, hosts, fetched_at: now, hosts_ttl, auth_ttl })
    }

    /// Whether to ask anew before the next use: its hosts have had their time, or `auth` four fifths of its own
    /// (WhatsApp Web, `WAWebMediaHostsStaleness`).
    pub const fn needs_refresh(&self, now: u64) -> bool {
        let age = now.saturating_sub(self.fetched_at);
        age >= self.hosts_ttl || age >= self.auth_ttl / 5 * 4
    }

    /// Whether `auth` is of no use any more. Until then it serves where asking anew fails.
    pub const fn is_expired(&self, now: u64) -> bool {
        now.saturating_sub(self.fetched_at) >= self.auth_ttl
    }

    /// Every host once, in the order in which they are tried: primary ones, those that stand in for them, the others.
    pub fn in_order(&self) -> Vec<&str> {
        let of = |class| self.hosts.iter().filter(move |host| host.class == class);
        let primary = of(HostClass::Primary).map(|host| &*host.hostname);
        let stand_ins = self.hosts.iter().filter_map(|host| host.fallback.as_deref());
        let last = of(HostClass::Fallback).map(|host| &*host.hostname);
        let mut order: Vec<&str> = Vec::with_capacity(self.hosts.len());
        for name in primary.chain(stand_ins).chain(last) {
            if !order.contains(&name) {
                order.push(name);
            }
        }
        order
    }
}

impl Host {
    fn parse(node: &Node<'_>) -> Option<Self> {
        let name =
            |attribute| node.attrs.text(attribute).filter(|name| is_host(name)).map(|n| n.into_owned());
        let class = match node.attrs.text("type").as_deref() {
            Some("fallback") => HostClass::Fallback,
            _ => HostClass::Primary,
        };
        Some(Self { hostname: name("hostname")?, fallback: name("fallback_hostname"), class })
    }
}

/// Whether an address on it stays on it: a name or IPv4 address, perhaps with a port.
fn is_host(text: &str) -> bool {
    let (name, port) = text.split_once(':').unwrap_or((text, "443"));
    let is_of_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    text.len() <= MAX_HOST_LEN
        && !name.is_empty()
        && name.bytes().all(is_of_name)
        && port.parse::<u16>().is_ok()
}

impl fmt::Debug for MediaConn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MediaConn").field("hosts", &self.hosts).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(name: &'static str, class: &'static str) -> Node<'static> {
        Node::new("host").attr("hostname", name).attr("type", class)
    }

    fn answer(hosts: impl IntoIterator<Item = Node<'static>>) -> Node<'static> {
        let conn =
            Node::new("media_conn").attr("auth", "secret").attr("ttl", 300_u32).attr("auth_ttl", 1000_u32);
        Node::new("iq").child(conn.with_children(hosts))
    }

    #[test]
    fn each_host_has_its_turn_once() {
        let hosts = [
            host("last.example", "fallback"),
            host("a.example", "primary").attr("fallback_hostname", "c.example"),
            host("127.0.0.1:8443", "primary").attr("fallback_hostname", "a.example"),
            host("b.example", ""),
        ];
        let conn = MediaConn::parse(&answer(hosts), 0).unwrap();
        assert_eq!(
            conn.in_order(),
            ["a.example", "127.0.0.1:8443", "b.example", "c.example", "last.example"]
        );
        assert_eq!(conn.auth, "secret");
        assert!(!format!("{conn:?}").contains("secret"));
    }

    #[test]
    fn it_is_fresh_for_its_time() {
        let conn = MediaConn::parse(&answer([host("a", "")]), 50).unwrap();
        assert!(!conn.needs_refresh(0) && !conn.needs_refresh(349));
        assert!(conn.needs_refresh(350) && !conn.is_expired(1049));
        assert!(conn.is_expired(1050));
        let mut short = answer([host("a", "")]);
        if let wa_binary::Content::Nodes(children) = &mut short.content {
            children[0].attrs.insert("auth_ttl", 100_u32);
        }
        let conn = MediaConn::parse(&short, 0).unwrap();
        assert!(!conn.needs_refresh(79) && conn.needs_refresh(80));
    }

    #[test]
    fn what_is_no_host_is_left_out() {
        let odd = ["", "a/b", "a@b", "a:b", "a:70000", ":1", "a b", "a?b", "a#b", "a:1:2", "ä"];
        let hosts = odd.into_iter().map(|name| host(name, "")).chain([host("good", "")]);
        let conn = MediaConn::parse(&answer(hosts), 0).unwrap();
        assert_eq!(conn.in_order(), ["good"]);
        let many = (0..100).map(|_| host("good", ""));
        assert_eq!(MediaConn::parse(&answer(many), 0).unwrap().hosts.len(), MAX_HOSTS);
        assert!(MediaConn::parse(&answer([host("a/b", "")]), 0).is_err());
        assert!(MediaConn::parse(&Node::new("iq"), 0).is_err());
    }

    #[test]
    fn the_request_is_the_known_one() {
        let request = MediaConn::request();
        assert!(request.is("iq") && request.get_child("media_conn").is_some());
        assert_eq!(request.attrs.text("xmlns").as_deref(), Some("w:m"));
        assert_eq!(request.attrs.text("type").as_deref(), Some("set"));
    }
}
