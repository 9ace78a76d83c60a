use std::fmt;

use wa_crypto::{
    cbc::{BLOCK_LEN, DecryptBlocks},
    mac::{RunningHmac, RunningSha256},
};

use crate::{MediaKey, MediaKind, Replay, blob_length, encrypt::MAC_LEN, keys::MediaKeys};

/// What is held back of a blob until it ends: its last block, which has the padding, and its MAC.
const END_LEN: usize = BLOCK_LEN + MAC_LEN;

/// What is known of a file before it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// SHA-256 of the file.
    pub file_sha256: [u8; 32],
    /// SHA-256 of the blob.
    pub file_enc_sha256: [u8; 32],
    /// Length that the file must have, in bytes. `None` where it is only said: messages have been seen whose hashes
    /// are right and whose length isn't.
    pub length: Option<u64>,
    /// Longest file that is taken, in bytes.
    pub limit: u64,
}

/// Why a file isn't the one that was announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecryptError {
    /// It ended early: what there is isn't whole blocks and a MAC.
    #[error("the blob is truncated")]
    Truncated,
    /// It is longer than was allowed.
    #[error("the file is longer than {limit} bytes")]
    Oversized {
        /// What was allowed, in bytes.
        limit: u64,
    },
    /// What came isn't what was uploaded.
    #[error("the blob has another SHA-256 than announced")]
    BlobHash,
    /// What was uploaded wasn't made with this media key.
    #[error("the blob has a wrong MAC")]
    Mac,
    /// Its sender padded it wrongly.
    #[error("the file is padded wrongly")]
    Padding,
    /// Its sender announced another file.
    #[error("the file has another SHA-256 than announced")]
    FileHash,
    /// Its sender announced another length.
    #[error("the file has {actual} bytes, not {announced}")]
    Length {
        /// Bytes that were announced.
        announced: u64,
        /// Bytes that there are.
        actual: u64,
    },
}

impl DecryptError {
    /// Whether it is the transfer that failed: another host, or another try, may have the right bytes. Otherwise the
    /// sender made the file so, and it will never be right.
    pub const fn is_of_transfer(self) -> bool {
        matches!(self, Self::Truncated | Self::BlobHash)
    }
}

/// Bytes of a file of which nobody knows yet whether they are right.
#[derive(Clone, Copy)]
#[must_use = "they are part of the file"]
pub struct Unverified<'a>(&'a [u8]);

impl<'a> Unverified<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The bytes, to be kept where nobody reads them before there is a [`Verified`], and be thrown away with any error.
    pub const fn for_temporary_file(self) -> &'a [u8] {
        self.0
    }
}

/// The proof that a file is the announced one: MAC and both hashes are right. Only it makes a file known to others.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "its last bytes are part of the file"]
pub struct Verified {
    last: Vec<u8>,
    length: u64,
    file_sha256: [u8; 32],
}

impl Verified {
    pub(crate) const fn new(last: Vec<u8>, length: u64, file_sha256: [u8; 32]) -> Self {
        Self { last, length, file_sha256 }
    }

    /// The end of the file, up to 15 bytes, which come after all that was [`Unverified`].
    pub fn last_bytes(&self) -> &[u8] {
        &self.last
    }

    /// Length of the whole file in bytes.
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// SHA-256 of the file.
    pub const fn file_sha256(&self) -> &[u8; 32] {
        &self.file_sha256
    }
}

/// Decrypts a blob as it arrives, in constant memory, and verifies it at the end.
///
/// MAC and hashes cover all of it, so everything before the end is [`Unverified`]: it goes into a temporary file, which
/// becomes the file only with what [`finish`](Self::finish) gives. [`decrypt()`] does both for blobs in memory.
///
/// A download that broke off goes on where it was, with nothing kept but that temporary file: see [`Replay`].
pub struct Decryptor {
    pub(crate) state: State,
    /// Plaintext that was given out, then what is held back.
    buffer: Vec<u8>,
    given: usize,
}

/// What follows from the blob as far as it went.
pub(crate) struct State {
    pub(crate) blocks: DecryptBlocks,
    pub(crate) mac: RunningHmac,
    pub(crate) file: RunningSha256,
    pub(crate) blob: RunningSha256,
    /// Bytes of the blob that were decrypted: whole blocks, hence also bytes of the file.
    pub(crate) offset: u64,
    pub(crate) expected: Expected,
}

impl Decryptor {
    /// Starts a blob.
    pub fn new(key: &MediaKey, kind: MediaKind, expected: Expected) -> Self {
        let keys = MediaKeys::expand(key, kind);
        let mut mac = RunningHmac::new(keys.mac.expose());
        mac.update(&keys.iv);
        Self::from_state(State {
            blocks: DecryptBlocks::new(keys.cipher.expose(), &keys.iv),
            mac,
            file: RunningSha256::default(),
            blob: RunningSha256::default(),
            offset: 0,
            expected,
        })
    }

