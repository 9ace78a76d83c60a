//! The first version had a table for each kind of record, with values sealed to places in them. What they hold is sealed
//! anew and moved, once, in the transaction that brings the schema up to date.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use storage::InstanceId;
use storage_sql::schema::instances;
use storage_sql::{Fault, MasterKey, Place, Sealer};
use wa_binary::JidError;
use wa_store::{Changes, Device, DeviceAddress, DeviceList, SenderKeyName};

mod tables {
    diesel::table! { companions (instance) { instance -> BigInt, record -> Binary, } }
    diesel::table! {
        sessions (instance, name, device) { instance -> BigInt, name -> Text, device -> BigInt, record -> Binary, }
    }
    diesel::table! {
        identities (instance, name, device) {
            instance -> BigInt, name -> Text, device -> BigInt, public_key -> Binary,
        }
    }
    diesel::table! { prekeys (instance, id) { instance -> BigInt, id -> BigInt, private_key -> Binary, } }
    diesel::table! {
        sender_keys (instance, chat, name, device) {
            instance -> BigInt, chat -> Text, name -> Text, device -> BigInt, record -> Binary,
        }
    }
    diesel::table! { lid_mappings (instance, pn) { instance -> BigInt, pn -> Text, lid -> Text, } }
    diesel::table! { device_lists (instance, user) { instance -> BigInt, user -> Text, record -> Binary, } }
}
use tables::{companions, device_lists, identities, lid_mappings, prekeys, sender_keys, sessions};

/// Moves what the old tables hold, and drops them. Does nothing when they are gone.
///
/// A row that can't be read is left out and told: it could not have been used in its table either.
pub(crate) fn move_old_tables(db: &mut SqliteConnection, master: &MasterKey) -> Result<(), Fault> {
    if !are_there(db)? {
        return Ok(());
    }
    let all: Vec<(i64, Vec<u8>)> = instances::table.select((instances::key, instances::id)).load(db)?;
    for (key, id) in all {
        let id = <[u8; 16]>::try_from(id)
            .map_err(|_| Fault::corrupt("instance", "its id is not 16 bytes long"))?;
        let instance = InstanceId::from_bytes(id);
        let sealer = Sealer::for_instance(master, instance);
        let old = Old { db, key, sealer: &sealer, changes: Changes::default(), unreadable: 0 }.read()?;
        if old.unreadable > 0 {
            tracing::error!(%instance, rows = old.unreadable, "unreadable records of a companion were left behind");
        }
        let batch = old.changes.into_batch(&sealer).map_err(|_| Fault::Randomness)?;
        super::apply(db, key, &batch)?;
    }
    Ok(db.batch_execute(
        "DROP TABLE companions; DROP TABLE sessions; DROP TABLE identities; DROP TABLE prekeys;
         DROP TABLE sender_keys; DROP TABLE lid_mappings; DROP TABLE device_lists;",
    )?)
}

#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = BigInt)]
    tables: i64,
}

pub(crate) fn are_there(db: &mut SqliteConnection) -> Result<bool, Fault> {
    let found = diesel::sql_query("SELECT count(*) AS tables FROM sqlite_schema WHERE name = 'companions'");
    Ok(found.get_result::<Found>(db)?.tables > 0)
}

/// The old records of one instance.
struct Old<'a> {
    db: &'a mut SqliteConnection,
    key: i64,
    sealer: &'a Sealer,
    /// What was read so far, as a companion would commit it.
    changes: Changes,
    /// Rows that could not be.
    unreadable: usize,
}

