use wa_crypto::mac::RunningSha256;

use crate::{DecryptError, Unverified, Verified};

/// A file that isn't encrypted, as those of channels: only its hash is verified (PROTOCOL.md 19.4).
///
/// A download goes on by being given what there is of the file once more.
#[derive(Debug)]
pub struct Unencrypted {
    hash: RunningSha256,
    length: u64,
    file_sha256: [u8; 32],
    limit: u64,
}

impl Unencrypted {
    /// Starts a file that has this SHA-256 and at most `limit` bytes.
    pub fn new(file_sha256: [u8; 32], limit: u64) -> Self {
        Self { hash: RunningSha256::default(), length: 0, file_sha256, limit }
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// [`DecryptError::Oversized`]; it will stay so.
    pub fn update<'a>(&mut self, bytes: &'a [u8]) -> Result<Unverified<'a>, DecryptError> {
        self.length = self.length.saturating_add(bytes.len() as u64);
        if self.length > self.limit {
            return Err(DecryptError::Oversized { limit: self.limit });
        }
        self.hash.update(bytes);
        Ok(Unverified::new(bytes))
    }

    /// Ends the file.
    ///
    /// # Errors
    /// [`DecryptError::BlobHash`]: what came isn't what was uploaded.
    pub fn finish(self) -> Result<Verified, DecryptError> {
        if self.length > self.limit {
            return Err(DecryptError::Oversized { limit: self.limit });
        }
        match self.hash.finish() == self.file_sha256 {
            true => Ok(Verified::new(Vec::new(), self.length, self.file_sha256)),
            false => Err(DecryptError::BlobHash),
        }
    }
}

#[cfg(test)]
mod tests {
    use wa_crypto::mac::sha256;

    use super::*;

    fn read(file: &[u8], expected: &[u8], limit: u64) -> Result<u64, DecryptError> {
        let mut download = Unencrypted::new(sha256(&[expected]), limit);
        for piece in file.chunks(3) {
            assert_eq!(download.update(piece)?.for_temporary_file(), piece);
        }
        download.finish().map(|verified| verified.length())
    }

    #[test]
    fn only_the_announced_file_is_verified() {
        assert_eq!(read(b"hello", b"hello", 5), Ok(5));
        assert_eq!(read(b"hell", b"hello", 5), Err(DecryptError::BlobHash));
        assert_eq!(read(b"hello", b"hello", 4), Err(DecryptError::Oversized { limit: 4 }));
    }
}
