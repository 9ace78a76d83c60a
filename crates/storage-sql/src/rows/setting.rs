//! Settings of the service.

use storage::SecretText;

use crate::fault::Fault;
use crate::seal::{Place, Sealer};

/// Where a setting is sealed to.
pub fn at<T>(name: &str, f: impl FnOnce(&Place<'_>) -> T) -> T {
    f(&Place { column: "settings.value", row: &[name.as_bytes()] })
}

/// What is stored of a value.
pub fn seal(name: &str, value: &SecretText, sealer: &Sealer) -> Result<Vec<u8>, Fault> {
    at(name, |place| sealer.seal(place, value.expose().as_bytes()))
}

/// The value that is stored as this.
pub fn open(name: &str, sealed: &[u8], sealer: &Sealer) -> Result<SecretText, Fault> {
    let value = at(name, |place| sealer.open(place, sealed))?;
    let value = std::str::from_utf8(&value).map_err(|error| Fault::corrupt("setting", error))?;
    Ok(SecretText::new(value))
}
