use bytes::Bytes;
use prost::Message as _;
use serde_json::Value;
use wa_binary::Jid;
use wa_protobuf::adv::AdvSignedDeviceIdentity;
use wa_store::{Device, LidMigration, SignedPreKeyRecord};

use crate::Problem;
use crate::json::{array, base64, bytes, bytes_of, field, integer, maybe, number, text};

/// The device that `creds.json` describes.
pub(super) fn device(creds: &Value, now: i64) -> Result<Device, Problem> {
    let me = maybe(creds, "me");
    let jid = |name| me.and_then(|me| me.get(name)?.as_str()).and_then(|jid| jid.parse::<Jid>().ok());
    let name = me.and_then(|me| me.get("name")?.as_str()).filter(|name| *name != NAMELESS);
    let signed = field(creds, "signedPreKey")?;
    let next_prekey_id = id(creds, "nextPreKeyId")?;
    Ok(Device {
        noise_key: private(creds, "noiseKey")?,
        identity_key: private(creds, "signedIdentityKey")?,
        registration_id: number(creds, "registrationId")?,
        adv_secret: adv_secret(creds)?,
        signed_prekey: SignedPreKeyRecord {
            id: number(signed, "keyId")?,
            private_key: private(signed, "keyPair")?,
            signature: array(signed, "signature")?,
        },
        previous_signed_prekeys: Vec::new(),
        signed_prekey_rotated_at: maybe(signed, "timestampS").and_then(integer).unwrap_or(now),
        next_prekey_id,
        first_unuploaded_prekey_id: id(creds, "firstUnuploadedPreKeyId")?.min(next_prekey_id),
        jid: jid("id"),
        lid: jid("lid").filter(Jid::is_lid),
        account: maybe(creds, "account").map(account).transpose()?,
        push_name: name.unwrap_or_default().to_owned(),
        chosen_name: None,
        nct_salt: None,
        platform: creds.get("platform").and_then(Value::as_str).unwrap_or_default().to_owned(),
        business_name: None,
        routing_info: maybe(creds, "routingInfo").and_then(bytes_of).map(Bytes::from),
        server_clock_offset: 0,
        logins: 0,
        ban: None,
        lid_migration: LidMigration::Unknown,
    })
}

/// What Baileys calls an account whose name it hasn't learned.
const NAMELESS: &str = "~";
/// Ids of prekeys have 24 bits, and 0 means none.
const PREKEY_IDS: u32 = 1 << 24;

fn private(value: &Value, name: &'static str) -> Result<[u8; 32], Problem> {
    array(field(value, name)?, "private")
}

fn id(creds: &Value, name: &'static str) -> Result<u32, Problem> {
    let id = number(creds, name)?;
    if (1..=PREKEY_IDS).contains(&id) {
        Ok(id)
    } else {
        Err(Problem::Wrong { field: name, expected: "no id of a prekey" })
    }
}

fn adv_secret(creds: &Value) -> Result<[u8; 32], Problem> {
    const NAME: &str = "advSecretKey";
    let wrong = Problem::Wrong { field: NAME, expected: "not 32 bytes" };
    base64(text(creds, NAME)?).and_then(|secret| secret.try_into().ok()).ok_or(wrong)
}

fn account(account: &Value) -> Result<Bytes, Problem> {
    let part = |name| bytes(account, name).map(Bytes::from).map(Some);
    let identity = AdvSignedDeviceIdentity {
        details: part("details")?,
        account_signature_key: part("accountSignatureKey")?,
        account_signature: part("accountSignature")?,
        device_signature: part("deviceSignature")?,
    };
    Ok(identity.encode_to_vec().into())
}
