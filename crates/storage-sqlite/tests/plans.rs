//! Every statement finds its rows through an index: none reads a whole table that grows with use, or sorts.
//!
//! The statements are those that the conformance suites run, as diesel reports them; SQLite explains how it would run
//! each of them.

// Tests: a failure is a panic.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test is a panic")]

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use diesel::connection::{Instrumentation, InstrumentationEvent, set_default_instrumentation};
use diesel::prelude::*;
use diesel::sql_types::Text;
use wa_store::conformance as companion;

#[allow(dead_code, reason = "shared with the other tests, which use all of it")]
#[path = "it/fixture.rs"]
mod fixture;

use fixture::{Fixture, Held, connect};
use storage::conformance as service;

static STATEMENTS: parking_lot::Mutex<BTreeSet<String>> = parking_lot::Mutex::new(BTreeSet::new());

/// Tables that are read as a whole by design, and by whom.
const WHOLE: &[(&str, &str)] = &[
    ("users", "lists of users: administrators only"),
    ("instances", "counting and pruning: once per instance anyway"),
    ("claims", "pruning: rare, and claims are short-lived"),
    ("usage_days", "statistics of all instances: administrators only, and seldom"),
    ("json_each", "the tags of one instance"),
    ("nodes", "a row for each process"),
    ("sqlite_schema", "once at each opening"),
    ("message_words", "full text search: the index itself, a window of it at a time"),
    ("retired_instances", "empty but for a moment after a deletion"),
];

/// Indexes that are read as a whole by design, and by whom.
const WHOLE_INDEXES: &[(&str, &str)] =
    &[("events_with_codes", "forgetting codes: one of each instance that is not linked")];

/// Sorts of small results.
const SORTED: &[&str] = &["users", "instances"];

#[tokio::test]
async fn every_statement_uses_an_index() {
    set_default_instrumentation(|| Some(Box::new(QueryLog))).unwrap();
    run_suites().await;
    let statements = std::mem::take(&mut *STATEMENTS.lock());
    assert!(statements.len() > 60, "{} statements were seen", statements.len());

    let fixture = Fixture::start();
    let mut db = connect(fixture.database.path());
    let mut wasteful = Vec::new();
    for statement in &statements {
        let steps =
            diesel::sql_query(format!("EXPLAIN QUERY PLAN {statement}")).load::<Step>(&mut db).unwrap();
        wasteful.extend(
            steps.into_iter().filter(|step| step.is_wasteful(statement)).map(|step| (step.detail, statement)),
        );
    }
    assert!(wasteful.is_empty(), "{wasteful:#?}");
}

#[derive(QueryableByName)]
struct Step {
    #[diesel(sql_type = Text)]
    detail: String,
}

impl Step {
    fn is_wasteful(&self, statement: &str) -> bool {
        if let Some(scan) = self.detail.strip_prefix("SCAN ") {
            let named = |table: &str| scan.split(' ').next() == Some(table);
            // The alias that the worker's list of instances uses.
            let aliased = scan.starts_with("i ") || scan == "i" || scan.starts_with("CONSTANT");
            let small =
                WHOLE_INDEXES.iter().any(|(index, _)| scan.ends_with(&format!("USING INDEX {index}")));
            return !aliased && !small && !WHOLE.iter().any(|(table, _)| named(table));
        }
        let sorts = self.detail.starts_with("USE TEMP B-TREE");
        sorts && !SORTED.iter().any(|table| statement.contains(&format!("FROM `{table}`")))
    }
}

struct QueryLog;

impl Instrumentation for QueryLog {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        if let InstrumentationEvent::StartQuery { query, .. } = event {
            let text = query.to_string();
            let statement = text.split(" -- binds").next().unwrap_or_default().to_owned();
            let of_ours = ["SELECT", "INSERT", "REPLACE", "UPDATE", "DELETE"]
                .iter()
                .any(|word| statement.starts_with(word));
            if of_ours && !statement.contains("__diesel") {
                STATEMENTS.lock().insert(statement);
            }
        }
    }
}

