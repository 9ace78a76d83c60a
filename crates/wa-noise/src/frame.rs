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
    /// The decoder's limit.
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
