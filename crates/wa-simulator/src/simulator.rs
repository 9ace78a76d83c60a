use std::{fmt, io, net::SocketAddr, sync::Arc};

use rand::Rng as _;
use serde::Serialize;
use tokio::io::DuplexStream;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use wa_crypto::PublicKey;

use crate::{
    ControlError, Fault, FaultKind, GroupInfo, Moment, Options, Phone, Stolen, TraceEntry,
    account::Account,
    connection::{self, Connection},
    control::{self, Certificate},
    handle::groups::{described_group, find_group},
    novelties,
    pairing::WaitingClient,
    world::World,
};

/// Most phones that are made with one call: as many as a machine has room for, and no more by a slip.
const MAX_PHONES_AT_ONCE: u64 = 10_000;

/// Bytes under way in a connection to the media host without a socket, each way.
const MEDIA_PIPE: usize = 64 << 10;

/// WhatsApp's side of everything: server, phones and media host.
///
/// It runs in tasks of the runtime it was started in, and ends when the last clone is dropped.
#[derive(Clone)]
pub struct Simulator {
    inner: Arc<Inner>,
}

struct Inner {
    world: Arc<World>,
    listener: Option<Listener>,
    stop: CancellationToken,
}

struct Listener {
    address: SocketAddr,
    certificate: Option<Certificate>,
    token: Option<String>,
}

/// Why a simulator can't be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is reachable from other machines, and [`Options::allow_remote`] is off.
    #[error("{0} is no loopback address, and remote access is not allowed")]
    Remote(SocketAddr),
    /// The address can't be listened on.
    #[error("can't listen on {0}: {1}")]
    Listen(SocketAddr, #[source] io::Error),
    /// The certificate can't be made.
    #[error("can't make a certificate: {0}")]
    Certificate(String),
}

/// What clients need to know to reach the simulator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Info {
    /// The root of its certificates, as a client's trust root: 32 bytes in hexadecimal.
    pub root_key: String,
    /// Where its WhatsApp Web socket is; none without a listener.
    pub ws_url: Option<String>,
    /// Where its media host is; none without a listener.
    pub media_url: Option<String>,
    /// The TLS certificate in PEM, when it serves TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// What the control API asks for, when it asks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub control_token: Option<String>,
}

/// A fault as it was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct PlacedFault {
    /// Its number, to clear it by.
    pub id: u64,
    /// How many connections it struck at once.
    pub struck: usize,
}