    /// Goes on with a blob of which a part was decrypted before.
    pub fn resume(key: &MediaKey, kind: MediaKind, expected: Expected) -> Replay {
        Replay::new(key, kind, expected)
    }

    pub(crate) const fn from_state(state: State) -> Self {
        Self { state, buffer: Vec::new(), given: 0 }
    }

    /// The next byte of the blob that is needed, counted from 0: where a download begins. Once
    /// [`update`](Self::update) was called it is of no use any more.
    pub const fn offset(&self) -> u64 {
        self.state.offset
    }

    /// Takes the next bytes of the blob, and gives those of the file that are certain to belong to it.
    ///
    /// # Errors
    /// [`DecryptError::Oversized`]; it will stay so.
    pub fn update(&mut self, blob: &[u8]) -> Result<Unverified<'_>, DecryptError> {
        self.buffer.drain(..self.given);
        self.given = 0;
        self.check_room(blob.len())?;
        self.buffer.extend_from_slice(blob);
        self.given = self.buffer.len().saturating_sub(END_LEN) / BLOCK_LEN * BLOCK_LEN;
        let bytes = &mut self.buffer[..self.given];
        self.state.open(bytes);
        Ok(Unverified(bytes))
    }

    /// Ends the blob: verifies everything, and gives the proof with the last bytes.
    ///
    /// # Errors
    /// The first of these that is wrong: length of the blob, its hash, MAC, padding, hash and length of the file.
    pub fn finish(mut self) -> Result<Verified, DecryptError> {
        self.buffer.drain(..self.given);
        self.check_room(0)?;
        let (block, tag) = match self.buffer.split_last_chunk::<MAC_LEN>() {
            Some((block, tag)) if block.len() == BLOCK_LEN => (block, tag),
            _ => return Err(DecryptError::Truncated),
        };
        let mut last = block.to_vec();
        self.state.blob.update(block);
        self.state.blob.update(tag);
        self.state.mac.update(block);
        let State { mut blocks, mac, mut file, blob, offset, expected } = self.state;
        if blob.finish() != expected.file_enc_sha256 {
            return Err(DecryptError::BlobHash);
        }
        mac.verify_truncated(tag).map_err(|_| DecryptError::Mac)?;
        blocks.apply(last.as_chunks_mut().0);
        unpad(&mut last)?;
        file.update(&last);
        if file.finish() != expected.file_sha256 {
            return Err(DecryptError::FileHash);
        }
        let actual = offset + last.len() as u64;
        match expected.length {
            Some(announced) if announced != actual => Err(DecryptError::Length { announced, actual }),
            _ if actual > expected.limit => Err(DecryptError::Oversized { limit: expected.limit }),
            _ => Ok(Verified::new(last, actual, expected.file_sha256)),
        }
    }

    /// No more is taken than the blob of the longest file has.
    fn check_room(&self, more: usize) -> Result<(), DecryptError> {
        let limit = self.state.expected.limit;
        let held = self.state.offset.saturating_add((self.buffer.len() + more) as u64);
        match blob_length(limit) {
            Some(longest) if held > longest => Err(DecryptError::Oversized { limit }),
            _ => Ok(()),
        }
    }
}

impl State {
    /// Decrypts whole blocks in place.
    fn open(&mut self, bytes: &mut [u8]) {
        self.mac.update(bytes);
        self.blob.update(bytes);
        self.blocks.apply(bytes.as_chunks_mut().0);
        self.file.update(bytes);
        self.offset += bytes.len() as u64;
    }
}

/// Decrypts a whole blob. Nothing of it is seen before all of it was verified.
///
/// # Errors
/// As [`Decryptor::finish`].
pub fn decrypt(
    key: &MediaKey,
    kind: MediaKind,
    expected: Expected,
    blob: &[u8],
) -> Result<Vec<u8>, DecryptError> {
    let mut decryptor = Decryptor::new(key, kind, expected);
    let mut file = decryptor.update(blob)?.for_temporary_file().to_vec();
    file.extend_from_slice(decryptor.finish()?.last_bytes());
    Ok(file)
}

fn unpad(block: &mut Vec<u8>) -> Result<(), DecryptError> {
    let padding = block.last().map_or(0, |last| usize::from(*last));
    let start = block.len().checked_sub(padding).filter(|_| padding > 0).ok_or(DecryptError::Padding)?;
    if block[start..].iter().any(|byte| usize::from(*byte) != padding) {
        return Err(DecryptError::Padding);
    }
    block.truncate(start);
    Ok(())
}

impl fmt::Debug for Unverified<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Unverified({} bytes)", self.0.len())
    }
}

impl fmt::Debug for Decryptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decryptor").field("offset", &self.state.offset).finish_non_exhaustive()
    }
}
