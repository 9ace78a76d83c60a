use std::collections::HashMap;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use parking_lot::Mutex;
use wa_crypto::mac;

/// The blobs of the media host, by type and hash.
pub(crate) struct Media {
    file_limit: usize,
    total_limit: usize,
    blobs: Mutex<Blobs>,
}

#[derive(Default)]
struct Blobs {
    by_key: HashMap<Key, Bytes>,
    total: usize,
}

/// Type of media and token of a blob.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    kind: String,
    /// The SHA-256 of the blob, which the token spells in URL-safe base64, padded or not.
    hash: [u8; 32],
}

/// Why an upload is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UploadError {
    #[error("the token is not the hash of the body")]
    Token,
    #[error("the media host is full")]
    Full,
}

impl Key {
    /// The key of a blob that the server itself stores.
    pub(crate) fn of(kind: &str, blob: &[u8]) -> Self {
        Self { kind: kind.to_owned(), hash: mac::sha256(&[blob]) }
    }

    /// Reads `<type>/<token>`, the end of the path.
    pub(crate) fn parse(path: &str) -> Option<Self> {
        let (kind, token) = path.split_once('/')?;
        let is_word = |text: &str| {
            !text.is_empty()
                && text.len() <= 32
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        let hash = URL_SAFE_NO_PAD.decode(token.trim_end_matches('=')).ok()?;
        Some(Self { kind: is_word(kind).then(|| kind.to_owned())?, hash: hash.try_into().ok()? })
    }

    /// The path that clients download from. whatsmeow wants a query in it, whatsapp-rust appends another
    /// (PROTOCOL.md 19.4): readers take a second `?` for an `&`.
    pub(crate) fn direct_path(&self) -> String {
        format!("/mms/{}/{}?ccb=11-4", self.kind, URL_SAFE_NO_PAD.encode(self.hash))
    }
}

impl Media {
    pub(crate) fn new(file_limit: usize, total_limit: usize) -> Self {
        Self { file_limit, total_limit, blobs: Mutex::default() }
    }

    pub(crate) fn file_limit(&self) -> usize {
        self.file_limit
    }

    pub(crate) fn store(&self, key: &Key, blob: Bytes) -> Result<(), UploadError> {
        if mac::sha256(&[&blob]) != key.hash {
            return Err(UploadError::Token);
        }
        let mut blobs = self.blobs.lock();
        if blobs.by_key.contains_key(key) {
            return Ok(());
        }
        if blobs.total + blob.len() > self.total_limit {
            return Err(UploadError::Full);
        }
        blobs.total += blob.len();
        blobs.by_key.insert(key.clone(), blob);
        Ok(())
    }

    pub(crate) fn blob(&self, key: &Key) -> Option<Bytes> {
        self.blobs.lock().by_key.get(key).cloned()
    }

    /// Whether there was something to delete.
    pub(crate) fn delete(&self, key: &Key) -> bool {
        let mut blobs = self.blobs.lock();
        match blobs.by_key.remove(key) {
            Some(blob) => {
                blobs.total -= blob.len();
                true
            }
            None => false,
        }
    }

    pub(crate) fn clear(&self) {
        *self.blobs.lock() = Blobs::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(blob: &[u8]) -> Key {
        let token = URL_SAFE_NO_PAD.encode(mac::sha256(&[blob]));
        Key::parse(&format!("image/{token}=")).unwrap()
    }

    #[test]
    fn keeps_what_its_token_names() {
        let media = Media::new(10, 8);
        media.store(&key(b"hello"), Bytes::from_static(b"hello")).unwrap();
        assert_eq!(media.blob(&key(b"hello")).as_deref(), Some(&b"hello"[..]));
        assert_eq!(media.store(&key(b"a"), Bytes::from_static(b"b")), Err(UploadError::Token));
        assert_eq!(media.store(&key(b"word"), Bytes::from_static(b"word")), Err(UploadError::Full));
        assert!(media.delete(&key(b"hello")) && !media.delete(&key(b"hello")));
        media.store(&key(b"word"), Bytes::from_static(b"word")).unwrap();
    }

    #[test]
    fn takes_only_hashes_for_tokens() {
        assert!(Key::parse("image").is_none());
        assert!(Key::parse("image/abc").is_none());
        assert!(Key::parse(&format!("im/../age/{}", "A".repeat(43))).is_none());
        let key = key(b"x");
        let path = key.direct_path();
        let (path, query) = path.split_once('?').unwrap();
        assert_eq!(Key::parse(path.strip_prefix("/mms/").unwrap()), Some(key));
        assert!(!query.is_empty());
    }
}
