//! What every backend must do, as ordinary async test functions.
//!
//! A backend provides a [`Backend`] fixture and runs all of them with one line:
//!
//! ```ignore
//! wa_store::conformance_tests!(MyBackend::start());
//! ```

// These functions are tests: a failure is a panic.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use wa_binary::Jid;

use crate::{
    Changes, Device, DeviceAddress, DeviceList, ListedDevice, MemoryStore, SentMessage, SignedPreKeyRecord,
    Store,
};

mod address_book;
mod commit;
mod signal;

pub use address_book::{device_lists_round_trip, lid_mappings_are_found_both_ways_and_replaced};
pub use commit::{
    commits_apply_in_the_order_of_their_calls, committed_changes_survive_a_restart,
    companions_do_not_see_each_other, device_record_round_trips, sent_messages_are_bounded,
    sent_messages_are_found_by_chat_and_id, unpolled_commits_are_applied,
    wipe_forgets_everything_and_then_applies_the_rest,
};
pub use signal::{
    addresses_are_listed_by_name, identities_round_trip, large_records_round_trip, later_entries_win,
    prekeys_are_listed_in_order_and_removed, sender_keys_round_trip, sessions_round_trip_in_the_order_asked,
};

/// A database under test.
#[async_trait]
pub trait Backend: Send + Sync {
    /// The store of companion number `companion`; the same number is the same store.
    async fn companion(&self, companion: u8) -> Arc<dyn Store>;

    /// Closes the database and opens it again, as a restart of the process would. Earlier stores are not used again.
    async fn reopen(&mut self);
}

/// Memory stores as a [`Backend`]; a restart keeps them, since there is nothing to lose them to.
#[derive(Default)]
pub struct MemoryBackend {
    stores: std::sync::Mutex<std::collections::HashMap<u8, Arc<MemoryStore>>>,
}

#[async_trait]
impl Backend for MemoryBackend {
    async fn companion(&self, companion: u8) -> Arc<dyn Store> {
        let mut stores = self.stores.lock().unwrap();
        Arc::clone(stores.entry(companion).or_default()) as Arc<dyn Store>
    }

    async fn reopen(&mut self) {}
}

/// Emits one `#[tokio::test]` per conformance function; the argument is an expression for a fresh [`Backend`].
#[macro_export]
macro_rules! conformance_tests {
    ($backend:expr) => {
        $crate::conformance_tests!(@each $backend;
            device_record_round_trips
            wipe_forgets_everything_and_then_applies_the_rest
            commits_apply_in_the_order_of_their_calls
            unpolled_commits_are_applied
            committed_changes_survive_a_restart
            companions_do_not_see_each_other
            sent_messages_are_found_by_chat_and_id
            sent_messages_are_bounded
            sessions_round_trip_in_the_order_asked
            identities_round_trip
            addresses_are_listed_by_name
            prekeys_are_listed_in_order_and_removed
            sender_keys_round_trip
            later_entries_win
            large_records_round_trip
            lid_mappings_are_found_both_ways_and_replaced
            device_lists_round_trip
        );
    };
    (@each $backend:expr; $($name:ident)*) => {
        mod wa_store_conformance {
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

/// A paired device with every field filled in.
pub fn sample_device() -> Device {
    Device {
        noise_key: [1; 32],
        identity_key: [2; 32],
        registration_id: 0xfeed_beef,
        adv_secret: [3; 32],
        signed_prekey: SignedPreKeyRecord { id: 2, private_key: [4; 32], signature: [5; 64] },
        previous_signed_prekeys: vec![SignedPreKeyRecord { id: 1, private_key: [6; 32], signature: [7; 64] }],
        signed_prekey_rotated_at: 1_700_000_000,
        next_prekey_id: 813,
        first_unuploaded_prekey_id: 813,
        jid: Some("15550000001:7@s.whatsapp.net".parse().unwrap()),
        lid: Some("100000000000001:7@lid".parse().unwrap()),
        account: Some(Bytes::from_static(b"signed device identity")),
        push_name: "Zoë".into(),
        platform: "android".into(),
        business_name: Some("Zoë & Co".into()),
        routing_info: Some(Bytes::from_static(b"\x08\x02")),
        server_clock_offset: -3,
    }
}

/// A device list with a primary, a companion and a hosted device.
pub fn sample_device_list() -> DeviceList {
    DeviceList {
        devices: vec![
            ListedDevice { id: 0, key_index: None, is_hosted: false },
            ListedDevice { id: 7, key_index: Some(1), is_hosted: false },
            ListedDevice { id: 99, key_index: Some(2), is_hosted: true },
        ],
        hash: Some("2:Ni8THOE8".into()),
        timestamp: 1_700_000_001,
        fetched_at: 1_700_000_002,
    }
}

/// A message sent to `chat`.
pub fn sample_sent_message(chat: &Jid, id: &str, timestamp: i64) -> SentMessage {
    SentMessage {
        chat: chat.clone(),
        id: id.into(),
        to: chat.clone(),
        message: Bytes::from(format!("message {id}")),
        timestamp,
    }
}

/// A change set that stores one session.
pub fn session_change(address: &DeviceAddress, record: &'static [u8]) -> Changes {
    Changes { sessions: vec![(address.clone(), Some(Bytes::from_static(record)))], ..Changes::default() }
}
