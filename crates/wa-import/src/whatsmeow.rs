//! The tables of whatsmeow.

mod record;
mod rows;

use std::collections::BTreeMap;

use compact_str::CompactString;
use prost::Message as _;
use wa_binary::Jid;
use wa_protobuf::adv::AdvSignedDeviceIdentity;
use wa_store::{
    AppStateKey, AppStateRecord, AppStateVersion, Device, DeviceAddress, LidMigration, PrivacyToken,
    SenderKeyName, SignedPreKeyRecord,
};

pub use rows::{
    AppStateKeyRow, AppStateMacRow, AppStateVersionRow, ChatSettingsRow, ContactRow, DeviceRow, PreKeyRow,
    SenderKeyRow, TokenRow,
};

use crate::gathering::{Gathering, TokenOf};
use crate::import::{Contact, Import};
use crate::{ImportError, Problem};

/// The rows of one device in a database of whatsmeow, each given as it was selected by its `our_jid` or `jid`.
///
/// Facts: whatsmeow 33cfac5, `store/sqlstore/upgrades` (schema), `store/sqlstore/store.go` (what is written),
/// `store/signal.go` (addresses); libsignal for Go 0.2, `serialize/ProtoBufferSerializer.go` (which record is written how).
#[derive(Default)]
pub struct Whatsmeow {
    gathering: Gathering,
    device: Option<DeviceRow>,
    salt: Option<Vec<u8>>,
    unuploaded: Option<u32>,
    states: BTreeMap<CompactString, State>,
    contacts: BTreeMap<String, Contact>,
}

/// A collection of the app state.
#[derive(Default)]
struct State {
    version: Option<AppStateVersion>,
    /// By index: the version that has written it last, and the MAC of its value.
    macs: BTreeMap<[u8; 32], (i64, [u8; 32])>,
}

impl Whatsmeow {
    /// The row of `whatsmeow_device`.
    pub fn device(&mut self, row: DeviceRow) {
        self.device = Some(row);
    }

    /// The salt of `whatsmeow_nct_salt`.
    pub fn salt(&mut self, salt: Vec<u8>) {
        self.salt = Some(salt);
    }

    /// Whether more was given than a store has: nothing more needs to be read, [`Self::finish`] says so.
    pub fn is_full(&self) -> bool {
        self.gathering.is_full()
    }

    /// A row of `whatsmeow_sessions`: `their_id` and `session`.
    pub fn session(&mut self, their_id: &str, session: &[u8]) {
        let read = self.gathering.weigh(session).and_then(|()| {
            self.gathering.session(address(their_id)?, record::session(session)?);
            Ok(())
        });
        self.note("whatsmeow_sessions", their_id, read);
    }

    /// A row of `whatsmeow_identity_keys`: `their_id` and `identity`.
    pub fn identity(&mut self, their_id: &str, identity: &[u8]) {
        let read = address(their_id).and_then(|address| {
            self.gathering.identity(address, fixed(identity, "identity")?);
            Ok(())
        });
        self.note("whatsmeow_identity_keys", their_id, read);
    }

    /// A row of `whatsmeow_pre_keys`.
    pub fn prekey(&mut self, row: &PreKeyRow) {
        let id = u32::try_from(row.key_id).ok().filter(|id| (1..1 << 24).contains(id));
        let read =
            id.ok_or(Problem::Wrong { field: "key_id", expected: "no id of a prekey" }).and_then(|id| {
                self.gathering.prekey(id, fixed(&row.key, "key")?);
                if !row.uploaded {
                    self.unuploaded = Some(self.unuploaded.map_or(id, |first| first.min(id)));
                }
                Ok(())
            });
        self.note("whatsmeow_pre_keys", &row.key_id.to_string(), read);
    }

    /// A row of `whatsmeow_sender_keys`.
    pub fn sender_key(&mut self, row: &SenderKeyRow) {
        let read = self.gathering.weigh(&row.sender_key).and_then(|()| {
            let group: Jid = row.chat_id.parse().map_err(|_| Problem::Name)?;
            let name = SenderKeyName::new(group.to_string(), address(&row.sender_id)?);
            self.gathering.sender_key(name, record::sender_key(&row.sender_key)?);
            Ok(())
        });
        self.note("whatsmeow_sender_keys", &format!("{} {}", row.chat_id, row.sender_id), read);
    }

