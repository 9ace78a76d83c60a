//! What every backend must do, as ordinary async test functions.
//!
//! A backend provides a [`Backend`] fixture and runs all of them with one line; one that several processes can share
//! also provides a [`SharedBackend`] and runs a second line:
//!
//! ```ignore
//! wa_store::conformance_tests!(MyBackend::start());
//! wa_store::ownership_tests!(MyBackend::start());
//! ```

// These functions are tests: a failure is a panic.
#![allow(clippy::unwrap_used, reason = "the suite runs in tests, where a failure is a panic")]

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;

use crate::{Batch, Key, Kind, MemoryRecords, Records};

mod ownership;
mod reading;
mod reference;
mod samples;
mod writing;

pub use ownership::{a_new_owner_continues, a_stale_owner_can_still_read, a_stale_owner_is_fenced};
pub use reading::{
    keys_of_any_text_are_told_apart, records_are_counted_by_kind, records_come_back_in_the_order_asked,
    scans_are_ordered_and_bounded, values_of_any_size_come_back,
};
pub use reference::{random_batch, random_batches_leave_what_the_reference_has, same_records};
pub use samples::{
    sample_changes, sample_device, sample_device_list, sample_peer_data, sample_sent_message, session_change,
};
pub use writing::{
    a_wipe_removes_what_came_before, batches_apply_in_the_order_of_their_calls, companions_share_nothing,
    later_steps_win, only_the_last_are_kept, two_handles_are_one_companion, unpolled_batches_are_applied,
    what_was_stored_survives_a_restart,
};

/// A database under test.
#[async_trait]
pub trait Backend: Send + Sync {
    /// A handle of companion number `companion`'s present owner. Every call is another handle of the same records.
    async fn companion(&self, companion: u8) -> Arc<dyn Records>;

    /// Closes the database and opens it again, as a restart of the process would. Earlier handles are not used again.
    async fn reopen(&mut self);
}

/// A database that several processes can share, so that a companion can change its owner.
#[async_trait]
pub trait SharedBackend: Backend {
    /// The handle of a new owner; the earlier owners' handles are stale from now on.
    async fn take_over(&self, companion: u8) -> Arc<dyn Records>;
}

/// Memory records as a [`Backend`]; a restart keeps them, since there is nothing to lose them to.
#[derive(Default)]
pub struct MemoryBackend {
    companions: Mutex<HashMap<u8, MemoryRecords>>,
}

#[async_trait]
impl Backend for MemoryBackend {
    async fn companion(&self, companion: u8) -> Arc<dyn Records> {
        Arc::new(self.companions.lock().entry(companion).or_default().another())
    }

    async fn reopen(&mut self) {}
}

#[async_trait]
impl SharedBackend for MemoryBackend {
    async fn take_over(&self, companion: u8) -> Arc<dyn Records> {
        let mut companions = self.companions.lock();
        let owner = companions.entry(companion).or_default().take_over();
        companions.insert(companion, owner.another());
        Arc::new(owner)
    }
}

/// Emits one `#[tokio::test]` per conformance function; the argument is an expression for a fresh [`Backend`].
#[macro_export]
macro_rules! conformance_tests {
    ($backend:expr) => {
        $crate::conformance_tests!(@each wa_store_conformance $backend;
            records_come_back_in_the_order_asked
            scans_are_ordered_and_bounded
            records_are_counted_by_kind
            keys_of_any_text_are_told_apart
            values_of_any_size_come_back
            later_steps_win
            only_the_last_are_kept
            a_wipe_removes_what_came_before
            batches_apply_in_the_order_of_their_calls
            unpolled_batches_are_applied
            what_was_stored_survives_a_restart
            two_handles_are_one_companion
            companions_share_nothing
            random_batches_leave_what_the_reference_has
        );
    };
    (@each $module:ident $backend:expr; $($name:ident)*) => {
        mod $module {
            use super::*;
            $(
                #[tokio::test]
                async fn $name() {
                    $crate::conformance::$name($backend).await;
                }
            )*
        }
    };
}

/// The same for what a change of owners means; the argument is an expression for a fresh [`SharedBackend`].
#[macro_export]
macro_rules! ownership_tests {
    ($backend:expr) => {
        $crate::conformance_tests!(@each wa_store_ownership $backend;
            a_new_owner_continues
            a_stale_owner_is_fenced
            a_stale_owner_can_still_read
        );
    };
}

fn key(text: &str) -> Key {
    Key::new([text])
}

/// A batch that stores these values.
fn puts(kind: Kind, records: &[(&str, &'static str)]) -> Batch {
    let mut batch = Batch::new();
    for (name, value) in records {
        batch.put(kind, key(name), Bytes::from_static(value.as_bytes()));
    }
    batch
}

/// The one value under a key, as text.
async fn text(records: &dyn Records, kind: Kind, name: &str) -> Option<String> {
    let found = records.get(kind, &[key(name)]).await.unwrap();
    found.into_iter().flatten().next().map(|value| String::from_utf8(value.to_vec()).unwrap())
}

/// The keys that a scan finds.
async fn scanned(records: &dyn Records, kind: Kind, range: Range<Key>, limit: usize) -> Vec<String> {
    let found = records.scan(kind, range, limit).await.unwrap();
    found.into_iter().map(|(key, _)| key.as_str().to_owned()).collect()
}
