//! Records of companions.

use bytes::Bytes;
use wa_store::{Key, Kind, Seal, StoreError};

use crate::seal::{Place, Sealer};

/// Who is who, and who has which devices: the kinds that hold no secrets.
pub const PUBLIC: [Kind; 3] = [Kind::LID_OF_PN, Kind::PN_OF_LID, Kind::DEVICE_LIST];

/// Where a record is sealed to: the number of its kind, and its key.
pub fn place<'a>(row: &'a [&'a [u8]]) -> Place<'a> {
    Place { column: "companion record", row }
}

/// A kind as its column holds it.
pub fn number(kind: Kind) -> i64 {
    kind.number().into()
}

/// A value is bound to its kind and key by its place, and to its instance by the key of the sealer.
impl Seal for Sealer {
    fn seal(&self, kind: Kind, key: &Key, plain: &[u8]) -> Result<Bytes, StoreError> {
        Ok(self.seal(&place(&[&[kind.number()], key.as_str().as_bytes()]), plain)?.into())
    }

    fn open(&self, kind: Kind, key: &Key, sealed: Bytes) -> Result<Bytes, StoreError> {
        let mut opened = self.open(&place(&[&[kind.number()], key.as_str().as_bytes()]), &sealed)?;
        Ok(std::mem::take(&mut *opened).into())
    }
}
