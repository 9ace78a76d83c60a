//! What instances have done on a day.

use diesel::dsl::sql;
use diesel::expression::SqlLiteral;
use diesel::sql_types::BigInt;
use storage::Usage;

use super::count;
use crate::schema::usage_days;

/// A row, or the sum of several.
pub type Counts = (i64, i64, i64, i64, i64, i64, i64);

/// The columns of a row.
pub type Columns = (
    usage_days::messages_sent,
    usage_days::messages_received,
    usage_days::media_sent,
    usage_days::media_received,
    usage_days::media_size,
    usage_days::api_calls,
    usage_days::webhook_calls,
);

/// The sums of the columns.
pub type Sums = (Sum, Sum, Sum, Sum, Sum, Sum, Sum);
type Sum = SqlLiteral<BigInt>;

pub fn columns() -> Columns {
    use usage_days::{
        api_calls, media_received, media_sent, media_size, messages_received, messages_sent, webhook_calls,
    };
    (messages_sent, messages_received, media_sent, media_received, media_size, api_calls, webhook_calls)
}

/// The sums over all rows that are found. A database whose sums of integers are no integers casts them.
pub fn sums(cast: &str) -> Sums {
    let sum = |column: &str| sql::<BigInt>(&format!("coalesce(sum({column}), 0){cast}"));
    (
        sum("messages_sent"),
        sum("messages_received"),
        sum("media_sent"),
        sum("media_received"),
        sum("media_size"),
        sum("api_calls"),
        sum("webhook_calls"),
    )
}

pub fn usage((sent, received, media_sent, media_received, size, api, webhook): Counts) -> Usage {
    Usage {
        messages_sent: count(sent),
        messages_received: count(received),
        media_sent: count(media_sent),
        media_received: count(media_received),
        media_size: count(size),
        api_calls: count(api),
        webhook_calls: count(webhook),
    }
}
