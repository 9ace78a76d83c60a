use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// A JSON value kept as its text: written once by the producer, passed on verbatim by every consumer.
///
/// `Debug` shows only its length, since message bodies live in it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Json(Box<RawValue>);

impl Json {
    /// The JSON form of any serialisable value.
    pub fn of(value: &impl Serialize) -> Result<Self, serde_json::Error> {
        serde_json::value::to_raw_value(value).map(Self)
    }

    /// Takes a text that must be one well-formed JSON value.
    pub fn from_text(text: String) -> Result<Self, serde_json::Error> {
        RawValue::from_string(text).map(Self)
    }

    /// The JSON as a text.
    pub fn text(&self) -> &str {
        self.0.get()
    }

    /// Parsed into any type, for instance `serde_json::Value`.
    pub fn parse<'a, T: Deserialize<'a>>(&'a self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.text())
    }
}

impl Default for Json {
    /// `null`.
    fn default() -> Self {
        Self(RawValue::NULL.to_owned())
    }
}

impl From<serde_json::Value> for Json {
    fn from(value: serde_json::Value) -> Self {
        // A Value holds only what JSON can say (string keys, finite numbers), so this never falls back.
        Self::of(&value).unwrap_or_default()
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl Eq for Json {}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Json({} bytes)", self.text().len())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_text_is_passed_on_verbatim() {
        let json = Json::from_text(r#"{"b": 1,"a":2}"#.to_owned()).unwrap();
        assert_eq!(serde_json::to_string(&json).unwrap(), r#"{"b": 1,"a":2}"#);
        assert_eq!(json.parse::<serde_json::Value>().unwrap(), json!({"a": 2, "b": 1}));
        assert_eq!(format!("{json:?}"), "Json(14 bytes)");
    }

    #[test]
    fn malformed_text_is_refused() {
        assert!(Json::from_text("{".to_owned()).is_err());
        assert!(Json::from_text("1 2".to_owned()).is_err());
    }
}
