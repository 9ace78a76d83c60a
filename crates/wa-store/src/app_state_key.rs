use std::fmt;

use bytes::Bytes;

/// A key of the app state, as the phone shared it. `Debug` doesn't show the key.
#[derive(Clone, PartialEq, Eq)]
pub struct AppStateKey {
    /// Usually 6 bytes: 2 of the device that made it, 4 of a counter.
    pub id: Bytes,
    /// The key material, usually 32 bytes.
    pub data: Bytes,
    /// The `AppStateSyncKeyFingerprint` protobuf: the devices it was made for. Empty when none came with it.
    pub fingerprint: Bytes,
    /// When it was made, in Unix milliseconds; the newest one encrypts.
    pub timestamp: i64,
}

impl fmt::Debug for AppStateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppStateKey")
            .field("id", &self.id)
            .field("timestamp", &self.timestamp)
            .finish_non_exhaustive()
    }
}
