use bytes::Bytes;
use diesel::prelude::*;
use storage::InstanceId;
use wa_store::{Changes, DeviceAddress, DeviceList, SenderKeyName, SentMessage};

use super::{place, sent};
use crate::fault::Fault;
use crate::schema::{
    companions, device_lists, identities, lid_mappings, prekeys, sender_keys, sent_messages, sessions,
};
use crate::seal::Sealer;
use crate::sqlite::Tx;

/// [`Changes`] with everything private sealed.
pub(super) struct SealedChanges {
    wipe: bool,
    device: Option<Vec<u8>>,
    sessions: Vec<(DeviceAddress, Option<Vec<u8>>)>,
    identities: Vec<(DeviceAddress, Option<[u8; 32]>)>,
    prekeys_added: Vec<(u32, Vec<u8>)>,
    prekeys_removed: Vec<u32>,
    sender_keys: Vec<(SenderKeyName, Option<Vec<u8>>)>,
    lid_mappings: Vec<(String, String)>,
    device_lists: Vec<(String, Option<Vec<u8>>)>,
    sent_messages: Vec<SentMessage>,
}

pub(super) fn seal(changes: Changes, sealer: &Sealer) -> Result<SealedChanges, Fault> {
    let session = |(address, record): (DeviceAddress, Option<Bytes>)| {
        let sealed = record.map(|record| place::with_session(&address, |place| sealer.seal(place, &record)));
        Ok((address, sealed.transpose()?))
    };
    let sender_key = |(name, record): (SenderKeyName, Option<Bytes>)| {
        let sealed = record.map(|record| place::with_sender_key(&name, |place| sealer.seal(place, &record)));
        Ok((name, sealed.transpose()?))
    };
    let prekey = |(id, key): (u32, [u8; 32])| Ok((id, place::seal_prekey(sealer, id, &key)?));
    let device = changes.device.map(|device| sealer.seal(&place::DEVICE, &device.to_record()));
    let lid_mapping = |(pn, lid): (_, _)| (String::from(pn), String::from(lid));
    let device_list = |(user, list): (wa_binary::Jid, Option<DeviceList>)| {
        (user.to_string(), list.map(|list| list.to_record()))
    };
    Ok(SealedChanges {
        wipe: changes.wipe,
        device: device.transpose()?,
        sessions: changes.sessions.into_iter().map(session).collect::<Result<_, Fault>>()?,
        identities: changes.identities,
        prekeys_added: changes.prekeys_added.into_iter().map(prekey).collect::<Result<_, Fault>>()?,
        prekeys_removed: changes.prekeys_removed,
        sender_keys: changes.sender_keys.into_iter().map(sender_key).collect::<Result<_, Fault>>()?,
        lid_mappings: changes.lid_mappings.into_iter().map(lid_mapping).collect(),
        device_lists: changes.device_lists.into_iter().map(device_list).collect(),
        sent_messages: changes.sent_messages,
    })
}

pub(super) fn store(tx: &mut Tx, instance: InstanceId, changes: &SealedChanges) -> Result<(), Fault> {
    let key = tx.instance_key(instance)?;
    if changes.wipe {
        wipe(&mut tx.db, key)?;
    }
    let db = &mut tx.db;
    if let Some(record) = &changes.device {
        let row = (companions::instance.eq(key), companions::record.eq(record));
        diesel::replace_into(companions::table).values(row).execute(db)?;
    }
    store_sessions(db, key, &changes.sessions)?;
    store_identities(db, key, &changes.identities)?;
    store_prekeys(db, key, changes)?;
    store_sender_keys(db, key, &changes.sender_keys)?;
    for (pn, lid) in &changes.lid_mappings {
        // Replaces whatever shares the number or the LID: both are unique.
        let row = (lid_mappings::instance.eq(key), lid_mappings::pn.eq(pn), lid_mappings::lid.eq(lid));
        diesel::replace_into(lid_mappings::table).values(row).execute(db)?;
    }
    store_device_lists(db, key, &changes.device_lists)?;
    changes.sent_messages.iter().try_for_each(|message| sent::store(tx, instance, message))
}

