use wa_crypto::{
    Secret,
    aead::{Aes256Gcm, TAG_LEN},
};

use crate::frame::{self, FrameTooLong};

/// Both directions of an established connection.
#[derive(Debug)]
pub struct Ciphers {
    /// For what this side sends.
    pub seal: SealCipher,
    /// For what this side receives.
    pub open: OpenCipher,
}

impl Ciphers {
    /// Takes the key of each direction.
    pub(crate) fn new(seal: &Secret<32>, open: &Secret<32>) -> Self {
        Self { seal: SealCipher(Direction::new(seal)), open: OpenCipher(Direction::new(open)) }
    }
}

/// Encrypts outgoing frames, each under the next nonce.
#[derive(Debug)]
pub struct SealCipher(Direction);

/// Why a frame was not encrypted. Nothing was sent and no nonce used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// 2^32 frames were sent: the connection has to be opened anew.
    #[error("the connection has used up its nonces")]
    Exhausted,
    /// The caller's payload does not fit into a frame.
    #[error(transparent)]
    TooLong(#[from] FrameTooLong),
}

impl SealCipher {
    /// Encrypts `buf` in place and appends the tag.
    pub fn seal(&mut self, buf: &mut Vec<u8>) -> Result<(), SealError> {
        let nonce = self.0.next_nonce().ok_or(SealError::Exhausted)?;
        self.0.cipher.seal(&nonce, b"", buf);
        Ok(())
    }

    /// Appends a whole frame to `out`: its header, then, encrypted in place, what `write` appends,
    /// then the tag. After an error `out` is as it was.
    ///
    /// # Panics
    ///
    /// If `write` does more than append and leaves `out` shorter than it was.
    pub fn seal_frame(
        &mut self,
        out: &mut Vec<u8>,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), SealError> {
        let start = out.len();
        out.extend_from_slice(&[0; frame::HEADER_LEN]);
        write(out);
        let sealed = self.seal_from(out, start);
        if sealed.is_err() {
            out.truncate(start);
        }
        sealed
    }

    fn seal_from(&mut self, out: &mut Vec<u8>, start: usize) -> Result<(), SealError> {
        let Some((header, text)) = out.get_mut(start..).and_then(<[u8]>::split_first_chunk_mut) else {
            unreachable!("a header was put there")
        };
        *header = frame::header(text.len() + TAG_LEN)?;
        let nonce = self.0.next_nonce().ok_or(SealError::Exhausted)?;
        let tag = self.0.cipher.seal_detached(&nonce, b"", text);
        out.extend_from_slice(&tag);
        Ok(())
    }
}

/// Decrypts incoming frames, each under the next nonce.
#[derive(Debug)]
pub struct OpenCipher(Direction);

/// Why a frame could not be read. The stream is lost: close the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The peer sent more than 2^32 frames.
    #[error("the connection has used up its nonces")]
    Exhausted,
    /// The frame was changed, lost, repeated or reordered on its way, or has another key.
    #[error("the frame does not authenticate")]
    Authentication,
}

impl OpenCipher {
    /// Decrypts `buf`, the payload of one frame, in place and cuts off the tag.
    pub fn open(&mut self, buf: &mut Vec<u8>) -> Result<(), OpenError> {
        let nonce = self.0.next_nonce().ok_or(OpenError::Exhausted)?;
        self.0.cipher.open(&nonce, b"", buf).map_err(|_| OpenError::Authentication)
    }
}

#[derive(Debug)]
struct Direction {
    cipher: Aes256Gcm,
    /// The next nonce; none when the last one is used.
    counter: Option<u32>,
}

impl Direction {
    fn new(key: &Secret<32>) -> Self {
        Self { cipher: Aes256Gcm::new(key.expose()), counter: Some(0) }
    }

    fn next_nonce(&mut self) -> Option<[u8; 12]> {
        let counter = self.counter?;
        self.counter = counter.checked_add(1);
        Some(nonce(counter))
    }
}

/// Eight zero bytes, then the counter, big-endian (protocol facts, section 2).
pub(crate) fn nonce(counter: u32) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[8..].copy_from_slice(&counter.to_be_bytes());
    nonce
}
