//! Every statement finds its rows through an index: none reads a whole table that grows with use.
//!
//! The statements are those that the conformance suites run, as diesel reports them; PostgreSQL explains how it would run each
//! of them whatever its values are, if it may read no table as a whole where that can be avoided.

// Tests: a failure is a panic.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test is a panic")]

use std::collections::BTreeSet;

use diesel::connection::{Instrumentation, InstrumentationEvent, set_default_instrumentation};
use parking_lot::Mutex;
use storage::conformance as service;

#[allow(dead_code, reason = "shared with the other tests, which use all of it")]
#[path = "it/fixture.rs"]
mod fixture;

use fixture::Fixture;

static STATEMENTS: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Tables that are read as a whole by design, and by whom.
const WHOLE: &[(&str, &str)] = &[
    ("users", "lists of users: administrators only"),
    ("instances", "counting and pruning: once per instance anyway"),
    ("claims", "deletion of an instance: rare, and claims are short-lived"),
    ("usage_days", "statistics of all instances: administrators only, and seldom"),
    ("nodes", "a row for each process"),
    ("settings", "a few rows"),
    ("retired_instances", "empty but for a moment after a deletion"),
    ("events", "forgetting codes: its index holds one of each instance that is not linked"),
];

#[tokio::test]
async fn every_statement_uses_an_index() {
    set_default_instrumentation(|| Some(Box::new(QueryLog))).unwrap();
    run_suites().await;
    let statements = std::mem::take(&mut *STATEMENTS.lock());
    assert!(statements.len() > 60, "{} statements were seen", statements.len());

    let fixture = Fixture::start().await;
    let client = fixture.scratch.connect().await;
    let only = "SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan";
    client.batch_execute(only).await.unwrap();
    let (mut wasteful, mut explained) = (Vec::new(), 0);
    for statement in &statements {
        // What only its values tell the type of can't be prepared by its text.
        if client.batch_execute(&format!("PREPARE one AS {statement}")).await.is_err() {
            continue;
        }
        explained += 1;
        let values = (1..).take_while(|n| statement.contains(&format!("${n}"))).map(|_| "NULL");
        let values = values.collect::<Vec<_>>().join(", ");
        let values = if values.is_empty() { values } else { format!("({values})") };
        let plan = client.query(&format!("EXPLAIN EXECUTE one{values}"), &[]).await.unwrap();
        let steps = plan.iter().map(|step| step.get::<_, String>(0));
        wasteful.extend(steps.filter(|step| is_wasteful(step)).map(|step| (step, statement.clone())));
        client.batch_execute("DEALLOCATE one").await.unwrap();
    }
    assert!(wasteful.is_empty(), "{wasteful:#?}");
    assert!(explained * 10 > statements.len() * 9, "{explained} of {} were explained", statements.len());
}

fn is_wasteful(step: &str) -> bool {
    let Some((_, scanned)) = step.split_once("Seq Scan on ") else { return false };
    !WHOLE.iter().any(|(table, _)| scanned.split(' ').next() == Some(*table))
}

struct QueryLog;

impl Instrumentation for QueryLog {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        if let InstrumentationEvent::StartQuery { query, .. } = event {
            let text = query.to_string();
            let statement = text.split(" -- binds").next().unwrap_or_default().trim().to_owned();
            let of_ours =
                ["SELECT", "INSERT", "UPDATE", "DELETE"].iter().any(|word| statement.starts_with(word));
            if of_ours && !statement.contains(';') && !statement.contains("__diesel") {
                STATEMENTS.lock().insert(statement);
            }
        }
    }
}

async fn run_suites() {
    use service::{attempts, audit, claims, contacts, deliveries, dialects, events, instances, keys, leases};
    use service::{media, messages, receipts, record, retention, schedule, search, usage, users, webhooks};
    let start = Fixture::start;
    users::users_are_found_by_id_email_and_api_key(start().await).await;
    users::emails_and_api_keys_are_unique(start().await).await;
    users::users_are_listed_in_pages(start().await).await;
    users::a_user_without_instances_can_be_deleted(start().await).await;
    users::settings_are_stored_and_initialised_once(start().await).await;
    keys::keys_round_trip(start().await).await;
    keys::deleted_keys_are_gone(start().await).await;
    audit::entries_are_listed_newest_first(start().await).await;
    audit::old_entries_are_forgotten(start().await).await;
    instances::instances_are_listed_in_pages_and_counted(start().await).await;
    instances::instances_are_listed_by_tag(start().await).await;
    instances::instance_patches_change_only_what_they_name(start().await).await;
    instances::deleting_an_instance_removes_all_that_belongs_to_it(start().await).await;
    webhooks::webhook_patches_change_only_what_they_name(start().await).await;
    webhooks::deleting_a_webhook_removes_its_cursor_and_deliveries(start().await).await;
    leases::an_instance_is_held_by_one_node(start().await).await;
    leases::a_lease_that_ran_out_is_taken_over(start().await).await;
    leases::what_is_released_is_free_at_once(start().await).await;
    record::a_status_moves_forward_only(start().await).await;
    record::pending_messages_wait_until_acknowledged(start().await).await;
    record::state_and_event_are_recorded_together(start().await).await;
    messages::messages_are_filtered_by_chat_and_time(start().await).await;
    messages::edits_replace_the_content_and_the_latest_wins(start().await).await;
    messages::a_change_that_came_before_its_message_is_applied_to_it(start().await).await;
    messages::chats_of_one_person_are_merged(start().await).await;
    contacts::contacts_are_listed_by_name_in_pages(start().await).await;
    media::pending_files_are_found_in_order(start().await).await;
    events::events_are_paged_by_position(start().await).await;
    events::events_are_filtered_by_kind(start().await).await;
    events::polling_by_time_misses_nothing_and_repeats_nothing(start().await).await;
    events::what_happens_to_an_instance_is_paged_newest_first(start().await).await;
    retention::old_events_go_and_what_is_still_needed_stays(start().await).await;
    retention::old_messages_go_and_pending_ones_stay(start().await).await;
    retention::early_changes_do_not_wait_for_ever(start().await).await;
    retention::old_dead_deliveries_go_and_pending_ones_stay(start().await).await;
    retention::codes_are_forgotten_once_they_are_void(start().await).await;
    deliveries::settlements_insert_replace_and_remove(start().await).await;
    deliveries::work_lists_backlogs_and_pending_deliveries(start().await).await;
    deliveries::dead_deliveries_are_replayed(start().await).await;
    deliveries::pending_deliveries_are_hastened(start().await).await;
    attempts::old_attempts_are_forgotten(start().await).await;
    usage::counts_are_added_up_by_day_and_owner(start().await).await;
    claims::a_key_is_taken_once_together_with_its_record(start().await).await;
    claims::old_claims_are_forgotten(start().await).await;
    dialects::an_instance_is_reached_by_its_key(start().await).await;
    schedule::scheduled_messages_are_listed_by_their_time(start().await).await;
    schedule::a_due_message_leaves_once(start().await).await;
    receipts::receipts_go_with_their_message(start().await).await;
    search::messages_are_listed_in_the_order_they_were_stored_in(start().await).await;
    search::messages_are_filtered_in_lists(start().await).await;
    search::messages_are_found_by_their_words(start().await).await;
    search::chats_are_listed_by_their_last_message(start().await).await;
}
