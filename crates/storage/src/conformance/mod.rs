//! What every backend must do, as ordinary async test functions.
//!
//! A backend provides a [`Backend`] fixture and runs all of them with one line:
//!
//! ```ignore
//! storage::conformance_tests!(MyBackend::start());
//! ```
//!
//! Each runs twice: with one handle on the database, and with two that take turns call by call, as two processes would.

// These functions are tests: a failure is a panic.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "the suite runs in tests, where a failure is a panic"
)]

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[doc(hidden)]
pub use async_trait::async_trait;

use crate::{MemoryStorage, Storage};

pub mod attempts;
pub mod audit;
pub mod claims;
pub mod clocks;
pub mod consumers;
pub mod contacts;
pub mod deliveries;
pub mod dialects;
pub mod events;
mod filled;
mod held;
pub mod instances;
pub mod keys;
pub mod leases;
pub mod media;
pub mod messages;
pub mod pages;
mod passing;
pub mod receipts;
pub mod record;
pub mod retention;
mod samples;
pub mod schedule;
pub mod search;
pub mod usage;
pub mod users;
pub mod webhooks;

pub use filled::fill_instance;
pub use samples::{
    SAMPLE_NODE, sample_amendment, sample_chat, sample_event, sample_event_data, sample_incoming,
    sample_instance, sample_leased, sample_outgoing, sample_receipt, sample_user, sample_webhook,
};

/// A database under test.
#[async_trait]
pub trait Backend: Send + Sync {
    /// A handle on the database.
    async fn storage(&self) -> Handles;

    /// Another handle on the same database, with nothing in common but the database; each call may return the same one.
    async fn second(&self) -> Arc<dyn Storage>;

    /// Closes the database and opens it again, as a restart of the process would. Earlier handles are not used again.
    async fn reopen(&mut self);
}

/// One handle or several on one database: each use goes to the next one.
pub struct Handles {
    all: Vec<Arc<dyn Storage>>,
    turn: AtomicUsize,
}

impl Handles {
    /// The first of them alone, for what is promised of one handle only.
    pub fn first(&self) -> &dyn Storage {
        &*self.all[0]
    }
}

impl From<Arc<dyn Storage>> for Handles {
    fn from(handle: Arc<dyn Storage>) -> Self {
        Self { all: vec![handle], turn: AtomicUsize::new(0) }
    }
}

impl Deref for Handles {
    type Target = dyn Storage;

    fn deref(&self) -> &Self::Target {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        &*self.all[turn % self.all.len()]
    }
}

/// A backend whose handle is in truth two that take turns.
pub struct TwoHandles<B>(pub B);

#[async_trait]
impl<B: Backend> Backend for TwoHandles<B> {
    async fn storage(&self) -> Handles {
        let mut handles = self.0.storage().await;
        handles.all.push(self.0.second().await);
        handles
    }

    async fn second(&self) -> Arc<dyn Storage> {
        self.0.second().await
    }

    async fn reopen(&mut self) {
        self.0.reopen().await;
    }
}

/// A memory store as a [`Backend`]; a restart keeps it, since there is nothing to lose it to.
#[derive(Default)]
pub struct MemoryBackend {
    storage: MemoryStorage,
}

#[async_trait]
impl Backend for MemoryBackend {
    async fn storage(&self) -> Handles {
        Handles::from(self.second().await)
    }

    async fn second(&self) -> Arc<dyn Storage> {
        Arc::new(self.storage.clone())
    }

    async fn reopen(&mut self) {}
}

