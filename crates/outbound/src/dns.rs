//! Look-ups in DNS, without a thread for each.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::Name;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::resolver::{Lookup, ResolveError};

/// Answers that are kept at most, those that say no among them.
const CACHE_SIZE: u64 = 1024;
/// How long an answer is kept at most, whatever it says itself: who moves a host need not restart the gateway.
const LONGEST_KEPT: Duration = Duration::from_secs(300);
/// The same of one that says no: a name that was just made is found soon.
const LONGEST_KEPT_NO: Duration = Duration::from_secs(30);
/// One question to one name server; a lost datagram is sent once more within the whole look-up's time.
const QUESTION_TIMEOUT: Duration = Duration::from_millis(1400);
/// How often the system's configuration is looked at for changes (another network, a VPN).
const LOOK_AGAIN: Duration = Duration::from_secs(30);
/// What the system's configuration is made of.
const SYSTEM_FILES: [&str; 2] = ["/etc/resolv.conf", "/etc/hosts"];

/// Looks up as the system's configuration says, and follows its changes.
pub(crate) fn system() -> Arc<Lookup> {
    let system = Arc::new(System::default());
    Arc::new(move |name| {
        let system = Arc::clone(&system);
        Box::pin(async move { addresses(&system.resolver()?, &name).await })
    })
}

/// Looks up at these name servers.
pub(crate) fn of_servers(servers: &[SocketAddr]) -> Arc<Lookup> {
    let servers = servers.iter().map(|server| {
        let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
            connection.port = server.port();
            connection
        });
        NameServerConfig::new(server.ip(), true, connections.to_vec())
    });
    let config = ResolverConfig::from_parts(None, Vec::new(), servers.collect());
    let built = build(config, ResolverOpts::default()).map_err(|error| failed(&error));
    Arc::new(move |name| {
        let built = built.clone();
        Box::pin(async move { addresses(&built?, &name).await })
    })
}

#[derive(Default)]
struct System {
    known: Mutex<Option<Known>>,
}

struct Known {
    resolver: TokioResolver,
    looked: Instant,
    written: Vec<Option<SystemTime>>,
}

impl System {
    fn resolver(&self) -> Result<TokioResolver, ResolveError> {
        let mut known = self.known.lock();
        if let Some(known) = known.as_mut() {
            if known.looked.elapsed() < LOOK_AGAIN {
                return Ok(known.resolver.clone());
            }
            known.looked = Instant::now();
            if known.written == written() {
                return Ok(known.resolver.clone());
            }
        }
        let written = written();
        let resolver = read_system().map_err(|error| failed(&error))?;
        *known = Some(Known { resolver: resolver.clone(), looked: Instant::now(), written });
        Ok(resolver)
    }
}

/// When the files of the system's configuration were written.
fn written() -> Vec<Option<SystemTime>> {
    let written = |file: &&str| std::fs::metadata(Path::new(file)).and_then(|found| found.modified()).ok();
    SYSTEM_FILES.iter().map(written).collect()
}

fn read_system() -> Result<TokioResolver, NetError> {
    match hickory_resolver::system_conf::read_system_conf() {
        Ok((config, options)) => build(config, options),
        // Without a configuration there is, by convention, a name server on this machine.
        Err(_) => {
            let local = NameServerConfig::udp_and_tcp(IpAddr::V4(Ipv4Addr::LOCALHOST));
            build(ResolverConfig::from_parts(None, Vec::new(), vec![local]), ResolverOpts::default())
        }
    }
}

fn build(config: ResolverConfig, mut options: ResolverOpts) -> Result<TokioResolver, NetError> {
    options.timeout = QUESTION_TIMEOUT;
    options.attempts = 1;
    options.cache_size = CACHE_SIZE;
    options.positive_max_ttl = Some(LONGEST_KEPT);
    options.negative_max_ttl = Some(LONGEST_KEPT_NO);
    options.use_hosts_file = ResolveHosts::Always;
    // Whoever has no IPv6 loses no time over it.
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()).with_options(options).build()
}

async fn addresses(resolver: &TokioResolver, name: &str) -> Result<Vec<SocketAddr>, ResolveError> {
    // Of what is no name at all, no name server needs to be asked.
    let name = Name::from_utf8(name).map_err(|_| ResolveError::Unknown)?;
    let found = resolver.lookup_ip(name).await.map_err(|error| failed(&error))?;
    Ok(found.iter().map(|address| SocketAddr::new(address, 0)).collect())
}

/// Only an answer that says so means that there is no such name.
fn failed(error: &NetError) -> ResolveError {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(none))
            if matches!(none.response_code, ResponseCode::NXDomain | ResponseCode::NoError) =>
        {
            ResolveError::Unknown
        }
        NetError::Dns(DnsError::NoRecordsFound(none)) => {
            ResolveError::Failed(format!("a name server answered \"{}\"", none.response_code))
        }
        NetError::Dns(DnsError::ResponseCode(code)) => {
            ResolveError::Failed(format!("a name server answered \"{code}\""))
        }
        NetError::Timeout => ResolveError::Failed("no name server answered in time".to_owned()),
        other => ResolveError::Failed(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::UdpSocket;

    use super::*;

    /// A name server that answers every question with this code and, where there is one, this address.
    async fn serve(code: u8, address: Option<[u8; 4]>) -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let at = socket.local_addr().unwrap();
        tokio::spawn(async move {
            let mut question = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut question).await {
                socket.send_to(&answer(&question[..length], code, address), from).await.unwrap();
            }
        });
        at
    }

    /// RFC 1035: the question's id and question, and at most one record.
    fn answer(question: &[u8], code: u8, address: Option<[u8; 4]>) -> Vec<u8> {
        let end = 12 + question[12..].iter().position(|byte| *byte == 0).unwrap() + 5;
        let is_a = question[end - 4..end - 2] == [0, 1];
        let address = address.filter(|_| is_a);
        let mut answer = question[..2].to_vec();
        answer.extend([0x81, 0x80 | code, 0, 1, 0, u8::from(address.is_some()), 0, 0, 0, 0]);
        answer.extend(&question[12..end]);
        if let Some(address) = address {
            answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
            answer.extend(address);
        }
        answer
    }

    async fn looked_up(code: u8, address: Option<[u8; 4]>) -> Result<Vec<SocketAddr>, ResolveError> {
        let server = serve(code, address).await;
        of_servers(&[server])("hooks.example".to_owned()).await
    }

    #[tokio::test]
    async fn what_a_name_server_says_is_told_from_what_it_can_not_say() {
        let found = looked_up(0, Some([192, 0, 2, 7])).await;
        assert_eq!(found, Ok(vec![SocketAddr::from(([192, 0, 2, 7], 0))]));
        assert_eq!(looked_up(3, None).await, Err(ResolveError::Unknown), "NXDOMAIN");
        assert_eq!(looked_up(0, None).await, Err(ResolveError::Unknown), "no address");
        for code in [2, 5] {
            let failed = looked_up(code, None).await;
            assert!(matches!(failed, Err(ResolveError::Failed(_))), "{code}: {failed:?}");
        }
    }

    #[tokio::test]
    async fn a_name_server_that_is_not_there_says_nothing_about_the_name() {
        let gone = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let failed = of_servers(&[gone])("hooks.example".to_owned()).await;
        assert!(matches!(failed, Err(ResolveError::Failed(_))), "{failed:?}");
    }

    #[tokio::test]
    async fn the_file_of_hosts_is_read() {
        let found = system()("localhost".to_owned()).await.unwrap();
        assert!(found.iter().all(|address| address.ip().is_loopback()), "{found:?}");
    }
}
