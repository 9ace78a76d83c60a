//! Who in a group has a message.

use diesel::prelude::*;
use storage::{MAX_RECEIPTS, MessageStatus, Receipt, Timestamp};
use storage_sql::Fault;
use storage_sql::rows::count;
use storage_sql::rows::receipt::ReceiptRow;
use storage_sql::schema::{messages, receipts};

/// A member of a group has told something of a message, by its key.
pub(super) fn learn(
    db: &mut SqliteConnection,
    message: i64,
    member: &str,
    status: MessageStatus,
    at: Timestamp,
) -> Result<(), Fault> {
    let row = receipts::table.find((message, member)).select(ReceiptRow::as_select());
    let known: Option<ReceiptRow> = row.first(db).optional()?;
    let is_known = known.is_some();
    let mut receipt = known.map_or_else(|| Receipt::of(member), Receipt::from);
    if !receipt.learn(status, at) || !is_known && is_full(db, message)? {
        return Ok(());
    }
    let row = (
        receipts::message.eq(message),
        receipts::member.eq(&receipt.member),
        receipts::delivered_at.eq(receipt.delivered_at.map(Timestamp::millis)),
        receipts::read_at.eq(receipt.read_at.map(Timestamp::millis)),
        receipts::played_at.eq(receipt.played_at.map(Timestamp::millis)),
    );
    diesel::replace_into(receipts::table).values(row).execute(db)?;
    Ok(())
}

fn is_full(db: &mut SqliteConnection, message: i64) -> Result<bool, Fault> {
    let known = receipts::table.filter(receipts::message.eq(message)).count().get_result(db)?;
    Ok(count(known) >= MAX_RECEIPTS)
}

/// What members have told of our message with this id.
pub(super) fn of_message(
    db: &mut SqliteConnection,
    instance: i64,
    message_id: &str,
) -> Result<Vec<Receipt>, Fault> {
    let ours = messages::table
        .filter(messages::instance.eq(instance))
        .filter(messages::message_id.eq(message_id))
        .filter(messages::from_me.eq(true))
        .select(messages::key);
    let Some(message) = ours.first::<i64>(db).optional()? else { return Ok(Vec::new()) };
    let rows: Vec<ReceiptRow> = receipts::table
        .filter(receipts::message.eq(message))
        .order(receipts::member)
        .select(ReceiptRow::as_select())
        .load(db)?;
    Ok(rows.into_iter().map(Receipt::from).collect())
}

/// Messages are about to go, and what was told of them.
pub(super) fn forget(db: &mut SqliteConnection, keys: &[i64]) -> Result<(), Fault> {
    for key in keys {
        diesel::delete(receipts::table.filter(receipts::message.eq(key))).execute(db)?;
    }
    Ok(())
}