async fn run_suites() {
    service::users::users_are_found_by_id_email_and_api_key(Fixture::start()).await;
    service::users::emails_and_api_keys_are_unique(Fixture::start()).await;
    service::users::users_are_listed_in_pages(Fixture::start()).await;
    service::users::a_user_without_instances_can_be_deleted(Fixture::start()).await;
    service::keys::keys_round_trip(Fixture::start()).await;
    service::keys::deleted_keys_are_gone(Fixture::start()).await;
    service::audit::entries_are_listed_newest_first(Fixture::start()).await;
    service::audit::old_entries_are_forgotten(Fixture::start()).await;
    service::users::settings_are_stored_and_initialised_once(Fixture::start()).await;
    service::instances::instances_round_trip(Fixture::start()).await;
    service::instances::instances_are_listed_in_pages_and_counted(Fixture::start()).await;
    service::instances::instance_patches_change_only_what_they_name(Fixture::start()).await;
    service::instances::instances_are_listed_by_tag(Fixture::start()).await;
    service::instances::deleting_an_instance_removes_all_that_belongs_to_it(Fixture::start()).await;
    service::webhooks::webhooks_round_trip_by_name(Fixture::start()).await;
    service::webhooks::webhook_patches_change_only_what_they_name(Fixture::start()).await;
    service::webhooks::deleting_a_webhook_removes_its_cursor_and_deliveries(Fixture::start()).await;
    service::leases::an_instance_is_held_by_one_node(Fixture::start()).await;
    service::leases::a_lease_that_ran_out_is_taken_over(Fixture::start()).await;
    service::leases::what_is_released_is_free_at_once(Fixture::start()).await;
    service::record::a_status_moves_forward_only(Fixture::start()).await;
    service::record::pending_messages_wait_until_acknowledged(Fixture::start()).await;
    service::record::state_and_event_are_recorded_together(Fixture::start()).await;
    service::messages::messages_round_trip(Fixture::start()).await;
    service::messages::messages_are_filtered_by_chat_and_time(Fixture::start()).await;
    service::messages::edits_replace_the_content_and_the_latest_wins(Fixture::start()).await;
    service::messages::a_change_that_came_before_its_message_is_applied_to_it(Fixture::start()).await;
    service::messages::chats_of_one_person_are_merged(Fixture::start()).await;
    service::events::events_are_paged_by_position(Fixture::start()).await;
    service::events::events_are_filtered_by_kind(Fixture::start()).await;
    service::events::polling_by_time_misses_nothing_and_repeats_nothing(Fixture::start()).await;
    service::events::what_happens_to_an_instance_is_paged_newest_first(Fixture::start()).await;
    service::retention::old_events_go_and_what_is_still_needed_stays(Fixture::start()).await;
    service::retention::old_messages_go_and_pending_ones_stay(Fixture::start()).await;
    service::retention::early_changes_do_not_wait_for_ever(Fixture::start()).await;
    service::retention::old_dead_deliveries_go_and_pending_ones_stay(Fixture::start()).await;
    service::retention::codes_are_forgotten_once_they_are_void(Fixture::start()).await;
    service::retention::an_owner_forgets_messages_and_contacts(Fixture::start()).await;
    service::pages::pages_of_messages_end_at_a_size_and_join(Fixture::start()).await;
    service::webhooks::a_change_and_its_event_are_one(Fixture::start()).await;
    service::deliveries::settlements_insert_replace_and_remove(Fixture::start()).await;
    service::deliveries::work_lists_backlogs_and_pending_deliveries(Fixture::start()).await;
    service::deliveries::dead_deliveries_are_replayed(Fixture::start()).await;
    service::deliveries::pending_deliveries_are_hastened(Fixture::start()).await;
    service::usage::counts_are_added_up_by_day_and_owner(Fixture::start()).await;
    service::claims::a_key_is_taken_once_together_with_its_record(Fixture::start()).await;
    service::claims::old_claims_are_forgotten(Fixture::start()).await;
    service::dialects::an_instance_is_reached_by_its_key(Fixture::start()).await;
    service::dialects::a_key_reaches_one_instance(Fixture::start()).await;
    service::schedule::scheduled_messages_are_listed_by_their_time(Fixture::start()).await;
    service::schedule::scheduled_messages_are_limited(Fixture::start()).await;
    service::schedule::scheduled_messages_are_changed_and_cancelled(Fixture::start()).await;
    service::schedule::a_due_message_leaves_once(Fixture::start()).await;
    service::schedule::scheduled_messages_belong_to_their_instance(Fixture::start()).await;
    service::receipts::each_member_of_a_group_is_known_for_itself(Fixture::start()).await;
    service::receipts::receipts_go_with_their_message(Fixture::start()).await;
    service::search::messages_are_listed_in_the_order_they_were_stored_in(Fixture::start()).await;
    service::search::messages_are_filtered_in_lists(Fixture::start()).await;
    service::search::messages_are_found_by_their_words(Fixture::start()).await;
    service::search::what_changes_or_goes_is_found_no_more(Fixture::start()).await;
    service::search::chats_are_listed_by_their_last_message(Fixture::start()).await;
    companion::later_steps_win(Companions::start()).await;
    companion::only_the_last_are_kept(Companions::start()).await;
    companion::a_wipe_removes_what_came_before(Companions::start()).await;
    companion::records_are_counted_by_kind(Companions::start()).await;
    companion::scans_are_ordered_and_bounded(Companions::start()).await;
}

/// The records of companions in a database, each of an instance of its own.
struct Companions {
    fixture: Fixture,
    held: tokio::sync::Mutex<BTreeMap<u8, Held>>,
}

impl Companions {
    fn start() -> Self {
        Self { fixture: Fixture::start(), held: tokio::sync::Mutex::default() }
    }
}

#[async_trait]
impl companion::Backend for Companions {
    async fn companion(&self, companion: u8) -> Arc<dyn wa_store::Records> {
        let mut all = self.held.lock().await;
        if let Entry::Vacant(unknown) = all.entry(companion) {
            unknown.insert(self.fixture.instance().await);
        }
        self.fixture.database.companion(all[&companion].id, all[&companion].epoch)
    }

    async fn reopen(&mut self) {
        self.fixture.restart().await;
    }
}
