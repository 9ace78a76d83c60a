use bytes::Bytes;

use crate::phone::PhoneLine;

/// A device of an account that the simulator plays itself, beside the phone: a companion, or the account's device in
/// Meta's cloud.
pub(crate) struct Played {
    pub(crate) line: PhoneLine,
    pub(crate) key_index: u32,
    /// How its account vouches for it: complete, with the account's key.
    pub(crate) device_identity: Bytes,
}

impl std::fmt::Debug for Played {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Played").field("key_index", &self.key_index).finish_non_exhaustive()
    }
}
