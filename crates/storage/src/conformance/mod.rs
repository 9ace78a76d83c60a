//! What every backend must do, as ordinary async test functions.
//!
//! A backend provides a [`Backend`] fixture and runs all of them with one line:
//!
//! ```ignore
//! storage::conformance_tests!(MyBackend::start());
//! ```

// These functions are tests: a failure is a panic.
#![allow(clippy::unwrap_used, clippy::panic, clippy::missing_panics_doc)]

use std::sync::Arc;

use async_trait::async_trait;

use crate::{MemoryStorage, Storage};

pub mod claims;
pub mod deliveries;
pub mod events;
pub mod instances;
pub mod messages;
pub mod record;
mod samples;
pub mod users;

pub use samples::{
    sample_event, sample_incoming, sample_instance, sample_outgoing, sample_receipt, sample_user,
};

/// A database under test.
#[async_trait]
pub trait Backend: Send + Sync {
    /// The store; each call may return the same one.
    async fn storage(&self) -> Arc<dyn Storage>;

    /// Closes the database and opens it again, as a restart of the process would. Earlier stores are not used again.
    async fn reopen(&mut self);
}

/// A memory store as a [`Backend`]; a restart keeps it, since there is nothing to lose it to.
#[derive(Default)]
pub struct MemoryBackend {
    storage: Arc<MemoryStorage>,
}

#[async_trait]
impl Backend for MemoryBackend {
    async fn storage(&self) -> Arc<dyn Storage> {
        Arc::clone(&self.storage) as Arc<dyn Storage>
    }

    async fn reopen(&mut self) {}
}

/// Emits one `#[tokio::test]` per conformance function; the argument is an expression for a fresh [`Backend`].
#[macro_export]
macro_rules! conformance_tests {
    ($backend:expr) => {
        $crate::conformance_tests!(@all $backend;
            users {
                users_are_found_by_id_email_and_api_key
                emails_and_api_keys_are_unique
                user_patches_change_only_what_they_name
                settings_are_stored_and_initialised_once
            }
            instances {
                instances_round_trip
                another_users_instance_does_not_exist
                instance_patches_change_only_what_they_name
                deleting_an_instance_removes_all_that_belongs_to_it
            }
            record {
                a_repeated_message_is_recorded_once_with_one_event
                the_idempotency_key_has_four_parts
                a_status_moves_forward_only
                a_status_update_needs_the_right_chat_and_side
                pending_messages_keep_their_payload_until_acknowledged
                state_and_event_are_recorded_together
                outcomes_and_events_follow_the_order_of_entries
                a_record_for_an_unknown_instance_changes_nothing
                records_apply_in_the_order_of_their_calls
                recorded_changes_survive_a_restart
            }
            messages {
                messages_round_trip
                messages_are_listed_newest_first_in_pages
                messages_are_filtered_by_chat_and_time
                chats_of_one_person_are_merged
                another_users_messages_do_not_exist
            }
            events {
                events_are_paged_by_position
                events_are_filtered_by_kind
                polling_by_time_misses_nothing_and_repeats_nothing
                times_never_fall_and_differ_between_records
                each_instance_has_its_own_log
                pruning_keeps_what_is_still_needed
            }
            deliveries {
                a_cursor_only_moves_forward
                settlements_insert_replace_and_remove
                work_lists_backlogs_and_pending_deliveries
                dead_deliveries_are_replayed
                another_users_deliveries_do_not_exist
            }
            claims {
                a_key_is_taken_once_together_with_its_record
                answers_are_replaced_and_old_claims_forgotten
            }
        );
    };
    (@all $backend:expr; $($module:ident { $($name:ident)* })*) => {
        mod storage_conformance {
            $(
                mod $module {
                    #[allow(unused_imports)]
                    use super::super::*;
                    $(
                        #[tokio::test]
                        async fn $name() {
                            $crate::conformance::$module::$name($backend).await;
                        }
                    )*
                }
            )*
        }
    };
}
