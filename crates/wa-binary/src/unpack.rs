//! The flag byte in front of every frame's content.

use std::borrow::Cow;
use std::io::Read;

use flate2::read::ZlibDecoder;

use crate::{DecodeError, Limits};

/// Flag bit of content that is compressed with zlib. The other bits have no known meaning and are ignored.
pub(crate) const COMPRESSED: u8 = 2;

/// Strips the flag byte of a decrypted frame and inflates the rest if it is compressed, up to
/// [`MAX_INFLATED`](crate::MAX_INFLATED) bytes.
pub fn unpack(frame: &[u8]) -> Result<Cow<'_, [u8]>, DecodeError> {
    unpack_with(frame, &Limits::DEFAULT)
}

/// Like [`unpack`] with other bounds.
pub fn unpack_with<'a>(frame: &'a [u8], limits: &Limits) -> Result<Cow<'a, [u8]>, DecodeError> {
    let (flags, content) = frame.split_first().ok_or(DecodeError::Truncated { at: 0 })?;
    if flags & COMPRESSED == 0 {
        return Ok(Cow::Borrowed(content));
    }
    inflate(content, limits.inflated).map(Cow::Owned)
}

fn inflate(compressed: &[u8], limit: usize) -> Result<Vec<u8>, DecodeError> {
    // Stanzas shrink to about a third; what is missing is added as it comes, never as the peer claims.
    let mut out = Vec::with_capacity(compressed.len().saturating_mul(3).min(limit));
    let mut decoder = ZlibDecoder::new(compressed);
    let over = (limit as u64).saturating_add(1);
    decoder.by_ref().take(over).read_to_end(&mut out).map_err(|_| DecodeError::Inflate)?;
    if out.len() > limit {
        return Err(DecodeError::InflatedTooLarge { limit });
    }
    match compressed.len() as u64 - decoder.total_in() {
        0 => Ok(out),
        left => Err(DecodeError::TrailingData { left: left as usize }),
    }
}
