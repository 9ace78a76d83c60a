//! Sender keys, as Baileys keeps them.

use serde_json::Value;
use wa_signal::parts::{ChainParts, SenderKeyParts, SigningParts};
use wa_signal::sender_key::SenderKeyRecord;

use crate::Problem;
use crate::json::{bytes_of, field, key_pair, list, maybe, number, parse, public_key, secret};

/// A record: its states, newest last. It is JSON in the bytes of a buffer, or was that JSON itself in older versions.
pub(super) fn record(value: &Value) -> Result<SenderKeyRecord, Problem> {
    const NAME: &str = "sender key";
    let inner;
    let states = match value {
        Value::Array(states) if states.iter().all(Value::is_object) => &states[..],
        value => {
            let bytes = bytes_of(value);
            let bytes = bytes.ok_or(Problem::Wrong { field: NAME, expected: "not written as bytes" })?;
            inner = parse(&bytes)?;
            list(&inner, NAME)?
        }
    };
    let states = states.iter().map(state).collect::<Result<_, _>>()?;
    Ok(SenderKeyRecord::from_parts(states))
}

fn state(state: &Value) -> Result<SenderKeyParts, Problem> {
    let chain = field(state, "senderChainKey")?;
    // Its iteration is that of the next message, or of the one before it: never of one that was sent.
    let chain = ChainParts { key: secret(chain, "seed")?, counter: number(chain, "iteration")? };
    Ok(SenderKeyParts {
        id: number(state, "senderKeyId")?,
        signing: signing(field(state, "senderSigningKey")?)?,
        chain,
        skipped: skipped(state)?,
    })
}

/// Ours has a private half.
fn signing(key: &Value) -> Result<SigningParts, Problem> {
    let private = maybe(key, "private").and_then(bytes_of).unwrap_or_default();
    if private.is_empty() {
        return Ok(SigningParts::Theirs(public_key(key, "public")?));
    }
    Ok(SigningParts::Own(key_pair(key, "private")?))
}

fn skipped(state: &Value) -> Result<Vec<(u32, wa_crypto::Secret<32>)>, Problem> {
    let keys = maybe(state, "senderMessageKeys").and_then(Value::as_array);
    let key = |key: &Value| Ok((number(key, "iteration")?, secret(key, "seed")?));
    keys.into_iter().flatten().map(key).collect()
}
