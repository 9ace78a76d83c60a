//! Messages to groups (PROTOCOL.md 11.2): one ciphertext for all, and the key of it for each device that doesn't have it.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use compact_str::CompactString;
use prost::Message as _;
use prost::encoding::{WireType, encode_key, encode_varint};
use wa_binary::{Jid, Node, phash};
use wa_protobuf::e2e::{Message, SenderKeyDistributionMessage};
use wa_signal::sender_key::{EncryptError, SenderKeyRecord};
use wa_store::{DeviceAddress, KeyHolders, SenderKeyName};

use super::audience::{self, Audience, NameSpace};
use super::{encrypt, stanza, status, store_failed};
use crate::context::Context;
use crate::end::End;
use crate::group::{Group, GroupAddressing, Rank};
use crate::message::{DeviceCount, Outgoing, SendError};

/// `sender_key_distribution_message` of a `Message` (PROTOCOL.md 11.5).
const HANDED_OUT: u32 = 2;

/// The devices of all members; users who aren't known well enough are added to `unknown`.
pub(super) async fn known(
    context: &mut Context<'_>,
    group: &Group,
    unknown: &mut Vec<Jid>,
) -> Result<Audience, SendError> {
    check_rank(context, group)?;
    let mut numbers = BTreeMap::new();
    let mut users = Vec::with_capacity(group.members.len());
    for member in &group.members {
        let (pn, lid) = (member.pn.as_ref(), member.lid.as_ref());
        let user = address_of(context, pn, lid).await?.unwrap_or_else(|| member.jid.clone());
        if let (Some(pn), true) = (pn, user.is_lid()) {
            numbers.insert(user.user.clone(), pn.user.clone());
        }
        users.push(user);
    }
    let name_space = match group.addressing {
        GroupAddressing::Lid => NameSpace::Lid,
        GroupAddressing::Pn => NameSpace::Pn,
    };
    audience_of(context, &group.jid, (users, numbers), name_space, unknown).await
}

/// The devices of these users, with the numbers of those of whom they are known; users who aren't known well enough are added
/// to `unknown`.
pub(super) async fn audience_of(
    context: &mut Context<'_>,
    chat: &Jid,
    (users, numbers): (Vec<Jid>, BTreeMap<CompactString, CompactString>),
    name_space: NameSpace,
    unknown: &mut Vec<Jid>,
) -> Result<Audience, SendError> {
    let own = audience::own_device(context)?;
    let (mut theirs, mut ours) = (Vec::new(), Vec::new());
    context.mirror.load_device_lists(&context.shared.store, &users).await.map_err(store_failed)?;
    for user in users {
        let devices = audience::devices_of(context, &user, unknown).await?;
        // Devices in Meta's cloud take no part in groups.
        let devices = devices.into_iter().filter(|device| !device.is_hosted() && *device != own);
        if context.mirror.is_own_user(&user) { ours.extend(devices) } else { theirs.extend(devices) }
    }
    let own_pn = context.mirror.device.jid.as_ref().map(Jid::to_user);
    let chat = chat.clone();
    let name = own_key(&chat, &own);
    context.mirror.sender_keys.load(&context.shared.store, &name).await.map_err(store_failed)?;
    context.mirror.load_key_holders(&context.shared.store, &chat).await.map_err(store_failed)?;
    Ok(Audience { chat, pn: None, theirs, ours, own, own_pn, numbers, name_space, left_out: 0 })
}

/// The address under which somebody's sessions live: by LID, where one is known.
async fn address_of(
    context: &mut Context<'_>,
    pn: Option<&Jid>,
    lid: Option<&Jid>,
) -> Result<Option<Jid>, SendError> {
    match (lid, pn) {
        (Some(lid), _) => Ok(Some(lid.clone())),
        (None, Some(pn)) => context.mirror.lids.lid_of(&context.shared.store, pn).await.map_err(store_failed),
        (None, None) => Ok(None),
    }
}

