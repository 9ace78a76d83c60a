//! Reads a type from a JSON value, and says by the path of the field why that isn't possible.
//!
//! serde_json's own messages give a line and a column and know the field only inside a sentence; whoever wrote the
//! request looks for a field. It also takes an array for a struct, which no client means.

use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Expected, MapAccess, SeqAccess, Unexpected, Visitor,
};
use serde::forward_to_deserialize_any;
use serde_json::{Map, Value};

/// What is wrong with a value, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Misfit {
    /// Dotted path from the root; empty for the root itself.
    pub(crate) field: String,
    pub(crate) problem: Problem,
}

/// The kinds of misfit that a client handles differently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Problem {
    Missing,
    Unknown,
    Wrong(String),
}

/// The `T` that `value` describes.
pub(crate) fn read<T: DeserializeOwned>(value: &Value) -> Result<T, Misfit> {
    T::deserialize(Located(value))
}

impl Misfit {
    fn new(field: &str, problem: Problem) -> Self {
        Self { field: field.to_owned(), problem }
    }

    /// The same misfit, seen from one level further out.
    fn within(mut self, outer: &str) -> Self {
        self.field = if self.field.is_empty() { outer.to_owned() } else { format!("{outer}.{}", self.field) };
        self
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let field = &self.field;
        match &self.problem {
            Problem::Missing => write!(f, "{field:?} is required."),
            Problem::Unknown => write!(f, "There is no field {field:?}."),
            Problem::Wrong(problem) if field.is_empty() => write!(f, "The body {problem}."),
            Problem::Wrong(problem) => write!(f, "{field:?} {problem}."),
        }
    }
}

impl std::error::Error for Misfit {}

impl serde::de::Error for Misfit {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new("", Problem::Wrong(format!("isn't right: {message}")))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(field, Problem::Missing)
    }

    fn unknown_field(field: &str, _known: &'static [&'static str]) -> Self {
        Self::new(field, Problem::Unknown)
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let problem = format!("must be {}, not {}", expectation(expected), kind(&found));
        Self::new("", Problem::Wrong(problem))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(found, expected)
    }
}

/// serde's name of what was expected, in words of JSON.
fn expectation(expected: &dyn Expected) -> String {
    let name = expected.to_string();
    match name.as_str() {
        "u8" | "u16" | "u32" | "u64" | "usize" => {
            "a whole number that isn't negative or too large".to_owned()
        }
        "a map" => "an object".to_owned(),
        struct_name if struct_name.starts_with("struct ") => "an object".to_owned(),
        "a sequence" => "an array".to_owned(),
        _ => name,
    }
}

/// What was found, without repeating a value that may be long or secret.
fn kind(found: &Unexpected<'_>) -> &'static str {
    match found {
        Unexpected::Bool(_) => "true or false",
        Unexpected::Unsigned(_) => "that number",
        Unexpected::Signed(_) => "a negative number",
        Unexpected::Float(_) => "a number with a fraction",
        Unexpected::Str(_) => "a string",
        Unexpected::Unit | Unexpected::Option => "null",
        Unexpected::Map => "an object",
        Unexpected::Seq => "an array",
        _ => "this",
    }
}

/// A JSON value that deserializes like any other but fails with a [`Misfit`].
#[derive(Clone, Copy)]
struct Located<'a>(&'a Value);

impl<'de> Deserializer<'de> for Located<'_> {
    type Error = Misfit;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(value), _, _) => visitor.visit_u64(value),
                (_, Some(value), _) => visitor.visit_i64(value),
                (_, _, value) => visitor.visit_f64(value.unwrap_or(f64::NAN)),
            },
            Value::String(text) => visitor.visit_str(text),
            Value::Array(items) => visitor.visit_seq(Items { items, next: 0 }),
            Value::Object(fields) => visitor.visit_map(Fields::new(fields)),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        if self.0.is_array() {
            return Err(serde::de::Error::invalid_type(Unexpected::Seq, &"an object"));
        }
        self.deserialize_any(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map enum identifier ignored_any
    }
}

struct Fields<'a> {
    fields: serde_json::map::Iter<'a>,
    current: Option<(&'a String, &'a Value)>,
}

impl<'a> Fields<'a> {
    fn new(fields: &'a Map<String, Value>) -> Self {
        Self { fields: fields.iter(), current: None }
    }
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = Misfit;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Misfit> {
        self.current = self.fields.next();
        self.current.map(|(name, _)| seed.deserialize(StrDeserializer::new(name))).transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Misfit> {
        let (name, value) = self.current.ok_or_else(|| serde::de::Error::custom("a value without a name"))?;
        seed.deserialize(Located(value)).map_err(|misfit| misfit.within(name))
    }
}

struct Items<'a> {
    items: &'a [Value],
    next: usize,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Misfit;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Misfit> {
        let Some(item) = self.items.get(self.next) else {
            return Ok(None);
        };
        let position = self.next.to_string();
        self.next += 1;
        seed.deserialize(Located(item)).map(Some).map_err(|misfit| misfit.within(&position))
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Borrow;
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    #[allow(dead_code, reason = "most fields are only parsed")]
    struct Outer {
        name: String,
        max_retries: Option<u32>,
        headers: Option<BTreeMap<String, String>>,
        list: Option<Vec<bool>>,
    }

    fn said(value: impl Borrow<Value>) -> String {
        read::<Outer>(value.borrow()).err().unwrap().to_string()
    }

    #[test]
    fn fields_are_named_by_their_path() {
        assert_eq!(said(json!({})), r#""name" is required."#);
        assert_eq!(said(json!({"name": "n", "nmae": 1})), r#"There is no field "nmae"."#);
        assert_eq!(said(json!({"name": 7})), r#""name" must be a string, not that number."#);
        assert_eq!(said(json!({"name": null})), r#""name" must be a string, not null."#);
        assert_eq!(
            said(json!({"name": "n", "headers": {"A": 1}})),
            r#""headers.A" must be a string, not that number."#
        );
        assert_eq!(
            said(json!({"name": "n", "list": [true, "x"]})),
            r#""list.1" must be a boolean, not a string."#
        );
        assert_eq!(
            said(json!({"name": "n", "maxRetries": -1})),
            r#""maxRetries" must be a whole number that isn't negative or too large, not a negative number."#
        );
        assert_eq!(said(json!([1])), r#"The body must be an object, not an array."#);
    }

    #[test]
    fn a_fitting_value_has_no_misfit() {
        let value = json!({"name": "n", "maxRetries": 3, "headers": {"A": "b"}, "list": [true]});
        assert_eq!(read::<Outer>(&value).unwrap().name, "n");
        assert!(read::<Outer>(&json!({"name": "n", "maxRetries": null})).is_ok());
    }
}
