use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use wa_crypto::{Secret, mac};

/// How long a device may upload with what it was given, in seconds.
pub(crate) const AUTH_TTL: u64 = 21_600;
/// Bytes of the MAC in front of what it is over.
const MAC_LEN: usize = 16;

/// Why nobody may upload with this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AuthError {
    #[error("the auth is not that of media_conn")]
    Unknown,
    #[error("the auth has expired")]
    Expired,
}

/// Opaque to whom it is given: a MAC, and what it is over, namely for whom it is and since when.
pub(super) fn issue(secret: &Secret<32>, number: &str, device: u16, now: u64) -> String {
    let text = format!("{number}.{device}.{now}");
    let mut bytes = tag(secret, &text).to_vec();
    bytes.extend_from_slice(text.as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The number and device that it was given to.
pub(super) fn verify(secret: &Secret<32>, auth: &str, now: u64) -> Result<(String, u16), AuthError> {
    let bytes = URL_SAFE_NO_PAD.decode(auth).map_err(|_| AuthError::Unknown)?;
    let (mac, text) = bytes.split_first_chunk::<MAC_LEN>().ok_or(AuthError::Unknown)?;
    let text = std::str::from_utf8(text).map_err(|_| AuthError::Unknown)?;
    if tag(secret, text) != *mac {
        return Err(AuthError::Unknown);
    }
    let mut parts = text.split('.');
    let (Some(number), Some(device), Some(since)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(AuthError::Unknown);
    };
    let (Ok(device), Ok(since)) = (device.parse(), since.parse::<u64>()) else {
        return Err(AuthError::Unknown);
    };
    if now.saturating_sub(since) >= AUTH_TTL {
        return Err(AuthError::Expired);
    }
    Ok((number.to_owned(), device))
}

fn tag(secret: &Secret<32>, text: &str) -> [u8; MAC_LEN] {
    let mac = mac::hmac_sha256(secret.expose(), &[b"media auth", text.as_bytes()]);
    mac.first_chunk().copied().unwrap_or_default()
}