impl Simulator {
    /// Starts a simulator in the present tokio runtime.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let (listen, allow_remote, tls) = (options.listen, options.allow_remote, options.tls);
        let token = options.control_token.clone();
        let world = World::new(options);
        let stop = CancellationToken::new();
        let listener = match listen {
            Some(address) if !allow_remote && !address.ip().is_loopback() => {
                return Err(StartError::Remote(address));
            }
            Some(address) => Some(listen_on(&world, address, tls, token, &stop).await?),
            None => None,
        };
        Ok(Self { inner: Arc::new(Inner { world, listener, stop }) })
    }

    /// Opens a connection without a socket. Time may be paused.
    pub fn connect(&self) -> Connection {
        let (client, server) = connection::in_memory();
        let world = self.inner.world.clone();
        world.runtime.clone().spawn(connection::serve(world, server));
        client
    }

    /// Opens a connection to its media host without a socket, for one request after another in HTTP/1.1. Time may be paused.
    pub fn connect_media(&self) -> DuplexStream {
        let (client, server) = tokio::io::duplex(MEDIA_PIPE);
        let world = &self.inner.world;
        let info = info(world, self.inner.listener.as_ref());
        let nobody = SocketAddr::from(([127, 0, 0, 1], 0));
        let token = info.control_token.clone();
        let doors = control::Doors::new(world.clone(), info, control::Guard::new(nobody, token));
        world.runtime.spawn(control::serve(server, doors));
        client
    }

    /// The root that clients must trust.
    pub fn root_key(&self) -> PublicKey {
        *self.inner.world.authority.root()
    }

    /// The address of the listener.
    pub fn address(&self) -> Option<SocketAddr> {
        self.inner.listener.as_ref().map(|listener| listener.address)
    }

    /// How clients reach it: `GET /sim/info`.
    pub fn info(&self) -> Info {
        info(&self.inner.world, self.inner.listener.as_ref())
    }

    /// Creates an account with its phone, or finds it: `POST /sim/phones`.
    pub fn create_phone(&self, number: &str, name: Option<&str>) -> Result<Phone, ControlError> {
        create_phone(&self.inner.world, number, name)
    }

    /// Creates, or finds, so many accounts whose numbers follow each other, from this one on: `POST /sim/phones` with
    /// `count`.
    pub fn create_phones(&self, first: &str, count: u64) -> Result<Vec<Phone>, ControlError> {
        create_phones(&self.inner.world, first, count)
    }

    /// The phone with this number.
    pub fn phone(&self, number: &str) -> Result<Phone, ControlError> {
        Ok(Phone::new(self.inner.world.clone(), self.inner.world.phone(&canonical(number)?)?))
    }

    /// All phones, by number.
    pub fn phones(&self) -> Vec<Phone> {
        let accounts = self.inner.world.accounts();
        accounts.into_iter().map(|account| Phone::new(self.inner.world.clone(), account)).collect()
    }

    /// All groups, oldest first: `GET /sim/groups`.
    pub fn groups(&self) -> Vec<GroupInfo> {
        self.inner.world.groups().iter().map(|group| described_group(group)).collect()
    }

    /// The group with this address.
    pub fn group(&self, jid: &str) -> Result<GroupInfo, ControlError> {
        Ok(described_group(&*find_group(&self.inner.world, jid)?))
    }

    /// The clients that wait to be paired: `GET /sim/pairings`.
    pub fn pairings(&self) -> Vec<WaitingClient> {
        self.inner.world.pairings.waiting()
    }

    /// Has something go wrong: `POST /sim/faults`.
    pub fn add_fault(&self, fault: Fault) -> Result<PlacedFault, ControlError> {
        place(&self.inner.world, fault)
    }

    /// The faults that are still to strike, with their numbers.
    pub fn faults(&self) -> Vec<(u64, Fault)> {
        self.inner.world.faults.list()
    }

    /// Ends a fault, and delivers what it has held.
    pub fn clear_fault(&self, id: u64) -> Result<(), ControlError> {
        clear(&self.inner.world, Some(id))
    }

    /// Ends all faults, and delivers what they have held.
    pub fn clear_faults(&self) {
        // Clearing all of them can't miss one.
        clear(&self.inner.world, None).ok();
    }

    /// What the server could read as an [`Impostor`](crate::Impostor): `GET /sim/stolen`.
    pub fn stolen(&self) -> Vec<Stolen> {
        self.inner.world.impostors.stolen()
    }

    /// Recent stanzas, oldest first, of one account or of all: `GET /sim/trace`.
    pub fn trace(&self, number: Option<&str>) -> Vec<TraceEntry> {
        self.inner.world.trace.entries(number)
    }

    /// A newer version of WhatsApp Web comes out; older ones age as [`Behaviour`](crate::Behaviour) says: `POST
    /// /sim/version`.
    pub fn publish_version(&self, newest: [u32; 3]) {
        self.inner.world.versions.publish(Some(newest), None);
    }

    /// Older versions are refused at once: `POST /sim/version`.
    pub fn require_version(&self, minimum: [u32; 3]) {
        self.inner.world.versions.publish(None, Some(minimum));
    }

    /// Shifts the clock of server and phones to so many milliseconds ahead of the simulator's: `POST /sim/clock`.
    pub fn set_clock_offset(&self, millis: i64) {
        self.inner.world.clock.set_offset(millis);
    }

    /// Forgets everything and ends every connection: `POST /sim/reset`. Root and server keys stay.
    pub fn reset(&self) {
        self.inner.world.reset();
    }
}

impl fmt::Debug for Simulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulator").field("address", &self.address()).finish_non_exhaustive()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop.cancel();
        self.world.stop();
    }
}

async fn listen_on(
    world: &Arc<World>,
    address: SocketAddr,
    tls: bool,
    token: Option<String>,
    stop: &CancellationToken,
) -> Result<Listener, StartError> {
    let failed = |error| StartError::Listen(address, error);
    let socket = TcpListener::bind(address).await.map_err(failed)?;
    let address = socket.local_addr().map_err(failed)?;
    let certificate = if tls { Some(Certificate::self_signed(address.ip())?) } else { None };
    // Set once: a world has one listener.
    world.media_host.set(address.to_string()).ok();
    let acceptor = certificate.as_ref().map(|certificate| certificate.acceptor.clone());
    let token = token.or_else(|| (!address.ip().is_loopback()).then(|| new_token(world)));
    let listener = Listener { address, certificate, token: token.clone() };
    let guard = control::Guard::new(address, token);
    let doors = control::Doors::new(world.clone(), info(world, Some(&listener)), guard);
    world.runtime.spawn(control::accept(socket, acceptor, doors, stop.clone()));
    Ok(listener)
}

