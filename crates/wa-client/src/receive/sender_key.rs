//! Sender keys of groups (PROTOCOL.md 10): those of others, which they hand out in messages for each device.

use bytes::Bytes;
use wa_binary::{Jid, Node};
use wa_signal::sender_key::{DecryptError, SenderKeyRecord};
use wa_signal::unpad;
use wa_store::{DeviceAddress, SenderKeyName};

use super::decrypt::Decrypted;
use crate::content::Content;
use crate::context::Context;
use crate::end::End;
use crate::event::UndecryptableReason;

/// Keeps the key that a plaintext hands out for a chat, if it does; `sender` is the device under its Signal address.
/// What else there is in it.
pub(super) async fn keep(
    context: &mut Context<'_>,
    chat: &Jid,
    sender: &Jid,
    plain: Bytes,
) -> Result<Option<Bytes>, End> {
    let Ok(content) = Content::decode(plain.clone()) else { return Ok(Some(plain)) };
    let Some(key) = content.handed_out() else { return Ok(Some(plain)) };
    let name = SenderKeyName::new(chat.to_string(), DeviceAddress::from(sender));
    let mirror = &mut *context.mirror;
    mirror.sender_keys.load(&context.shared.store, &name).await?;
    let known = mirror.sender_keys.get_mut(&name).cloned();
    let mut record = known.unwrap_or_else(SenderKeyRecord::empty);
    match record.process(key) {
        Ok(()) => {
            mirror.sender_keys.put(&name, record);
            mirror.must_commit();
        }
        Err(error) => tracing::warn!(%error, "a sender key is malformed"),
    }
    Ok(content.beside_key())
}

/// Decrypts what a member wrote for all, with the key that the member has handed out; it changes in memory only.
pub(super) async fn decrypt(
    context: &mut Context<'_>,
    enc: &Node<'_>,
    chat: &Jid,
    sender: &Jid,
) -> Result<Decrypted, End> {
    let Some(ciphertext) = enc.bytes() else {
        return Ok(Decrypted::Failed(UndecryptableReason::BadCiphertext));
    };
    let name = SenderKeyName::new(chat.to_string(), DeviceAddress::from(sender));
    let keys = &mut context.mirror.sender_keys;
    keys.load(&context.shared.store, &name).await?;
    let Some(record) = keys.get_mut(&name) else {
        return Ok(Decrypted::Failed(UndecryptableReason::NoSession));
    };
    let padded = match record.decrypt(&ciphertext) {
        Ok(padded) => padded,
        Err(DecryptError::Duplicate { .. }) => return Ok(Decrypted::Repeated),
        Err(error) => {
            tracing::info!(%error, "a message in a group could not be decrypted");
            return Ok(Decrypted::Failed(reason(error)));
        }
    };
    keys.mark(&name);
    Ok(match unpad(&padded) {
        Ok(plain) => Decrypted::Plain(Bytes::copy_from_slice(plain)),
        Err(_) => Decrypted::Failed(UndecryptableReason::BadContent),
    })
}

fn reason(error: DecryptError) -> UndecryptableReason {
    match error {
        DecryptError::UnknownKey(_) => UndecryptableReason::NoSession,
        _ => UndecryptableReason::BadCiphertext,
    }
}