impl Old<'_> {
    fn read(mut self) -> Result<Self, Fault> {
        self.device()?;
        self.sessions()?;
        self.identities()?;
        self.prekeys()?;
        self.sender_keys()?;
        self.lid_mappings()?;
        self.device_lists()?;
        Ok(self)
    }

    fn device(&mut self) -> Result<(), Fault> {
        let row = companions::table.find(self.key).select(companions::record).load::<Vec<u8>>(self.db)?;
        let devices = self.readable(row, |sealer, sealed| {
            let record = sealer.open(&Place { column: "companions.record", row: &[] }, &sealed)?;
            Ok(Device::from_record(&record)?)
        });
        self.changes.device = devices.into_iter().next();
        Ok(())
    }

    fn sessions(&mut self) -> Result<(), Fault> {
        let rows: Vec<(String, i64, Vec<u8>)> = sessions::table
            .filter(sessions::instance.eq(self.key))
            .select((sessions::name, sessions::device, sessions::record))
            .load(self.db)?;
        self.changes.sessions = self.readable(rows, |sealer, (name, device, sealed)| {
            let address = DeviceAddress::new(name, number(device)?);
            let row: &[&[u8]] = &[address.name.as_bytes(), &address.device.to_be_bytes()];
            let record = sealer.open(&Place { column: "sessions.record", row }, &sealed)?;
            Ok((address, Some(record.to_vec().into())))
        });
        Ok(())
    }

    fn identities(&mut self) -> Result<(), Fault> {
        let rows: Vec<(String, i64, Vec<u8>)> = identities::table
            .filter(identities::instance.eq(self.key))
            .select((identities::name, identities::device, identities::public_key))
            .load(self.db)?;
        self.changes.identities = self.readable(rows, |_, (name, device, key)| {
            Ok((DeviceAddress::new(name, number(device)?), Some(thirty_two(&key)?)))
        });
        Ok(())
    }

    fn prekeys(&mut self) -> Result<(), Fault> {
        let rows: Vec<(i64, Vec<u8>)> = prekeys::table
            .filter(prekeys::instance.eq(self.key))
            .select((prekeys::id, prekeys::private_key))
            .load(self.db)?;
        self.changes.prekeys_added = self.readable(rows, |sealer, (id, sealed)| {
            let id = number(id)?;
            let place = Place { column: "prekeys.private_key", row: &[&id.to_be_bytes()] };
            Ok((id, thirty_two(&sealer.open(&place, &sealed)?)?))
        });
        Ok(())
    }

    fn sender_keys(&mut self) -> Result<(), Fault> {
        let rows: Vec<(String, String, i64, Vec<u8>)> = sender_keys::table
            .filter(sender_keys::instance.eq(self.key))
            .select((sender_keys::chat, sender_keys::name, sender_keys::device, sender_keys::record))
            .load(self.db)?;
        self.changes.sender_keys = self.readable(rows, |sealer, (group, name, device, sealed)| {
            let name = SenderKeyName::new(group, DeviceAddress::new(name, number(device)?));
            let device = name.sender.device.to_be_bytes();
            let row: &[&[u8]] = &[name.group.as_bytes(), name.sender.name.as_bytes(), &device];
            let record = sealer.open(&Place { column: "sender_keys.record", row }, &sealed)?;
            Ok((name, Some(record.to_vec().into())))
        });
        Ok(())
    }

    fn lid_mappings(&mut self) -> Result<(), Fault> {
        let pairs = lid_mappings::table.filter(lid_mappings::instance.eq(self.key));
        let pairs = pairs.select((lid_mappings::pn, lid_mappings::lid)).load::<(String, String)>(self.db)?;
        self.changes.lid_mappings = pairs.into_iter().map(|(pn, lid)| (pn.into(), lid.into())).collect();
        Ok(())
    }

    fn device_lists(&mut self) -> Result<(), Fault> {
        let rows: Vec<(String, Vec<u8>)> = device_lists::table
            .filter(device_lists::instance.eq(self.key))
            .select((device_lists::user, device_lists::record))
            .load(self.db)?;
        self.changes.device_lists = self.readable(rows, |_, (user, record)| {
            let user = user.parse().map_err(|error: JidError| Fault::corrupt("device list", error))?;
            Ok((user, Some(DeviceList::from_record(&record)?)))
        });
        Ok(())
    }

    /// The rows that can be read; the others are counted.
    fn readable<R, T>(&mut self, rows: Vec<R>, read: impl Fn(&Sealer, R) -> Result<T, Fault>) -> Vec<T> {
        let count = rows.len();
        let found: Vec<_> = rows.into_iter().filter_map(|row| read(self.sealer, row).ok()).collect();
        self.unreadable += count - found.len();
        found
    }
}

fn thirty_two(bytes: &[u8]) -> Result<[u8; 32], Fault> {
    bytes.try_into().map_err(|error| Fault::corrupt("key", error))
}

fn number(number: i64) -> Result<u32, Fault> {
    u32::try_from(number).map_err(|error| Fault::corrupt("number", error))
}

#[cfg(test)]
pub(crate) mod tests {
    use wa_store::conformance::{sample_device, sample_device_list};

    use super::*;

    /// Stores what the first version would have stored of one companion.
    pub(crate) fn fill(db: &mut SqliteConnection, key: i64, sealer: &Sealer) {
        let seal = |column, row: &[&[u8]], plain: &[u8]| sealer.seal(&Place { column, row }, plain).unwrap();
        let peer = "15550000002";
        let of = |device: u32| device.to_be_bytes();
        let record = seal("companions.record", &[], &sample_device().to_record());
        let row = (companions::instance.eq(key), companions::record.eq(record));
        diesel::insert_into(companions::table).values(row).execute(db).unwrap();
        for device in [1, 2] {
            let plain = format!("session {device}");
            let record = seal("sessions.record", &[peer.as_bytes(), &of(device)], plain.as_bytes());
            let row = (
                sessions::instance.eq(key),
                sessions::name.eq(peer),
                sessions::device.eq(i64::from(device)),
                sessions::record.eq(record),
            );
            diesel::insert_into(sessions::table).values(row).execute(db).unwrap();
        }
        let row = (
            identities::instance.eq(key),
            identities::name.eq(peer),
            identities::device.eq(1),
            identities::public_key.eq(&[9; 32][..]),
        );
        diesel::insert_into(identities::table).values(row).execute(db).unwrap();
        for (id, plain) in [(7u32, [7; 32]), (812, [8; 32])] {
            let private_key = seal("prekeys.private_key", &[&id.to_be_bytes()], &plain);
            let row = (
                prekeys::instance.eq(key),
                prekeys::id.eq(i64::from(id)),
                prekeys::private_key.eq(private_key),
            );
            diesel::insert_into(prekeys::table).values(row).execute(db).unwrap();
        }
        let record = seal("sender_keys.record", &[b"1203@g.us", peer.as_bytes(), &of(1)], b"sender key");
        let row = (
            sender_keys::instance.eq(key),
            sender_keys::chat.eq("1203@g.us"),
            sender_keys::name.eq(peer),
            sender_keys::device.eq(1),
            sender_keys::record.eq(record),
        );
        diesel::insert_into(sender_keys::table).values(row).execute(db).unwrap();
        let row = (
            lid_mappings::instance.eq(key),
            lid_mappings::pn.eq(peer),
            lid_mappings::lid.eq("100000000000002"),
        );
        diesel::insert_into(lid_mappings::table).values(row).execute(db).unwrap();
        let row = (
            device_lists::instance.eq(key),
            device_lists::user.eq("15550000002@s.whatsapp.net"),
            device_lists::record.eq(sample_device_list().to_record()),
        );
        diesel::insert_into(device_lists::table).values(row).execute(db).unwrap();
    }
}
