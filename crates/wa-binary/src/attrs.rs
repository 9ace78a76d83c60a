//! Attributes of a node.

use std::borrow::Cow;
use std::str::FromStr;

use compact_str::CompactString;

use crate::{Jid, ShapeError};

/// Value of an attribute. The wire tells JIDs from text, and so do its readers: a JID written as text is
/// not one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value<'a> {
    /// Text, which numbers and booleans are too.
    Text(Cow<'a, str>),
    /// An address, written as a JID token instead of a text.
    Jid(Jid),
}

impl Value<'_> {
    /// The value as text; a JID is printed.
    pub fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Text(text) => Cow::Borrowed(text),
            Self::Jid(jid) => Cow::Owned(jid.to_string()),
        }
    }

    /// The JID, unless the value is text.
    pub fn jid(&self) -> Option<&Jid> {
        match self {
            Self::Text(_) => None,
            Self::Jid(jid) => Some(jid),
        }
    }

    /// The same value without borrowed parts.
    pub fn into_owned(self) -> Value<'static> {
        match self {
            Self::Text(text) => Value::Text(Cow::Owned(text.into_owned())),
            Self::Jid(jid) => Value::Jid(jid),
        }
    }

    /// Whether the encoder leaves the attribute out.
    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, Self::Text(text) if text.is_empty())
    }
}

impl PartialEq<str> for Value<'_> {
    fn eq(&self, other: &str) -> bool {
        matches!(self, Self::Text(text) if text == other)
    }
}

impl PartialEq<&str> for Value<'_> {
    fn eq(&self, other: &&str) -> bool {
        *self == **other
    }
}

impl PartialEq<Jid> for Value<'_> {
    fn eq(&self, other: &Jid) -> bool {
        self.jid() == Some(other)
    }
}

impl From<Jid> for Value<'_> {
    fn from(jid: Jid) -> Self {
        Self::Jid(jid)
    }
}

impl From<&Jid> for Value<'_> {
    fn from(jid: &Jid) -> Self {
        Self::Jid(jid.clone())
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl<'a> From<&'a CompactString> for Value<'a> {
    fn from(text: &'a CompactString) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Value<'_> {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl From<CompactString> for Value<'_> {
    fn from(text: CompactString) -> Self {
        Self::Text(Cow::Owned(text.into_string()))
    }
}

impl<'a> From<Cow<'a, str>> for Value<'a> {
    fn from(text: Cow<'a, str>) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for Value<'_> {
    fn from(value: bool) -> Self {
        Self::Text(Cow::Borrowed(if value { "true" } else { "false" }))
    }
}

macro_rules! from_integer {
    ($($integer:ty)*) => {$(
        impl From<$integer> for Value<'_> {
            fn from(value: $integer) -> Self {
                Self::Text(Cow::Owned(value.to_string()))
            }
        }
    )*};
}

from_integer!(u8 u16 u32 u64 usize i32 i64);

/// Attributes of a node: names with values, each name once.
///
/// They keep their order for traces and for the wire, but it has no meaning: two sets are equal whatever
/// their order.
#[derive(Debug, Clone, Default)]
pub struct Attrs<'a>(Vec<(Cow<'a, str>, Value<'a>)>);

impl<'a> Attrs<'a> {
    /// No attributes.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self(Vec::with_capacity(capacity))
    }

    /// Adds an attribute whose name is known to be new.
    pub(crate) fn push(&mut self, name: Cow<'a, str>, value: Value<'a>) {
        self.0.push((name, value));
    }

    /// Sets an attribute; a value it had before is replaced and returned.
    pub fn insert(
        &mut self,
        name: impl Into<Cow<'a, str>>,
        value: impl Into<Value<'a>>,
    ) -> Option<Value<'a>> {
        let (name, value) = (name.into(), value.into());
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => Some(std::mem::replace(known, value)),
            None => {
                self.0.push((name, value));
                None
            }
        }
    }

    /// Takes an attribute out.
    pub fn remove(&mut self, name: &str) -> Option<Value<'a>> {
        let at = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.remove(at).1)
    }

    /// The value of an attribute.
    pub fn get(&self, name: &str) -> Option<&Value<'a>> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// Whether there is such an attribute.
    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// The attribute as text; a JID is printed.
    pub fn text(&self, name: &str) -> Option<Cow<'_, str>> {
        self.get(name).map(Value::text)
    }

    /// The attribute, if it is a JID token. Text is none, even when it looks like one: see
    /// [`parse_jid`](Self::parse_jid).
    pub fn jid(&self, name: &str) -> Option<&Jid> {
        self.get(name)?.jid()
    }

    /// The attribute as JID, also when it was sent as text.
    pub fn parse_jid(&self, name: &str) -> Option<Jid> {
        match self.get(name)? {
            Value::Jid(jid) => Some(jid.clone()),
            Value::Text(text) => text.parse().ok(),
        }
    }

    /// The attribute as number, or whatever else can be parsed.
    pub fn number<T: FromStr>(&self, name: &str) -> Option<Result<T, ShapeError>> {
        let error = || ShapeError::attribute(name, "a number in range");
        Some(match self.get(name)? {
            Value::Text(text) => text.parse().map_err(|_| error()),
            Value::Jid(_) => Err(error()),
        })
    }

    /// The attribute as text, or an error that names it.
    pub fn require_text(&self, name: &str) -> Result<Cow<'_, str>, ShapeError> {
        self.text(name).ok_or_else(|| ShapeError::missing_attribute(name))
    }

    /// The attribute as JID token, or an error that names it.
    pub fn require_jid(&self, name: &str) -> Result<&Jid, ShapeError> {
        match self.get(name) {
            Some(Value::Jid(jid)) => Ok(jid),
            Some(Value::Text(_)) => Err(ShapeError::attribute(name, "a JID")),
            None => Err(ShapeError::missing_attribute(name)),
        }
    }

    /// The attribute as number, or an error that names it.
    pub fn require_number<T: FromStr>(&self, name: &str) -> Result<T, ShapeError> {
        self.number(name).unwrap_or_else(|| Err(ShapeError::missing_attribute(name)))
    }

    /// All attributes in the order they were added or came in.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value<'a>)> {
        self.0.iter().map(|(name, value)| (&**name, value))
    }

    /// Number of attributes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The same attributes without borrowed parts.
    pub fn into_owned(self) -> Attrs<'static> {
        let owned = |(name, value): (Cow<'a, str>, Value<'a>)| (owned_name(name), value.into_owned());
        Attrs(self.0.into_iter().map(owned).collect())
    }
}

