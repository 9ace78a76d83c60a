//! The files of the media host: what was uploaded, the paths that lead to it, and the word that lets upload.

mod auth;
mod path;

use std::collections::HashMap;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use parking_lot::Mutex;
use wa_crypto::{Secret, mac};

pub(crate) use auth::{AUTH_TTL, AuthError};
pub(crate) use path::PathError;

/// Kinds of files that are uploaded (WhatsApp Web's `WAWebMmsClientFormatHashUrl`), and the folder of their paths.
const KINDS: [(&str, &str); 18] = [
    ("image", "t62.7118-24"),
    ("video", "t62.7161-24"),
    ("gif", "t62.7161-24"),
    ("ptv", "t62.7161-24"),
    ("audio", "t62.7114-24"),
    ("ptt", "t62.7117-24"),
    ("document", "t62.7119-24"),
    ("sticker", "t62.15575-24"),
    ("sticker-pack", "t62.15575-24"),
    ("thumbnail-sticker-pack", "t62.15575-24"),
    ("thumbnail-link", "t62.36147-24"),
    ("thumbnail-image", "t62.36147-24"),
    ("thumbnail-video", "t62.36147-24"),
    ("thumbnail-document", "t62.36147-24"),
    ("payment-bg-image", "t62.36147-24"),
    ("group-history", "t62.59563-24"),
    ("md-msg-hist", "t62.59563-24"),
    ("md-app-state", "t62.59563-24"),
];

/// What is uploaded, and where it is got from.
pub(crate) struct Media {
    file_limit: usize,
    total_limit: usize,
    /// Makes signatures of paths, and what uploads must show.
    secret: Secret<32>,
    blobs: Mutex<Blobs>,
}

#[derive(Default)]
struct Blobs {
    by_hash: HashMap<[u8; 32], Bytes>,
    total: usize,
    /// Paths of earlier ages are expired.
    age: u32,
}

/// A file: its kind, and what its token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    folder: &'static str,
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
    /// The key of a file of this kind.
    pub(crate) fn of_blob(kind: &str, blob: &[u8]) -> Option<Self> {
        let (_, folder) = KINDS.iter().find(|(known, _)| *known == kind)?;
        Some(Self { folder, hash: mac::sha256(&[blob]) })
    }

    /// The key of a profile picture.
    pub(crate) fn of_picture(blob: &[u8]) -> Self {
        Self { folder: "t61.24694-24", hash: mac::sha256(&[blob]) }
    }

    /// Reads `<kind>/<token>`, the end of an upload's path.
    pub(crate) fn parse(path: &str) -> Option<Self> {
        let (kind, token) = path.split_once('/')?;
        let (_, folder) = KINDS.iter().find(|(known, _)| *known == kind)?;
        Some(Self { folder, hash: hash(token)? })
    }

    /// Whether a token names the same blob.
    pub(crate) fn has_token(&self, token: &str) -> bool {
        hash(token) == Some(self.hash)
    }
}

impl Media {
    pub(crate) fn new(file_limit: usize, total_limit: usize, secret: Secret<32>) -> Self {
        Self { file_limit, total_limit, secret, blobs: Mutex::default() }
    }

    pub(crate) fn file_limit(&self) -> usize {
        self.file_limit
    }

    pub(crate) fn store(&self, key: &Key, blob: Bytes) -> Result<(), UploadError> {
        if mac::sha256(&[&blob]) != key.hash {
            return Err(UploadError::Token);
        }
        let mut blobs = self.blobs.lock();
        if blobs.by_hash.contains_key(&key.hash) {
            return Ok(());
        }
        if blobs.total + blob.len() > self.total_limit {
            return Err(UploadError::Full);
        }
        blobs.total += blob.len();
        blobs.by_hash.insert(key.hash, blob);
        Ok(())
    }

    /// Whether there was something to delete.
    pub(crate) fn delete(&self, key: &Key) -> bool {
        let mut blobs = self.blobs.lock();
        let deleted = blobs.by_hash.remove(&key.hash);
        blobs.total -= deleted.as_ref().map_or(0, Bytes::len);
        deleted.is_some()
    }

    /// Makes every path that was given out expire, and returns for how many files.
    pub(crate) fn expire(&self) -> usize {
        let mut blobs = self.blobs.lock();
        blobs.age += 1;
        blobs.by_hash.len()
    }

    /// Loses every file, and returns how many there were.
    pub(crate) fn clear(&self) -> usize {
        let mut blobs = self.blobs.lock();
        let lost = blobs.by_hash.len();
        *blobs = Blobs { age: blobs.age, ..Blobs::default() };
        lost
    }

    /// The path of a file, good for a month from `now` (seconds since 1970).
    pub(crate) fn direct_path(&self, key: &Key, now: u64) -> String {
        path::signed(&self.secret, key, self.blobs.lock().age, now + path::LIFE)
    }

