//! The SQLite file of a gateway that was built on whatsmeow: looked at, and never written.

use std::path::Path;

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Bool, Nullable, Text};
use wa_import::{
    AppStateKeyRow, AppStateMacRow, AppStateVersionRow, ChatSettingsRow, ContactRow, DeviceRow, MAX_TOTAL,
    PreKeyRow, SenderKeyRow, TokenRow, Whatsmeow,
};

use crate::sqlite::connection::open_reader;

/// Why the database of another gateway can't be read.
#[derive(Debug, thiserror::Error)]
pub enum WhatsmeowError {
    /// There is no such file.
    #[error("the database can't be read")]
    File(#[from] std::io::Error),
    /// It is larger than what is read into memory.
    #[error("the database has more than {MAX_TOTAL} bytes")]
    TooLarge,
    /// It can't be opened.
    #[error("the database can't be opened")]
    Open(#[from] diesel::ConnectionError),
    /// It isn't what whatsmeow writes, or is damaged.
    #[error("the database isn't one of whatsmeow, or is damaged")]
    Read(#[from] diesel::result::Error),
    /// There is no device, or not the one that was asked for.
    #[error("there is no such device in the database")]
    NoDevice,
    /// There are several, and it wasn't said which.
    #[error("there are {} devices in the database; name one of them: {}", .0.len(), .0.join(", "))]
    Several(Vec<String>),
}

/// Reads a device of this database. `wanted` is its JID, or the phone number of its account; without it there may be only one. The
/// program that wrote it has to be stopped. Blocks for as long as the disk takes.
///
/// # Errors
/// [`WhatsmeowError`].
pub fn read_whatsmeow(file: &Path, wanted: Option<&str>) -> Result<Whatsmeow, WhatsmeowError> {
    if file.metadata()?.len() > MAX_TOTAL as u64 {
        return Err(WhatsmeowError::TooLarge);
    }
    let db = &mut open_reader(file)?;
    let jid = named(db, wanted)?;
    let mut store = Whatsmeow::default();
    store.device(device(db, &jid)?);
    keys(db, &jid, &mut store)?;
    app_state(db, &jid, &mut store)?;
    people(db, &jid, &mut store)?;
    Ok(store)
}

/// The rows of a query about one device, as tuples of these types.
macro_rules! rows {
    ($db:expr, $query:expr, $jid:expr, ($($sql:ty),+) as ($($rust:ty),+)) => {
        sql::<($($sql,)+)>($query).bind::<Text, _>($jid).load::<($($rust,)+)>($db)
    };
}

fn named(db: &mut SqliteConnection, wanted: Option<&str>) -> Result<String, WhatsmeowError> {
    let all: Vec<String> = sql::<Text>("SELECT jid FROM whatsmeow_device ORDER BY jid").load(db)?;
    // `15550000001:7@s.whatsapp.net`: the number is what stands before the device.
    let number = |jid: &str| jid.split([':', '.', '@']).next().unwrap_or_default().to_owned();
    let is_it = |jid: &&String| {
        wanted.is_none_or(|wanted| {
            let digits: String = wanted.chars().filter(char::is_ascii_digit).collect();
            **jid == *wanted || number(jid) == digits
        })
    };
    let found: Vec<_> = all.iter().filter(is_it).cloned().collect();
    match &found[..] {
        [] => Err(WhatsmeowError::NoDevice),
        [jid] => Ok(jid.clone()),
        _ => Err(WhatsmeowError::Several(found)),
    }
}

fn device(db: &mut SqliteConnection, jid: &str) -> Result<DeviceRow, WhatsmeowError> {
    let keys = rows!(
        db,
        "SELECT registration_id, noise_key, identity_key, signed_pre_key, signed_pre_key_id, signed_pre_key_sig, \
         adv_key FROM whatsmeow_device WHERE jid = ",
        jid,
        (BigInt, Binary, Binary, Binary, BigInt, Binary, Binary)
            as (i64, Vec<u8>, Vec<u8>, Vec<u8>, i64, Vec<u8>, Vec<u8>)
    )?;
    let account = rows!(
        db,
        "SELECT adv_details, adv_account_sig, adv_account_sig_key, adv_device_sig, platform, business_name, \
         push_name FROM whatsmeow_device WHERE jid = ",
        jid,
        (Binary, Binary, Binary, Binary, Text, Text, Text)
            as (Vec<u8>, Vec<u8>, Vec<u8>, Vec<u8>, String, String, String)
    )?;
    let (Some(keys), Some(account)) = (keys.into_iter().next(), account.into_iter().next()) else {
        return Err(WhatsmeowError::NoDevice);
    };
    let (registration_id, noise_key, identity_key, signed_pre_key, signed_pre_key_id, sig, adv_key) = keys;
    let (adv_details, adv_account_sig, adv_account_sig_key, adv_device_sig, platform, business, push) =
        account;
    // Since versions 7 and 10.
    let (mut lid, mut moved) = (None, None);
    if has_column(db, "lid")? {
        let found = rows!(db, "SELECT lid FROM whatsmeow_device WHERE jid = ", jid,
            (Nullable<Text>) as (Option<String>))?;
        lid = found.into_iter().next().and_then(|(lid,)| lid);
    }
    if has_column(db, "lid_migration_ts")? {
        let found = rows!(db, "SELECT lid_migration_ts FROM whatsmeow_device WHERE jid = ", jid,
            (Nullable<BigInt>) as (Option<i64>))?;
        moved = found.into_iter().next().and_then(|(at,)| at);
    }
    Ok(DeviceRow {
        jid: jid.to_owned(),
        lid,
        registration_id,
        noise_key,
        identity_key,
        signed_pre_key,
        signed_pre_key_id,
        signed_pre_key_sig: sig,
        adv_key,
        adv_details,
        adv_account_sig,
        adv_account_sig_key,
        adv_device_sig,
        platform,
        business_name: business,
        push_name: push,
        lid_migration_ts: moved,
    })
}

fn has_column(db: &mut SqliteConnection, name: &str) -> QueryResult<bool> {
    let found = sql::<Text>("SELECT name FROM pragma_table_info('whatsmeow_device') WHERE name = ")
        .bind::<Text, _>(name)
        .load::<String>(db)?;
    Ok(!found.is_empty())
}

/// Tables came one after the other.
fn has_table(db: &mut SqliteConnection, name: &str) -> QueryResult<bool> {
    let found = sql::<Text>("SELECT name FROM sqlite_master WHERE type = 'table' AND name = ")
        .bind::<Text, _>(name)
        .load::<String>(db)?;
    Ok(!found.is_empty())
}

fn keys(db: &mut SqliteConnection, jid: &str, store: &mut Whatsmeow) -> QueryResult<()> {
    let sessions = rows!(
        db,
        "SELECT their_id, session FROM whatsmeow_sessions WHERE session IS NOT NULL AND our_jid = ",
        jid,
        (Text, Binary) as (String, Vec<u8>)
    )?;
    for (their_id, session) in sessions {
        store.session(&their_id, &session);
    }
    let identities = rows!(
        db,
        "SELECT their_id, identity FROM whatsmeow_identity_keys WHERE our_jid = ",
        jid,
        (Text, Binary) as (String, Vec<u8>)
    )?;
    for (their_id, identity) in identities {
        store.identity(&their_id, &identity);
    }
    let prekeys = rows!(
        db,
        "SELECT key_id, key, uploaded FROM whatsmeow_pre_keys WHERE jid = ",
        jid,
        (BigInt, Binary, Bool) as (i64, Vec<u8>, bool)
    )?;
    for (key_id, key, uploaded) in prekeys {
        store.prekey(&PreKeyRow { key_id, key, uploaded });
    }
    let sender_keys = rows!(
        db,
        "SELECT chat_id, sender_id, sender_key FROM whatsmeow_sender_keys WHERE our_jid = ",
        jid,
        (Text, Text, Binary) as (String, String, Vec<u8>)
    )?;
    for (chat_id, sender_id, sender_key) in sender_keys {
        store.sender_key(&SenderKeyRow { chat_id, sender_id, sender_key });
    }
    Ok(())
}

fn app_state(db: &mut SqliteConnection, jid: &str, store: &mut Whatsmeow) -> QueryResult<()> {
    let keys = rows!(
        db,
        "SELECT key_id, key_data, timestamp, fingerprint FROM whatsmeow_app_state_sync_keys WHERE jid = ",
        jid,
        (Binary, Binary, BigInt, Binary) as (Vec<u8>, Vec<u8>, i64, Vec<u8>)
    )?;
    for (key_id, key_data, timestamp, fingerprint) in keys {
        store.app_state_key(AppStateKeyRow { key_id, key_data, timestamp, fingerprint });
    }
    let versions = rows!(
        db,
        "SELECT name, version, hash FROM whatsmeow_app_state_version WHERE jid = ",
        jid,
        (Text, BigInt, Binary) as (String, i64, Vec<u8>)
    )?;
    for (name, version, hash) in versions {
        store.app_state(&AppStateVersionRow { name, version, hash });
    }
    let macs = rows!(
        db,
        "SELECT name, version, index_mac, value_mac FROM whatsmeow_app_state_mutation_macs WHERE jid = ",
        jid,
        (Text, BigInt, Binary, Binary) as (String, i64, Vec<u8>, Vec<u8>)
    )?;
    for (name, version, index_mac, value_mac) in macs {
        store.app_state_mac(&AppStateMacRow { name, version, index_mac, value_mac });
    }
    Ok(())
}

/// Who is who, before who they are: contacts are named by the pairs.
fn people(db: &mut SqliteConnection, jid: &str, store: &mut Whatsmeow) -> QueryResult<()> {
    if has_table(db, "whatsmeow_lid_map")? {
        let pairs: Vec<(String, String)> =
            sql::<(Text, Text)>("SELECT lid, pn FROM whatsmeow_lid_map").load(db)?;
        pairs.iter().for_each(|(lid, pn)| store.lid(lid, pn));
    }
    if has_table(db, "whatsmeow_nct_salt")? {
        let salts =
            rows!(db, "SELECT salt FROM whatsmeow_nct_salt WHERE our_jid = ", jid, (Binary) as (Vec<u8>))?;
        salts.into_iter().for_each(|(salt,)| store.salt(salt));
    }
    if has_table(db, "whatsmeow_privacy_tokens")? {
        let tokens = rows!(
            db,
            "SELECT their_jid, token, timestamp FROM whatsmeow_privacy_tokens WHERE our_jid = ",
            jid,
            (Text, Binary, BigInt) as (String, Vec<u8>, i64)
        )?;
        for (their_jid, token, timestamp) in tokens {
            // When ours was given is known since version 12; it is given again after a week anyway.
            store.token(TokenRow { their_jid, token, timestamp, sender_timestamp: None });
        }
    }
    let contacts = rows!(db,
        "SELECT their_jid, first_name, full_name, push_name, business_name FROM whatsmeow_contacts WHERE our_jid = ",
        jid,
        (Text, Nullable<Text>, Nullable<Text>, Nullable<Text>, Nullable<Text>)
            as (String, Option<String>, Option<String>, Option<String>, Option<String>))?;
    for (their_jid, first_name, full_name, push_name, business_name) in contacts {
        store.contact(ContactRow { their_jid, first_name, full_name, push_name, business_name });
    }
    let chats = rows!(
        db,
        "SELECT chat_jid, muted_until, pinned, archived FROM whatsmeow_chat_settings WHERE our_jid = ",
        jid,
        (Text, BigInt, Bool, Bool) as (String, i64, bool, bool)
    )?;
    for (chat_jid, muted_until, pinned, archived) in chats {
        store.chat_settings(&ChatSettingsRow { chat_jid, muted_until, pinned, archived });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use diesel::connection::SimpleConnection as _;

    use super::*;

    /// Whatsmeow's tables at version 15, as its schema is published; without the constraints, which keep nothing from being read.
    const SCHEMA: &str = "
        CREATE TABLE whatsmeow_device (jid TEXT PRIMARY KEY, lid TEXT, facebook_uuid uuid, registration_id BIGINT NOT NULL,
            noise_key bytea NOT NULL, identity_key bytea NOT NULL, signed_pre_key bytea NOT NULL,
            signed_pre_key_id INTEGER NOT NULL, signed_pre_key_sig bytea NOT NULL, adv_key bytea NOT NULL,
            adv_details bytea NOT NULL, adv_account_sig bytea NOT NULL, adv_account_sig_key bytea NOT NULL,
            adv_device_sig bytea NOT NULL, platform TEXT NOT NULL DEFAULT '', business_name TEXT NOT NULL DEFAULT '',
            push_name TEXT NOT NULL DEFAULT '', lid_migration_ts BIGINT NOT NULL DEFAULT 0,
            companion_meta_nonce TEXT NOT NULL DEFAULT '');
        CREATE TABLE whatsmeow_identity_keys (our_jid TEXT, their_id TEXT, identity bytea NOT NULL);
        CREATE TABLE whatsmeow_pre_keys (jid TEXT, key_id INTEGER, key bytea NOT NULL, uploaded BOOLEAN NOT NULL);
        CREATE TABLE whatsmeow_sessions (our_jid TEXT, their_id TEXT, session bytea);
        CREATE TABLE whatsmeow_sender_keys (our_jid TEXT, chat_id TEXT, sender_id TEXT, sender_key bytea NOT NULL);
        CREATE TABLE whatsmeow_app_state_sync_keys (jid TEXT, key_id bytea, key_data bytea NOT NULL,
            timestamp BIGINT NOT NULL, fingerprint bytea NOT NULL);
        CREATE TABLE whatsmeow_app_state_version (jid TEXT, name TEXT, version BIGINT NOT NULL, hash bytea NOT NULL);
        CREATE TABLE whatsmeow_app_state_mutation_macs (jid TEXT, name TEXT, version BIGINT, index_mac bytea,
            value_mac bytea NOT NULL);
        CREATE TABLE whatsmeow_contacts (our_jid TEXT, their_jid TEXT, first_name TEXT, full_name TEXT, push_name TEXT,
            business_name TEXT, redacted_phone TEXT);
        CREATE TABLE whatsmeow_chat_settings (our_jid TEXT, chat_jid TEXT, muted_until BIGINT NOT NULL DEFAULT 0,
            pinned BOOLEAN NOT NULL DEFAULT false, archived BOOLEAN NOT NULL DEFAULT false);
        CREATE TABLE whatsmeow_privacy_tokens (our_jid TEXT, their_jid TEXT, token bytea NOT NULL,
            timestamp BIGINT NOT NULL, sender_timestamp BIGINT);
        CREATE TABLE whatsmeow_nct_salt (our_jid TEXT PRIMARY KEY, salt bytea NOT NULL);
        CREATE TABLE whatsmeow_lid_map (lid TEXT PRIMARY KEY, pn TEXT UNIQUE NOT NULL);";

    const ALICE: &str = "15550000001:7@s.whatsapp.net";

    fn device(jid: &str) -> String {
        let (key, signature) = ("zeroblob(32)", "zeroblob(64)");
        format!(
            "INSERT INTO whatsmeow_device VALUES ('{jid}', '100000000000001:7@lid', NULL, 77, {key}, {key}, {key}, 1, \
             {signature}, {key}, x'01', {signature}, {key}, {signature}, 'android', '', 'Alice', 1700000000, '');"
        )
    }

    /// A file with these statements in it.
    fn database(statements: &str) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("store.db");
        let mut db = SqliteConnection::establish(file.to_str().unwrap()).unwrap();
        db.batch_execute(statements).unwrap();
        (folder, file)
    }

    #[test]
    fn a_device_is_read_with_all_that_belongs_to_it() {
        let rows = format!(
            "INSERT INTO whatsmeow_pre_keys VALUES ('{ALICE}', 30, zeroblob(32), true), ('other', 31, zeroblob(32), 1);
             INSERT INTO whatsmeow_identity_keys VALUES ('{ALICE}', '100000000000002_1:0', zeroblob(32));
             INSERT INTO whatsmeow_sessions VALUES ('{ALICE}', '1:0', x'7b7d'), ('{ALICE}', '2:0', NULL);
             INSERT INTO whatsmeow_sender_keys VALUES ('{ALICE}', '1@g.us', '1:0', x'7b7d');
             INSERT INTO whatsmeow_app_state_sync_keys VALUES ('{ALICE}', x'01', zeroblob(32), 5, x'');
             INSERT INTO whatsmeow_app_state_version VALUES ('{ALICE}', 'regular', 4, zeroblob(128));
             INSERT INTO whatsmeow_app_state_mutation_macs VALUES ('{ALICE}', 'regular', 4, zeroblob(32), zeroblob(32));
             INSERT INTO whatsmeow_lid_map VALUES ('100000000000002', '15550000002');
             INSERT INTO whatsmeow_privacy_tokens VALUES ('{ALICE}', '100000000000002@lid', x'01', 5, NULL);
             INSERT INTO whatsmeow_nct_salt VALUES ('{ALICE}', x'0909');
             INSERT INTO whatsmeow_contacts VALUES ('{ALICE}', '15550000002@s.whatsapp.net', NULL, 'Bob', 'Bobby', '', NULL);
             INSERT INTO whatsmeow_chat_settings VALUES ('{ALICE}', '15550000002@s.whatsapp.net', -1, true, false);"
        );
        let (_folder, file) = database(&format!("{SCHEMA} {} {rows}", device(ALICE)));
        let import = read_whatsmeow(&file, None).unwrap().finish(0).unwrap();
        let counts = import.counts;
        assert_eq!(
            (counts.prekeys, counts.identities, counts.app_state_keys, counts.app_states),
            (1, 1, 1, 1)
        );
        assert_eq!((counts.lid_mappings, counts.privacy_tokens, counts.contacts), (2, 1, 1));
        assert_eq!((counts.sessions, counts.left_out), (0, 1), "an empty record is none");
        let device = import.changes.device.unwrap();
        assert_eq!((device.push_name.as_str(), device.registration_id), ("Alice", 77));
        assert_eq!(device.nct_salt.as_deref(), Some(&[9, 9][..]));
        assert_eq!(import.contacts[0].lid.as_deref(), Some("100000000000002@lid"));
    }

    #[test]
    fn the_device_is_named_where_there_are_several() {
        let (_folder, file) =
            database(&format!("{SCHEMA} {} {}", device(ALICE), device("15550000002:1@s.whatsapp.net")));
        let error = read_whatsmeow(&file, None).map(drop).unwrap_err();
        assert!(matches!(&error, WhatsmeowError::Several(found) if found.len() == 2), "{error}");
        for name in [ALICE, "15550000001", "+1 555 000 0001"] {
            let import = read_whatsmeow(&file, Some(name)).unwrap().finish(0).unwrap();
            assert_eq!(import.account().unwrap().user, "15550000001");
        }
        assert!(matches!(read_whatsmeow(&file, Some("15550000003")), Err(WhatsmeowError::NoDevice)));
    }

    #[test]
    fn an_older_schema_is_read_and_what_is_none_is_refused() {
        let old = SCHEMA
            .replace("jid TEXT PRIMARY KEY, lid TEXT,", "jid TEXT PRIMARY KEY,")
            .replace("lid_migration_ts BIGINT NOT NULL DEFAULT 0,", "")
            .split_inclusive(';')
            .filter(|table| !["lid_map", "nct_salt", "privacy_tokens"].iter().any(|it| table.contains(it)))
            .collect::<String>();
        let row = device(ALICE).replace("'100000000000001:7@lid', ", "").replace("1700000000, ", "");
        let (_folder, file) = database(&format!("{old} {row}"));
        let import = read_whatsmeow(&file, None).unwrap().finish(0).unwrap();
        assert_eq!(import.changes.device.unwrap().lid, None);
        let (_other, file) = database("CREATE TABLE something (id TEXT);");
        assert!(matches!(read_whatsmeow(&file, None), Err(WhatsmeowError::Read(_))));
        std::fs::write(&file, "no database, and never was one").unwrap();
        assert!(matches!(
            read_whatsmeow(&file, None),
            Err(WhatsmeowError::Read(_) | WhatsmeowError::Open(_))
        ));
        assert!(matches!(read_whatsmeow(Path::new("/nowhere/at.all"), None), Err(WhatsmeowError::File(_))));
    }
}
