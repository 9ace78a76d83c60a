//! Frames: what the connection carries after its header, whatever the messages of the WebSocket.
//!
//! A frame is its length, 3 bytes big-endian, and that many bytes (protocol facts, section 1).

/// Bytes in front of a payload.
pub const HEADER_LEN: usize = 3;

/// The longest payload a header can announce, in bytes.
pub const MAX_FRAME: usize = (1 << 24) - 1;

/// Buffers larger than this are given back once they are empty: thousands of idle connections
/// should not each keep the memory of their largest burst.
const KEPT_CAPACITY: usize = 16 * 1024;

/// The caller's payload does not fit into a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a frame takes {MAX_FRAME} bytes, not {0}")]
pub struct FrameTooLong(
    /// Length of the payload.
    pub usize,
);

/// The peer announced a longer frame than this side takes. The stream is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the peer announced a frame of {length} bytes, the limit is {limit}")]
pub struct FrameError {
    /// Length that was announced.
    pub length: usize,
    /// What the decoder takes at most, in bytes.
    pub limit: usize,
}

/// Appends `payload` as one frame.
pub fn put_frame(out: &mut Vec<u8>, payload: &[u8]) -> Result<(), FrameTooLong> {
    let header = header(payload.len())?;
    out.reserve(HEADER_LEN + payload.len());
    out.extend_from_slice(&header);
    out.extend_from_slice(payload);
    Ok(())
}

pub(crate) fn header(length: usize) -> Result<[u8; HEADER_LEN], FrameTooLong> {
    if length > MAX_FRAME {
        return Err(FrameTooLong(length));
    }
    let [.., a, b, c] = length.to_be_bytes();
    Ok([a, b, c])
}

/// Cuts a stream of bytes into frames. It holds only what has arrived, never what a header
/// promises.
#[derive(Debug)]
pub struct FrameDecoder {
    buffer: Vec<u8>,
    /// Bytes at the front of `buffer` that were handed out.
    consumed: usize,
    limit: usize,
}

impl FrameDecoder {
    /// Takes frames of any length a header can announce.
    pub const fn new() -> Self {
        Self::with_limit(MAX_FRAME)
    }

    /// Takes frames of up to `limit` bytes.
    pub const fn with_limit(limit: usize) -> Self {
        Self { buffer: Vec::new(), consumed: 0, limit }
    }

    /// Adds bytes as they arrived, fragmented in whatever way.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.consumed);
        self.consumed = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The payload of the next frame, if it has arrived whole. After an error, the same error.
    #[expect(clippy::should_implement_trait, reason = "`None` means not yet, not the end")]
    pub fn next(&mut self) -> Result<Option<Vec<u8>>, FrameError> {
        let rest = self.buffer.get(self.consumed..).unwrap_or_default();
        let Some(([a, b, c], body)) = rest.split_first_chunk() else {
            self.release();
            return Ok(None);
        };
        let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        if length > self.limit {
            return Err(FrameError { length, limit: self.limit });
        }
        let frame = body.get(..length).map(<[u8]>::to_vec);
        if frame.is_some() {
            self.consumed += HEADER_LEN + length;
        }
        Ok(frame)
    }

    /// Bytes that have arrived and belong to no complete frame yet.
    pub fn pending(&self) -> usize {
        self.buffer.len() - self.consumed
    }

    fn release(&mut self) {
        if self.pending() == 0 {
            self.consumed = 0;
            self.buffer.clear();
            self.buffer.shrink_to(KEPT_CAPACITY);
        }
    }
}

impl Default for FrameDecoder {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn drain(decoder: &mut FrameDecoder) -> Result<Vec<Vec<u8>>, FrameError> {
        std::iter::from_fn(|| decoder.next().transpose()).collect()
    }

    #[test]
    fn the_header_is_big_endian() {
        let mut out = Vec::new();
        put_frame(&mut out, &[9; 0x0102]).unwrap();
        assert_eq!(out[..4], [0, 1, 2, 9]);
        assert_eq!(header(MAX_FRAME), Ok([0xff; 3]));
        assert_eq!(header(MAX_FRAME + 1), Err(FrameTooLong(MAX_FRAME + 1)));
    }

    #[test]
    fn a_frame_beyond_the_limit_is_refused_before_it_arrives() {
        let mut decoder = FrameDecoder::with_limit(10);
        decoder.push(&[0, 0, 10]);
        assert_eq!(decoder.next(), Ok(None));
        decoder.push(&[7; 10]);
        assert_eq!(decoder.next(), Ok(Some(vec![7; 10])));
        decoder.push(&[0, 0, 11]);
        let error = FrameError { length: 11, limit: 10 };
        for _ in 0..2 {
            assert_eq!(decoder.next(), Err(error));
            decoder.push(&[0; 20]);
        }
    }

    #[test]
    fn a_burst_leaves_no_memory_behind() {
        let mut out = Vec::new();
        put_frame(&mut out, &vec![0; 1 << 20]).unwrap();
        let mut decoder = FrameDecoder::new();
        decoder.push(&out);
        assert_eq!(drain(&mut decoder).unwrap().len(), 1);
        assert_eq!(decoder.pending(), 0);
        assert!(decoder.buffer.capacity() <= KEPT_CAPACITY);
    }

    proptest! {
        #[test]
        fn frames_survive_any_fragmentation(
            frames in vec(vec(any::<u8>(), 0..70), 0..20),
            cuts in vec(1_usize..90, 1..50),
        ) {
            let mut stream = Vec::new();
            for frame in &frames {
                put_frame(&mut stream, frame).unwrap();
            }
            let mut decoder = FrameDecoder::new();
            let mut decoded = Vec::new();
            let mut rest = &stream[..];
            for cut in cuts.iter().cycle() {
                let (piece, after) = rest.split_at((*cut).min(rest.len()));
                decoder.push(piece);
                decoded.extend(drain(&mut decoder).unwrap());
                rest = after;
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert_eq!(decoded, frames);
            prop_assert_eq!(decoder.pending(), 0);
        }

        #[test]
        fn nothing_is_lost_of_random_bytes(
            pieces in vec(vec(any::<u8>(), 0..300), 0..10),
            limit in 0_usize..70_000,
        ) {
            let mut decoder = FrameDecoder::with_limit(limit);
            let mut taken = 0;
            for piece in &pieces {
                decoder.push(piece);
                match drain(&mut decoder) {
                    Ok(frames) => {
                        taken += frames.iter().map(|frame| HEADER_LEN + frame.len()).sum::<usize>();
                        let pushed: usize = pieces.iter().map(Vec::len).sum();
                        prop_assert!(taken + decoder.pending() <= pushed);
                    }
                    Err(error) => {
                        prop_assert!(error.length > limit);
                        return Ok(());
                    }
                }
            }
            prop_assert_eq!(taken + decoder.pending(), pieces.iter().map(Vec::len).sum::<usize>());
        }
    }
}