/// Names are mostly known words: those stay borrowed from the token dictionary.
pub(crate) fn owned_name(name: Cow<'_, str>) -> Cow<'static, str> {
    match crate::token::find(&name).and_then(crate::token::Token::text) {
        Some(token) => Cow::Borrowed(token),
        None => Cow::Owned(name.into_owned()),
    }
}

impl PartialEq for Attrs<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().all(|(name, value)| other.get(name) == Some(value))
    }
}

impl Eq for Attrs<'_> {}

impl<'a, N: Into<Cow<'a, str>>, V: Into<Value<'a>>> FromIterator<(N, V)> for Attrs<'a> {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let mut attrs = Self::new();
        for (name, value) in pairs {
            attrs.insert(name, value);
        }
        attrs
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Problem;

    fn attrs() -> Attrs<'static> {
        Attrs::from_iter([
            ("id", Value::from("7")),
            ("from", Value::from(Jid::lid("1").with_device(2))),
            ("to", Value::from("1@lid")),
            ("big", Value::from(u64::MAX)),
            ("last", Value::from(true)),
        ])
    }

    #[test]
    fn values_are_read_as_what_they_are() {
        let attrs = attrs();
        assert_eq!(attrs.text("id").as_deref(), Some("7"));
        assert_eq!(attrs.text("from").as_deref(), Some("1:2@lid"));
        assert_eq!(attrs.jid("from"), Some(&Jid::lid("1").with_device(2)));
        assert_eq!(attrs.jid("to"), None);
        assert_eq!(attrs.parse_jid("to"), Some(Jid::lid("1")));
        assert_eq!(attrs.parse_jid("id"), None);
        assert_eq!(attrs.number("id"), Some(Ok(7u8)));
        assert_eq!(attrs.number("big"), Some(Ok(u64::MAX)));
        assert_eq!(attrs.get("last"), Some(&Value::from("true")));
        assert_eq!(attrs.number::<u8>("absent"), None);
        assert_eq!(attrs.text("absent"), None);
    }

    #[test]
    fn what_is_missing_or_malformed_is_named() {
        let attrs = attrs();
        let missing = || ShapeError { tag: None, problem: Problem::MissingAttribute("absent".into()) };
        assert_eq!(attrs.require_text("absent"), Err(missing()));
        assert_eq!(attrs.require_jid("absent"), Err(missing()));
        assert_eq!(attrs.require_number::<u8>("absent"), Err(missing()));
        let error = attrs.require_jid("to").unwrap_err();
        assert_eq!(error.to_string(), "attribute \"to\" is not a JID");
        for name in ["to", "from", "big"] {
            let error = attrs.require_number::<u32>(name).unwrap_err().within("ack");
            assert_eq!(error.to_string(), format!("<ack>: attribute \"{name}\" is not a number in range"));
        }
    }

    #[test]
    fn a_name_has_one_value_and_no_rank() {
        let mut attrs = attrs();
        assert_eq!(attrs.insert("id", 8u8), Some(Value::from("7")));
        assert_eq!(attrs.insert("new", "x"), None);
        assert_eq!(attrs.len(), 6);
        assert_eq!(attrs.remove("new"), Some(Value::from("x")));
        assert_eq!(attrs.remove("new"), None);
        let mut other = Attrs::new();
        for (name, value) in attrs.clone().iter().collect::<Vec<_>>().into_iter().rev() {
            other.insert(name.to_owned(), value.clone());
        }
        assert_eq!(attrs, other);
        other.insert("id", "9");
        assert_ne!(attrs, other);
    }
}
