use crate::StoreError;

/// That another identity stands behind a user's address, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdentityChange {
    /// Unix milliseconds.
    pub at: i64,
    /// What has changed.
    pub kind: IdentityChangeKind,
}

/// What has changed about a user's identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityChangeKind {
    /// The keys, under the same address.
    Keys,
    /// The LID: the phone number belongs to another one.
    Lid,
}

impl IdentityChange {
    pub(crate) fn to_record(self) -> [u8; 9] {
        let kind = match self.kind {
            IdentityChangeKind::Keys => 1,
            IdentityChangeKind::Lid => 2,
        };
        let mut record = [kind; 9];
        record[..8].copy_from_slice(&self.at.to_be_bytes());
        record
    }

    pub(crate) fn from_record(record: &[u8]) -> Result<Self, StoreError> {
        let corrupt = |text: &str| StoreError::Corrupt { what: "identity change", source: text.into() };
        let (at, kind) = record.split_first_chunk().ok_or_else(|| corrupt("too short"))?;
        let kind = match kind {
            [1] => IdentityChangeKind::Keys,
            [2] => IdentityChangeKind::Lid,
            _ => return Err(corrupt("of an unknown kind")),
        };
        Ok(Self { at: i64::from_be_bytes(*at), kind })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_and_others_are_refused() {
        for kind in [IdentityChangeKind::Keys, IdentityChangeKind::Lid] {
            let change = IdentityChange { at: -1_790_000_000_123, kind };
            assert_eq!(IdentityChange::from_record(&change.to_record()).unwrap(), change);
        }
        for record in [&[0_u8; 8][..], &[3; 9], &[1; 10], &[]] {
            assert!(IdentityChange::from_record(record).is_err(), "{record:?}");
        }
    }
}
