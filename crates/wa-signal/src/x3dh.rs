//! X3DH, version 3: the root key both sides of a new session compute (protocol facts, section 10).

use wa_crypto::{AgreementError, KeyPair, PublicKey, Secret, kdf};
use zeroize::Zeroizing;

use crate::{Bundle, LocalIdentity, message_keys::array, wire::PreKeyMessage};

/// The side that fetched a bundle.
pub(crate) fn initiate(
    local: &LocalIdentity,
    base: &KeyPair,
    bundle: &Bundle,
) -> Result<Secret<32>, AgreementError> {
    let mut master = Master::new();
    master.mix(&local.key, &bundle.signed_prekey)?;
    master.mix(base, &bundle.identity)?;
    master.mix(base, &bundle.signed_prekey)?;
    if let Some((_, prekey)) = &bundle.prekey {
        master.mix(base, prekey)?;
    }
    Ok(master.root())
}

/// The side whose bundle was fetched.
pub(crate) fn respond(
    local: &LocalIdentity,
    signed_prekey: &KeyPair,
    prekey: Option<&KeyPair>,
    message: &PreKeyMessage<'_>,
) -> Result<Secret<32>, AgreementError> {
    let mut master = Master::new();
    master.mix(signed_prekey, &message.identity)?;
    master.mix(&local.key, &message.base_key)?;
    master.mix(signed_prekey, &message.base_key)?;
    if let Some(prekey) = prekey {
        master.mix(prekey, &message.base_key)?;
    }
    Ok(master.root())
}

/// 32 bytes 0xFF, then up to four agreements.
struct Master(Zeroizing<Vec<u8>>);

impl Master {
    fn new() -> Self {
        let mut bytes = Vec::with_capacity(5 * 32);
        bytes.resize(32, 0xff);
        Self(Zeroizing::new(bytes))
    }

    fn mix(&mut self, ours: &KeyPair, theirs: &PublicKey) -> Result<(), AgreementError> {
        self.0.extend_from_slice(ours.private().agree(theirs)?.expose());
        Ok(())
    }

    /// The other half of the output would be the key of a chain that nobody uses: each side steps
    /// the ratchet before its first message.
    fn root(&self) -> Secret<32> {
        let okm = Zeroizing::new(kdf::hkdf::<64>(&self.0, &[], b"WhisperText"));
        Secret::new(*array(okm.split_at(32).0))
    }
}
