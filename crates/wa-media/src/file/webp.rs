/// Bytes in front of the first chunk: `RIFF`, a length and `WEBP`.
const HEADER_LEN: usize = 12;
/// Chunks that are looked at: frames come behind a few others.
const MAX_CHUNKS: usize = 32;
/// The flag of `VP8X` that there are frames.
const ANIMATION: u8 = 0x02;

/// Whether a WebP picture moves: its extended header says so, or there is a frame. Receivers need to be told.
pub fn is_animated(head: &[u8]) -> bool {
    if !(head.starts_with(b"RIFF") && head.get(8..12) == Some(b"WEBP")) {
        return false;
    }
    let mut rest = &head[HEADER_LEN..];
    for _ in 0..MAX_CHUNKS {
        let Some((name, length, content)) = chunk(rest) else { return false };
        match name {
            b"ANMF" => return true,
            b"VP8X" if content.first().is_some_and(|flags| flags & ANIMATION != 0) => return true,
            _ => {}
        }
        // A chunk of odd length is followed by a byte of padding.
        let Some(behind) = length.checked_add(length % 2).and_then(|length| content.get(length..)) else {
            return false;
        };
        rest = behind;
    }
    false
}

/// Name and length of the chunk, and everything behind these.
fn chunk(bytes: &[u8]) -> Option<(&[u8; 4], usize, &[u8])> {
    let (name, rest) = bytes.split_first_chunk::<4>()?;
    let (length, content) = rest.split_first_chunk::<4>()?;
    Some((name, usize::try_from(u32::from_le_bytes(*length)).ok()?, content))
}
