use bytes::Bytes;
use diesel::prelude::*;
use storage::InstanceId;
use wa_binary::Jid;
use wa_store::SentMessage;

use crate::fault::Fault;
use crate::schema::sent_messages;
use crate::sqlite::Tx;

/// Sent messages that are kept of each instance: enough for the retry receipts of a busy hour.
const RING: i64 = 1_024;

/// Stores a message over the oldest one. The ring keeps itself bounded, without ever searching for what to remove.
pub(super) fn store(tx: &mut Tx, instance: InstanceId, sent: &SentMessage) -> Result<(), Fault> {
    let (account, db, _) = tx.account(instance)?;
    let turn = account.next_turn(db)?;
    let row = (
        sent_messages::instance.eq(account.key),
        sent_messages::slot.eq(turn % RING),
        sent_messages::turn.eq(turn),
        sent_messages::id.eq(sent.id.as_str()),
        sent_messages::chat.eq(sent.chat.to_string()),
        sent_messages::recipient.eq(sent.to.to_string()),
        sent_messages::message.eq(&sent.message[..]),
        sent_messages::sent_at.eq(sent.timestamp),
    );
    // Replaces the message in the slot, and an earlier one of the same chat and id.
    diesel::replace_into(sent_messages::table).values(row).execute(db)?;
    Ok(())
}

pub(super) fn load(
    db: &mut SqliteConnection,
    key: i64,
    chat: Jid,
    id: &str,
) -> Result<Option<SentMessage>, Fault> {
    let row: Option<(String, Vec<u8>, i64)> = sent_messages::table
        .filter(sent_messages::instance.eq(key))
        .filter(sent_messages::id.eq(id))
        .filter(sent_messages::chat.eq(chat.to_string()))
        .select((sent_messages::recipient, sent_messages::message, sent_messages::sent_at))
        .first(db)
        .optional()?;
    let Some((recipient, message, timestamp)) = row else { return Ok(None) };
    let to = recipient.parse().map_err(|_| Fault::corrupt("sent message", "malformed recipient"))?;
    Ok(Some(SentMessage { chat, id: id.into(), to, message: Bytes::from(message), timestamp }))
}

/// Forgets messages of one instance that were sent before a time; answers how many.
pub(crate) fn prune(db: &mut SqliteConnection, key: i64, before: i64) -> Result<u64, Fault> {
    let old = sent_messages::table
        .filter(sent_messages::instance.eq(key))
        .filter(sent_messages::sent_at.lt(before));
    Ok(diesel::delete(old).execute(db)? as u64)
}
