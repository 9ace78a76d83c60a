//! Session records of libsignal for Node.js.

use std::cmp::Reverse;

use serde_json::Value;
use wa_crypto::PublicKey;
use wa_signal::MAX_ARCHIVED;
use wa_signal::parts::{ChainParts, RatchetParts, ReceiveParts, SessionParts, UnansweredParts};

use crate::Problem;
use crate::json::{
    base64, bytes_of, field, integer, key_pair, maybe, number, object, public_key, public_key_of, secret,
    unwrapped,
};

/// `closed` of an entry that is open.
const OPEN: i64 = -1;
/// `chainType` of a chain of the other side.
const RECEIVING: i64 = 2;

/// A record: its entries by their base keys. The open one sends; of those that are closed the one that was used last comes first.
pub(super) fn parts(record: &Value) -> Result<SessionParts, Problem> {
    let record = unwrapped(record.clone());
    let entries = object(field(&record, "_sessions")?, "_sessions")?;
    let mut entries: Vec<&Value> = entries.values().collect();
    entries.sort_by_key(|entry| (info(entry, "closed") != OPEN, Reverse(info(entry, "used"))));
    let mut entries = entries.into_iter();
    let current = ratchet(entries.next().ok_or(Problem::Missing("entry of _sessions"))?)?;
    // An old one that can't be read is no reason to lose the present one.
    let archived = entries.take(MAX_ARCHIVED).filter_map(|entry| ratchet(entry).ok()).collect();
    Ok(SessionParts { current, archived })
}

/// A number of what is told of an entry.
fn info(entry: &Value, name: &str) -> i64 {
    maybe(entry, "indexInfo").and_then(|info| integer(info.get(name)?)).unwrap_or(0)
}

fn ratchet(entry: &Value) -> Result<RatchetParts, Problem> {
    let current = field(entry, "currentRatchet")?;
    let info = field(entry, "indexInfo")?;
    let ratchet = key_pair(field(current, "ephemeralKeyPair")?, "privKey")?;
    let last_remote = public_key(current, "lastRemoteEphemeralKey")?;
    let Chains { send, receive } = chains(entry, ratchet.public(), &last_remote)?;
    let registration_id = maybe(entry, "registrationId").and_then(integer);
    let previous = maybe(current, "previousCounter").and_then(integer).unwrap_or(0);
    Ok(RatchetParts {
        remote_identity: public_key(info, "remoteIdentityKey")?,
        remote_registration_id: registration_id.and_then(|id| u32::try_from(id).ok()).unwrap_or(0),
        base_key: public_key(info, "baseKey")?,
        root: secret(current, "rootKey")?,
        ratchet,
        send,
        // Before the first message it is -1.
        previous_counter: u32::try_from(previous.max(0)).unwrap_or(0),
        receive,
        unanswered: maybe(entry, "pendingPreKey").map(unanswered).transpose()?,
    })
}

fn unanswered(pending: &Value) -> Result<UnansweredParts, Problem> {
    let prekey_id = maybe(pending, "preKeyId").map(|_| number(pending, "preKeyId")).transpose()?;
    Ok(UnansweredParts {
        prekey_id: prekey_id.filter(|id| *id != 0),
        signed_prekey_id: number(pending, "signedKeyId")?,
    })
}

struct Chains {
    send: ChainParts,
    receive: Vec<ReceiveParts>,
}

/// The chains by their ratchet keys. Node keeps all that there ever were, most of them closed and without keys.
fn chains(entry: &Value, own: &PublicKey, last_remote: &PublicKey) -> Result<Chains, Problem> {
    const NAME: &str = "_chains";
    let mut send = None;
    let mut receive = Vec::new();
    for (name, chain) in object(field(entry, NAME)?, NAME)? {
        let key = base64(name).ok_or(Problem::Wrong { field: NAME, expected: "not named by a key" })?;
        let key = public_key_of(&key, NAME)?;
        if chain.get("chainType").and_then(integer) == Some(RECEIVING) {
            let chain = received(key, chain)?;
            if chain.chain.is_some() || !chain.skipped.is_empty() {
                receive.push(chain);
            }
        } else if key == *own {
            send = position(chain)?;
        }
    }
    // In which order they began isn't kept, but for the present one.
    receive.sort_by_key(|chain| (chain.ratchet_key == *last_remote, chain.chain.is_some()));
    Ok(Chains { send: send.ok_or(Problem::Missing("the chain that sends"))?, receive })
}

/// Where a chain is; `None` where its key was deleted, as it has come to its end. The counter is that of the last message, -1 before the
/// first.
fn position(chain: &Value) -> Result<Option<ChainParts>, Problem> {
    let position = field(chain, "chainKey")?;
    if maybe(position, "key").is_none() {
        return Ok(None);
    }
    let last = maybe(position, "counter").and_then(integer);
    let next = last.and_then(|last| u32::try_from(last.checked_add(1)?).ok());
    let counter = next.ok_or(Problem::Wrong { field: "counter", expected: "no counter" })?;
    Ok(Some(ChainParts { key: secret(position, "key")?, counter }))
}

fn received(ratchet_key: PublicKey, chain: &Value) -> Result<ReceiveParts, Problem> {
    const NAME: &str = "messageKeys";
    let mut skipped = Vec::new();
    let keys = maybe(chain, NAME).and_then(Value::as_object);
    for (counter, seed) in keys.into_iter().flatten() {
        let wrong = Problem::Wrong { field: NAME, expected: "no counters with 32 bytes each" };
        let seed = bytes_of(seed).and_then(|seed| <[u8; 32]>::try_from(seed).ok());
        let (Ok(counter), Some(seed)) = (counter.parse(), seed) else { return Err(wrong) };
        skipped.push((counter, wa_crypto::Secret::new(seed)));
    }
    Ok(ReceiveParts { ratchet_key, chain: position(chain)?, skipped })
}