    /// A row of `whatsmeow_app_state_sync_keys`.
    pub fn app_state_key(&mut self, row: AppStateKeyRow) {
        let place = row.timestamp.to_string();
        let read = fixed::<32>(&row.key_data, "key_data").map(|data| {
            self.gathering.app_state_key(AppStateKey {
                id: row.key_id.into(),
                data: data.to_vec().into(),
                fingerprint: row.fingerprint.into(),
                timestamp: row.timestamp,
            });
        });
        self.note("whatsmeow_app_state_sync_keys", &place, read);
    }

    /// A row of `whatsmeow_app_state_version`.
    pub fn app_state(&mut self, row: &AppStateVersionRow) {
        let version = u64::try_from(row.version);
        let version = version.map_err(|_| Problem::Wrong { field: "version", expected: "no number" });
        let read = version.and_then(|version| {
            let hash = fixed(&row.hash, "hash")?;
            self.states.entry(row.name.as_str().into()).or_default().version =
                Some(AppStateVersion { version, hash });
            Ok(())
        });
        self.note("whatsmeow_app_state_version", &row.name, read);
    }

    /// A row of `whatsmeow_app_state_mutation_macs`. What was written by the latest version counts.
    pub fn app_state_mac(&mut self, row: &AppStateMacRow) {
        let read = fixed(&row.index_mac, "index_mac").and_then(|index| {
            let mac = (row.version, fixed(&row.value_mac, "value_mac")?);
            let macs = &mut self.states.entry(row.name.as_str().into()).or_default().macs;
            let known = macs.entry(index).or_insert(mac);
            if mac.0 >= known.0 {
                *known = mac;
            }
            Ok(())
        });
        self.note("whatsmeow_app_state_mutation_macs", &row.name, read);
    }

    /// A row of `whatsmeow_lid_map`, which belongs to all devices of the database.
    pub fn lid(&mut self, lid: &str, pn: &str) {
        let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if is_digits(lid) && is_digits(pn) {
            self.gathering.lid(pn.into(), lid.into());
        } else {
            self.note("whatsmeow_lid_map", lid, Err(Problem::Name));
        }
    }

    /// A row of `whatsmeow_privacy_tokens`.
    pub fn token(&mut self, row: TokenRow) {
        let of = match row.their_jid.parse::<Jid>() {
            Ok(jid) if jid.is_lid() => TokenOf::Lid(jid.user),
            Ok(jid) if jid.is_pn() => TokenOf::Pn(jid.user),
            _ => return self.note("whatsmeow_privacy_tokens", &row.their_jid, Err(Problem::Name)),
        };
        let token = PrivacyToken {
            token: row.token.into(),
            received_at: row.timestamp,
            given_at: row.sender_timestamp.unwrap_or(0),
            // Who has given a token has been written to.
            met_at: row.timestamp,
        };
        self.gathering.token(of, token);
    }

    /// A row of `whatsmeow_contacts`.
    pub fn contact(&mut self, row: ContactRow) {
        let text = |text: Option<String>| text.filter(|text| !text.is_empty());
        let (saved, push, business) =
            (text(row.full_name).or(text(row.first_name)), text(row.push_name), text(row.business_name));
        if let Some(contact) = self.contact_of(&row.their_jid, "whatsmeow_contacts") {
            contact.saved_name = saved.or(contact.saved_name.take());
            contact.push_name = push.or(contact.push_name.take());
            contact.business_name = business.or(contact.business_name.take());
        }
    }

    /// A row of `whatsmeow_chat_settings`.
    pub fn chat_settings(&mut self, row: &ChatSettingsRow) {
        if let Some(contact) = self.contact_of(&row.chat_jid, "whatsmeow_chat_settings") {
            contact.archived |= row.archived;
            contact.pinned |= row.pinned;
            contact.muted_until = Some(row.muted_until).filter(|until| *until != 0).or(contact.muted_until);
        }
    }

    /// Everything together. `now`: Unix seconds, since when the signed prekey counts as the present one, as its age isn't kept.
    ///
    /// # Errors
    /// Without a device that can be read.
    pub fn finish(mut self, now: i64) -> Result<Import, ImportError> {
        const PLACE: &str = "whatsmeow_device";
        let row = self.device.take().ok_or(ImportError::NoCredentials(PLACE))?;
        let next = self.gathering.last_prekey().map_or(1, |last| last + 1);
        let prekeys = (next, self.unuploaded.unwrap_or(next));
        let mut device = device(row, prekeys, now).map_err(|problem| problem.at(PLACE))?;
        device.nct_salt = self.salt.filter(|salt| !salt.is_empty()).map(Into::into);
        for (name, State { version, macs }) in self.states {
            let Some(version) = version else { continue };
            let record =
                |(index, (_, value))| AppStateRecord { collection: name.clone(), index, value: Some(value) };
            let records = macs.into_iter().map(record).collect();
            self.gathering.app_state(name.clone(), version, records);
        }
        for contact in self.contacts.into_values() {
            self.gathering.contact(contact);
        }
        self.gathering.finish(device)
    }

