//! Who in a group has a message.

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use storage::{MAX_RECEIPTS, MessageStatus, Receipt, Timestamp};
use storage_sql::Fault;
use storage_sql::rows::count;
use storage_sql::rows::receipt::ReceiptRow;
use storage_sql::schema::{messages, receipts};

/// A member of a group has told something of a message, by its key.
pub(super) async fn learn(
    db: &mut AsyncPgConnection,
    message: i64,
    member: &str,
    status: MessageStatus,
    at: Timestamp,
) -> Result<(), Fault> {
    let row = receipts::table.find((message, member)).select(ReceiptRow::as_select());
    let known: Option<ReceiptRow> = row.first(db).await.optional()?;
    let is_known = known.is_some();
    let mut receipt = known.map_or_else(|| Receipt::of(member), Receipt::from);
    if !receipt.learn(status, at) || !is_known && is_full(db, message).await? {
        return Ok(());
    }
    let row = || {
        (
            receipts::message.eq(message),
            receipts::member.eq(&receipt.member),
            receipts::delivered_at.eq(receipt.delivered_at.map(Timestamp::millis)),
            receipts::read_at.eq(receipt.read_at.map(Timestamp::millis)),
            receipts::played_at.eq(receipt.played_at.map(Timestamp::millis)),
        )
    };
    let put =
        diesel::insert_into(receipts::table).values(row()).on_conflict((receipts::message, receipts::member));
    put.do_update().set(row()).execute(db).await?;
    Ok(())
}

async fn is_full(db: &mut AsyncPgConnection, message: i64) -> Result<bool, Fault> {
    let known = receipts::table.filter(receipts::message.eq(message)).count().get_result(db).await?;
    Ok(count(known) >= MAX_RECEIPTS)
}

/// What members have told of our message with this id.
pub(super) async fn of_message(
    db: &mut AsyncPgConnection,
    instance: i64,
    message_id: &str,
) -> Result<Vec<Receipt>, Fault> {
    let ours = messages::table
        .filter(messages::instance.eq(instance))
        .filter(messages::message_id.eq(message_id))
        .filter(messages::from_me.eq(true))
        .select(messages::key);
    let Some(message) = ours.first::<i64>(db).await.optional()? else { return Ok(Vec::new()) };
    let rows: Vec<ReceiptRow> = receipts::table
        .filter(receipts::message.eq(message))
        .order(receipts::member)
        .select(ReceiptRow::as_select())
        .load(db)
        .await?;
    Ok(rows.into_iter().map(Receipt::from).collect())
}

/// Messages are about to go, and what was told of them.
pub(super) async fn forget(db: &mut AsyncPgConnection, keys: &[i64]) -> Result<(), Fault> {
    diesel::delete(receipts::table.filter(receipts::message.eq_any(keys))).execute(db).await?;
    Ok(())
}
