//! Whose keys are believed. A phone's identity key is believed when it is first met, and every other one after that is
//! told as a change; a companion's is believed if the phone of its account vouches for it (PROTOCOL.md 6.2), wherever it
//! comes from.

use wa_binary::{Jid, Server};
use wa_crypto::PublicKey;
use wa_store::{DeviceAddress, DeviceList, IdentityChange, IdentityChangeKind};

use crate::adv::{self, KeyIndexes, NotGenuine};
use crate::context::Context;
use crate::end::End;
use crate::mirror::hosted;

/// Keys that are said to be a device's.
pub(crate) struct Claim<'a> {
    /// The device, as its session is named.
    pub(crate) device: &'a Jid,
    /// The identity key that the device presents.
    pub(crate) identity: &'a PublicKey,
    /// The device identity that came along.
    pub(crate) device_identity: Option<&'a [u8]>,
}

/// Why keys are not believed to be a device's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Untrusted {
    /// A companion without device identity.
    #[error("nobody vouches for a companion")]
    NoIdentity,
    /// Its device identity doesn't hold.
    #[error(transparent)]
    NotGenuine(#[from] NotGenuine),
    /// Its device identity is that of another account.
    #[error("another account vouches for a companion")]
    OtherAccount,
    /// It is another companion than the one that is listed under its number.
    #[error("a companion is not the one that is listed")]
    OtherCompanion,
    /// The own phone never changes: its companions end with it.
    #[error("another identity claims to be the own phone")]
    OtherPhone,
}

impl Untrusted {
    /// Whether the keys of the account's phone may show that the claim is true after all.
    pub(crate) fn may_be_outdated(self) -> bool {
        matches!(self, Self::OtherAccount | Self::NotGenuine(NotGenuine::UnknownAccount))
    }
}

/// Keys that are believed. To be [applied](Self::apply) once they are used.
#[must_use]
pub(crate) struct Admission {
    account: Jid,
    account_key: PublicKey,
    /// The phone's key before, if this is another one.
    pub(crate) is_change: bool,
    is_new: bool,
}

/// Decides about a claim; changes nothing.
pub(crate) async fn judge(
    context: &mut Context<'_>,
    claim: &Claim<'_>,
) -> Result<Result<Admission, Untrusted>, End> {
    let account = claim.device.to_user().unhosted();
    let known = account_key(context, &account).await?;
    let is_own = context.mirror.is_own_user(&account);
    if claim.device.device == 0 {
        let is_change = known.is_some_and(|known| known != *claim.identity);
        if is_own && is_change {
            return Ok(Err(Untrusted::OtherPhone));
        }
        let account_key = *claim.identity;
        return Ok(Ok(Admission { account, account_key, is_change, is_new: known.is_none() }));
    }
    let Some(identity) = claim.device_identity else { return Ok(Err(Untrusted::NoIdentity)) };
    let is_hosted = claim.device.is_hosted();
    let vouched = match adv::check_companion(identity, claim.identity, is_hosted, known.as_ref()) {
        Ok(vouched) => vouched,
        Err(error) => return Ok(Err(error.into())),
    };
    if known.is_some_and(|known| known != vouched.account_key) {
        return Ok(Err(Untrusted::OtherAccount));
    }
    if is_listed_otherwise(context, claim.device, vouched.key_index).await? {
        return Ok(Err(Untrusted::OtherCompanion));
    }
    let account_key = vouched.account_key;
    Ok(Ok(Admission { account, account_key, is_change: false, is_new: known.is_none() }))
}

impl Admission {
    /// Remembers the account's key. If it is another one than before, all sessions with the account's devices end.
    pub(crate) async fn apply(&self, context: &mut Context<'_>) -> Result<(), End> {
        if self.is_change {
            changed(context, &self.account).await?;
        }
        if self.is_change || self.is_new {
            context.mirror.save_identity(DeviceAddress::from(&self.account), &self.account_key);
        }
        Ok(())
    }
}

/// The identity of a user is another one, or is said to be: nothing that was agreed with the old one holds (PROTOCOL.md
/// 16 notes that ending the sessions under the phone number alone is not enough).
pub(crate) async fn changed(context: &mut Context<'_>, user: &Jid) -> Result<(), End> {
    let (store, mirror) = (&context.shared.store, &mut *context.mirror);
    let user = user.to_user().unhosted();
    let pn = mirror.lids.pn_of(store, &user).await?;
    let lid = mirror.lids.lid_of(store, &user).await?;
    let mut was_known = false;
    let users = pn.iter().chain(&lid).flat_map(|user| [user.signal_name(), hosted(user).signal_name()]);
    let names: Vec<_> = users.collect();
    let names: Vec<_> = names.iter().map(|name| name.as_str()).collect();
    mirror.take_keys_from(store, &names).await?;
    for user in pn.iter().chain(&lid) {
        let primary = DeviceAddress::from(user);
        was_known |= mirror.identities(store, std::slice::from_ref(&primary)).await?[0].is_some();
        for name in [user.signal_name(), hosted(user).signal_name()] {
            for address in mirror.addresses(store, &name).await? {
                was_known = true;
                mirror.delete_session(&address);
            }
        }
        mirror.delete_session(&primary);
        mirror.drop_device_list(user);
    }
    if was_known && !mirror.is_own_user(&user) {
        let at = context.server_millis();
        let change = IdentityChange { at, kind: IdentityChangeKind::Keys };
        context.mirror.identity_changed(pn.as_ref(), lid.as_ref(), change);
    }
    Ok(())
}