    /// The contact with this JID: by number where it is known, so the pairs are to be given first.
    fn contact_of(&mut self, jid: &str, table: &'static str) -> Option<&mut Contact> {
        let Ok(parsed) = jid.parse::<Jid>() else {
            self.note(table, jid, Err(Problem::Name));
            return None;
        };
        let mut user = parsed.to_user();
        if let Some(pn) =
            Some(&user).filter(|user| user.is_lid()).and_then(|user| self.gathering.pn_of(&user.user))
        {
            user = Jid::pn(pn);
        }
        let lid = if user.is_pn() { self.gathering.lid_of(&user.user) } else { None };
        let lid = lid.map(|lid| Jid::lid(lid).to_string());
        let jid = user.to_string();
        let named = || Contact { jid: jid.clone(), lid, ..Contact::default() };
        Some(self.contacts.entry(jid.clone()).or_insert_with(named))
    }

    fn note(&mut self, table: &str, row: &str, read: Result<(), Problem>) {
        if let Err(problem) = read {
            self.gathering.leave_out(format!("{table} {row}"), problem);
        }
    }
}

fn device(row: DeviceRow, (next, unuploaded): (u32, u32), now: i64) -> Result<Device, Problem> {
    let number = |number: i64, field| {
        u32::try_from(number).map_err(|_| Problem::Wrong { field, expected: "no number of 32 bits" })
    };
    let jid: Jid = row.jid.parse().map_err(|_| Problem::Wrong { field: "jid", expected: "no JID" })?;
    let account = AdvSignedDeviceIdentity {
        details: Some(row.adv_details.into()),
        account_signature_key: Some(row.adv_account_sig_key.into()),
        account_signature: Some(row.adv_account_sig.into()),
        device_signature: Some(row.adv_device_sig.into()),
    };
    let moved = row.lid_migration_ts.is_some_and(|at| at > 0);
    Ok(Device {
        noise_key: fixed(&row.noise_key, "noise_key")?,
        identity_key: fixed(&row.identity_key, "identity_key")?,
        registration_id: number(row.registration_id, "registration_id")?,
        adv_secret: fixed(&row.adv_key, "adv_key")?,
        signed_prekey: SignedPreKeyRecord {
            id: number(row.signed_pre_key_id, "signed_pre_key_id")?,
            private_key: fixed(&row.signed_pre_key, "signed_pre_key")?,
            signature: fixed(&row.signed_pre_key_sig, "signed_pre_key_sig")?,
        },
        previous_signed_prekeys: Vec::new(),
        signed_prekey_rotated_at: now,
        next_prekey_id: next,
        first_unuploaded_prekey_id: unuploaded,
        jid: Some(jid),
        lid: row.lid.as_deref().and_then(|lid| lid.parse().ok()).filter(Jid::is_lid),
        account: Some(account.encode_to_vec().into()),
        push_name: row.push_name,
        chosen_name: None,
        nct_salt: None,
        platform: row.platform,
        business_name: Some(row.business_name).filter(|name| !name.is_empty()),
        routing_info: None,
        server_clock_offset: 0,
        logins: 0,
        ban: None,
        lid_migration: if moved { LidMigration::Done } else { LidMigration::Unknown },
    })
}

fn fixed<const N: usize>(bytes: &[u8], field: &'static str) -> Result<[u8; N], Problem> {
    bytes.try_into().map_err(|_| Problem::Wrong { field, expected: "of another length" })
}

/// A Signal address, `<name>:<device>`.
fn address(id: &str) -> Result<DeviceAddress, Problem> {
    let (name, device) = id.rsplit_once(':').ok_or(Problem::Name)?;
    match device.parse() {
        Ok(device) if !name.is_empty() => Ok(DeviceAddress::new(name, device)),
        _ => Err(Problem::Name),
    }
}

#[cfg(test)]
mod tests;
