use std::collections::{BTreeMap, BTreeSet};

use compact_str::CompactString;
use wa_binary::{Jid, Server};
use wa_store::{DeviceAddress, LidMigration, ListedDevice, Store};

use super::{encrypt, group, status, store_failed};
use crate::cause::Cause;
use crate::context::Context;
use crate::end::End;
use crate::group::has_sender_keys;
use crate::iq;
use crate::iq::encrypt::FetchedBundle;
use crate::iq::usync::KnownUser;
use crate::locate::Locator;
use crate::look_up::Found;
use crate::message::SendError;
use crate::mirror::Whereabouts;
use crate::request::{Person, RequestError};
use crate::requests::Asker;
use crate::trust;

/// Devices whose keys are asked for with one request.
const BUNDLES_PER_REQUEST: usize = 100;

/// How a message names people: all of them alike (PROTOCOL.md 11.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NameSpace {
    Lid,
    Pn,
}

/// The devices that a message goes to, by what they get. They are named as their sessions are: by LID, where it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Audience {
    pub(super) chat: Jid,
    /// The chat by phone number, where that is known.
    pub(super) pn: Option<Jid>,
    /// Devices of other people: they get the message.
    pub(super) theirs: Vec<Jid>,
    /// Own devices but this one: they get the message and where it went.
    pub(super) ours: Vec<Jid>,
    /// This device, which gets nothing.
    pub(super) own: Jid,
    /// The own account by phone number, without device.
    pub(super) own_pn: Option<Jid>,
    /// The numbers of a group's members by their LIDs, where they are known.
    pub(super) numbers: BTreeMap<CompactString, CompactString>,
    /// How the stanza names them.
    pub(super) name_space: NameSpace,
    /// Devices that belong to them and have no usable keys; members of whom no device is known count as one.
    pub(super) left_out: usize,
}

impl Audience {
    /// Whom the chat is with, if it isn't a group.
    pub(super) fn person(&self) -> Person {
        let chat = Some(&self.chat);
        Person {
            pn: self.pn.as_ref().or(chat.filter(|chat| chat.is_pn())).cloned(),
            lid: chat.filter(|chat| chat.is_lid()).cloned(),
        }
    }

    /// All devices, this one included, as the stanza names them: what the server compares with what it knows.
    pub(super) fn devices(&self) -> Vec<Jid> {
        self.theirs.iter().chain(&self.ours).chain([&self.own]).map(|device| self.on_wire(device)).collect()
    }

    /// The chat, or one of the devices, as the stanza names it.
    pub(super) fn on_wire(&self, jid: &Jid) -> Jid {
        let number = match (jid.user == self.own.user, &self.own_pn, &self.pn) {
            (true, own, _) => own.as_ref().map(|own| &own.user),
            (false, _, pn) => self.numbers.get(&jid.user).or(pn.as_ref().map(|pn| &pn.user)),
        };
        let server = match jid.server {
            Server::Lid => Server::Pn,
            Server::HostedLid => Server::Hosted,
            _ => return jid.clone(),
        };
        match (self.name_space, number) {
            (NameSpace::Pn, Some(number)) => Jid { user: number.clone(), server, ..jid.clone() },
            _ => jid.clone(),
        }
    }

    /// The same named the other way, where both are known.
    pub(super) fn named_otherwise(&self) -> Option<Self> {
        let by_lid = self.chat.is_lid() && self.own.is_lid();
        let by_number = self.pn.is_some() && self.own_pn.is_some();
        let name_space = match self.name_space {
            NameSpace::Lid => NameSpace::Pn,
            NameSpace::Pn => NameSpace::Lid,
        };
        (by_lid && by_number).then(|| Self { name_space, ..self.clone() })
    }

    /// All devices but this one.
    fn others(&self) -> impl Iterator<Item = &Jid> + Clone {
        self.theirs.iter().chain(&self.ours)
    }

    /// Whether this is the other side of the chat, by either address.
    pub(super) fn is_chat_of(&self, from: &Jid) -> bool {
        let theirs = self.theirs.iter().chain([&self.chat]).chain(&self.pn);
        let from = from.to_user().unhosted();
        theirs.into_iter().any(|known| known.to_user().unhosted() == from)
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
    /// It is a group, or the status, of which the members have to be asked first.
    Group,
}

/// What is missing to encrypt for a chat.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// A number of which it isn't known whose it is.
    number: Option<CompactString>,
    /// Users (without device) whose devices are unknown.
    users: Vec<Jid>,
    /// Devices that are known but have no session.
    devices: Vec<Jid>,
    /// This very device, which needs no session with itself.
    own: Jid,
}

