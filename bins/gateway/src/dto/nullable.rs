use serde::{Deserialize, Deserializer};

/// Tells `null` (`Some(None)`: remove it) from a field that isn't there (`None`: leave it). Use with
/// `#[serde(default, deserialize_with = "nullable")]`.
#[allow(clippy::option_option, reason = "three cases, and serde has no other shape for them")]
pub(super) fn nullable<'de, T, D>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    Option::deserialize(deserializer).map(Some)
}
