use std::fmt;

use wa_crypto::{
    Secret,
    cbc::{BLOCK_LEN, DecryptBlocks, EncryptBlocks},
    mac::{RunningHmac, RunningSha256},
};

use crate::{Decryptor, Expected, MediaKey, MediaKind, decrypt::State, keys::MediaKeys};

/// A download that goes on, from nothing but what it had decrypted.
///
/// Given the keys, the file determines the blob: encrypting what is in the temporary file brings back the MAC, the
/// hashes and the block that decryption chains from. So there is no state to be stored beside the file, and none that
/// could contradict it. Whatever is wrong in the file is found at the end, like all else.
pub struct Replay {
    blocks: EncryptBlocks,
    mac: RunningHmac,
    file: RunningSha256,
    blob: RunningSha256,
    key: Secret<32>,
    /// The ciphertext of the last whole block, at first the IV.
    previous: [u8; BLOCK_LEN],
    /// The begun block and the blocks that are encrypted.
    buffer: Vec<u8>,
    offset: u64,
    expected: Expected,
}

impl Replay {
    pub(crate) fn new(key: &MediaKey, kind: MediaKind, expected: Expected) -> Self {
        let keys = MediaKeys::expand(key, kind);
        let mut mac = RunningHmac::new(keys.mac.expose());
        mac.update(&keys.iv);
        Self {
            blocks: EncryptBlocks::new(keys.cipher.expose(), &keys.iv),
            mac,
            file: RunningSha256::default(),
            blob: RunningSha256::default(),
            key: keys.cipher,
            previous: keys.iv,
            buffer: Vec::new(),
            offset: 0,
            expected,
        }
    }

    /// Takes the next bytes of the temporary file, from its start.
    pub fn update(&mut self, file: &[u8]) {
        self.buffer.extend_from_slice(file);
        let whole = self.buffer.len() / BLOCK_LEN * BLOCK_LEN;
        let bytes = &mut self.buffer[..whole];
        self.file.update(bytes);
        self.blocks.apply(bytes.as_chunks_mut().0);
        self.mac.update(bytes);
        self.blob.update(bytes);
        if let Some(last) = bytes.last_chunk() {
            self.previous = *last;
        }
        self.offset += whole as u64;
        self.buffer.drain(..whole);
    }

    /// Ends the temporary file. Its length is to be made the decryptor's [`offset`](Decryptor::offset): less than a
    /// block at its end is forgotten. The download goes on at the same byte of the blob.
    pub fn finish(self) -> Decryptor {
        Decryptor::from_state(State {
            blocks: DecryptBlocks::new(self.key.expose(), &self.previous),
            mac: self.mac,
            file: self.file,
            blob: self.blob,
            offset: self.offset,
            expected: self.expected,
        })
    }
}

impl fmt::Debug for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replay").field("offset", &self.offset).finish_non_exhaustive()
    }
}