/// What is known about a chat, or what has to be asked.
pub(super) async fn plan(context: &mut Context<'_>, chat: &Jid) -> Result<Plan, SendError> {
    let own = own_device(context)?;
    if has_sender_keys(chat) {
        return plan_for_members(context, chat, own).await;
    }
    if let Whereabouts::Ask(number) = context.whereabouts(chat).await? {
        let mut users = Vec::new();
        devices_of(context, &own.to_user(), &mut users).await?;
        return Ok(Plan::LookUp(Wanted { number: Some(number), users, devices: Vec::new(), own }));
    }
    let mut unknown = Vec::new();
    let audience = known(context, chat, &mut unknown).await?;
    let missing = without_session(context, audience.others()).await?;
    if unknown.is_empty() && missing.is_empty() {
        return Ok(Plan::Ready(audience));
    }
    Ok(Plan::LookUp(Wanted { number: None, users: unknown, devices: missing, own }))
}

/// In a group only those need a session who are to get its key.
async fn plan_for_members(context: &mut Context<'_>, chat: &Jid, own: Jid) -> Result<Plan, SendError> {
    let mut unknown = Vec::new();
    let Some(audience) = members(context, chat, &mut unknown).await? else { return Ok(Plan::Group) };
    let keyless = group::without_key(context, &audience);
    let missing = without_session(context, keyless.iter()).await?;
    if unknown.is_empty() && missing.is_empty() {
        return Ok(Plan::Ready(audience));
    }
    Ok(Plan::LookUp(Wanted { number: None, users: unknown, devices: missing, own }))
}

/// The devices of those who get what is written in a group, or posted to the status; `None` where they have to be asked for
/// first. Users who aren't known well enough are added to `unknown`.
async fn members(
    context: &mut Context<'_>,
    chat: &Jid,
    unknown: &mut Vec<Jid>,
) -> Result<Option<Audience>, SendError> {
    if chat.is_status() {
        let Some(known) = context.mirror.status.clone() else { return Ok(None) };
        return status::known(context, &known, unknown).await.map(Some);
    }
    let Some(known) = context.mirror.group(chat) else { return Ok(None) };
    group::known(context, &known, unknown).await.map(Some)
}

/// This device, by LID if the account has one.
pub(super) fn own_device(context: &Context<'_>) -> Result<Jid, SendError> {
    let device = &context.mirror.device;
    let own = device.lid.as_ref().or(device.jid.as_ref()).cloned();
    own.ok_or(SendError::NotConnected { cause: Cause::NotPaired })
}

/// The devices that are known; users who aren't known well enough are added to `unknown`.
async fn known(context: &mut Context<'_>, chat: &Jid, unknown: &mut Vec<Jid>) -> Result<Audience, SendError> {
    let own = own_device(context)?;
    let is_own = context.mirror.is_own_user(chat);
    let theirs = if is_own { Vec::new() } else { devices_of(context, chat, unknown).await? };
    let mut ours = devices_of(context, &own.to_user(), unknown).await?;
    ours.retain(|device| *device != own);
    let pn = context.mirror.lids.pn_of(&context.shared.store, chat).await.map_err(store_failed)?;
    let own_pn = context.mirror.device.jid.as_ref().map(Jid::to_user);
    let is_by_lid = chat.is_lid() && own.is_lid();
    let is_pending = context.mirror.device.lid_migration == LidMigration::Pending;
    let name_space = if is_by_lid && !(is_pending && pn.is_some()) { NameSpace::Lid } else { NameSpace::Pn };
    let numbers = BTreeMap::new();
    Ok(Audience { chat: chat.clone(), pn, theirs, ours, own, own_pn, numbers, name_space, left_out: 0 })
}

/// The devices of a user, by the user's address.
pub(super) async fn devices_of(
    context: &mut Context<'_>,
    user: &Jid,
    unknown: &mut Vec<Jid>,
) -> Result<Vec<Jid>, SendError> {
    let shared = context.shared;
    let lifetime = i64::try_from(shared.config.device_list_lifetime.as_secs()).unwrap_or(i64::MAX);
    let oldest = (shared.clock.unix_millis() / 1000).saturating_sub(lifetime);
    let list = context.mirror.device_list(&shared.store, user, oldest).await.map_err(store_failed)?;
    match list {
        Some(list) => Ok(list.devices.iter().map(|device| device_jid(user, device)).collect()),
        None => {
            unknown.push(user.clone());
            Ok(Vec::new())
        }
    }
}

/// Which devices have no session; those that have one are in memory afterwards.
async fn without_session(
    context: &mut Context<'_>,
    devices: impl Iterator<Item = &Jid> + Clone,
) -> Result<Vec<Jid>, SendError> {
    let addresses: Vec<_> = devices.clone().map(DeviceAddress::from).collect();
    let sessions = &mut context.mirror.sessions;
    sessions.load(&context.shared.store, &addresses).await.map_err(store_failed)?;
    let missing = devices.zip(&addresses).filter(|(_, address)| !sessions.contains(address));
    Ok(missing.map(|(device, _)| device.clone()).collect())
}