/// Nothing is encrypted for a group that would not take it.
fn check_rank(context: &Context<'_>, group: &Group) -> Result<(), SendError> {
    let device = &context.mirror.device;
    let own = [&device.lid, &device.jid].into_iter().flatten();
    let rank = own.filter_map(|own| group.rank(own)).max().ok_or(SendError::NotInGroup)?;
    if group.is_announcement && rank < Rank::Admin { Err(SendError::NotAdmin) } else { Ok(()) }
}

/// The devices of a group that don't have the own key yet.
pub(super) fn without_key(context: &Context<'_>, audience: &Audience) -> Vec<Jid> {
    let holders = context.mirror.key_holders(&audience.chat);
    let has_key =
        |device: &Jid| holders.is_some_and(|holders| holders.contains(&DeviceAddress::from(device)));
    let devices = audience.theirs.iter().chain(&audience.ours);
    devices.filter(|device| !has_key(device)).cloned().collect()
}

/// Encrypts a message once for the group, with the key for those who don't have it; remembers it for retry receipts.
pub(super) fn for_audience(
    context: &mut Context<'_>,
    audience: &Audience,
    message: &Outgoing,
) -> Result<(Node<'static>, DeviceCount), SendError> {
    let attributes = message.content.view().attributes();
    let raw = message.content.encode_once();
    let group = &audience.chat;
    renew_key_if_left(context, audience);
    let HandedOut { mut copies, introduces, failed } = handed_out(context, audience)?;
    let reached = audience.theirs.len() + audience.ours.len() - failed;
    let count = DeviceCount { reached, failed: failed + audience.left_out };
    let plaintext = encrypt::padded(context, &raw);
    let name = own_key(group, &audience.own);
    let mirror = &mut *context.mirror;
    let key = mirror.sender_keys.get_mut(&name).ok_or(SendError::NoDevice)?;
    let sealed = key.encrypt(&plaintext, context.random).map_err(exhausted)?;
    if key.needs_save() {
        mirror.sender_keys.mark(&name);
        mirror.must_commit();
    }
    encrypt::remember(context, group, message.id.as_str(), raw);
    encrypt::keep_secret(context, audience, message);
    let is_lid = audience.name_space == NameSpace::Lid;
    let is_status = group.is_status();
    if is_status {
        copies.extend(status::named(audience, &copies));
    }
    let setting = if is_status { status::setting(context, &message.content.view()) } else { None };
    let keys = (!copies.is_empty()).then(|| Node::new("participants").with_children(copies));
    let node = stanza::message(group, message.id.as_str(), &attributes)
        .attr("phash", phash(&audience.devices()))
        .opt_attr("addressing_mode", is_lid.then_some("lid"))
        .with_children(setting)
        .with_children(keys)
        .child(stanza::enc_for_all(sealed, &attributes));
    Ok((encrypt::introduced(context, node, introduces), count))
}

/// The key of a group for those who don't have it.
#[derive(Default)]
struct HandedOut {
    /// `<to jid><enc/></to>` for each.
    copies: Vec<Node<'static>>,
    /// Whether one of them opens its session with it.
    introduces: bool,
    /// Devices that have no session, and so don't get it.
    failed: usize,
}

/// Takes a new key if a device that has the present one is no longer the group's.
fn renew_key_if_left(context: &mut Context<'_>, audience: &Audience) {
    let devices = audience.theirs.iter().chain(&audience.ours);
    let present: BTreeSet<_> = devices.map(DeviceAddress::from).collect();
    let holders = context.mirror.key_holders(&audience.chat);
    if holders.is_some_and(|holders| !holders.is_subset(&present)) {
        tracing::debug!("somebody has left a group; its key is taken anew");
        context.mirror.sender_keys.delete(&own_key(&audience.chat, &audience.own));
        context.mirror.save_key_holders(&audience.chat, KeyHolders::default());
    }
}

