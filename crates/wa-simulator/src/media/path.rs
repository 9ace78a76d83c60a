use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use wa_crypto::{Secret, mac};

use super::{Key, hash};

/// How long a path is good, in seconds: those of WhatsApp name an end about 30 days away.
pub(super) const LIFE: u64 = 30 * 24 * 60 * 60;
/// What a file's name ends with.
const ENDING: &str = "_n.enc";

/// Why a path leads nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PathError {
    /// WhatsApp Web knows an expired path by these words (its module `WAWebMmsClientMmsDownload`).
    #[error("URL signature expired")]
    Expired,
    #[error("Bad URL hash")]
    Signature,
    #[error("there is no such file")]
    NotFound,
}

/// A path in the form that WhatsApp's have. whatsmeow wants a query in it, whatsapp-rust appends another (PROTOCOL.md
/// 19.4): readers take a second `?` for an `&`.
pub(super) fn signed(secret: &Secret<32>, key: &Key, age: u32, expiry: u64) -> String {
    let path = format!("/v/{}/{}{ENDING}", key.folder, URL_SAFE_NO_PAD.encode(key.hash));
    let expiry = format!("{expiry:X}");
    let signature = signature(secret, &path, &expiry, age);
    format!("{path}?ccb=11-4&oh={signature}&oe={expiry}&_nc_sid=5e03e0")
}

/// The hash of the blob that a path leads to, if it was made here and is still good.
pub(super) fn verify(
    secret: &Secret<32>,
    path: &str,
    query: &[(String, String)],
    age: u32,
    now: u64,
) -> Result<[u8; 32], PathError> {
    let parameter = |name| query.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value);
    let (oh, oe) = (parameter("oh"), parameter("oe"));
    let is_of = |age| signature(secret, path, oe, age) == oh;
    let signed_in = (0..=age).rev().find(|age| is_of(*age)).ok_or(PathError::Signature)?;
    let expiry = u64::from_str_radix(oe, 16).map_err(|_| PathError::Signature)?;
    if signed_in < age || now >= expiry {
        return Err(PathError::Expired);
    }
    let name = path.rsplit('/').next().and_then(|name| name.strip_suffix(ENDING));
    name.and_then(hash).ok_or(PathError::Signature)
}

fn signature(secret: &Secret<32>, path: &str, expiry: &str, age: u32) -> String {
    let parts: [&[u8]; 5] = [b"media path", path.as_bytes(), b"?", expiry.as_bytes(), &age.to_be_bytes()];
    format!("01_{}", URL_SAFE_NO_PAD.encode(&mac::hmac_sha256(secret.expose(), &parts)[..24]))
}
