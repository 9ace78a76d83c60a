use std::fmt;

use wa_crypto::{
    cbc::{BLOCK_LEN, EncryptBlocks},
    mac::{RunningHmac, RunningSha256},
};

use crate::{MediaKey, MediaKind, keys::MediaKeys, sidecar::Sidecar};

/// Bytes of the HMAC that end a blob.
pub(crate) const MAC_LEN: usize = 10;

/// Length of the blob that a file of `length` bytes becomes: padded to whole blocks, and its MAC. `None` beyond 2^64.
pub const fn blob_length(length: u64) -> Option<u64> {
    const BLOCK: u64 = BLOCK_LEN as u64;
    (length / BLOCK * BLOCK).checked_add(BLOCK + MAC_LEN as u64)
}

/// Encrypts a file as it is read, in constant memory: AES-256-CBC with PKCS#7 padding, then the first 10 bytes of
/// HMAC-SHA256 over IV and ciphertext (PROTOCOL.md 19.2).
///
/// The result depends on key, kind and content alone. So a file can be encrypted once to learn its hashes, which the
/// address of an upload needs, and once more as the body of that upload, without a copy on disk. If the two
/// [`Encrypted`] differ, the file was changed in between, and what was sent is not what was announced.
pub struct Encryptor {
    blocks: EncryptBlocks,
    mac: RunningHmac,
    file: RunningSha256,
    blob: RunningSha256,
    sidecar: Option<Sidecar>,
    /// The begun block, of which `filled` bytes are there.
    begun: [u8; BLOCK_LEN],
    filled: usize,
    length: u64,
}

/// What a message says of the file that was encrypted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Encrypted {
    /// SHA-256 of the file.
    pub file_sha256: [u8; 32],
    /// SHA-256 of the blob: of everything that is uploaded.
    pub file_enc_sha256: [u8; 32],
    /// Length of the file in bytes; [`blob_length`] makes the length of the blob of it.
    pub file_length: u64,
    /// MACs for playing before all has arrived, of kinds that are streamed.
    pub sidecar: Option<Vec<u8>>,
}

impl Encryptor {
    /// Starts a file.
    pub fn new(key: &MediaKey, kind: MediaKind) -> Self {
        let keys = MediaKeys::expand(key, kind);
        let mut mac = RunningHmac::new(keys.mac.expose());
        mac.update(&keys.iv);
        let mut sidecar = kind.is_streamed().then(|| Sidecar::new(&keys.mac));
        if let Some(sidecar) = &mut sidecar {
            sidecar.update(&keys.iv);
        }
        Self {
            blocks: EncryptBlocks::new(keys.cipher.expose(), &keys.iv),
            mac,
            file: RunningSha256::default(),
            blob: RunningSha256::default(),
            sidecar,
            begun: [0; BLOCK_LEN],
            filled: 0,
            length: 0,
        }
    }

    /// Takes the next bytes of the file, and appends those of the blob that are certain with them.
    pub fn update(&mut self, plain: &[u8], blob: &mut Vec<u8>) {
        self.file.update(plain);
        self.length = self.length.saturating_add(plain.len() as u64);
        let start = blob.len();
        blob.extend_from_slice(&self.begun[..self.filled]);
        blob.extend_from_slice(plain);
        let (_, rest) = blob[start..].as_chunks::<BLOCK_LEN>();
        self.filled = rest.len();
        self.begun[..self.filled].copy_from_slice(rest);
        blob.truncate(blob.len() - self.filled);
        self.seal(&mut blob[start..]);
    }

    /// Appends the rest of the blob: the last block and the MAC.
    pub fn finish(mut self, blob: &mut Vec<u8>) -> Encrypted {
        let start = blob.len();
        blob.extend_from_slice(&self.begun[..self.filled]);
        let padding = BLOCK_LEN - self.filled;
        blob.resize(start + BLOCK_LEN, u8::try_from(padding).unwrap_or_default());
        self.seal(&mut blob[start..]);
        let tag = self.mac.finish();
        let tag = &tag[..MAC_LEN];
        blob.extend_from_slice(tag);
        self.blob.update(tag);
        if let Some(sidecar) = &mut self.sidecar {
            sidecar.update(tag);
        }
        Encrypted {
            file_sha256: self.file.finish(),
            file_enc_sha256: self.blob.finish(),
            file_length: self.length,
            sidecar: self.sidecar.map(Sidecar::finish),
        }
    }

    /// Encrypts whole blocks in place.
    fn seal(&mut self, bytes: &mut [u8]) {
        let (blocks, _) = bytes.as_chunks_mut();
        self.blocks.apply(blocks);
        self.mac.update(bytes);
        self.blob.update(bytes);
        if let Some(sidecar) = &mut self.sidecar {
            sidecar.update(bytes);
        }
    }
}

impl fmt::Debug for Encryptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encryptor").field("length", &self.length).finish_non_exhaustive()
    }
}
