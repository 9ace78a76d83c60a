use std::fmt;

use bytes::Bytes;
use wa_binary::Jid;

/// All credentials of one companion, and the few counters that must never go back.
///
/// It exists before pairing (the keys are in the QR text); `jid` is set by a successful pairing.
/// `Debug` prints no key, no number and no name.
#[derive(Clone, PartialEq, Eq)]
pub struct Device {
    /// X25519 private key of the Noise handshake.
    pub noise_key: [u8; 32],
    /// X25519 private identity key of the Signal layer.
    pub identity_key: [u8; 32],
    /// Signal registration id.
    pub registration_id: u32,
    /// Secret shared with the phone through the QR text; keys the HMAC of pair-success.
    pub adv_secret: [u8; 32],
    /// The signed prekey that is on the server.
    pub signed_prekey: SignedPreKeyRecord,
    /// Rotated-out signed prekeys that peers may still use, newest first. The client bounds the list.
    pub previous_signed_prekeys: Vec<SignedPreKeyRecord>,
    /// When `signed_prekey` became current, in Unix seconds.
    pub signed_prekey_rotated_at: i64,
    /// Id of the next one-time prekey to generate. Ids start again at 1 after 2²⁴.
    pub next_prekey_id: u32,
    /// One-time prekeys with this id or a higher one are not on the server yet.
    pub first_unuploaded_prekey_id: u32,
    /// Our own device JID with a phone number; `None` until paired.
    pub jid: Option<Jid>,
    /// Our own device JID with a LID.
    pub lid: Option<Jid>,
    /// `ADVSignedDeviceIdentity` protobuf, including the account signature key; sent along with prekey messages.
    pub account: Option<Bytes>,
    /// The name that the account's owner gave it, as far as it was learnt.
    pub push_name: String,
    /// The name that this companion shows instead, if it was given one.
    pub chosen_name: Option<String>,
    /// Salt of the tokens by which the account may write to people it doesn't know.
    pub nct_salt: Option<Bytes>,
    /// The phone's platform as pair-success told it (`android`, `iphone`, `smba`, …); empty until paired.
    pub platform: String,
    /// Name of a business account.
    pub business_name: Option<String>,
    /// Edge routing blob of the last `<ib>`, replayed before the next handshake.
    pub routing_info: Option<Bytes>,
    /// Server clock minus our clock, in seconds.
    pub server_clock_offset: i64,
    /// How often the server has accepted a login of this companion.
    pub logins: u32,
    /// A temporary ban that was not over when it was last heard of.
    pub ban: Option<Ban>,
    /// Whether the account writes to people by LID.
    pub lid_migration: LidMigration,
}

/// A temporary ban of the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ban {
    /// Why, as the server's `code` says.
    pub code: u32,
    /// When it ends, in Unix milliseconds.
    pub until: i64,
}

/// How far an account has moved from phone numbers to LIDs. The numbers are stored and never change their meaning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LidMigration {
    /// 0: nobody has said.
    #[default]
    Unknown,
    /// 1: it has not; the server refuses what it writes to a LID.
    Pending,
    /// 2: it has.
    Done,
}

impl LidMigration {
    /// The state with this number; what a later version wrote counts as unknown.
    pub(crate) fn from_number(number: u32) -> Self {
        match number {
            1 => Self::Pending,
            2 => Self::Done,
            _ => Self::Unknown,
        }
    }

    pub(crate) fn number(self) -> u32 {
        match self {
            Self::Unknown => 0,
            Self::Pending => 1,
            Self::Done => 2,
        }
    }
}

impl Device {
    /// Whether a phone has linked this companion.
    pub fn is_paired(&self) -> bool {
        self.jid.is_some()
    }

    /// The name that recipients see beside our number; empty if none is known.
    pub fn shown_name(&self) -> &str {
        self.chosen_name.as_deref().unwrap_or(&self.push_name)
    }

    /// The signed prekey with this id, current or rotated out.
    pub fn signed_prekey_by_id(&self, id: u32) -> Option<&SignedPreKeyRecord> {
        std::iter::once(&self.signed_prekey).chain(&self.previous_signed_prekeys).find(|key| key.id == id)
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Destructured in full, so that a new field forces a decision.
        let Self {
            noise_key: _,
            identity_key: _,
            registration_id: _,
            adv_secret: _,
            signed_prekey,
            previous_signed_prekeys: _,
            signed_prekey_rotated_at,
            next_prekey_id,
            first_unuploaded_prekey_id,
            jid,
            lid,
            account: _,
            push_name: _,
            chosen_name: _,
            nct_salt: _,
            platform,
            business_name: _,
            routing_info: _,
            server_clock_offset,
            logins,
            ban,
            lid_migration,
        } = self;
        f.debug_struct("Device")
            .field("paired", &jid.is_some())
            .field("has_lid", &lid.is_some())
            .field("platform", platform)
            .field("signed_prekey_id", &signed_prekey.id)
            .field("signed_prekey_rotated_at", signed_prekey_rotated_at)
            .field("next_prekey_id", next_prekey_id)
            .field("first_unuploaded_prekey_id", first_unuploaded_prekey_id)
            .field("server_clock_offset", server_clock_offset)
            .field("logins", logins)
            .field("ban", ban)
            .field("lid_migration", lid_migration)
            .finish_non_exhaustive()
    }
}

/// A signed prekey as it is stored.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedPreKeyRecord {
    /// 24-bit id; the first one is 1.
    pub id: u32,
    /// X25519 private key.
    pub private_key: [u8; 32],
    /// XEdDSA signature of the identity key over `0x05 || public key`.
    pub signature: [u8; 64],
}

impl fmt::Debug for SignedPreKeyRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedPreKeyRecord").field("id", &self.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use crate::conformance::sample_device;

    #[test]
    fn debug_shows_neither_keys_nor_numbers_nor_names() {
        let device = sample_device();
        assert_eq!(
            format!("{device:?}"),
            "Device { paired: true, has_lid: true, platform: \"android\", signed_prekey_id: 2, \
             signed_prekey_rotated_at: 1700000000, next_prekey_id: 813, first_unuploaded_prekey_id: 813, \
             server_clock_offset: -3, logins: 5, ban: Some(Ban { code: 101, until: 1700000000000 }), \
             lid_migration: Done, .. }"
        );
        assert_eq!(format!("{:?}", device.signed_prekey), "SignedPreKeyRecord { id: 2, .. }");
    }

    #[test]
    fn rotated_out_signed_prekeys_are_found() {
        let device = sample_device();
        assert_eq!(device.signed_prekey_by_id(2).map(|key| key.private_key), Some([4; 32]));
        assert_eq!(device.signed_prekey_by_id(1).map(|key| key.private_key), Some([6; 32]));
        assert!(device.signed_prekey_by_id(3).is_none());
    }
}
