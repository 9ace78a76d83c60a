use bytes::Bytes;
use diesel::prelude::*;
use wa_store::{Device, DeviceAddress, DeviceList, SenderKeyName};

use super::place;
use crate::fault::Fault;
use crate::schema::{companions, device_lists, identities, lid_mappings, prekeys, sender_keys, sessions};
use crate::seal::Sealer;

pub(super) fn device(db: &mut SqliteConnection, key: i64, sealer: &Sealer) -> Result<Option<Device>, Fault> {
    let sealed = companions::table.find(key).select(companions::record).first::<Vec<u8>>(db).optional()?;
    let Some(sealed) = sealed else { return Ok(None) };
    let record = sealer.open(&place::DEVICE, &sealed)?;
    Ok(Some(Device::from_record(&record)?))
}

/// One prepared statement for all addresses: a list of any length would be prepared anew each time.
pub(super) fn sessions(
    db: &mut SqliteConnection,
    key: i64,
    sealer: &Sealer,
    addresses: &[DeviceAddress],
) -> Result<Vec<Option<Bytes>>, Fault> {
    let load = |address: &DeviceAddress| {
        let session = sessions::table.find((key, address.name.as_str(), i64::from(address.device)));
        let sealed = session.select(sessions::record).first::<Vec<u8>>(db).optional()?;
        let open =
            |sealed: Vec<u8>| place::with_session(address, |place| sealer.open(place, &sealed)).map(bytes);
        sealed.map(open).transpose()
    };
    addresses.iter().map(load).collect()
}

pub(super) fn identities(
    db: &mut SqliteConnection,
    key: i64,
    addresses: &[DeviceAddress],
) -> Result<Vec<Option<[u8; 32]>>, Fault> {
    let load = |address: &DeviceAddress| {
        let identity = identities::table.find((key, address.name.as_str(), i64::from(address.device)));
        let public_key = identity.select(identities::public_key).first::<Vec<u8>>(db).optional()?;
        public_key.map(|bytes| thirty_two("identity", &bytes)).transpose()
    };
    addresses.iter().map(load).collect()
}

pub(super) fn addresses(
    db: &mut SqliteConnection,
    key: i64,
    name: &str,
) -> Result<Vec<DeviceAddress>, Fault> {
    let with_session = sessions::table
        .filter(sessions::instance.eq(key))
        .filter(sessions::name.eq(name))
        .select(sessions::device)
        .load::<i64>(db)?;
    let with_identity = identities::table
        .filter(identities::instance.eq(key))
        .filter(identities::name.eq(name))
        .select(identities::device)
        .load::<i64>(db)?;
    let mut devices: Vec<_> = with_session.into_iter().chain(with_identity).collect();
    devices.sort_unstable();
    devices.dedup();
    devices.into_iter().map(|device| Ok(DeviceAddress::new(name, small("device", device)?))).collect()
}

pub(super) fn prekey(
    db: &mut SqliteConnection,
    key: i64,
    sealer: &Sealer,
    id: u32,
) -> Result<Option<[u8; 32]>, Fault> {
    let prekey = prekeys::table.find((key, i64::from(id))).select(prekeys::private_key);
    let sealed = prekey.first::<Vec<u8>>(db).optional()?;
    sealed.map(|sealed| thirty_two("prekey", &place::open_prekey(sealer, id, &sealed)?)).transpose()
}

pub(super) fn prekeys(
    db: &mut SqliteConnection,
    key: i64,
    sealer: &Sealer,
    from_id: u32,
    limit: usize,
) -> Result<Vec<(u32, [u8; 32])>, Fault> {
    let rows: Vec<(i64, Vec<u8>)> = prekeys::table
        .filter(prekeys::instance.eq(key))
        .filter(prekeys::id.ge(i64::from(from_id)))
        .order(prekeys::id)
        .limit(i64::try_from(limit).unwrap_or(i64::MAX))
        .select((prekeys::id, prekeys::private_key))
        .load(db)?;
    let open = |(id, sealed): (i64, Vec<u8>)| {
        let id = small("prekey", id)?;
        Ok((id, thirty_two("prekey", &place::open_prekey(sealer, id, &sealed)?)?))
    };
    rows.into_iter().map(open).collect()
}

pub(super) fn prekey_count(db: &mut SqliteConnection, key: i64) -> Result<usize, Fault> {
    let count: i64 = prekeys::table.filter(prekeys::instance.eq(key)).count().get_result(db)?;
    Ok(usize::try_from(count).unwrap_or_default())
}

pub(super) fn sender_key(
    db: &mut SqliteConnection,
    key: i64,
    sealer: &Sealer,
    name: &SenderKeyName,
) -> Result<Option<Bytes>, Fault> {
    let (group, sender) = (name.group.as_str(), &name.sender);
    let record = sender_keys::table.find((key, group, sender.name.as_str(), i64::from(sender.device)));
    let sealed = record.select(sender_keys::record).first::<Vec<u8>>(db).optional()?;
    let open = |sealed: Vec<u8>| place::with_sender_key(name, |place| sealer.open(place, &sealed)).map(bytes);
    sealed.map(open).transpose()
}

pub(super) fn lid_of(db: &mut SqliteConnection, key: i64, pn: &str) -> Result<Option<String>, Fault> {
    Ok(lid_mappings::table.find((key, pn)).select(lid_mappings::lid).first(db).optional()?)
}

pub(super) fn pn_of(db: &mut SqliteConnection, key: i64, lid: &str) -> Result<Option<String>, Fault> {
    let of_lid = lid_mappings::table.filter(lid_mappings::instance.eq(key)).filter(lid_mappings::lid.eq(lid));
    Ok(of_lid.select(lid_mappings::pn).first(db).optional()?)
}

pub(super) fn device_lists(
    db: &mut SqliteConnection,
    key: i64,
    users: &[String],
) -> Result<Vec<Option<DeviceList>>, Fault> {
    let load = |user: &String| {
        let list = device_lists::table.find((key, user)).select(device_lists::record);
        let record = list.first::<Vec<u8>>(db).optional()?;
        Ok(record.map(|record| DeviceList::from_record(&record)).transpose()?)
    };
    users.iter().map(load).collect()
}

fn bytes(mut opened: zeroize::Zeroizing<Vec<u8>>) -> Bytes {
    Bytes::from(std::mem::take(&mut *opened))
}

fn thirty_two(what: &'static str, bytes: &[u8]) -> Result<[u8; 32], Fault> {
    bytes.try_into().map_err(|error| Fault::corrupt(what, error))
}

fn small(what: &'static str, number: i64) -> Result<u32, Fault> {
    u32::try_from(number).map_err(|error| Fault::corrupt(what, error))
}
