use crate::StoreError;

/// After how long what is written in a chat disappears, as one of the two has set it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChatTimer {
    /// Seconds; 0 is off.
    pub seconds: u32,
    /// When it was set, in Unix seconds; 0 where that was not said.
    pub set_at: i64,
}

impl ChatTimer {
    pub(crate) fn to_record(self) -> [u8; 12] {
        let mut record = [0; 12];
        record[..4].copy_from_slice(&self.seconds.to_be_bytes());
        record[4..].copy_from_slice(&self.set_at.to_be_bytes());
        record
    }

    pub(crate) fn from_record(record: &[u8]) -> Result<Self, StoreError> {
        let corrupt = || StoreError::Corrupt { what: "chat timer", source: "of another length".into() };
        let (seconds, set_at) = record.split_first_chunk().ok_or_else(corrupt)?;
        let set_at = set_at.try_into().map_err(|_| corrupt())?;
        Ok(Self { seconds: u32::from_be_bytes(*seconds), set_at: i64::from_be_bytes(set_at) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_and_others_are_refused() {
        let timer = ChatTimer { seconds: 604_800, set_at: 1_790_000_000 };
        assert_eq!(ChatTimer::from_record(&timer.to_record()).unwrap(), timer);
        for record in [&[0_u8; 11][..], &[0; 13], &[0; 3], &[]] {
            assert!(ChatTimer::from_record(record).is_err(), "{record:?}");
        }
    }
}
