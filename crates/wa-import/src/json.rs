//! Fields of JSON, and the many forms in which bytes are written there.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value};
use wa_crypto::{KeyPair, PrivateKey, PublicKey, Secret};

use crate::Problem;

/// With padding or without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

pub(crate) fn parse(text: &[u8]) -> Result<Value, Problem> {
    serde_json::from_slice(text).map_err(|_| Problem::NotJson)
}

/// The value itself, or what a text holds as JSON. Texts that hold none stay texts.
pub(crate) fn unwrapped(value: Value) -> Value {
    match value {
        Value::String(text) => serde_json::from_str(&text).unwrap_or(Value::String(text)),
        value => value,
    }
}

/// A field that may be absent or null.
pub(crate) fn maybe<'a>(value: &'a Value, field: &str) -> Option<&'a Value> {
    value.get(field).filter(|value| !value.is_null())
}

pub(crate) fn field<'a>(value: &'a Value, field: &'static str) -> Result<&'a Value, Problem> {
    maybe(value, field).ok_or(Problem::Missing(field))
}

pub(crate) fn object<'a>(value: &'a Value, name: &'static str) -> Result<&'a Map<String, Value>, Problem> {
    value.as_object().ok_or(Problem::Wrong { field: name, expected: "no object" })
}

pub(crate) fn list<'a>(value: &'a Value, name: &'static str) -> Result<&'a [Value], Problem> {
    let list = value.as_array().ok_or(Problem::Wrong { field: name, expected: "no list" })?;
    Ok(list)
}

pub(crate) fn text<'a>(value: &'a Value, name: &'static str) -> Result<&'a str, Problem> {
    field(value, name)?.as_str().ok_or(Problem::Wrong { field: name, expected: "no text" })
}

/// A number, or a text of one.
pub(crate) fn integer(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

pub(crate) fn number(value: &Value, name: &'static str) -> Result<u32, Problem> {
    let number = integer(field(value, name)?).and_then(|number| u32::try_from(number).ok());
    number.ok_or(Problem::Wrong { field: name, expected: "no number of 32 bits" })
}

pub(crate) fn bytes(value: &Value, name: &'static str) -> Result<Vec<u8>, Problem> {
    bytes_of(field(value, name)?).ok_or(Problem::Wrong { field: name, expected: "not written as bytes" })
}

/// Bytes as a `Buffer` of Node.js writes itself, as base64, as numbers, or as an object of numbered fields.
pub(crate) fn bytes_of(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::String(text) => base64(text),
        Value::Array(numbers) => numbers.iter().map(byte).collect(),
        Value::Object(fields) => match fields.get("data") {
            Some(data @ (Value::String(_) | Value::Array(_))) => bytes_of(data),
            Some(_) => None,
            None => (0..fields.len()).map(|n| byte(fields.get(&n.to_string())?)).collect(),
        },
        _ => None,
    }
}

pub(crate) fn base64(text: &str) -> Option<Vec<u8>> {
    BASE64.decode(text).ok()
}

fn byte(value: &Value) -> Option<u8> {
    value.as_u64().and_then(|number| number.try_into().ok())
}

pub(crate) fn array<const N: usize>(value: &Value, name: &'static str) -> Result<[u8; N], Problem> {
    let bytes = bytes(value, name)?;
    bytes.try_into().map_err(|_| Problem::Wrong { field: name, expected: expected_length(N) })
}

const fn expected_length(length: usize) -> &'static str {
    match length {
        32 => "not 32 bytes",
        64 => "not 64 bytes",
        128 => "not 128 bytes",
        _ => "of another length",
    }
}

pub(crate) fn secret(value: &Value, name: &'static str) -> Result<Secret<32>, Problem> {
    array(value, name).map(Secret::new)
}

/// A public key, with the byte that says its type or without.
pub(crate) fn public_key(value: &Value, name: &'static str) -> Result<PublicKey, Problem> {
    public_key_of(&bytes(value, name)?, name)
}

pub(crate) fn public_key_of(bytes: &[u8], name: &'static str) -> Result<PublicKey, Problem> {
    let key = PublicKey::from_signal(bytes).ok().or_else(|| PublicKey::from_slice(bytes).ok());
    key.ok_or(Problem::Wrong { field: name, expected: "no public key" })
}

/// A private key, whose public half is computed: nobody else's word is taken for it.
pub(crate) fn key_pair(value: &Value, name: &'static str) -> Result<KeyPair, Problem> {
    Ok(KeyPair::from_private(PrivateKey::from_bytes(array(value, name)?)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn bytes_are_read_in_every_form() {
        for written in [
            json!({"type": "Buffer", "data": "AQL/"}),
            json!({"type": "Buffer", "data": [1, 2, 255]}),
            json!("AQL/"),
            json!([1, 2, 255]),
            json!({"0": 1, "1": 2, "2": 255}),
        ] {
            assert_eq!(bytes_of(&written), Some(vec![1, 2, 255]), "{written}");
        }
        assert_eq!(bytes_of(&json!("AQI")), Some(vec![1, 2]), "without padding");
        for wrong in [json!(7), json!(null), json!([256]), json!({"1": 1}), json!({"data": 1}), json!("Ä")] {
            assert_eq!(bytes_of(&wrong), None, "{wrong}");
        }
    }

    #[test]
    fn texts_are_unwrapped_where_they_hold_json() {
        assert_eq!(unwrapped(json!("{\"a\": 1}")), json!({"a": 1}));
        assert_eq!(unwrapped(json!("plain")), json!("plain"));
    }

    proptest! {
        #[test]
        fn whatever_is_no_json_is_refused(bytes: Vec<u8>) {
            if let Ok(value) = parse(&bytes) {
                let _ = (bytes_of(&value), integer(&value));
            }
        }
    }
}
