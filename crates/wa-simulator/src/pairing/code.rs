//! Pairing by a code that the client shows and the phone enters (PROTOCOL.md 6.3).

use std::sync::Arc;

use rand::Rng;
use rand_chacha::ChaCha20Rng;
use tokio::{sync::oneshot, time::timeout};
use wa_binary::Node;
use wa_crypto::{KeyPair, PublicKey, Secret, aead::Aes256Gcm, ctr, kdf};

use super::{Approach, Waiting};
use crate::{ControlError, account::Account, world::World};

/// The characters of a code.
const ALPHABET: &[u8] = b"123456789ABCDEFGHJKLMNPQRSTVWXYZ";
/// Rounds of PBKDF2.
const ROUNDS: u32 = 131_072;
/// Bytes of a wrapped key: salt, IV and the encrypted key.
pub(crate) const WRAPPED: usize = 80;
/// Bytes of a sealed bundle: salt, nonce, three times 32 bytes, and the tag.
pub(crate) const BUNDLE: usize = 156;

/// A client that wants to be linked to a number by code.
pub(crate) struct CodeRequest {
    pub(crate) reference: Vec<u8>,
    /// The client's ephemeral key, encrypted with the code.
    pub(crate) wrapped: [u8; WRAPPED],
    pub(crate) waiting: Arc<Waiting>,
}

/// The phone's answer to a request, and where the client's last word goes.
pub(crate) struct CodeHello {
    /// The phone's ephemeral key, encrypted with the code that was entered.
    pub(crate) wrapped: [u8; WRAPPED],
    pub(crate) primary: PublicKey,
    pub(crate) reference: Vec<u8>,
    pub(crate) finish: oneshot::Sender<CodeFinish>,
}

/// The client's last word.
pub(crate) struct CodeFinish {
    pub(crate) bundle: [u8; BUNDLE],
    pub(crate) identity: PublicKey,
}

impl World {
    /// The phone of `account` enters a code; resolves when the companion is linked, with its device id.
    pub(crate) async fn enter_code(&self, account: &Arc<Account>, code: &str) -> Result<u16, ControlError> {
        let code = canonical(code)?;
        let request = self.pairings.requested(&account.number).await?;
        let mut rng = self.fork_rng();
        let ephemeral = KeyPair::generate(&mut rng);
        let (theirs, wrapped) = self.exchange_keys(code, request.wrapped, *ephemeral.public(), rng).await?;
        let (finish, finished) = oneshot::channel();
        let primary = account.identity();
        let hello = CodeHello { wrapped, primary, reference: request.reference.clone(), finish };
        let approach = request.waiting.approaches.send(Approach::Code(hello));
        approach.await.map_err(|_| ControlError::CompanionGone)?;
        let finish = timeout(self.options.step_timeout, finished).await;
        let finish = finish.ok().and_then(Result::ok).ok_or(ControlError::CompanionGone)?;
        let secret = adv_secret(account, &ephemeral, &theirs, &finish, &request.waiting)?;
        if account.directory().has_passkey {
            return self.link_by_passkey(account, &request.waiting, &secret).await;
        }
        self.refresh(account, &request.waiting).await?;
        self.offer(account, &request.waiting, &secret).await
    }

    /// Decrypts the client's ephemeral key, and encrypts the phone's, with the code. Each takes a fifth of
    /// a second, on a thread for such work.
    async fn exchange_keys(
        &self,
        code: String,
        theirs: [u8; WRAPPED],
        ours: PublicKey,
        mut rng: ChaCha20Rng,
    ) -> Result<(PublicKey, [u8; WRAPPED]), ControlError> {
        let work = move || {
            let mut wrapped = [0; WRAPPED];
            rng.fill_bytes(&mut wrapped[..48]);
            wrapped[48..].copy_from_slice(ours.as_bytes());
            (PublicKey::from_bytes(crypt(&code, &theirs)), apply(&code, wrapped))
        };
        self.runtime.spawn_blocking(work).await.map_err(|_| ControlError::Reset)
    }
}

/// Encrypts or decrypts the key in its wrapping, whose salt and IV are there.
fn apply(code: &str, mut wrapped: [u8; WRAPPED]) -> [u8; WRAPPED] {
    let key = crypt(code, &wrapped);
    wrapped[48..].copy_from_slice(&key);
    wrapped
}

fn crypt(code: &str, wrapped: &[u8; WRAPPED]) -> [u8; 32] {
    let (mut iv, mut key) = ([0; 16], [0; 32]);
    iv.copy_from_slice(&wrapped[32..48]);
    key.copy_from_slice(&wrapped[48..]);
    ctr::apply(&kdf::pbkdf2_sha256(code.as_bytes(), &wrapped[..32], ROUNDS), &iv, &mut key);
    key
}

