//! Statements of the hot path with a fixed text, which diesel would otherwise prepare anew each time, and those that it has
//! no words for.

use diesel::QueryResult;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt, Binary, Nullable, Text};
use storage::Usage;
use storage_sql::Counts;

/// A statement whose values stand where its text has a `?`, in the order of the fields.
macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident { $($field:ident: $rust:ty as $sql:ty),* } = $text:literal $(=> $row:ty)?;)+) => {
        $(
            $(#[$doc])*
            #[derive(QueryId)]
            pub(crate) struct $name {
                $(pub(crate) $field: $rust,)*
            }

            impl QueryFragment<Pg> for $name {
                fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
                    let mut parts = $text.split('?');
                    out.push_sql(parts.next().unwrap_or_default());
                    $(
                        out.push_bind_param::<$sql, _>(&self.$field)?;
                        out.push_sql(parts.next().unwrap_or_default());
                    )*
                    Ok(())
                }
            }

            $(impl Query for $name {
                type SqlType = $row;
            })?
        )+
    };
}

statements! {
    /// The server's clock, in milliseconds.
    Now {} = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint" => BigInt;

    /// Keeps others from writing of these instances until the end of the transaction, all in one order.
    LockInstances { ids: Vec<Vec<u8>> as Array<Binary> } =
        "SELECT id, key, epoch FROM instances WHERE id = ANY(?) ORDER BY key FOR NO KEY UPDATE"
        => (Binary, BigInt, BigInt);

    /// The last event of each of these instances.
    LogEnds { keys: Vec<i64> as Array<BigInt> } =
        "SELECT k.key, e.seq, e.timestamp FROM unnest(?) AS k (key) CROSS JOIN LATERAL \
         (SELECT seq, timestamp FROM events WHERE instance = k.key ORDER BY seq DESC LIMIT 1) AS e"
        => (BigInt, BigInt, BigInt);

    /// Moves a message to a new status, as [`storage::Message::advance`] does.
    AdvanceStatus { status: &'static str as Text, at: i64 as BigInt, status_at: i64 as BigInt, key: i64 as BigInt } =
        "UPDATE messages SET status = ?, updated_at = greatest(updated_at, ?), \
         status_updated_at = greatest(created_at, ?) WHERE key = ?";

    /// Stores records of a companion, each of them once.
    PutRecords {
        instance: i64 as BigInt, kinds: Vec<i64> as Array<BigInt>, keys: Vec<String> as Array<Text>,
        values: Vec<Vec<u8>> as Array<Binary>
    } =
        "INSERT INTO companion_records (instance, kind, key, value) \
         SELECT ?, put.kind, put.key, put.value FROM unnest(?, ?, ?) AS put (kind, key, value) \
         ON CONFLICT (instance, kind, key) DO UPDATE SET value = excluded.value";

    /// Removes a kind's records but the last so many. With fewer records there is no such key, and nothing compares with it.
    KeepLast { of: i64 as BigInt, what: i64 as BigInt, instance: i64 as BigInt, kind: i64 as BigInt, last: i64 as BigInt } =
        "DELETE FROM companion_records WHERE instance = ? AND kind = ? AND key <= \
         (SELECT key FROM companion_records WHERE instance = ? AND kind = ? ORDER BY key DESC LIMIT 1 OFFSET ?)";

    /// Adds the words of messages to the index.
    AddWords { messages: Vec<i64> as Array<BigInt>, words: Vec<String> as Array<Text> } =
        "INSERT INTO message_words (message, words) \
         SELECT added.message, string_to_array(added.words, ' ') FROM unnest(?, ?) AS added (message, words) \
         ON CONFLICT (message) DO UPDATE SET words = excluded.words";

    /// Takes the words of a message out of the index.
    RemoveWords { message: i64 as BigInt } = "DELETE FROM message_words WHERE message = ?";

    /// Messages whose words match, the newest first: from a key on, before another.
    Matching { query: String as Text, start: i64 as BigInt, end: i64 as BigInt, most: i64 as BigInt } =
        "SELECT message FROM message_words WHERE array_to_tsvector(words) @@ (?::tsquery) \
         AND message >= ? AND message < ? ORDER BY message DESC LIMIT ?" => BigInt;

    /// The next deleted instance of which something is left and that no other process is at.
    NextRetired {} = "SELECT instance FROM retired_instances LIMIT 1 FOR UPDATE SKIP LOCKED" => BigInt;

    /// Webhooks of an instance with where they stand and what they owe.
    WorkOf { instance: i64 as BigInt } =
        "SELECT w.name,
                coalesce((SELECT c.seq FROM cursors c WHERE c.instance = w.instance AND c.consumer = w.name), 0),
                (SELECT count(*) FROM deliveries d
                 WHERE d.instance = w.instance AND d.consumer = w.name AND d.state = 'pending'),
                (SELECT min(d.next_attempt) FROM deliveries d
                 WHERE d.instance = w.instance AND d.consumer = w.name AND d.state = 'pending')
         FROM webhooks w WHERE w.instance = ? ORDER BY w.name" => (Text, BigInt, BigInt, Nullable<BigInt>);

    /// Adds to what instances have done on days.
    AddUsage {
        instance: Vec<i64> as Array<BigInt>, day: Vec<i64> as Array<BigInt>,
        messages_sent: Vec<i64> as Array<BigInt>, messages_received: Vec<i64> as Array<BigInt>,
        media_sent: Vec<i64> as Array<BigInt>, media_received: Vec<i64> as Array<BigInt>,
        media_size: Vec<i64> as Array<BigInt>, api_calls: Vec<i64> as Array<BigInt>,
        webhook_calls: Vec<i64> as Array<BigInt>
    } =
        "INSERT INTO usage_days AS u (instance, day, messages_sent, messages_received, media_sent, media_received, \
         media_size, api_calls, webhook_calls) SELECT * FROM unnest(?, ?, ?, ?, ?, ?, ?, ?, ?) \
         ON CONFLICT (instance, day) DO UPDATE SET messages_sent = u.messages_sent + excluded.messages_sent, \
         messages_received = u.messages_received + excluded.messages_received, \
         media_sent = u.media_sent + excluded.media_sent, media_received = u.media_received + excluded.media_received, \
         media_size = u.media_size + excluded.media_size, api_calls = u.api_calls + excluded.api_calls, \
         webhook_calls = u.webhook_calls + excluded.webhook_calls";
}

impl AddUsage {
    pub(crate) fn of(counts: &Counts) -> Self {
        let column = |of: fn(&Usage) -> u64| {
            counts.values().map(|usage| i64::try_from(of(usage)).unwrap_or(i64::MAX)).collect::<Vec<_>>()
        };
        Self {
            instance: counts.keys().map(|(instance, _)| *instance).collect(),
            day: counts.keys().map(|(_, day)| day.number()).collect(),
            messages_sent: column(|usage| usage.messages_sent),
            messages_received: column(|usage| usage.messages_received),
            media_sent: column(|usage| usage.media_sent),
            media_received: column(|usage| usage.media_received),
            media_size: column(|usage| usage.media_size),
            api_calls: column(|usage| usage.api_calls),
            webhook_calls: column(|usage| usage.webhook_calls),
        }
    }
}
