//! Sender keys of groups (PROTOCOL.md 10). They are kept although groups are not read yet: whoever has handed one out
//! doesn't do it again.

use bytes::Bytes;
use wa_binary::Jid;
use wa_signal::sender_key::SenderKeyRecord;
use wa_store::{DeviceAddress, SenderKeyName};

use crate::content::Content;
use crate::context::Context;
use crate::end::End;

/// Keeps the key that a plaintext hands out for a chat, if it does; `sender` is the device under its Signal address.
pub(super) async fn keep(
    context: &mut Context<'_>,
    chat: &Jid,
    sender: &Jid,
    plain: Bytes,
) -> Result<(), End> {
    let Ok(content) = Content::decode(plain) else { return Ok(()) };
    let handed = content.message().sender_key_distribution_message.as_ref();
    let Some(key) = handed.and_then(|handed| handed.axolotl_sender_key_distribution_message.as_ref()) else {
        return Ok(());
    };
    let name = SenderKeyName::new(chat.to_string(), DeviceAddress::from(sender));
    let mut newest_first = context.mirror.changes.sender_keys.iter().rev();
    let known = match newest_first.find(|(known, _)| *known == name) {
        Some((_, unstored)) => unstored.clone(),
        None => context.shared.store.sender_key(&name).await?,
    };
    let known = known.and_then(|record| SenderKeyRecord::from_record(&record).ok());
    let mut record = known.unwrap_or_else(SenderKeyRecord::empty);
    match record.process(key) {
        Ok(()) => {
            context.mirror.changes.sender_keys.push((name, Some(record.to_record(0).into())));
            context.mirror.must_commit();
        }
        Err(error) => tracing::warn!(%error, "a sender key is malformed"),
    }
    Ok(())
}
