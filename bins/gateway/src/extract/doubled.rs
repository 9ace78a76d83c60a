use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

/// The path of the first key that stands twice in an object of this JSON, as `webhookSettings.headers.Name`.
pub(super) fn doubled_key(json: &[u8]) -> Option<String> {
    let mut found = None;
    let mut reader = serde_json::Deserializer::from_slice(json);
    // What isn't JSON was refused before.
    let _ = Within { path: "", found: &mut found }.deserialize(&mut reader);
    found
}

struct Within<'a> {
    path: &'a str,
    found: &'a mut Option<String>,
}

impl<'de> DeserializeSeed<'de> for Within<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Within<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        let mut keys = HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            let path = if self.path.is_empty() { key.clone() } else { format!("{}.{key}", self.path) };
            if !keys.insert(key) {
                *self.found = Some(path);
                return Err(M::Error::custom("a doubled key"));
            }
            map.next_value_seed(Within { path: &path, found: self.found })?;
        }
        Ok(())
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut list: S) -> Result<(), S::Error> {
        let mut index = 0;
        loop {
            let path =
                if self.path.is_empty() { index.to_string() } else { format!("{}.{index}", self.path) };
            if list.next_element_seed(Within { path: &path, found: self.found })?.is_none() {
                return Ok(());
            }
            index += 1;
        }
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubled_keys_are_found_at_any_depth() {
        for (json, path) in [
            (r#"{"a":1,"b":2,"a":1}"#, "a"),
            (r#"{"a":{"b":[true,{"c":null,"d":0.5,"c":"x"}]}}"#, "a.b.1.c"),
            (r#"{"\u0061":1,"a":2}"#, "a"),
        ] {
            assert_eq!(doubled_key(json.as_bytes()).as_deref(), Some(path), "{json}");
        }
        for json in [r#"{"a":{"a":1},"b":[{"a":1},{"a":-2}]}"#, "[]", "7", r#"{"a""#] {
            assert_eq!(doubled_key(json.as_bytes()), None, "{json}");
        }
    }
}