/// The identity key of a user's phone, which vouches for the companions; `None` if it isn't known. That of the own phone
/// is the one that has linked this companion.
pub(crate) async fn account_key(context: &mut Context<'_>, user: &Jid) -> Result<Option<PublicKey>, End> {
    if context.mirror.is_own_user(user)
        && let Some(key) = context.mirror.device.account.as_deref().and_then(adv::account_key)
    {
        return Ok(Some(key));
    }
    let (store, mirror) = (&context.shared.store, &mut *context.mirror);
    let primary = DeviceAddress::from(&user.to_user().unhosted());
    if let Some(key) = mirror.identities(store, std::slice::from_ref(&primary)).await?.pop().flatten() {
        return Ok(Some(PublicKey::from_bytes(key)));
    }
    mirror.sessions.load(store, std::slice::from_ref(&primary)).await?;
    Ok(mirror.sessions.get_mut(&primary).map(|session| *session.remote_identity()))
}

/// What of a list of devices holds: a companion that its account's signed list doesn't have was unlinked, or never was
/// linked, and a signed list that is older than one seen before is that of companions who were linked once. Without a signed list, or without the key that has signed it, each companion's own identity has to do.
pub(crate) async fn linked(
    context: &mut Context<'_>,
    user: &Jid,
    mut list: DeviceList,
    signed: Option<&[u8]>,
) -> Result<DeviceList, End> {
    let newest = context.mirror.devices_signed_at(&context.shared.store, user).await?;
    list.timestamp = newest;
    let (Some(signed), Some(account_key)) = (signed, account_key(context, user).await?) else {
        return Ok(list);
    };
    let indexes = KeyIndexes::read(signed, &account_key);
    let indexes = indexes.and_then(|indexes| match indexes.signed_at() {
        at if at < newest => Err(NotGenuine::Old),
        _ => Ok(indexes),
    });
    match &indexes {
        Ok(indexes) => list.timestamp = indexes.signed_at(),
        Err(error) => tracing::warn!(%error, "a list of companions doesn't hold"),
    }
    let is_linked = |index: Option<u32>| indexes.as_ref().is_ok_and(|indexes| indexes.contains(index));
    list.devices.retain(|device| device.id == 0 || is_linked(device.key_index));
    Ok(list)
}

/// Takes in how new the list of companions is that came with the news of a change: no older one holds any more.
pub(crate) async fn saw_signed(context: &mut Context<'_>, user: &Jid, signed: &[u8]) -> Result<(), End> {
    let Some(account_key) = account_key(context, user).await? else { return Ok(()) };
    if let Ok(indexes) = KeyIndexes::read(signed, &account_key) {
        let store = &context.shared.store;
        context.mirror.saw_devices_signed(store, user, indexes.signed_at()).await?;
    }
    Ok(())
}

/// Whether a device is one of its user's, as far as is known. A phone always is.
pub(crate) async fn is_listed(context: &mut Context<'_>, device: &Jid) -> Result<bool, End> {
    if device.device == 0 {
        return Ok(!device.is_hosted());
    }
    let list = list_of(context, device).await?;
    let is_it = |listed: &wa_store::ListedDevice| {
        listed.id == device.device && listed.is_hosted == device.is_hosted()
    };
    Ok(list.is_some_and(|list| list.devices.iter().any(is_it)))
}

async fn is_listed_otherwise(
    context: &mut Context<'_>,
    device: &Jid,
    key_index: Option<u32>,
) -> Result<bool, End> {
    let list = list_of(context, device).await?;
    let listed = list.and_then(|list| list.devices.into_iter().find(|listed| listed.id == device.device));
    Ok(listed.and_then(|listed| listed.key_index).is_some_and(|index| key_index != Some(index)))
}

async fn list_of(context: &mut Context<'_>, device: &Jid) -> Result<Option<DeviceList>, End> {
    let user = device.to_user().unhosted();
    if user.server != Server::Lid {
        return Ok(None);
    }
    Ok(context.mirror.device_list(&context.shared.store, &user, 0).await?)
}