/// Asks whose number it is, then for devices, then for the keys of all devices without a session.
pub(super) async fn look_up(mut locator: Locator, store: Store, wanted: Wanted) -> Result<Found, SendError> {
    let Wanted { number, mut users, mut devices, own } = wanted;
    let mut found = Found::default();
    if let Some(number) = number {
        found = locator.by_number(&number).await?;
        let contact = found.contact.iter().map(|contact| contact.lid.as_ref().unwrap_or(&contact.pn));
        if !found.users.iter().any(KnownUser::is_reachable) {
            users.extend(contact.cloned());
        }
    }
    users.sort();
    users.dedup();
    found.users.extend(locator.devices(&users).await?);
    for user in &found.users {
        devices.extend(devices_by_lid(user).filter(|device| *device != own));
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
    found.bundles = bundles(&locator.asker, &missing).await?;
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

/// Records LIDs, devices and new sessions of a part of those who were asked about.
pub(super) async fn learn_part(context: &mut Context<'_>, found: &Found) -> Result<(), End> {
    learn_people(context, found).await?;
    for bundle in found.bundles.iter().filter(|fetched| fetched.device.device != 0) {
        encrypt::start_session(context, bundle).await?;
    }
    Ok(())
}

/// Records LIDs, devices and new sessions; the inner error is the message's, the outer the connection's.
pub(super) async fn learn(
    context: &mut Context<'_>,
    lane: &Jid,
    found: Found,
) -> Result<Result<Audience, SendError>, End> {
    learn_part(context, &found).await?;
    let chat = match &found.contact {
        Some(contact) => contact.lid.as_ref().unwrap_or(&contact.pn),
        None => lane,
    };
    Ok(reachable(context, chat).await)
}

/// Records numbers, LIDs and devices, and sessions with phones: their identity keys vouch for the companions.
pub(super) async fn learn_people(context: &mut Context<'_>, found: &Found) -> Result<(), End> {
    context.learn_addresses(found).await?;
    for bundle in found.bundles.iter().filter(|fetched| fetched.device.device == 0) {
        encrypt::start_session(context, bundle).await?;
    }
    for user in &found.users {
        // A list without devices says nothing.
        if let (Some(list), true) = (&user.devices, user.is_reachable()) {
            let account = lid_of(user).unwrap_or_else(|| user.user.clone());
            let list = trust::linked(context, &account, list.clone(), user.key_indexes.as_deref()).await?;
            context.mirror.save_device_list(account, list);
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
    if has_sender_keys(chat) {
        let audience = members(context, chat, &mut unknown).await?.ok_or(SendError::NoDevice)?;
        if !unknown.is_empty() {
            tracing::warn!(members = unknown.len(), "of some members no device is known; they are left out");
        }
        // The memory may have been too small for the sessions of all that are to get the key.
        let keyless = group::without_key(context, &audience);
        without_session(context, keyless.iter()).await?;
        return Ok(Audience { left_out: unknown.len(), ..audience });
    }
    let mut audience = known(context, chat, &mut unknown).await?;
    if unknown.contains(chat) {
        return Err(if chat.is_lid() { SendError::NoDevice } else { SendError::NoLid });
    }
    let missing = without_session(context, audience.others()).await?;
    if !missing.is_empty() {
        tracing::warn!(devices = missing.len(), "no keys for some devices; they are left out");
        audience.theirs.retain(|device| !missing.contains(device));
        audience.ours.retain(|device| !missing.contains(device));
        audience.left_out = missing.len();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stanza_names_all_alike() {
        let (chat, own) = (Jid::lid("1"), Jid::lid("2").with_device(3));
        let audience = Audience {
            theirs: vec![chat.clone(), Jid::new("1", Server::HostedLid).with_device(99)],
            chat,
            pn: Some(Jid::pn("1555")),
            ours: vec![Jid::lid("2")],
            own,
            own_pn: Some(Jid::pn("1666")),
            numbers: BTreeMap::new(),
            name_space: NameSpace::Lid,
            left_out: 0,
        };
        let by_lid = [&audience.theirs[..], &audience.ours, std::slice::from_ref(&audience.own)].concat();
        assert_eq!(audience.devices(), by_lid);
        let by_number = audience.named_otherwise().unwrap();
        assert_eq!(by_number.on_wire(&by_number.chat), Jid::pn("1555"));
        let hosted = Jid::new("1555", Server::Hosted).with_device(99);
        assert_eq!(
            by_number.devices(),
            [Jid::pn("1555"), hosted, Jid::pn("1666"), Jid::pn("1666").with_device(3)]
        );
        assert_eq!(by_number.named_otherwise(), Some(audience.clone()));
        assert_eq!(Audience { pn: None, ..audience }.named_otherwise(), None);
    }
}
