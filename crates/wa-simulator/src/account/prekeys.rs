use std::collections::{HashMap, VecDeque};

use wa_crypto::PublicKey;

/// The largest id that three bytes carry.
const MAX_ID: u32 = (1 << 24) - 1;

/// The one-time prekeys of a companion that were not handed out yet, in the order of their upload.
#[derive(Debug, Default)]
pub(crate) struct PreKeys {
    keys: VecDeque<(u32, PublicKey)>,
}

/// Why an upload is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PreKeyError {
    #[error("a prekey id is 0 or twice in the list")]
    Id,
    #[error("a prekey id is already taken by another key")]
    Taken,
    #[error("too many prekeys")]
    TooMany,
}

impl PreKeys {
    /// Adds an upload, all of it or nothing. A key that is there already, under its id, is not added again:
    /// a client repeats an upload whose answer it missed.
    pub(crate) fn add(&mut self, upload: &[(u32, PublicKey)], limit: usize) -> Result<(), PreKeyError> {
        let mut known: HashMap<u32, PublicKey> = self.keys.iter().copied().collect();
        let mut seen = HashMap::with_capacity(upload.len());
        let mut fresh = Vec::with_capacity(upload.len());
        for &(id, key) in upload {
            if id == 0 || id > MAX_ID || seen.insert(id, key).is_some() {
                return Err(PreKeyError::Id);
            }
            match known.insert(id, key) {
                None => fresh.push((id, key)),
                Some(same) if same == key => {}
                Some(_) => return Err(PreKeyError::Taken),
            }
        }
        if self.keys.len() + fresh.len() > limit {
            return Err(PreKeyError::TooMany);
        }
        self.keys.extend(fresh);
        Ok(())
    }

    /// Hands out the oldest.
    pub(crate) fn take(&mut self) -> Option<(u32, PublicKey)> {
        self.keys.pop_front()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &(u32, PublicKey)> {
        self.keys.iter()
    }

    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: u32, byte: u8) -> (u32, PublicKey) {
        (id, PublicKey::from_bytes([byte; 32]))
    }

    #[test]
    fn hands_out_each_key_once_in_order() {
        let mut keys = PreKeys::default();
        keys.add(&[key(1, 1), key(2, 2)], 10).unwrap();
        assert_eq!(keys.take(), Some(key(1, 1)));
        assert_eq!(keys.take(), Some(key(2, 2)));
        assert_eq!(keys.take(), None);
    }

    #[test]
    fn refuses_bad_ids_as_a_whole() {
        let mut keys = PreKeys::default();
        keys.add(&[key(1, 1)], 3).unwrap();
        for (upload, error) in [
            (vec![key(2, 2), key(0, 3)], PreKeyError::Id),
            (vec![key(2, 2), key(2, 2)], PreKeyError::Id),
            (vec![key(2, 2), key(1 << 24, 3)], PreKeyError::Id),
            (vec![key(2, 2), key(1, 9)], PreKeyError::Taken),
            (vec![key(2, 2), key(3, 2), key(4, 2)], PreKeyError::TooMany),
        ] {
            assert_eq!(keys.add(&upload, 3), Err(error));
            assert_eq!(keys.len(), 1);
        }
        keys.add(&[key(1, 1), key(2, 2)], 3).unwrap();
        assert_eq!(keys.len(), 2);
    }
}
