//! What is kept beside the credentials, each under a type and an id.

use compact_str::CompactString;
use prost::Message as _;
use serde_json::Value;
use wa_binary::Jid;
use wa_protobuf::e2e::AppStateSyncKeyFingerprint;
use wa_store::{
    AppStateKey, AppStateRecord, AppStateVersion, DeviceAddress, KeyHolders, PrivacyToken, SenderKeyName,
};

use super::{sender_key, session};
use crate::Problem;
use crate::gathering::{Gathering, TokenOf};
use crate::json::{array, base64, bytes, bytes_of, field, integer, maybe, object, public_key_of};

pub(super) fn session(gathering: &mut Gathering, id: &str, value: &Value) -> Result<(), Problem> {
    gathering.session(address(id)?, session::parts(value)?);
    Ok(())
}

pub(super) fn identity(gathering: &mut Gathering, id: &str, value: &Value) -> Result<(), Problem> {
    const NAME: &str = "identity key";
    let key = bytes_of(value).ok_or(Problem::Wrong { field: NAME, expected: "not written as bytes" })?;
    gathering.identity(address(id)?, *public_key_of(&key, NAME)?.as_bytes());
    Ok(())
}

pub(super) fn prekey(gathering: &mut Gathering, id: &str, value: &Value) -> Result<(), Problem> {
    let id = id.parse().ok().filter(|id| (1..1 << 24).contains(id)).ok_or(Problem::Name)?;
    gathering.prekey(id, array(value, "private")?);
    Ok(())
}

/// The id is `<group>::<name>::<device>`; in the name of a file each `:` is a `-`, which the group's JID may have, too.
pub(super) fn sender_key(gathering: &mut Gathering, id: &str, value: &Value) -> Result<(), Problem> {
    let parts = |between: &str| {
        let (rest, device) = id.rsplit_once(between)?;
        let (group, name) = rest.rsplit_once(between)?;
        Some((group.to_owned(), DeviceAddress::new(name, device.parse::<u32>().ok()?)))
    };
    let (group, sender) = parts("::").or_else(|| parts("--")).ok_or(Problem::Name)?;
    let group: Jid = group.parse().map_err(|_| Problem::Name)?;
    gathering.sender_key(SenderKeyName::new(group.to_string(), sender), sender_key::record(value)?);
    Ok(())
}

/// The devices that have our sender key: their JIDs, each with `true`.
pub(super) fn key_holders(gathering: &mut Gathering, id: &str, value: &Value) -> Result<(), Problem> {
    let group: Jid = id.parse().map_err(|_| Problem::Name)?;
    let has_it = object(value, "sender key memory")?.iter().filter(|(_, has)| has.as_bool() == Some(true));
    let devices = has_it.filter_map(|(device, _)| device.parse::<Jid>().ok());
    let holders: KeyHolders =
        devices.filter(Jid::is_user).map(|device| DeviceAddress::from(&device)).collect();
    gathering.key_holders(group.to_string().into(), holders);
    Ok(())
}

/// The id is the key's, in base64.
pub(super) fn app_state_key(gathering: &mut Gathering, id: &str, value: &Value) -> Result<(), Problem> {
    let id = base64(id).filter(|id| !id.is_empty()).ok_or(Problem::Name)?;
    gathering.app_state_key(AppStateKey {
        id: id.into(),
        data: array::<32>(value, "keyData")?.to_vec().into(),
        fingerprint: maybe(value, "fingerprint").map(fingerprint).unwrap_or_default().into(),
        timestamp: maybe(value, "timestamp").and_then(integer).unwrap_or(0),
    });
    Ok(())
}

fn fingerprint(value: &Value) -> Vec<u8> {
    let number = |value: &Value| integer(value).and_then(|number| u32::try_from(number).ok());
    let indexes = value.get("deviceIndexes").and_then(Value::as_array);
    AppStateSyncKeyFingerprint {
        raw_id: maybe(value, "rawId").and_then(number),
        current_index: maybe(value, "currentIndex").and_then(number),
        device_indexes: indexes.into_iter().flatten().filter_map(number).collect(),
    }
    .encode_to_vec()
}

/// The id is the collection's name.
pub(super) fn app_state(gathering: &mut Gathering, id: &str, value: &Value) -> Result<(), Problem> {
    let version = integer(field(value, "version")?).and_then(|version| u64::try_from(version).ok());
    let version = version.ok_or(Problem::Wrong { field: "version", expected: "no number" })?;
    let collection = CompactString::new(id);
    let mut records = Vec::new();
    for (index, mac) in object(field(value, "indexValueMap")?, "indexValueMap")? {
        let index = base64(index).and_then(|index| index.try_into().ok());
        let index =
            index.ok_or(Problem::Wrong { field: "indexValueMap", expected: "not named by 32 bytes" })?;
        let value = Some(array(mac, "valueMac")?);
        records.push(AppStateRecord { collection: collection.clone(), index, value });
    }
    gathering.app_state(collection, AppStateVersion { version, hash: array(value, "hash")? }, records);
    Ok(())
}

/// A number's LID; the other way round the id ends with `_reverse`.
pub(super) fn lid_mapping(gathering: &mut Gathering, id: &str, value: &Value) -> Result<(), Problem> {
    if id.ends_with("_reverse") {
        return Ok(());
    }
    // A LID may look like a number once it was read as JSON.
    let lid = value.as_str().map(CompactString::new).or_else(|| Some(value.as_u64()?.to_string().into()));
    match lid {
        Some(lid) if is_digits(id) && is_digits(&lid) => gathering.lid(id.into(), lid),
        _ => return Err(Problem::Wrong { field: "pair", expected: "not made of a number and a LID" }),
    }
    Ok(())
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The id is a JID, or names the list of all of them.
pub(super) fn token(gathering: &mut Gathering, id: &str, value: &Value) -> Result<(), Problem> {
    let of = match id.parse::<Jid>() {
        Ok(jid) if jid.is_lid() => TokenOf::Lid(jid.user),
        Ok(jid) if jid.is_pn() => TokenOf::Pn(jid.user),
        _ => {
            gathering.pass_over();
            return Ok(());
        }
    };
    let seconds = |name| maybe(value, name).and_then(integer).unwrap_or(0);
    let received_at = seconds("timestamp");
    let token = PrivacyToken {
        token: bytes(value, "token")?.into(),
        received_at,
        given_at: seconds("senderTimestamp"),
        // Who has given a token has been written to.
        met_at: received_at,
    };
    gathering.token(of, token);
    Ok(())
}

/// A Signal address, `<name>.<device>`.
fn address(id: &str) -> Result<DeviceAddress, Problem> {
    let (name, device) = id.rsplit_once('.').ok_or(Problem::Name)?;
    match device.parse() {
        Ok(device) if !name.is_empty() => Ok(DeviceAddress::new(name, device)),
        _ => Err(Problem::Name),
    }
}