/// Opens the client's bundle, which only the right code makes readable, and derives the ADV secret.
fn adv_secret(
    account: &Account,
    ephemeral: &KeyPair,
    theirs: &PublicKey,
    finish: &CodeFinish,
    waiting: &Waiting,
) -> Result<Secret<32>, ControlError> {
    let shared = ephemeral.private().agree(theirs).map_err(|_| ControlError::WrongCode)?;
    let (salt, sealed) = finish.bundle.split_at(32);
    let (nonce, sealed) = sealed.split_at(12);
    let key = kdf::hkdf(shared.expose(), salt, b"link_code_pairing_key_bundle_encryption_key");
    let nonce = nonce.try_into().map_err(|_| ControlError::WrongCode)?;
    let mut bundle = sealed.to_vec();
    Aes256Gcm::new(&key).open(nonce, b"", &mut bundle).map_err(|_| ControlError::WrongCode)?;
    let wrong = |what: &str| ControlError::CompanionWrong(what.to_owned());
    let [companion, primary, random] = thirds(&bundle).ok_or_else(|| wrong("its key bundle is too short"))?;
    if companion != *finish.identity.as_bytes() || finish.identity != waiting.registration.identity {
        return Err(wrong("its identity is not the one it registered with"));
    }
    if primary != *account.identity().as_bytes() {
        return Err(wrong("it means another phone"));
    }
    let identities = account.phone.keys().identity.key.private().agree(&finish.identity);
    let identities = identities.map_err(|_| wrong("its identity key is none"))?;
    let secret = [shared.expose().as_slice(), identities.expose(), &random].concat();
    Ok(Secret::new(kdf::hkdf(&secret, &[], b"adv_secret")))
}

/// Five bytes as eight characters.
pub(super) fn base32(bytes: [u8; 5]) -> String {
    let bits = bytes.iter().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
    let digit = |place: u32| usize::try_from(bits >> (5 * place) & 31).unwrap_or_default();
    (0..8).rev().filter_map(|place| ALPHABET.get(digit(place))).map(|byte| char::from(*byte)).collect()
}

fn thirds(bytes: &[u8]) -> Option<[[u8; 32]; 3]> {
    let (first, rest) = bytes.split_first_chunk()?;
    let (second, rest) = rest.split_first_chunk()?;
    Some([*first, *second, rest.try_into().ok()?])
}

/// A code as it goes into the key: without the dash that it is shown with.
fn canonical(code: &str) -> Result<String, ControlError> {
    let code: String = code.trim().chars().filter(|character| *character != '-').collect();
    let code = code.to_ascii_uppercase();
    let is_code = code.len() == 8 && code.bytes().all(|byte| ALPHABET.contains(&byte));
    if is_code { Ok(code) } else { Err(ControlError::InvalidCode) }
}

impl CodeHello {
    /// The child of `<notification type="link_code_companion_reg">` with the phone's part.
    pub(crate) fn stanza(&self) -> Node<'static> {
        let wrapped = Node::new("link_code_pairing_wrapped_primary_ephemeral_pub");
        Node::new("link_code_companion_reg")
            .attr("stage", "primary_hello")
            .child(wrapped.with_bytes(self.wrapped.to_vec()))
            .child(Node::new("primary_identity_pub").with_bytes(self.primary.as_bytes().to_vec()))
            .child(Node::new("link_code_pairing_ref").with_bytes(self.reference.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wrapping_key_is_whatsmeows() {
        // PROTOCOL.md, Appendix B.
        let key = kdf::pbkdf2_sha256(b"ABCD1234", &[2; 32], ROUNDS);
        assert_eq!(hex::encode(key), "a234f9bda86755656677ace52abc30dc20f2265efa807722200bfc9ce176822e");
        let secret: [u8; 32] = kdf::hkdf(&[3; 96], &[], b"adv_secret");
        assert_eq!(hex::encode(secret), "5e6ffcf794b01c5192783c63ec971b49bec4a71598cf2c1d151a100f2b60434a");
    }

    #[test]
    fn takes_codes_with_and_without_dash() {
        assert_eq!(canonical("abcd-1234"), Ok("ABCD1234".to_owned()));
        for wrong in ["ABCD123", "ABCD12345", "ABCD123O", "ABCD123U", ""] {
            assert_eq!(canonical(wrong), Err(ControlError::InvalidCode), "{wrong}");
        }
    }
}
