//! Every statement finds its rows through an index: none reads a whole table that grows with use, or sorts.
//!
//! The statements are those that the conformance suites run, as diesel reports them; SQLite explains how it would run
//! each of them.

// Tests: a failure is a panic.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeSet;
use std::sync::Mutex;

use diesel::connection::{Instrumentation, InstrumentationEvent, set_default_instrumentation};
use diesel::prelude::*;
use diesel::sql_types::Text;
use wa_store::conformance as companion;

#[allow(dead_code)]
#[path = "it/fixture.rs"]
mod fixture;

use fixture::Fixture;
use storage::conformance as service;

static STATEMENTS: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Tables that are read as a whole by design, and by whom.
const WHOLE: &[(&str, &str)] = &[
    ("users", "lists of users: administrators only"),
    ("instances", "the fleet at start, the webhook worker at start, pruning: once per instance anyway"),
    ("claims", "pruning and deletion of an instance: rare, and claims are short-lived"),
    ("retired_instances", "empty but for a moment after a deletion"),
];

/// Sorts of small results.
const SORTED: &[&str] = &["users", "instances"];

#[tokio::test]
async fn every_statement_uses_an_index() {
    set_default_instrumentation(|| Some(Box::new(Recorder))).unwrap();
    run_suites().await;
    let statements = std::mem::take(&mut *STATEMENTS.lock().unwrap());
    assert!(statements.len() > 60, "{} statements were seen", statements.len());

    let fixture = Fixture::start();
    let mut db = SqliteConnection::establish(fixture.database.path().to_str().unwrap()).unwrap();
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
            return !aliased && !WHOLE.iter().any(|(table, _)| named(table));
        }
        let sorts = self.detail.starts_with("USE TEMP B-TREE");
        sorts && !SORTED.iter().any(|table| statement.contains(&format!("FROM `{table}`")))
    }
}

struct Recorder;

impl Instrumentation for Recorder {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        if let InstrumentationEvent::StartQuery { query, .. } = event {
            let text = query.to_string();
            let statement = text.split(" -- binds").next().unwrap_or_default().to_owned();
            let of_ours = ["SELECT", "INSERT", "REPLACE", "UPDATE", "DELETE"]
                .iter()
                .any(|word| statement.starts_with(word));
            if of_ours && !statement.contains("__diesel") {
                STATEMENTS.lock().unwrap().insert(statement);
            }
        }
    }
}

async fn run_suites() {
    service::users::users_are_found_by_id_email_and_api_key(Fixture::start()).await;
    service::users::emails_and_api_keys_are_unique(Fixture::start()).await;
    service::users::settings_are_stored_and_initialised_once(Fixture::start()).await;
    service::instances::instances_round_trip(Fixture::start()).await;
    service::instances::instance_patches_change_only_what_they_name(Fixture::start()).await;
    service::instances::deleting_an_instance_removes_all_that_belongs_to_it(Fixture::start()).await;
    service::record::a_status_moves_forward_only(Fixture::start()).await;
    service::record::pending_messages_keep_their_payload_until_acknowledged(Fixture::start()).await;
    service::messages::messages_round_trip(Fixture::start()).await;
    service::messages::messages_are_filtered_by_chat_and_time(Fixture::start()).await;
    service::messages::chats_of_one_person_are_merged(Fixture::start()).await;
    service::events::events_are_paged_by_position(Fixture::start()).await;
    service::events::events_are_filtered_by_kind(Fixture::start()).await;
    service::events::polling_by_time_misses_nothing_and_repeats_nothing(Fixture::start()).await;
    service::events::pruning_keeps_what_is_still_needed(Fixture::start()).await;
    service::deliveries::settlements_insert_replace_and_remove(Fixture::start()).await;
    service::deliveries::work_lists_backlogs_and_pending_deliveries(Fixture::start()).await;
    service::deliveries::dead_deliveries_are_replayed(Fixture::start()).await;
    service::claims::a_key_is_taken_once_together_with_its_record(Fixture::start()).await;
    service::claims::answers_are_replaced_and_old_claims_forgotten(Fixture::start()).await;
    companion::wipe_forgets_everything_and_then_applies_the_rest(Fixture::start()).await;
    companion::addresses_are_listed_by_name(Fixture::start()).await;
    companion::prekeys_are_listed_in_order_and_removed(Fixture::start()).await;
    companion::sender_keys_round_trip(Fixture::start()).await;
    companion::sessions_round_trip_in_the_order_asked(Fixture::start()).await;
    companion::identities_round_trip(Fixture::start()).await;
    companion::lid_mappings_are_found_both_ways_and_replaced(Fixture::start()).await;
    companion::device_lists_round_trip(Fixture::start()).await;
    companion::sent_messages_are_found_by_chat_and_id(Fixture::start()).await;
}
