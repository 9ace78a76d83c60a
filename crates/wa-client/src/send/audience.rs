use std::collections::BTreeSet;

use wa_binary::{Jid, Server};
use wa_store::{DeviceAddress, ListedDevice, Store};

use super::{encrypt, store_failed};
use crate::context::Context;
use crate::end::End;
use crate::iq;
use crate::iq::encrypt::FetchedBundle;
use crate::iq::usync::KnownUser;
use crate::look_up::Found;
use crate::message::SendError;
use crate::request::RequestError;
use crate::requests::Asker;
use crate::trust;

/// Devices whose keys are asked for with one request.
const BUNDLES_PER_REQUEST: usize = 100;

/// The devices that a message goes to, by what they get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Audience {
    /// The chat, by LID where it is a user.
    pub(super) chat: Jid,
    /// The chat by phone number, where it is a user whose number is known.
    pub(super) pn: Option<Jid>,
    /// Devices of other people: they get the message.
    pub(super) theirs: Vec<Jid>,
    /// Own devices but this one: they get the message and where it went.
    pub(super) ours: Vec<Jid>,
    /// This device, which gets nothing.
    pub(super) own: Jid,
}

impl Audience {
    /// All devices, this one included: what the server compares with what it knows.
    pub(super) fn devices(&self) -> Vec<Jid> {
        self.theirs.iter().chain(&self.ours).chain([&self.own]).cloned().collect()
    }

    /// Whether this is the other side of the chat, by either address.
    pub(super) fn is_chat_of(&self, from: &Jid) -> bool {
        let theirs = self.theirs.iter().chain([&self.chat]).chain(&self.pn);
        theirs.into_iter().any(|known| known.is_same_user(from))
    }

    /// The people whose devices these are.
    pub(super) fn users(&self) -> BTreeSet<Jid> {
        self.theirs.iter().chain([&self.own]).map(Jid::to_user).collect()
    }
}

/// Whether a message can be encrypted right away.
pub(super) enum Plan {
    Ready(Audience),
    LookUp(Wanted),
}

/// What is missing to encrypt for a chat.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// Users (without device) whose devices are unknown; those by phone number get their LID, too.
    users: Vec<Jid>,
    /// Devices that are known but have no session.
    devices: Vec<Jid>,
    /// This very device, which needs no session with itself.
    own: Jid,
    /// `sid` of a usync request.
    sid: String,
}

/// What is known about a chat, or what has to be asked.
pub(super) async fn plan(context: &mut Context<'_>, chat: &Jid) -> Result<Plan, SendError> {
    let mut unknown = Vec::new();
    let audience = known(context, chat, &mut unknown).await?;
    let missing = without_session(context, &audience).await?;
    if unknown.is_empty() && missing.is_empty() {
        return Ok(Plan::Ready(audience));
    }
    let sid = context.requests.spare_id();
    Ok(Plan::LookUp(Wanted { users: unknown, devices: missing, own: audience.own, sid }))
}

/// The devices that are known; users who aren't known well enough are added to `unknown`.
async fn known(context: &mut Context<'_>, chat: &Jid, unknown: &mut Vec<Jid>) -> Result<Audience, SendError> {
    let Some(own) = context.mirror.device.lid.clone() else { return Err(SendError::NoLid) };
    let theirs = if own.is_same_user(chat) { Vec::new() } else { devices_of(context, chat, unknown).await? };
    let mut ours = devices_of(context, &own.to_user(), unknown).await?;
    ours.retain(|device| *device != own);
    let pn = context.mirror.lids.pn_of(&context.shared.store, chat).await.map_err(store_failed)?;
    Ok(Audience { chat: chat.clone(), pn, theirs, ours, own })
}

/// The devices of a user by LID.
async fn devices_of(
    context: &mut Context<'_>,
    user: &Jid,
    unknown: &mut Vec<Jid>,
) -> Result<Vec<Jid>, SendError> {
    let shared = context.shared;
    let lifetime = i64::try_from(shared.config.device_list_lifetime.as_secs()).unwrap_or(i64::MAX);
    let oldest = (shared.clock.unix_millis() / 1000).saturating_sub(lifetime);
    let list = if user.is_lid() {
        context.mirror.device_list(&shared.store, user, oldest).await.map_err(store_failed)?
    } else {
        None
    };
    match list {
        Some(list) => Ok(list.devices.iter().map(|device| device_jid(user, device)).collect()),
        None => {
            unknown.push(user.clone());
            Ok(Vec::new())
        }
    }
}

/// Which devices have no session; those that have one are in memory afterwards.
async fn without_session(context: &mut Context<'_>, audience: &Audience) -> Result<Vec<Jid>, SendError> {
    let devices = || audience.theirs.iter().chain(&audience.ours);
    let addresses: Vec<_> = devices().map(DeviceAddress::from).collect();
    let sessions = &mut context.mirror.sessions;
    sessions.load(&context.shared.store, &addresses).await.map_err(store_failed)?;
    let missing = devices().zip(&addresses).filter(|(_, address)| !sessions.contains(address));
    Ok(missing.map(|(device, _)| device.clone()).collect())
}

