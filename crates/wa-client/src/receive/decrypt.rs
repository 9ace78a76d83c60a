use bytes::Bytes;
use wa_binary::{Jid, Node};
use wa_crypto::{KeyPair, PrivateKey};
use wa_signal::{DecryptError, PreKeyMessage, Session, unpad};
use wa_store::DeviceAddress;

use crate::context::Context;
use crate::end::End;
use crate::event::UndecryptableReason;
use crate::trust::{self, Claim, Untrusted};

/// What became of one `<enc>`.
pub(super) enum Decrypted {
    /// The plaintext, without padding.
    Plain(Bytes),
    /// Its key is gone: it was decrypted before, or the key was dropped with the oldest of too many unused ones.
    Repeated,
    /// It opens a session, and its sender is not believed to be who it says.
    Untrusted(Untrusted),
    /// It can't be read.
    Failed(UndecryptableReason),
}

/// Decrypts with the session of the sending device, which changes in memory only.
pub(super) async fn decrypt(
    context: &mut Context<'_>,
    enc: &Node<'_>,
    sender: &Jid,
    device_identity: Option<&[u8]>,
) -> Result<Decrypted, End> {
    let Some(ciphertext) = enc.bytes() else {
        return Ok(Decrypted::Failed(UndecryptableReason::BadCiphertext));
    };
    let address = DeviceAddress::from(sender);
    context.mirror.sessions.load(&context.shared.store, std::slice::from_ref(&address)).await?;
    let introduces = enc.attrs.get("type").is_some_and(|kind| *kind == "pkmsg");
    let padded = if introduces {
        match decrypt_first(context, &ciphertext, (sender, device_identity)).await? {
            Ok(padded) => padded,
            Err(error) => {
                tracing::warn!(%error, "a message that opens a session was refused");
                return Ok(Decrypted::Untrusted(error));
            }
        }
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

/// A `pkmsg`: of a session that exists, or the start of one by a device that is believed to be what it says.
async fn decrypt_first(
    context: &mut Context<'_>,
    ciphertext: &[u8],
    (sender, device_identity): (&Jid, Option<&[u8]>),
) -> Result<Result<Result<Vec<u8>, DecryptError>, Untrusted>, End> {
    let address = &DeviceAddress::from(sender);
    let message = match PreKeyMessage::parse(ciphertext) {
        Ok(message) => message,
        Err(error) => return Ok(Ok(Err(error.into()))),
    };
    let known = context.mirror.sessions.get_mut(address);
    let is_known = known.is_some_and(|session| session.recognizes(&message));
    let claim = Claim { device: sender, identity: &message.identity, device_identity };
    let admission = if is_known { None } else { Some(trust::judge(context, &claim).await?) };
    let admission = match admission.transpose() {
        Ok(admission) => admission,
        Err(error) => return Ok(Err(error)),
    };
    let mirror = &mut *context.mirror;
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
        return Ok(Ok(Err(DecryptError::UnknownPreKey(message.signed_prekey_id))));
    };
    let is_change = admission.as_ref().is_some_and(|admission| admission.is_change);
    let existing = mirror.sessions.get_mut(address).map(|session| &*session).filter(|_| !is_change);
    let accepted =
        Session::accept(existing, &mirror.local, &signed, prekey.as_ref(), &message, context.random);
    let (session, padded, accepted) = match accepted {
        Ok(accepted) => accepted,
        Err(error) => return Ok(Ok(Err(error))),
    };
    if let Some(admission) = admission {
        admission.apply(context).await?;
    }
    let mirror = &mut *context.mirror;
    if accepted.new_session {
        mirror.save_identity(address.clone(), &message.identity);
    }
    if let Some(id) = accepted.used_prekey {
        mirror.use_prekey(id);
    }
    mirror.sessions.put(address, session);
    Ok(Ok(Ok(padded)))
}

fn reason(error: DecryptError) -> UndecryptableReason {
    match error {
        DecryptError::NoSession => UndecryptableReason::NoSession,
        DecryptError::UnknownPreKey(_) => UndecryptableReason::UnknownPreKey,
        _ => UndecryptableReason::BadCiphertext,
    }
}