/// Emits two `#[tokio::test]`s per conformance function; the argument is an expression for a fresh [`Backend`].
#[macro_export]
macro_rules! conformance_tests {
    ($backend:expr) => {
        mod storage_conformance {
            mod one_handle {
                #[allow(unused_imports, reason = "the backend's expression may name what stands around it")]
                use super::super::*;
                $crate::conformance_tests!(@all $backend);
            }

            mod two_handles {
                #[allow(unused_imports, reason = "the backend's expression may name what stands around it")]
                use super::super::*;
                $crate::conformance_tests!(@all $crate::conformance::TwoHandles($backend));
            }
        }
    };
    (@all $backend:expr) => {
        $crate::conformance_tests!(@each $backend;
            users {
                users_are_found_by_id_email_and_api_key
                emails_and_api_keys_are_unique
                user_patches_change_only_what_they_name
                credentials_have_a_version
                users_are_listed_in_pages
                somebody_administers_for_ever
                a_user_without_instances_can_be_deleted
                settings_are_stored_and_initialised_once
            }
            keys {
                keys_round_trip
                keys_are_unique_and_limited
                deleted_keys_are_gone
            }
            audit {
                entries_are_listed_newest_first
                a_change_and_its_entry_are_one
                old_entries_are_forgotten
            }
            instances {
                instances_round_trip
                instances_are_listed_in_pages_and_counted
                instances_are_listed_by_tag
                an_owner_has_no_more_instances_than_allowed
                another_users_instance_does_not_exist
                instance_patches_change_only_what_they_name
                instance_changes_made_at_once_are_merged
                a_change_of_settings_and_its_event_are_one
                deleting_an_instance_removes_all_that_belongs_to_it
                a_buried_instance_is_nobodys_until_it_is_forgotten
            }
            webhooks {
                webhooks_round_trip_by_name
                every_instance_has_a_default_webhook
                names_are_unique_and_their_number_is_limited
                webhook_patches_change_only_what_they_name
                a_change_and_its_event_are_one
                changes_made_at_once_are_merged
                a_stale_change_is_refused
                a_receiver_that_takes_nothing_is_noted
                a_new_webhook_starts_at_the_end_of_the_log
                a_webhook_that_is_switched_on_starts_at_the_end_of_the_log
                deleting_a_webhook_removes_its_cursor_and_deliveries
                another_users_webhooks_do_not_exist
            }
            leases {
                an_instance_is_held_by_one_node
                a_lease_that_ran_out_is_taken_over
                a_node_that_comes_back_takes_its_own_instances_at_once
                what_is_released_is_free_at_once
                a_stale_epoch_writes_nothing
                what_was_let_go_of_is_written_no_more
                nobody_but_the_holder_is_served_between_changes_of_hands
            }
            record {
                a_repeated_message_is_recorded_once_with_one_event
                the_idempotency_key_has_four_parts
                a_status_moves_forward_only
                no_change_is_older_than_its_message
                a_status_update_needs_the_right_chat_and_side
                pending_messages_wait_until_acknowledged
                state_and_event_are_recorded_together
                outcomes_and_events_follow_the_order_of_entries
                records_answer_the_events_that_the_log_has
                a_record_for_an_unknown_instance_changes_nothing
                records_apply_in_the_order_of_their_calls
                recorded_changes_survive_a_restart
            }
            pages {
                pages_of_events_end_at_a_size_and_join
                pages_of_messages_end_at_a_size_and_join
                pages_of_deliveries_end_at_a_size_and_join
            }
            messages {
                messages_round_trip
                messages_are_listed_newest_first_in_pages
                messages_are_filtered_by_chat_and_time
                what_amends_another_message_is_not_listed
                edits_replace_the_content_and_the_latest_wins
                revocations_take_the_content_away_for_good
                a_resend_fills_in_what_could_not_be_read
                an_amendment_needs_the_right_chat_and_author
                a_carrier_is_stored_once_whatever_becomes_of_its_target
                a_change_that_came_before_its_message_is_applied_to_it
                an_early_change_waits_for_the_right_chat_and_author
                chats_of_one_person_are_merged
                another_users_messages_do_not_exist
            }
            contacts {
                contacts_are_learned_and_found
                contacts_are_listed_by_name_in_pages
                a_callers_word_is_kept_beside_what_is_learned
                two_contacts_of_one_person_become_one
                another_users_contacts_do_not_exist
            }
            media {
                a_file_comes_further_with_an_event
                a_message_that_is_taken_back_has_no_file
                pending_files_are_found_in_order
            }
            events {
                every_kind_of_event_round_trips
                events_are_paged_by_position
                events_are_filtered_by_kind
                polling_by_time_misses_nothing_and_repeats_nothing
                times_never_fall_and_differ_between_records
                each_instance_has_its_own_log
                what_happens_to_an_instance_is_paged_newest_first
            }
            retention {
                old_events_go_and_what_is_still_needed_stays
                events_wait_for_webhooks_that_are_switched_on
                old_messages_go_and_pending_ones_stay
                old_files_go_and_their_messages_stay
                an_instances_own_retention_comes_first
                early_changes_do_not_wait_for_ever
                old_dead_deliveries_go_and_pending_ones_stay
                codes_are_forgotten_once_they_are_void
                an_owner_forgets_messages_and_contacts
            }
            deliveries {
                a_cursor_only_moves_forward
                settlements_insert_replace_and_remove
                settlements_under_a_stale_epoch_are_left_out
                work_lists_backlogs_and_pending_deliveries
                dead_deliveries_are_replayed
                pending_deliveries_are_hastened
                another_users_deliveries_do_not_exist
            }
            usage {
                messages_are_counted_once_in_their_commit
                counts_are_added_up_by_day_and_owner
                counts_outlive_what_was_counted_and_go_with_their_instance
            }
            dialects {
                an_instance_is_reached_by_its_key
                a_key_that_was_replaced_does_not_come_back
                a_key_reaches_one_instance
                another_users_keys_do_not_exist
            }
            attempts {
                attempts_are_listed_and_the_last_are_kept
                old_attempts_are_forgotten
                events_are_delivered_again
            }
            consumers {
                named_consumers_stand_where_they_were_put
                named_consumers_are_limited_and_their_owners
                events_wait_for_named_consumers_that_are_alive
            }
            claims {
                a_key_is_taken_once_together_with_its_record
                old_claims_are_forgotten
            }
            schedule {
                scheduled_messages_are_listed_by_their_time
                scheduled_messages_are_limited
                a_scheduled_message_takes_its_key
                scheduled_messages_are_changed_and_cancelled
                a_due_message_leaves_once
                scheduled_messages_belong_to_their_instance
            }
            receipts {
                each_member_of_a_group_is_known_for_itself
                receipts_go_with_their_message
            }
            search {
                messages_are_listed_in_the_order_they_were_stored_in
                messages_are_filtered_in_lists
                messages_are_found_by_their_words
                what_changes_or_goes_is_found_no_more
                chats_are_listed_by_their_last_message
                another_users_messages_are_not_found
            }
        );
    };
    (@each $backend:expr; $($module:ident { $($name:ident)* })*) => {
        $(
            mod $module {
                #[allow(unused_imports, reason = "the backend's expression may name what stands around it")]
                use super::*;
                $(
                    #[tokio::test]
                    async fn $name() {
                        $crate::conformance::$module::$name($backend).await;
                    }
                )*
            }
        )*
    };
}
