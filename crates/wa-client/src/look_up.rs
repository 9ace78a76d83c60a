//! What has to be asked before a message can be encrypted. Look-ups run beside the pump, many at once; each is
//! one linear flow that owns what it needs and touches no state of the instance.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::oneshot;
use wa_binary::{Jid, Node};
use wa_store::{DeviceAddress, Store};

use crate::handle::{OnWhatsApp, ReadReceipt, Reply, RequestError};
use crate::iq;
use crate::iq::encrypt::FetchedBundle;
use crate::iq::usync::KnownUser;
use crate::message::SendError;
use crate::receive::retry::RetryRequest;
use crate::requests::Asker;

/// Devices whose keys are asked for with one request.
const BUNDLES_PER_REQUEST: usize = 100;

type Running = Pin<Box<dyn Future<Output = Box<Answered>> + Send>>;

/// The look-ups under way.
#[derive(Default)]
pub(crate) struct LookUps {
    running: FuturesUnordered<Running>,
}

impl LookUps {
    pub(crate) fn start(&mut self, look_up: impl Future<Output = Answered> + Send + 'static) {
        self.running.push(Box::pin(async move { Box::new(look_up.await) }));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    /// The next one that ends; waits forever while there is none.
    pub(crate) async fn next(&mut self) -> Box<Answered> {
        match self.running.next().await {
            Some(answered) => answered,
            None => std::future::pending().await,
        }
    }
}

impl fmt::Debug for LookUps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LookUps").field("running", &self.running.len()).finish()
    }
}

/// What a look-up brought, and for whom.
pub(crate) enum Answered {
    /// For the messages waiting in the lane of this chat.
    Recipients { lane: Jid, found: Result<Found, SendError> },
    /// For a message that a device asked for again.
    Resend { request: Box<RetryRequest>, bundles: Result<Vec<FetchedBundle>, RequestError> },
    /// For [`crate::Handle::resolve`].
    Contacts { contacts: Result<Vec<OnWhatsApp>, RequestError>, reply: Reply<Vec<OnWhatsApp>> },
    /// For [`crate::Handle::mark_read`].
    Privacy {
        answer: Result<Node<'static>, RequestError>,
        read: Box<ReadReceipt>,
        reply: oneshot::Sender<Result<(), RequestError>>,
    },
}

/// What is missing to encrypt for a chat.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    /// Users (without device) whose devices are unknown; those by phone number get their LID, too.
    pub(crate) users: Vec<Jid>,
    /// Devices that are known but have no session.
    pub(crate) devices: Vec<Jid>,
    /// This very device, which needs no session with itself.
    pub(crate) own: Jid,
    /// `sid` of a usync request.
    pub(crate) sid: String,
}

/// What is known now.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) users: Vec<KnownUser>,
    pub(crate) bundles: Vec<FetchedBundle>,
}

/// Asks for devices and LIDs, then for the keys of all devices without a session.
pub(crate) async fn recipients(
    asker: Asker,
    store: Arc<dyn Store>,
    wanted: Wanted,
    now: i64,
) -> Result<Found, SendError> {
    let mut found = Found::default();
    let mut devices = wanted.devices;
    if !wanted.users.is_empty() {
        let answer = asker.ask(iq::usync::devices(&wanted.sid, &wanted.users)).await.map_err(failed)?;
        found.users = iq::usync::parse_devices(&answer, now).map_err(failed)?;
        for user in &found.users {
            devices.extend(devices_of(user).filter(|device| *device != wanted.own));
        }
    }
    let addresses: Vec<_> = devices.iter().map(DeviceAddress::from).collect();
    let sessions = store.sessions(&addresses).await.map_err(|error| SendError::Store(error.to_string()))?;
    let mut missing: Vec<_> = devices
        .into_iter()
        .zip(sessions)
        .filter_map(|(jid, session)| session.is_none().then_some(jid))
        .collect();
    missing.sort();
    missing.dedup();
    found.bundles = bundles(&asker, &missing).await.map_err(failed)?;
    Ok(found)
}

/// Asks for the keys of these devices.
pub(crate) async fn bundles(asker: &Asker, devices: &[Jid]) -> Result<Vec<FetchedBundle>, RequestError> {
    let mut bundles = Vec::with_capacity(devices.len());
    for devices in devices.chunks(BUNDLES_PER_REQUEST) {
        let answer = asker.ask(iq::encrypt::fetch(devices)).await?;
        bundles.extend(iq::encrypt::parse_fetch(&answer)?);
    }
    Ok(bundles)
}

/// A user's devices under the LID, under which sessions live (protocol.md 16).
pub(crate) fn devices_of(user: &KnownUser) -> impl Iterator<Item = Jid> {
    let lid = user.lid.as_ref().unwrap_or(&user.user);
    let devices = user.devices.iter().flat_map(|list| &list.devices);
    devices.map(move |device| device_jid(lid, device))
}

/// The address of a listed device; hosted ones have servers of their own.
pub(crate) fn device_jid(user: &Jid, device: &wa_store::ListedDevice) -> Jid {
    use wa_binary::Server;
    let server = match user.server {
        Server::Lid if device.is_hosted => Server::HostedLid,
        Server::Pn if device.is_hosted => Server::Hosted,
        server => server,
    };
    Jid { server, ..user.to_user() }.with_device(device.id)
}

fn failed(error: RequestError) -> SendError {
    match error {
        RequestError::Stopped => SendError::Stopped,
        other => SendError::LookUp(other.to_string()),
    }
}
