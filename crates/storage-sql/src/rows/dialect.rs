//! How dialects reach instances.

use storage::{ApiKey, DialectAccess, InstanceId, Json};

use crate::fault::Fault;
use crate::seal::{Place, Sealer};

/// Where keys and notes are sealed.
pub const KEY: &str = "dialect_access.key";
/// As above.
pub const NOTES: &str = "dialect_access.notes";

/// The place of a dialect's sealed column.
pub fn at<T>(
    column: &'static str,
    instance: InstanceId,
    dialect: &str,
    f: impl FnOnce(&Place<'_>) -> T,
) -> T {
    f(&Place { column, row: &[instance.as_bytes(), dialect.as_bytes()] })
}

/// What is stored: the key and the notes.
pub fn seal(
    instance: InstanceId,
    dialect: &str,
    access: &DialectAccess,
    sealer: &Sealer,
) -> Result<(Vec<u8>, Vec<u8>), Fault> {
    let seal =
        |column, text: &str| at(column, instance, dialect, |place| sealer.seal(place, text.as_bytes()));
    Ok((seal(KEY, access.key.expose())?, seal(NOTES, access.notes.text())?))
}

/// What is stored as these.
pub fn open(
    instance: InstanceId,
    dialect: &str,
    (key, notes): (&[u8], &[u8]),
    sealer: &Sealer,
) -> Result<DialectAccess, Fault> {
    let open = |column, sealed: &[u8]| -> Result<String, Fault> {
        let text = at(column, instance, dialect, |place| sealer.open(place, sealed))?;
        String::from_utf8(text.to_vec()).map_err(|error| Fault::corrupt(column, error))
    };
    let (key, notes) = (ApiKey::new(open(KEY, key)?), open(NOTES, notes)?);
    let notes = Json::from_text(notes).map_err(|error| Fault::corrupt(NOTES, error))?;
    Ok(DialectAccess { key, notes })
}