/// Removes all records of a companion.
pub(crate) fn wipe(db: &mut SqliteConnection, key: i64) -> Result<(), Fault> {
    diesel::delete(companions::table.find(key)).execute(db)?;
    diesel::delete(sessions::table.filter(sessions::instance.eq(key))).execute(db)?;
    diesel::delete(identities::table.filter(identities::instance.eq(key))).execute(db)?;
    diesel::delete(prekeys::table.filter(prekeys::instance.eq(key))).execute(db)?;
    diesel::delete(sender_keys::table.filter(sender_keys::instance.eq(key))).execute(db)?;
    diesel::delete(lid_mappings::table.filter(lid_mappings::instance.eq(key))).execute(db)?;
    diesel::delete(device_lists::table.filter(device_lists::instance.eq(key))).execute(db)?;
    diesel::delete(sent_messages::table.filter(sent_messages::instance.eq(key))).execute(db)?;
    Ok(())
}

// `REPLACE` throughout, for its prepared statement is kept: diesel prepares an upsert anew each time. In these tables it
// is the same, since the primary key is all that can conflict and every column is written.

fn store_sessions(
    db: &mut SqliteConnection,
    key: i64,
    sessions: &[(DeviceAddress, Option<Vec<u8>>)],
) -> Result<(), Fault> {
    for (address, record) in sessions {
        let (name, device) = (address.name.as_str(), i64::from(address.device));
        match record {
            Some(record) => {
                let row = (
                    sessions::instance.eq(key),
                    sessions::name.eq(name),
                    sessions::device.eq(device),
                    sessions::record.eq(record),
                );
                diesel::replace_into(sessions::table).values(row).execute(db)?;
            }
            None => {
                diesel::delete(sessions::table.find((key, name, device))).execute(db)?;
            }
        }
    }
    Ok(())
}

fn store_identities(
    db: &mut SqliteConnection,
    key: i64,
    identities: &[(DeviceAddress, Option<[u8; 32]>)],
) -> Result<(), Fault> {
    for (address, public_key) in identities {
        let (name, device) = (address.name.as_str(), i64::from(address.device));
        match public_key {
            Some(public_key) => {
                let row = (
                    identities::instance.eq(key),
                    identities::name.eq(name),
                    identities::device.eq(device),
                    identities::public_key.eq(&public_key[..]),
                );
                diesel::replace_into(identities::table).values(row).execute(db)?;
            }
            None => {
                diesel::delete(identities::table.find((key, name, device))).execute(db)?;
            }
        }
    }
    Ok(())
}

fn store_prekeys(db: &mut SqliteConnection, key: i64, changes: &SealedChanges) -> Result<(), Fault> {
    for (id, private_key) in &changes.prekeys_added {
        let row =
            (prekeys::instance.eq(key), prekeys::id.eq(i64::from(*id)), prekeys::private_key.eq(private_key));
        diesel::replace_into(prekeys::table).values(row).execute(db)?;
    }
    for id in &changes.prekeys_removed {
        diesel::delete(prekeys::table.find((key, i64::from(*id)))).execute(db)?;
    }
    Ok(())
}

fn store_sender_keys(
    db: &mut SqliteConnection,
    key: i64,
    sender_keys: &[(SenderKeyName, Option<Vec<u8>>)],
) -> Result<(), Fault> {
    for (name, record) in sender_keys {
        let (group, sender) = (name.group.as_str(), name.sender.name.as_str());
        let device = i64::from(name.sender.device);
        match record {
            Some(record) => {
                let row = (
                    sender_keys::instance.eq(key),
                    sender_keys::chat.eq(group),
                    sender_keys::name.eq(sender),
                    sender_keys::device.eq(device),
                    sender_keys::record.eq(record),
                );
                diesel::replace_into(sender_keys::table).values(row).execute(db)?;
            }
            None => {
                diesel::delete(sender_keys::table.find((key, group, sender, device))).execute(db)?;
            }
        }
    }
    Ok(())
}

fn store_device_lists(
    db: &mut SqliteConnection,
    key: i64,
    lists: &[(String, Option<Vec<u8>>)],
) -> Result<(), Fault> {
    for (user, record) in lists {
        match record {
            Some(record) => {
                let row = (
                    device_lists::instance.eq(key),
                    device_lists::user.eq(user),
                    device_lists::record.eq(record),
                );
                diesel::replace_into(device_lists::table).values(row).execute(db)?;
            }
            None => {
                diesel::delete(device_lists::table.find((key, user))).execute(db)?;
            }
        }
    }
    Ok(())
}
