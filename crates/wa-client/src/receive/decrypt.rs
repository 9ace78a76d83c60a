use bytes::Bytes;
use wa_binary::{Jid, Node};
use wa_crypto::{KeyPair, PrivateKey};
use wa_signal::{DecryptError, PreKeyMessage, Session, unpad};
use wa_store::DeviceAddress;

use crate::context::Context;
use crate::end::End;
use crate::event::UndecryptableReason;

/// What became of one `<enc>`.
pub(super) enum Decrypted {
    /// The plaintext, without padding.
    Plain(Bytes),
    /// Its key is gone: it was decrypted before, or the key was dropped with the oldest of too many unused ones.
    Repeated,
    /// It can't be read.
    Failed(UndecryptableReason),
}

/// Decrypts with the session of the sending device, which changes in memory only.
pub(super) async fn decrypt(
    context: &mut Context<'_>,
    enc: &Node<'_>,
    sender: &Jid,
) -> Result<Decrypted, End> {
    let Some(ciphertext) = enc.bytes() else {
        return Ok(Decrypted::Failed(UndecryptableReason::BadCiphertext));
    };
    let address = DeviceAddress::from(sender);
    context.mirror.sessions.load(&context.shared.store, std::slice::from_ref(&address)).await?;
    let introduces = enc.attrs.get("type").is_some_and(|kind| *kind == "pkmsg");
    let padded = if introduces {
        decrypt_first(context, &ciphertext, &address).await?
    } else {
        decrypt_next(context, &ciphertext, &address)
    };
    Ok(match padded {
        Ok(mut padded) => match unpad(&padded).map(<[u8]>::len) {
            Ok(length) => {
                padded.truncate(length);
                Decrypted::Plain(padded.into())
            }
            Err(_) => Decrypted::Failed(UndecryptableReason::BadContent),
        },
        Err(DecryptError::Duplicate { .. }) => Decrypted::Repeated,
        Err(error) => {
            tracing::info!(%error, "a message could not be decrypted");
            Decrypted::Failed(reason(error))
        }
    })
}

fn decrypt_next(
    context: &mut Context<'_>,
    ciphertext: &[u8],
    address: &DeviceAddress,
) -> Result<Vec<u8>, DecryptError> {
    let mirror = &mut *context.mirror;
    let session = mirror.sessions.get_mut(address).ok_or(DecryptError::NoSession)?;
    let padded = session.decrypt(&mirror.local, ciphertext, context.random)?;
    mirror.sessions.mark(address);
    Ok(padded)
}

/// A `pkmsg`: of a session that exists, or the start of one.
async fn decrypt_first(
    context: &mut Context<'_>,
    ciphertext: &[u8],
    address: &DeviceAddress,
) -> Result<Result<Vec<u8>, DecryptError>, End> {
    let message = match PreKeyMessage::parse(ciphertext) {
        Ok(message) => message,
        Err(error) => return Ok(Err(error.into())),
    };
    let mirror = &mut *context.mirror;
    let is_known = mirror.sessions.get_mut(address).is_some_and(|session| session.recognizes(&message));
    let prekey = match message.prekey_id {
        Some(id) if !is_known && !mirror.has_used_prekey(id) => context.shared.store.prekey(id).await?,
        _ => None,
    };
    let prekey = prekey.map(|key| KeyPair::from_private(PrivateKey::from_bytes(key)));
    // For a known session neither key is used, and making a pair of the stored key would cost a multiplication.
    let signed = if is_known {
        Some(mirror.local.key.clone())
    } else {
        mirror.signed_prekey_pair(message.signed_prekey_id)
    };
    let Some(signed) = signed else {
        return Ok(Err(DecryptError::UnknownPreKey(message.signed_prekey_id)));
    };
    let existing = mirror.sessions.get_mut(address).map(|session| &*session);
    let accepted =
        Session::accept(existing, &mirror.local, &signed, prekey.as_ref(), &message, context.random);
    let (session, padded, accepted) = match accepted {
        Ok(accepted) => accepted,
        Err(error) => return Ok(Err(error)),
    };
    if accepted.new_session {
        // A device may come with a new identity key: it was set up anew (trust on first use).
        mirror.save_identity(address.clone(), &message.identity);
    }
    if let Some(id) = accepted.used_prekey {
        mirror.use_prekey(id);
    }
    mirror.sessions.put(address, session);
    Ok(Ok(padded))
}

fn reason(error: DecryptError) -> UndecryptableReason {
    match error {
        DecryptError::NoSession => UndecryptableReason::NoSession,
        DecryptError::UnknownPreKey(_) => UndecryptableReason::UnknownPreKey,
        _ => UndecryptableReason::BadCiphertext,
    }
}
