use serde_json::{Map, Value};

use super::{Fault, FaultKind};

/// Why a JSON text is no fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no fault: {0}")]
pub struct InvalidFault(String);

impl Fault {
    /// Reads `{"kind", …fields of the kind, "number"?, "device"?, "count"?}`. A `count` of 0 means until
    /// cleared; the kind may be written in camel case as well.
    pub fn from_json(json: Value) -> Result<Self, InvalidFault> {
        let Value::Object(mut object) = json else {
            return Err(InvalidFault("an object is expected".to_owned()));
        };
        let number = match object.remove("number") {
            None | Some(Value::Null) => None,
            Some(Value::String(number)) => Some(number.trim_start_matches('+').to_owned()),
            Some(Value::Number(number)) => Some(number.to_string()),
            Some(_) => return Err(InvalidFault("`number` is a string".to_owned())),
        };
        let device = integer(&mut object, "device")?;
        let count = integer(&mut object, "count")?;
        if let Some(Value::String(kind)) = object.get_mut("kind") {
            *kind = snake_case(kind);
        }
        code_as_text(&mut object);
        let kind: FaultKind =
            serde_json::from_value(Value::Object(object)).map_err(|error| InvalidFault(error.to_string()))?;
        if let FaultKind::Reorder { window } = kind
            && !(2..=1000).contains(&window)
        {
            return Err(InvalidFault("`window` is from 2 to 1000".to_owned()));
        }
        if let FaultKind::Media { status, .. } = kind
            && !(400..600).contains(&status)
        {
            return Err(InvalidFault("`status` is from 400 to 599".to_owned()));
        }
        let usual = Self::new(kind);
        let count = match count {
            Some(0) => None,
            Some(count) => Some(count),
            None => usual.count,
        };
        Ok(Self { number, device, count, ..usual })
    }

    /// The form that [`from_json`](Self::from_json) reads.
    pub fn to_json(&self) -> Value {
        let mut json = serde_json::to_value(&self.kind).unwrap_or_default();
        if let Value::Object(object) = &mut json {
            let mut set = |name: &str, value: Option<Value>| {
                if let Some(value) = value {
                    object.insert(name.to_owned(), value);
                }
            };
            set("number", self.number.clone().map(Value::from));
            set("device", self.device.map(Value::from));
            set("count", Some(self.count.unwrap_or(0).into()));
        }
        json
    }
}

/// A stream error's code is text on the wire; people write 503.
fn code_as_text(object: &mut Map<String, Value>) {
    if object.get("kind").and_then(Value::as_str) != Some("stream_error") {
        return;
    }
    if let Some(code) = object.get_mut("code")
        && let Value::Number(number) = code
    {
        *code = Value::String(number.to_string());
    }
}

fn integer<T: TryFrom<u64>>(object: &mut Map<String, Value>, name: &str) -> Result<Option<T>, InvalidFault> {
    match object.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            let number = value.as_u64().and_then(|number| T::try_from(number).ok());
            number.map(Some).ok_or_else(|| InvalidFault(format!("`{name}` is a small whole number")))
        }
    }
}

fn snake_case(text: &str) -> String {
    let mut snake = String::with_capacity(text.len() + 2);
    for character in text.chars() {
        if character.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(if character == '-' { '_' } else { character.to_ascii_lowercase() });
    }
    snake.trim_start_matches('_').to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::faults::{CertificateFault, Moment};

    #[test]
    fn reads_kinds_with_their_fields() {
        let fault =
            Fault::from_json(json!({"kind": "streamError", "code": 503, "number": "+15550001"})).unwrap();
        let kind = FaultKind::StreamError { code: "503".into(), conflict: None, when: Moment::Now };
        assert_eq!(fault, Fault::new(kind).number("15550001"));
        let fault = Fault::from_json(json!({"kind": "delay", "millis": 20, "device": 1})).unwrap();
        assert_eq!(fault, Fault::new(FaultKind::Delay { millis: 20 }).device(1));
        assert_eq!(fault.count, None);
        let fault =
            Fault::from_json(json!({"kind": "certificate", "what": "leaf_expired", "count": 2})).unwrap();
        let kind = FaultKind::Certificate { what: CertificateFault::LeafExpired };
        assert_eq!(fault, Fault::new(kind).times(2));
        assert_eq!(Fault::from_json(fault.to_json()).unwrap(), fault);
    }

    #[test]
    fn names_what_is_wrong() {
        for (json, part) in [
            (json!({"kind": "explode"}), "explode"),
            (json!({"kind": "failure"}), "reason"),
            (json!({"kind": "drop", "wen": "now"}), "wen"),
            (json!({"kind": "drop", "device": "x"}), "device"),
            (json!({"kind": "reorder", "window": 1}), "window"),
            (json!({"kind": "media", "status": 200}), "status"),
            (json!({"kind": "media", "status": 404, "on": "sideload"}), "sideload"),
            (json!([]), "object"),
        ] {
            let error = Fault::from_json(json.clone()).unwrap_err();
            assert!(error.to_string().contains(part), "{json}: {error}");
        }
    }

    #[test]
    fn a_fault_without_device_spares_the_phone() {
        let fault = Fault::new(FaultKind::Undecryptable).number("15550001");
        assert!(fault.strikes("15550001", 1));
        assert!(!fault.strikes("15550001", 0));
        assert!(!fault.strikes("15550002", 1));
        assert!(fault.device(0).strikes("15550001", 0));
    }
}