fn info(world: &World, listener: Option<&Listener>) -> Info {
    let certificate = listener
        .and_then(|listener| listener.certificate.as_ref())
        .map(|certificate| certificate.pem.clone());
    let s = if certificate.is_some() { "s" } else { "" };
    Info {
        root_key: hex::encode(world.authority.root().as_bytes()),
        ws_url: listener.map(|listener| format!("ws{s}://{}/ws/chat", listener.address)),
        media_url: listener.map(|listener| format!("http{s}://{}/mms", listener.address)),
        certificate,
        control_token: listener.and_then(|listener| listener.token.clone()),
    }
}

fn new_token(world: &World) -> String {
    let mut token = [0; 16];
    world.fork_rng().fill_bytes(&mut token);
    hex::encode(token)
}

/// A number as accounts have it: digits only.
pub(crate) fn canonical(number: &str) -> Result<String, ControlError> {
    let digits = number.trim().trim_start_matches('+');
    let is_number = (7..=15).contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && !digits.starts_with('0');
    if is_number { Ok(digits.to_owned()) } else { Err(ControlError::InvalidNumber(number.to_owned())) }
}

pub(crate) fn create_phone(
    world: &Arc<World>,
    number: &str,
    name: Option<&str>,
) -> Result<Phone, ControlError> {
    let account = world.create(&canonical(number)?, name.map(str::to_owned));
    Ok(Phone::new(world.clone(), account))
}

pub(crate) fn create_phones(world: &Arc<World>, first: &str, count: u64) -> Result<Vec<Phone>, ControlError> {
    let invalid = || ControlError::InvalidNumber(first.to_owned());
    let first: u64 = canonical(first)?.parse().map_err(|_| invalid())?;
    let end = first.checked_add(count).filter(|_| count <= MAX_PHONES_AT_ONCE).ok_or_else(invalid)?;
    (first..end).map(|number| create_phone(world, &number.to_string(), None)).collect()
}

/// Lets a fault strike now, or keeps it.
pub(crate) fn place(world: &World, fault: Fault) -> Result<PlacedFault, ControlError> {
    let is_immediate = match &fault.kind {
        FaultKind::Drop { when } | FaultKind::StreamError { when, .. } => *when == Moment::Now,
        FaultKind::Stanza { .. } | FaultKind::ExpireMedia | FaultKind::LoseMedia => true,
        _ => false,
    };
    let accounts = match &fault.number {
        Some(number) => vec![world.phone(&canonical(number)?)?],
        None => world.accounts(),
    };
    let struck = match &fault.kind {
        FaultKind::Stanza { tag } => {
            accounts.iter().map(|account| surprise(world, account, &fault, tag)).sum()
        }
        FaultKind::ExpireMedia => world.media.expire(),
        FaultKind::LoseMedia => world.media.clear(),
        kind if is_immediate || *kind == FaultKind::Silence => {
            accounts.iter().map(|account| world.end_connections(account, fault.device, kind)).sum()
        }
        _ => 0,
    };
    let id = if is_immediate { world.faults.next_id() } else { world.faults.add(fault) };
    Ok(PlacedFault { id, struck })
}

/// Delivers a stanza of this kind to the companions that a fault is for; returns how many there are.
fn surprise(world: &World, account: &Arc<Account>, fault: &Fault, tag: &str) -> usize {
    let devices: Vec<u16> = account.directory().companions.keys().copied().collect();
    let struck: Vec<u16> =
        devices.into_iter().filter(|device| fault.strikes(&account.number, *device)).collect();
    for device in &struck {
        (0..fault.count.unwrap_or(1)).for_each(|_| novelties::deliver(world, account, *device, tag));
    }
    struck.len()
}

/// Ends faults, and delivers what they have held.
pub(crate) fn clear(world: &World, id: Option<u64>) -> Result<(), ControlError> {
    let cleared = world.faults.clear(id);
    if let (Some(id), true) = (id, cleared.is_empty()) {
        return Err(ControlError::UnknownFault(id));
    }
    for (account, device, stanza) in cleared.into_iter().flat_map(|active| active.held) {
        world.hand_over(&account, device, stanza);
    }
    world.release();
    Ok(())
}
