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

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (Ciphers, Ciphers) {
        let (up, down) = (Secret::new([1; 32]), Secret::new([2; 32]));
        (Ciphers::new(&up, &down), Ciphers::new(&down, &up))
    }

    fn sealed(cipher: &mut SealCipher, plain: &[u8]) -> Vec<u8> {
        let mut buf = plain.to_vec();
        cipher.seal(&mut buf).unwrap();
        buf
    }

    #[test]
    fn directions_have_their_own_keys_and_counters() {
        let (mut client, mut server) = pair();
        for plain in [&b"one"[..], b"", b"three"] {
            let mut up = sealed(&mut client.seal, plain);
            let mut down = sealed(&mut server.seal, plain);
            assert_ne!(up, down);
            server.open.open(&mut up).unwrap();
            client.open.open(&mut down).unwrap();
            assert_eq!((&up[..], &down[..]), (plain, plain));
        }
    }

    #[test]
    fn a_lost_repeated_or_short_frame_does_not_open() {
        let (mut client, mut server) = pair();
        let first = sealed(&mut client.seal, b"first");
        let second = sealed(&mut client.seal, b"second");

        let (_, mut lost) = pair();
        assert_eq!(lost.open.open(&mut second.clone()), Err(OpenError::Authentication));
        server.open.open(&mut first.clone()).unwrap();
        assert_eq!(server.open.open(&mut first.clone()), Err(OpenError::Authentication));
        for length in 0..TAG_LEN {
            let mut short = first[..length].to_vec();
            let (_, mut server) = pair();
            assert_eq!(server.open.open(&mut short), Err(OpenError::Authentication));
        }
    }

    #[test]
    fn no_nonce_is_used_twice() {
        let (mut client, mut server) = pair();
        client.seal.0.counter = Some(u32::MAX);
        server.open.0.counter = Some(u32::MAX);
        let mut last = sealed(&mut client.seal, b"last");
        server.open.open(&mut last).unwrap();

        let mut buf = b"beyond".to_vec();
        assert_eq!(client.seal.seal(&mut buf), Err(SealError::Exhausted));
        assert_eq!(client.seal.seal_frame(&mut buf, |_| ()), Err(SealError::Exhausted));
        assert_eq!(buf, b"beyond");
        assert_eq!(server.open.open(&mut buf), Err(OpenError::Exhausted));
    }

    #[test]
    fn a_sealed_frame_is_a_frame_of_what_was_sealed() {
        let (mut client, _) = pair();
        let (mut other, _) = pair();
        let (mut out, mut expected) = (b"before".to_vec(), b"before".to_vec());
        for plain in [&b"stanza"[..], b""] {
            client.seal.seal_frame(&mut out, |buf| buf.extend_from_slice(plain)).unwrap();
            frame::put_frame(&mut expected, &sealed(&mut other.seal, plain)).unwrap();
        }
        assert_eq!(out, expected);
    }

    #[test]
    fn too_long_a_frame_uses_no_nonce() {
        let (mut client, mut server) = pair();
        let mut out = b"before".to_vec();
        let long = frame::MAX_FRAME - TAG_LEN + 1;
        let refused = client.seal.seal_frame(&mut out, |buf| buf.resize(buf.len() + long, 0));
        assert_eq!(refused, Err(SealError::TooLong(FrameTooLong(long + TAG_LEN))));
        assert_eq!(out, b"before");

        let mut next = sealed(&mut client.seal, b"next");
        server.open.open(&mut next).unwrap();
    }
}
