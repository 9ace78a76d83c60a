use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

/// Most keys of one object: no call takes a tenth of them, and telling them apart costs memory for each.
const MOST_KEYS: usize = 10_000;

/// What is wrong with the keys of an object; paths are written as `webhookSettings.headers.Name`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum KeyFault {
    /// The key at this path stands twice.
    Doubled(String),
    /// The object at this path has more keys than any that is taken.
    TooMany(String),
}

/// The first fault of the keys of this JSON.
pub(super) fn key_fault(json: &[u8]) -> Option<KeyFault> {
    let mut found = None;
    let mut reader = serde_json::Deserializer::from_slice(json);
    // What isn't JSON is refused elsewhere.
    let _ = Within { place: &Place::Body, found: &mut found }.deserialize(&mut reader);
    found
}

/// Where a value stands. It is written out only for the one that is told of: a body has millions of values, and each may stand
/// below a key of megabytes.
enum Place<'a> {
    Body,
    Key(&'a Place<'a>, &'a str),
    Index(&'a Place<'a>, usize),
}

impl Place<'_> {
    fn path(&self) -> String {
        let (mut steps, mut place) = (Vec::new(), self);
        loop {
            place = match place {
                Self::Body => break,
                Self::Key(within, key) => {
                    steps.push((*key).to_owned());
                    within
                }
                Self::Index(within, index) => {
                    steps.push(index.to_string());
                    within
                }
            };
        }
        steps.reverse();
        steps.join(".")
    }
}

struct Within<'a> {
    place: &'a Place<'a>,
    found: &'a mut Option<KeyFault>,
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
            let fault = if keys.contains(&key) {
                Some(KeyFault::Doubled(Place::Key(self.place, &key).path()))
            } else if keys.len() == MOST_KEYS {
                Some(KeyFault::TooMany(self.place.path()))
            } else {
                None
            };
            if fault.is_some() {
                *self.found = fault;
                return Err(M::Error::custom("a fault of the keys"));
            }
            map.next_value_seed(Within { place: &Place::Key(self.place, &key), found: self.found })?;
            keys.insert(key);
        }
        Ok(())
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut list: S) -> Result<(), S::Error> {
        let mut index = 0;
        loop {
            let place = Place::Index(self.place, index);
            if list.next_element_seed(Within { place: &place, found: self.found })?.is_none() {
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
            (r#"[{"a":1},{"a":1,"a":2}]"#, "1.a"),
            (r#"{"\u0061":1,"a":2}"#, "a"),
        ] {
            let expected = KeyFault::Doubled(path.to_owned());
            assert_eq!(key_fault(json.as_bytes()), Some(expected), "{json}");
        }
        for json in [r#"{"a":{"a":1},"b":[{"a":1},{"a":-2}]}"#, "[]", "7", r#"{"a""#] {
            assert_eq!(key_fault(json.as_bytes()), None, "{json}");
        }
    }

    #[test]
    fn an_object_has_no_more_keys_than_may_be() {
        let object = |count: usize| {
            let keys: Vec<_> = (0..count).map(|n| format!("\"{n}\":0")).collect();
            format!(r#"{{"a":[{{{}}}]}}"#, keys.join(","))
        };
        assert_eq!(key_fault(object(MOST_KEYS).as_bytes()), None);
        let fault = key_fault(object(MOST_KEYS + 1).as_bytes());
        assert_eq!(fault, Some(KeyFault::TooMany("a.0".to_owned())));
    }

    /// Paths that were written for each value would be 60 GB here.
    #[test]
    fn many_values_below_a_long_key_cost_no_more_than_they_are_long() {
        let (key, values) = ("x".repeat(500_000), "0,".repeat(125_000));
        let nested = format!(r#"{{"{key}":[{values}{{"a":1,"a":2}}]}}"#);
        let began = std::time::Instant::now();
        let fault = key_fault(nested.as_bytes());
        assert_eq!(fault, Some(KeyFault::Doubled(format!("{key}.125000.a"))));
        assert!(began.elapsed() < std::time::Duration::from_secs(2), "{:?}", began.elapsed());
    }
}
