//! What other implementations computed (`testdata/PROVENANCE`).

use serde_json::Value;

pub(crate) fn baileys() -> Value {
    serde_json::from_str(include_str!("../testdata/baileys.json")).unwrap()
}

pub(crate) fn whatsmeow() -> Value {
    serde_json::from_str(include_str!("../testdata/whatsmeow.json")).unwrap()
}

/// The bytes that a value writes in hexadecimal.
pub(crate) fn hex(value: &Value) -> Vec<u8> {
    let digits = value.as_str().unwrap();
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

/// The same, of a known length.
pub(crate) fn array<const N: usize>(value: &Value) -> [u8; N] {
    hex(value).try_into().unwrap()
}

#[test]
fn padding_is_cut_off_where_baileys_cuts_it() {
    for vector in baileys()["padding"].as_array().unwrap() {
        let padded = hex(&vector["padded"]);
        assert_eq!(wa_signal::unpad(&padded).unwrap(), hex(&vector["plain"]));
    }
}