    /// The file that a path leads to at this time.
    pub(crate) fn blob(&self, path: &str, query: &[(String, String)], now: u64) -> Result<Bytes, PathError> {
        let blobs = self.blobs.lock();
        let hash = path::verify(&self.secret, path, query, blobs.age, now)?;
        blobs.by_hash.get(&hash).cloned().ok_or(PathError::NotFound)
    }

    /// What a device shows to upload.
    pub(crate) fn auth(&self, number: &str, device: u16, now: u64) -> String {
        auth::issue(&self.secret, number, device, now)
    }

    /// Whose word this is.
    pub(crate) fn verify_auth(&self, auth: &str, now: u64) -> Result<(String, u16), AuthError> {
        auth::verify(&self.secret, auth, now)
    }
}

fn hash(token: &str) -> Option<[u8; 32]> {
    URL_SAFE_NO_PAD.decode(token.trim_end_matches('=')).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn media() -> Media {
        Media::new(10, 8, Secret::new([1; 32]))
    }

    fn key(blob: &[u8]) -> Key {
        let token = URL_SAFE_NO_PAD.encode(mac::sha256(&[blob]));
        Key::parse(&format!("image/{token}=")).unwrap()
    }

    /// What a path leads to.
    fn get(media: &Media, path: &str, now: u64) -> Result<Bytes, PathError> {
        let (path, query) = path.split_once('?').unwrap();
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let query: Vec<_> = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        media.blob(path, &query, now)
    }

    #[test]
    fn keeps_what_its_token_names() {
        let media = media();
        media.store(&key(b"hello"), Bytes::from_static(b"hello")).unwrap();
        let path = media.direct_path(&key(b"hello"), 0);
        assert_eq!(get(&media, &path, 0).as_deref(), Ok(&b"hello"[..]));
        assert_eq!(media.store(&key(b"a"), Bytes::from_static(b"b")), Err(UploadError::Token));
        assert_eq!(media.store(&key(b"word"), Bytes::from_static(b"word")), Err(UploadError::Full));
        assert!(media.delete(&key(b"hello")) && !media.delete(&key(b"hello")));
        assert_eq!(get(&media, &path, 0), Err(PathError::NotFound));
        media.store(&key(b"word"), Bytes::from_static(b"word")).unwrap();
    }

    #[test]
    fn takes_only_known_kinds_and_hashes_for_tokens() {
        let token = "A".repeat(43);
        for path in
            ["image".to_owned(), "image/abc".to_owned(), format!("pps/{token}"), format!("../{token}")]
        {
            assert!(Key::parse(&path).is_none(), "{path}");
        }
        assert!(Key::parse(&format!("md-msg-hist/{token}")).unwrap().has_token(&format!("{token}=")));
    }

    #[test]
    fn a_path_is_good_as_long_as_it_was_signed_for() {
        let media = media();
        media.store(&key(b"hello"), Bytes::from_static(b"hello")).unwrap();
        let path = media.direct_path(&key(b"hello"), 1000);
        assert!(path.starts_with("/v/t62.7118-24/") && path.contains("_n.enc?ccb=11-4&oh="), "{path}");
        assert!(get(&media, &path, 1000 + path::LIFE - 1).is_ok());
        assert_eq!(get(&media, &path, 1000 + path::LIFE), Err(PathError::Expired));
        let later = path.replace("&oe=", "&oe=F");
        assert_eq!(get(&media, &later, 1000), Err(PathError::Signature));
        assert_eq!(get(&media, &path.replace("_n.enc", "_m.enc"), 1000), Err(PathError::Signature));

        assert_eq!(media.expire(), 1);
        assert_eq!(get(&media, &path, 1000), Err(PathError::Expired));
        assert!(get(&media, &media.direct_path(&key(b"hello"), 1000), 1000).is_ok());
        assert_eq!(media.clear(), 1);
        assert_eq!(get(&media, &path, 1000), Err(PathError::Expired));
    }

    #[test]
    fn a_word_is_good_for_its_time() {
        let media = media();
        let auth = media.auth("15550000001", 3, 1000);
        assert_eq!(media.verify_auth(&auth, 1000 + AUTH_TTL - 1), Ok(("15550000001".to_owned(), 3)));
        assert_eq!(media.verify_auth(&auth, 1000 + AUTH_TTL), Err(AuthError::Expired));
        let other = Media::new(0, 0, Secret::new([2; 32])).auth("15550000001", 3, 1000);
        for wrong in ["", "wrong", &other, &auth[1..], &format!("{auth}A")] {
            assert_eq!(media.verify_auth(wrong, 1000), Err(AuthError::Unknown), "{wrong}");
        }
    }
}
