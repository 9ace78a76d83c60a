//! Changes that came before the message that they are about.

use diesel::prelude::*;
use storage::{AmendTarget, Change, MessageKind, Timestamp};

use super::time;
use crate::fault::Fault;
use crate::schema::early_changes;

#[derive(Queryable, Selectable)]
#[diesel(table_name = early_changes)]
pub struct EarlyRow {
    pub key: i64,
    pub message_id: String,
    pub chats: String,
    pub from_me: bool,
    pub authors: String,
    pub kind: String,
    pub at: i64,
    pub text: Option<String>,
    pub raw: Vec<u8>,
}

impl EarlyRow {
    pub fn open(self) -> Result<(AmendTarget, Change, Timestamp), Fault> {
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

/// A change as it is kept.
#[derive(Insertable)]
#[diesel(table_name = early_changes, treat_none_as_default_value = false)]
pub struct NewEarlyRow<'a> {
    pub instance: i64,
    pub message_id: &'a str,
    pub chats: String,
    pub from_me: bool,
    pub authors: String,
    pub kind: &'static str,
    pub at: i64,
    pub text: Option<&'a str>,
    pub raw: &'a [u8],
}

impl<'a> NewEarlyRow<'a> {
    /// The row of a change of the instance with this key, if it is one that [waits](Change::is_kept).
    pub fn of(
        instance: i64,
        target: &'a AmendTarget,
        change: &'a Change,
        at: Timestamp,
    ) -> Result<Option<Self>, Fault> {
        let (kind, text, raw) = match change {
            Change::Edit { text, raw } => (MessageKind::Edit, text.as_deref(), &raw[..]),
            Change::Revoke => (MessageKind::Revoke, None, &[][..]),
            Change::Read { .. } | Change::Refer => return Ok(None),
        };
        Ok(Some(Self {
            instance,
            message_id: &target.message_id,
            chats: json(&target.chats)?,
            from_me: target.from_me,
            authors: json(&target.authors)?,
            kind: kind.as_str(),
            at: at.millis(),
            text,
            raw,
        }))
    }
}

fn names(text: &str) -> Result<Vec<String>, Fault> {
    serde_json::from_str(text).map_err(|error| Fault::corrupt("change", error))
}

fn json(names: &[String]) -> Result<String, Fault> {
    serde_json::to_string(names).map_err(|error| Fault::corrupt("change", error))
}
