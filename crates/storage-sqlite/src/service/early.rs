//! Changes that came before the message that they are about.

use diesel::prelude::*;
use storage::{AmendTarget, Change, InstanceId, Message, MessageKind, Timestamp};

use super::time;
use crate::fault::Fault;
use crate::schema::early_changes;

#[derive(Queryable, Selectable)]
#[diesel(table_name = early_changes)]
struct EarlyRow {
    key: i64,
    message_id: String,
    chats: String,
    from_me: bool,
    authors: String,
    kind: String,
    at: i64,
    text: Option<String>,
    raw: Vec<u8>,
}

impl EarlyRow {
    fn open(self) -> Result<(AmendTarget, Change, Timestamp), Fault> {
        let target = AmendTarget {
            message_id: self.message_id,
            chats: names(&self.chats)?,
            from_me: self.from_me,
            authors: names(&self.authors)?,
        };
        let change = match self.kind.parse()? {
            MessageKind::Revoke => Change::Revoke,
            _ => Change::Edit { text: self.text, raw: self.raw.into() },
        };
        Ok((target, change, time(self.at)))
    }
}

/// Keeps a change for its message, if it is one that [waits](Change::is_kept).
pub(super) fn keep(
    db: &mut SqliteConnection,
    instance: i64,
    target: &AmendTarget,
    change: &Change,
    at: Timestamp,
) -> Result<(), Fault> {
    let (kind, text, raw) = match change {
        Change::Edit { text, raw } => (MessageKind::Edit, text.as_deref(), &raw[..]),
        Change::Revoke => (MessageKind::Revoke, None, &[][..]),
        Change::Read { .. } | Change::Refer => return Ok(()),
    };
    let row = (
        early_changes::instance.eq(instance),
        early_changes::message_id.eq(&target.message_id),
        early_changes::chats.eq(json(&target.chats)?),
        early_changes::from_me.eq(target.from_me),
        early_changes::authors.eq(json(&target.authors)?),
        early_changes::kind.eq(kind.as_str()),
        early_changes::at.eq(at.millis()),
        early_changes::text.eq(text),
        early_changes::raw.eq(raw),
    );
    diesel::insert_into(early_changes::table).values(row).execute(db)?;
    Ok(())
}

/// Applies what waits for this message to it, in the order it came in. Answers the keys of what was applied, which is to
/// be removed when the message is stored.
pub(super) fn apply(
    db: &mut SqliteConnection,
    key: i64,
    instance: InstanceId,
    message: &mut Message,
) -> Result<Vec<i64>, Fault> {
    let mut waiting: Vec<EarlyRow> = early_changes::table
        .filter(early_changes::instance.eq(key))
        .filter(early_changes::message_id.eq(&message.message_id))
        .select(EarlyRow::as_select())
        .load(db)?;
    waiting.sort_unstable_by_key(|row| row.key);
    let mut applied = Vec::new();
    for row in waiting {
        let key = row.key;
        match row.open() {
            Ok((target, change, at)) if target.concerns(message) => {
                change.apply(message, at);
                applied.push(key);
            }
            Ok(_) => {}
            Err(error) => {
                tracing::error!(%instance, %error, "a change that waits for its message is left out")
            }
        }
    }
    Ok(applied)
}

/// Removes changes by their keys.
pub(super) fn remove(db: &mut SqliteConnection, keys: &[i64]) -> Result<(), Fault> {
    for key in keys {
        diesel::delete(early_changes::table.find(key)).execute(db)?;
    }
    Ok(())
}

/// Keys of changes of one instance from before a time.
pub(super) fn before(db: &mut SqliteConnection, instance: i64, at: Timestamp) -> Result<Vec<i64>, Fault> {
    let old = early_changes::table
        .filter(early_changes::instance.eq(instance))
        .filter(early_changes::at.lt(at.millis()))
        .select(early_changes::key);
    Ok(old.load(db)?)
}

fn names(text: &str) -> Result<Vec<String>, Fault> {
    serde_json::from_str(text).map_err(|error| Fault::corrupt("change", error))
}

fn json(names: &[String]) -> Result<String, Fault> {
    serde_json::to_string(names).map_err(|error| Fault::corrupt("change", error))
}
