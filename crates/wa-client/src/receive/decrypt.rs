use wa_binary::{Jid, Node};
use wa_crypto::{KeyPair, PrivateKey};
use wa_signal::{DecryptError, PreKeyMessage, Session, unpad};
use wa_store::DeviceAddress;

use super::Batch;
use crate::event::UndecryptableReason;
use crate::instance::End;
use crate::online::Online;

/// What became of one `<enc>`.
pub(super) enum Decrypted {
    /// The plaintext, without padding.
    Plain(Vec<u8>),
    /// It was decrypted before; the server just doesn't know yet.
    Duplicate,
    /// It can't be read.
    Failed(UndecryptableReason),
}

impl Online<'_> {
    /// Decrypts with the session of the sending device, which changes in memory only.
    pub(super) async fn decrypt(
        &mut self,
        enc: &Node<'_>,
        sender: &Jid,
        batch: &mut Batch,
    ) -> Result<Decrypted, End> {
        let Some(ciphertext) = enc.bytes() else {
            return Ok(Decrypted::Failed(UndecryptableReason::BadCiphertext));
        };
        let address = DeviceAddress::from(sender);
        self.account.sessions.load(&*self.shared.store, std::slice::from_ref(&address)).await?;
        let introduces = enc.attrs.get("type").is_some_and(|kind| *kind == "pkmsg");
        let padded = if introduces {
            self.decrypt_first(&ciphertext, &address, batch).await?
        } else {
            self.decrypt_next(&ciphertext, &address)
        };
        Ok(match padded {
            Ok(padded) => match unpad(&padded) {
                Ok(plain) => Decrypted::Plain(plain.to_vec()),
                Err(_) => Decrypted::Failed(UndecryptableReason::BadContent),
            },
            Err(DecryptError::Duplicate { .. }) => Decrypted::Duplicate,
            Err(error) => {
                tracing::info!(%error, "a message could not be decrypted");
                Decrypted::Failed(reason(error))
            }
        })
    }

    fn decrypt_next(&mut self, ciphertext: &[u8], address: &DeviceAddress) -> Result<Vec<u8>, DecryptError> {
        let session = self.account.sessions.get_mut(address).ok_or(DecryptError::NoSession)?;
        let padded = session.decrypt(&self.account.local, ciphertext, &mut self.instance.random)?;
        self.account.sessions.mark(address);
        Ok(padded)
    }

    /// A `pkmsg`: of a session that exists, or the start of one.
    async fn decrypt_first(
        &mut self,
        ciphertext: &[u8],
        address: &DeviceAddress,
        batch: &mut Batch,
    ) -> Result<Result<Vec<u8>, DecryptError>, End> {
        let message = match PreKeyMessage::parse(ciphertext) {
            Ok(message) => message,
            Err(error) => return Ok(Err(error.into())),
        };
        let existing = self.account.sessions.get_mut(address).map(|session| &*session);
        let known = existing.is_some_and(|session| session.recognizes(&message));
        let prekey = match message.prekey_id {
            Some(id) if !known && !batch.used_prekeys.contains(&id) => self.shared.store.prekey(id).await?,
            _ => None,
        };
        let prekey = prekey.map(|key| KeyPair::from_private(PrivateKey::from_bytes(key)));
        // For a known session neither key is used, and making a pair of the stored key would cost a multiplication.
        let signed = if known {
            Some(self.account.local.key.clone())
        } else {
            self.account.signed_prekey_pair(message.signed_prekey_id)
        };
        let Some(signed) = signed else {
            return Ok(Err(DecryptError::UnknownPreKey(message.signed_prekey_id)));
        };
        let existing = self.account.sessions.get_mut(address).map(|session| &*session);
        let (local, random) = (&self.account.local, &mut self.instance.random);
        let (session, padded, accepted) =
            match Session::accept(existing, local, &signed, prekey.as_ref(), &message, random) {
                Ok(accepted) => accepted,
                Err(error) => return Ok(Err(error)),
            };
        if accepted.new_session {
            // A device may come with a new identity key: it was set up anew (trust on first use).
            self.account.save_identity(address.clone(), &message.identity);
        }
        batch.used_prekeys.extend(accepted.used_prekey);
        self.account.sessions.put(address, session);
        Ok(Ok(padded))
    }
}

fn reason(error: DecryptError) -> UndecryptableReason {
    match error {
        DecryptError::NoSession => UndecryptableReason::NoSession,
        DecryptError::UnknownPreKey(_) => UndecryptableReason::UnknownPreKey,
        _ => UndecryptableReason::BadCiphertext,
    }
}
