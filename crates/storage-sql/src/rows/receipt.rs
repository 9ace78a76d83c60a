//! Who in a group has a message.

use diesel::prelude::*;
use storage::Receipt;

use super::time;
use crate::schema::receipts;

#[derive(Queryable, Selectable)]
#[diesel(table_name = receipts)]
pub struct ReceiptRow {
    pub member: String,
    pub delivered_at: Option<i64>,
    pub read_at: Option<i64>,
    pub played_at: Option<i64>,
}

impl From<ReceiptRow> for Receipt {
    fn from(row: ReceiptRow) -> Self {
        Self {
            member: row.member,
            delivered_at: row.delivered_at.map(time),
            read_at: row.read_at.map(time),
            played_at: row.played_at.map(time),
        }
    }
}
