use std::fmt;

use compact_str::CompactString;

use crate::StoreError;

/// How far a collection of the app state is known, and the sum over its records there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AppStateVersion {
    /// The number of patches that it takes into account.
    pub version: u64,
    /// The sum, 64 little-endian numbers of 16 bits.
    pub hash: [u8; 128],
}

/// What stands for one record of the app state. `Debug` shows no MACs.
#[derive(Clone, PartialEq, Eq)]
pub struct AppStateRecord {
    /// Name of its collection.
    pub collection: CompactString,
    /// MAC of its index.
    pub index: [u8; 32],
    /// MAC of its value; `None` where it is gone.
    pub value: Option<[u8; 32]>,
}

impl fmt::Debug for AppStateRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppStateRecord").field("collection", &self.collection).finish_non_exhaustive()
    }
}

impl AppStateVersion {
    pub(crate) fn to_record(self) -> [u8; 136] {
        let mut record = [0; 136];
        record[..8].copy_from_slice(&self.version.to_be_bytes());
        record[8..].copy_from_slice(&self.hash);
        record
    }

    pub(crate) fn from_record(record: &[u8]) -> Result<Self, StoreError> {
        let corrupt = || StoreError::Corrupt { what: "app state", source: "of another length".into() };
        let (version, hash) = record.split_first_chunk().ok_or_else(corrupt)?;
        let hash = hash.try_into().map_err(|_| corrupt())?;
        Ok(Self { version: u64::from_be_bytes(*version), hash })
    }
}

impl fmt::Debug for AppStateVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppStateVersion").field("version", &self.version).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_and_others_are_refused() {
        let state = AppStateVersion { version: 70_000, hash: std::array::from_fn(|n| n as u8) };
        assert_eq!(AppStateVersion::from_record(&state.to_record()).unwrap(), state);
        for record in [&[0_u8; 135][..], &[0; 137], &[0; 7], &[]] {
            assert!(AppStateVersion::from_record(record).is_err(), "{}", record.len());
        }
    }
}
