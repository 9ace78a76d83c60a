//! Records of libsignal for Go: structures as JSON, named as in Go, with bytes in base64.

use serde_json::Value;
use wa_signal::MAX_ARCHIVED;
use wa_signal::parts::{
    ChainParts, RatchetParts, ReceiveParts, SenderKeyParts, SessionParts, SigningParts, UnansweredParts,
};
use wa_signal::sender_key::SenderKeyRecord;

use crate::Problem;
use crate::json::{bytes_of, field, key_pair, list, maybe, number, parse, public_key, secret};

/// The only version of the protocol that WhatsApp speaks.
const VERSION: u32 = 3;

/// A session: the present state, and previous ones, the latest first.
pub(super) fn session(record: &[u8]) -> Result<SessionParts, Problem> {
    let record = parse(record)?;
    let current = ratchet(field(&record, "SessionState")?)?;
    let previous = maybe(&record, "PreviousStates").and_then(Value::as_array);
    // An old one that can't be read is no reason to lose the present one; one that was never used has no keys.
    let archived = previous.into_iter().flatten().take(MAX_ARCHIVED).filter_map(|state| ratchet(state).ok());
    Ok(SessionParts { current, archived: archived.collect() })
}

fn ratchet(state: &Value) -> Result<RatchetParts, Problem> {
    if number(state, "SessionVersion")? != VERSION {
        return Err(Problem::Wrong { field: "SessionVersion", expected: "not 3" });
    }
    let chain = field(state, "SenderChain")?;
    let receive = maybe(state, "ReceiverChains").map(|chains| list(chains, "ReceiverChains")).transpose()?;
    Ok(RatchetParts {
        remote_identity: public_key(state, "RemoteIdentityPublic")?,
        remote_registration_id: number(state, "RemoteRegistrationID")?,
        base_key: public_key(state, "SenderBaseKey")?,
        root: secret(state, "RootKey")?,
        ratchet: key_pair(chain, "SenderRatchetKeyPrivate")?,
        send: position(chain)?,
        previous_counter: number(state, "PreviousCounter")?,
        receive: receive.unwrap_or_default().iter().map(received).collect::<Result<_, _>>()?,
        unanswered: maybe(state, "PendingPreKey").map(unanswered).transpose()?,
    })
}

/// The key of the next message, and its counter.
fn position(chain: &Value) -> Result<ChainParts, Problem> {
    let key = field(chain, "ChainKey")?;
    Ok(ChainParts { key: secret(key, "Key")?, counter: number(key, "Index")? })
}

/// Keys of messages that have not come are kept derived: no seed can be had from them.
fn received(chain: &Value) -> Result<ReceiveParts, Problem> {
    let ratchet_key = public_key(chain, "SenderRatchetKeyPublic")?;
    Ok(ReceiveParts { ratchet_key, chain: Some(position(chain)?), skipped: Vec::new() })
}

/// Without a one-time prekey, its id is null or marked as empty.
fn unanswered(pending: &Value) -> Result<UnansweredParts, Problem> {
    let id = maybe(pending, "PreKeyID");
    let id = id.filter(|id| id.get("IsEmpty").and_then(Value::as_bool) != Some(true));
    let id = id.map(|id| number(id, "Value")).transpose()?;
    Ok(UnansweredParts {
        prekey_id: id.filter(|id| *id != 0),
        signed_prekey_id: number(pending, "SignedPreKeyID")?,
    })
}

/// A sender key's states, which are kept with the newest first.
pub(super) fn sender_key(record: &[u8]) -> Result<SenderKeyRecord, Problem> {
    const NAME: &str = "SenderKeyStates";
    let record = parse(record)?;
    let states = maybe(&record, NAME).map(|states| list(states, NAME)).transpose()?.unwrap_or_default();
    let states = states.iter().rev().map(sender_key_state).collect::<Result<_, _>>()?;
    Ok(SenderKeyRecord::from_parts(states))
}

fn sender_key_state(state: &Value) -> Result<SenderKeyParts, Problem> {
    let chain = field(state, "SenderChainKey")?;
    let keys = maybe(state, "Keys").and_then(Value::as_array);
    let key = |key: &Value| Ok((number(key, "Iteration")?, secret(key, "Seed")?));
    Ok(SenderKeyParts {
        id: number(state, "KeyID")?,
        signing: signing(state)?,
        chain: ChainParts { key: secret(chain, "ChainKey")?, counter: number(chain, "Iteration")? },
        skipped: keys.into_iter().flatten().map(key).collect::<Result<_, _>>()?,
    })
}

/// Ours has a private half. That of another member is absent at first, and 32 zeros once the record was read and written again.
fn signing(state: &Value) -> Result<SigningParts, Problem> {
    let private = maybe(state, "SigningKeyPrivate").and_then(bytes_of).unwrap_or_default();
    if private.iter().all(|byte| *byte == 0) {
        return Ok(SigningParts::Theirs(public_key(state, "SigningKeyPublic")?));
    }
    Ok(SigningParts::Own(key_pair(state, "SigningKeyPrivate")?))
}