/// Asks for devices and LIDs, then for the keys of all devices without a session.
pub(super) async fn look_up(
    asker: Asker,
    store: Store,
    wanted: Wanted,
    now: i64,
) -> Result<Found, SendError> {
    let mut found = Found::default();
    let mut devices = wanted.devices;
    if !wanted.users.is_empty() {
        let answer = asker.ask(iq::usync::devices(&wanted.sid, &wanted.users)).await.map_err(failed)?;
        found.users = iq::usync::parse_devices(&answer, now).map_err(failed)?;
        for user in &found.users {
            devices.extend(devices_by_lid(user).filter(|device| *device != wanted.own));
        }
    }
    let addresses: Vec<_> = devices.iter().map(DeviceAddress::from).collect();
    let sessions = store.sessions(&addresses).await.map_err(store_failed)?;
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

/// Asks for the devices of a user, where a `sid` says so, and for the keys of these devices.
pub(super) async fn find(
    asker: &Asker,
    user: Option<(&str, &Jid)>,
    devices: &[Jid],
    now: i64,
) -> Result<Found, RequestError> {
    let mut found = Found::default();
    if let Some((sid, user)) = user {
        let answer = asker.ask(iq::usync::devices(sid, [user])).await?;
        found.users = iq::usync::parse_devices(&answer, now)?;
    }
    found.bundles = bundles(asker, devices).await?;
    Ok(found)
}

/// Asks for the keys of these devices; of others none are taken.
pub(super) async fn bundles(asker: &Asker, devices: &[Jid]) -> Result<Vec<FetchedBundle>, RequestError> {
    let mut bundles = Vec::with_capacity(devices.len());
    for devices in devices.chunks(BUNDLES_PER_REQUEST) {
        let answer = asker.ask(iq::encrypt::fetch(devices)).await?;
        let fetched = iq::encrypt::parse_fetch(&answer)?;
        bundles.extend(fetched.into_iter().filter(|fetched| devices.contains(&fetched.device)));
    }
    Ok(bundles)
}

/// Records LIDs, devices and new sessions; the inner error is the message's, the outer the connection's.
pub(super) async fn learn(
    context: &mut Context<'_>,
    lane: &Jid,
    found: Found,
) -> Result<Result<Audience, SendError>, End> {
    let mut chat = lane.is_lid().then(|| lane.clone());
    learn_people(context, &found).await?;
    for user in &found.users {
        if user.user.is_same_user(lane) {
            chat = chat.or_else(|| lid_of(user));
            if user.devices.as_ref().is_none_or(|list| list.devices.is_empty()) {
                return Ok(Err(SendError::NotOnWhatsApp));
            }
        }
    }
    let asked = |user: &Jid| found.users.iter().any(|known| known.user.is_same_user(user));
    let Some(chat) = chat else {
        return Ok(Err(if asked(lane) { SendError::NoLid } else { SendError::NotOnWhatsApp }));
    };
    for bundle in found.bundles.iter().filter(|fetched| fetched.device.device != 0) {
        encrypt::start_session(context, bundle).await?;
    }
    Ok(reachable(context, &chat).await)
}

/// Records LIDs and devices, and sessions with phones: their identity keys vouch for the companions.
pub(super) async fn learn_people(context: &mut Context<'_>, found: &Found) -> Result<(), End> {
    for user in &found.users {
        let pn = user.pn.clone().or_else(|| user.user.is_pn().then(|| user.user.clone()));
        if let (Some(pn), Some(lid)) = (&pn, &lid_of(user)) {
            context.learn_lid(pn, lid).await?;
        }
    }
    for bundle in found.bundles.iter().filter(|fetched| fetched.device.device == 0) {
        encrypt::start_session(context, bundle).await?;
    }
    for user in &found.users {
        if let (Some(lid), Some(list)) = (lid_of(user), &user.devices) {
            let list = trust::linked(context, &lid, list.clone(), user.key_indexes.as_deref()).await?;
            context.mirror.save_device_list(lid, list);
        }
    }
    Ok(())
}

/// The LID of a user who was asked for by one, or by number.
fn lid_of(user: &KnownUser) -> Option<Jid> {
    if user.user.is_lid() { Some(user.user.clone()) } else { user.lid.clone() }
}

/// The devices of a chat once everything has been asked: those still without session are left out.
async fn reachable(context: &mut Context<'_>, chat: &Jid) -> Result<Audience, SendError> {
    let mut unknown = Vec::new();
    let mut audience = known(context, chat, &mut unknown).await?;
    if unknown.contains(chat) {
        return Err(SendError::NotOnWhatsApp);
    }
    let missing = without_session(context, &audience).await?;
    if !missing.is_empty() {
        tracing::warn!(devices = missing.len(), "no keys for some devices; they are left out");
        audience.theirs.retain(|device| !missing.contains(device));
        audience.ours.retain(|device| !missing.contains(device));
    }
    Ok(audience)
}

/// A user's devices under the LID, under which sessions live (PROTOCOL.md 16).
fn devices_by_lid(user: &KnownUser) -> impl Iterator<Item = Jid> {
    let lid = lid_of(user).unwrap_or_else(|| user.user.clone());
    let devices = user.devices.iter().flat_map(|list| &list.devices);
    devices.map(move |device| device_jid(&lid, device))
}

/// The address of a listed device; hosted ones have servers of their own.
fn device_jid(user: &Jid, device: &ListedDevice) -> Jid {
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