/// Encrypts the key for every device that doesn't have it and has a session.
fn handed_out(context: &mut Context<'_>, audience: &Audience) -> Result<HandedOut, SendError> {
    let key = distribution(context, &audience.chat, &audience.own)?;
    let missing = without_key(context, audience);
    if missing.is_empty() {
        return Ok(HandedOut::default());
    }
    let mut holders = context.mirror.key_holders(&audience.chat).cloned().unwrap_or_default();
    let known = holders.len();
    let (mut copies, mut introduces) = (Vec::with_capacity(missing.len()), false);
    let message = Message { sender_key_distribution_message: Some(Box::new(key)), ..Default::default() };
    let plaintext = encrypt::padded(context, &message.encode_to_vec());
    for device in &missing {
        let address = DeviceAddress::from(device);
        let Some(ciphertext) = encrypt::seal(context, &address, &plaintext) else { continue };
        introduces |= ciphertext.kind == wa_signal::Kind::PreKey;
        let enc = stanza::bare_enc(ciphertext);
        copies.push(Node::new("to").attr("jid", audience.on_wire(device)).child(enc));
        holders.insert(address);
    }
    if holders.len() > known {
        context.mirror.save_key_holders(&audience.chat, holders);
    }
    let failed = missing.len() - copies.len();
    Ok(HandedOut { copies, introduces, failed })
}

/// What hands out the own key of a group, which is made if there is none.
fn distribution(
    context: &mut Context<'_>,
    group: &Jid,
    own: &Jid,
) -> Result<SenderKeyDistributionMessage, SendError> {
    let name = own_key(group, own);
    let keys = &mut context.mirror.sender_keys;
    if !keys.contains(&name) {
        keys.put(&name, SenderKeyRecord::create(context.random));
        context.mirror.save_key_holders(group, KeyHolders::default());
        context.mirror.must_commit();
    }
    let key = context.mirror.sender_keys.get_mut(&name).ok_or(SendError::NoDevice)?;
    Ok(SenderKeyDistributionMessage {
        group_id: Some(group.to_string()),
        axolotl_sender_key_distribution_message: Some(key.distribute().map_err(exhausted)?.into()),
    })
}

/// A message that a device could not read, with the key of the group beside its content.
pub(super) async fn with_key(
    context: &mut Context<'_>,
    group: &Jid,
    content: &Bytes,
) -> Result<Option<Bytes>, End> {
    let Ok(own) = audience::own_device(context) else { return Ok(None) };
    context.mirror.sender_keys.load(&context.shared.store, &own_key(group, &own)).await?;
    let Ok(key) = distribution(context, group, &own) else { return Ok(None) };
    let key = key.encode_to_vec();
    let mut with_key = Vec::with_capacity(content.len() + key.len() + 8);
    encode_key(HANDED_OUT, WireType::LengthDelimited, &mut with_key);
    encode_varint(key.len() as u64, &mut with_key);
    with_key.extend_from_slice(&key);
    with_key.extend_from_slice(content);
    Ok(Some(with_key.into()))
}

/// Whether a user is one of those who were handed the key that the group has now: others have no message of it to ask for.
pub(super) async fn has_key(context: &mut Context<'_>, group: &Jid, device: &Jid) -> Result<bool, End> {
    context.mirror.load_key_holders(&context.shared.store, group).await?;
    let user = DeviceAddress::from(device).name;
    let holders = context.mirror.key_holders(group);
    Ok(holders.is_some_and(|holders| holders.iter().any(|holder| holder.name == user)))
}

/// A device has been handed the key with a message that it had asked for.
pub(super) fn was_handed_key(context: &mut Context<'_>, group: &Jid, device: &Jid) {
    let mut holders = context.mirror.key_holders(group).cloned().unwrap_or_default();
    if holders.insert(DeviceAddress::from(device)) {
        context.mirror.save_key_holders(group, holders);
    }
}

/// The own sender key of a group lives under the own LID, in groups by number too (PROTOCOL.md 11.2).
fn own_key(group: &Jid, own: &Jid) -> SenderKeyName {
    SenderKeyName::new(group.to_string(), DeviceAddress::from(own))
}

#[allow(clippy::needless_pass_by_value)] // The shape that `map_err` wants.
fn exhausted(error: EncryptError) -> SendError {
    tracing::error!(%error, "a message to a group could not be encrypted");
    SendError::NoDevice
}
