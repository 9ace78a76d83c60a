//! Files of messages, as a phone encrypts, opens and keeps them (PROTOCOL.md 19).

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use wa_crypto::{cbc, kdf, mac};
use wa_protobuf::e2e::{
    AudioMessage, DocumentMessage, FutureProofMessage, ImageMessage, Message, StickerMessage, VideoMessage,
};

/// Bytes of files that one phone keeps, so that it can upload them again; the oldest goes first.
const MAX_KEPT: usize = 64 << 20;
/// Bytes of the MAC at the end of a blob.
const MAC_LEN: usize = 10;

/// What a file is shown as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    /// A picture.
    Image,
    /// A video.
    Video,
    /// A video that is played without sound, again and again.
    Gif,
    /// A round video.
    Ptv,
    /// A sound.
    Audio,
    /// A voice note.
    Voice,
    /// Any file.
    Document,
    /// A sticker.
    Sticker,
}

impl FileKind {
    /// What its keys are derived with, and where it is uploaded.
    fn row(self) -> (&'static str, &'static str) {
        match self {
            Self::Image | Self::Sticker => ("WhatsApp Image Keys", "image"),
            Self::Video | Self::Gif | Self::Ptv => ("WhatsApp Video Keys", "video"),
            Self::Audio | Self::Voice => ("WhatsApp Audio Keys", "audio"),
            Self::Document => ("WhatsApp Document Keys", "document"),
        }
    }

    /// The name in the path of uploads.
    pub(super) fn upload_name(self) -> &'static str {
        self.row().1
    }

    /// `mediatype` of the ciphertexts (PROTOCOL.md 11.4).
    pub(super) fn media_type(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Video => "video",
            Self::Gif => "gif",
            Self::Ptv => "ptv",
            Self::Audio => "audio",
            Self::Voice => "ptt",
            Self::Document => "document",
            Self::Sticker => "sticker",
        }
    }

    /// What a phone says of such a file that nobody said anything of.
    fn usual_type(self) -> &'static str {
        match self {
            Self::Image => "image/jpeg",
            Self::Video | Self::Gif | Self::Ptv => "video/mp4",
            Self::Audio => "audio/mp4",
            Self::Voice => "audio/ogg; codecs=opus",
            Self::Document => "application/octet-stream",
            Self::Sticker => "image/webp",
        }
    }
}

/// A file that a phone is to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// What it is shown as.
    pub kind: FileKind,
    /// Its content.
    pub bytes: Bytes,
    /// Its MIME type; the usual one of its kind if there is none.
    pub mime_type: Option<String>,
    /// Its name; only documents have one.
    pub file_name: Option<String>,
    /// The text under it.
    pub caption: Option<String>,
    /// Whether it may be looked at once.
    pub view_once: bool,
}

impl File {
    /// A file of which no more is said.
    pub fn new(kind: FileKind, bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self { kind, bytes, mime_type: None, file_name: None, caption: None, view_once: false }
    }
}

/// A file that came with a message, as the phone shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReceivedFile {
    /// What it is shown as.
    pub kind: FileKind,
    /// Its MIME type, as its sender says.
    pub mime_type: String,
    /// Its name, as its sender says.
    pub file_name: Option<String>,
    /// Its length in bytes.
    pub size: u64,
    /// SHA-256 of what was downloaded and verified, in hexadecimal; none if it is refused.
    pub sha256: Option<String>,
    /// How long it plays in seconds, as its sender says.
    pub seconds: Option<u32>,
    /// Width and height in pixels, as its sender says.
    pub dimensions: Option<(u32, u32)>,
    /// Bytes of the small picture that came along.
    pub thumbnail: Option<usize>,
    /// Volumes of a voice note that came along.
    pub waveform: Option<usize>,
    /// Whether it may be looked at once.
    pub view_once: bool,
    /// Why the phone refuses it.
    pub error: Option<String>,
}

/// Why a phone refuses a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum FileError {
    #[error("the message lacks the file's {0}")]
    Incomplete(&'static str),
    #[error("the media host has no such file")]
    NotThere,
    #[error("the blob has another hash than the message says")]
    BlobHash,
    #[error("the blob's MAC is wrong")]
    Mac,
    #[error("the file is padded wrongly")]
    Padding,
    #[error("the file has another hash than the message says")]
    Hash,
    #[error("the file has another length than the message says")]
    Length,
}

/// What a message says of its file, whatever kind it is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named<'a> {
    pub(super) kind: FileKind,
    pub(super) path: Option<&'a str>,
    pub(super) key: Option<&'a [u8]>,
    pub(super) blob_hash: Option<&'a [u8]>,
    hash: Option<&'a [u8]>,
    length: Option<u64>,
    mime_type: Option<&'a str>,
    file_name: Option<&'a str>,
    seconds: Option<u32>,
    dimensions: Option<(u32, u32)>,
    thumbnail: Option<usize>,
    waveform: Option<usize>,
    view_once: bool,
}

/// An encrypted file, and what a message says of it.
pub(super) struct Sealed {
    pub(super) blob: Vec<u8>,
    blob_hash: [u8; 32],
    hash: [u8; 32],
    key: [u8; 32],
}

/// Files by their hash.
#[derive(Default)]
pub(super) struct Files {
    by_hash: HashMap<[u8; 32], Bytes>,
    order: VecDeque<[u8; 32]>,
    total: usize,
}

impl Files {
    /// Keeps a file for a later upload; one that is too large isn't kept.
    pub(super) fn keep(&mut self, bytes: Bytes) {
        let hash = mac::sha256(&[&bytes]);
        if bytes.len() > MAX_KEPT || self.by_hash.contains_key(&hash) {
            return;
        }
        self.total += bytes.len();
        self.order.push_back(hash);
        self.by_hash.insert(hash, bytes);
        while self.total > MAX_KEPT {
            let Some(oldest) = self.order.pop_front().and_then(|hash| self.by_hash.remove(&hash)) else {
                break;
            };
            self.total -= oldest.len();
        }
    }

    pub(super) fn get(&self, named: &Named<'_>) -> Option<Bytes> {
        let hash: [u8; 32] = named.hash?.try_into().ok()?;
        self.by_hash.get(&hash).cloned()
    }
}

/// Encrypts a file for upload.
pub(super) fn sealed(kind: FileKind, key: [u8; 32], file: &[u8]) -> Sealed {
    let keys = Keys::of(kind, &key);
    let mut blob = cbc::encrypt(&keys.cipher, &keys.iv, file);
    let tag = mac::hmac_sha256(&keys.mac, &[&keys.iv, &blob]);
    blob.extend_from_slice(&tag[..MAC_LEN]);
    Sealed { blob_hash: mac::sha256(&[&blob]), hash: mac::sha256(&[file]), key, blob }
}

impl Named<'_> {
    /// Opens the blob that was downloaded.
    pub(super) fn open(&self, blob: &[u8]) -> Result<Vec<u8>, FileError> {
        let key = self.key.and_then(|key| key.try_into().ok()).ok_or(FileError::Incomplete("key"))?;
        let keys = Keys::of(self.kind, key);
        if self.blob_hash.ok_or(FileError::Incomplete("blob's hash"))? != mac::sha256(&[blob]) {
            return Err(FileError::BlobHash);
        }
        let (ciphertext, tag) = blob.split_last_chunk::<MAC_LEN>().ok_or(FileError::Mac)?;
        mac::verify_truncated_hmac_sha256(&keys.mac, &[&keys.iv, ciphertext], tag)
            .map_err(|_| FileError::Mac)?;
        let file = cbc::decrypt(&keys.cipher, &keys.iv, ciphertext).map_err(|_| FileError::Padding)?;
        if self.hash.ok_or(FileError::Incomplete("hash"))? != mac::sha256(&[&file]) {
            return Err(FileError::Hash);
        }
        match self.length {
            Some(length) if length == file.len() as u64 => Ok(file),
            _ => Err(FileError::Length),
        }
    }

    /// As the phone shows it.
    pub(super) fn shown(&self, file: Result<&[u8], FileError>) -> ReceivedFile {
        let is_named = self.kind != FileKind::Document || self.file_name.is_some_and(|name| !name.is_empty());
        let file = match (file, self.mime_type) {
            (Ok(_), None | Some("")) => Err(FileError::Incomplete("type")),
            // Phones would show it as "untitled".
            (Ok(_), _) if !is_named => Err(FileError::Incomplete("name")),
            (file, _) => file,
        };
        ReceivedFile {
            kind: self.kind,
            mime_type: self.mime_type.unwrap_or_default().to_owned(),
            file_name: self.file_name.map(str::to_owned),
            size: self.length.unwrap_or_default(),
            sha256: file.ok().map(|file| hex::encode(mac::sha256(&[file]))),
            seconds: self.seconds,
            dimensions: self.dimensions,
            thumbnail: self.thumbnail,
            waveform: self.waveform,
            view_once: self.view_once,
            error: file.err().map(|error| error.to_string()),
        }
    }
}

struct Keys {
    iv: [u8; 16],
    cipher: [u8; 32],
    mac: [u8; 32],
}

impl Keys {
    fn of(kind: FileKind, key: &[u8; 32]) -> Self {
        let okm: [u8; 112] = kdf::hkdf(key, b"", kind.row().0.as_bytes());
        let mut keys = Self { iv: [0; 16], cipher: [0; 32], mac: [0; 32] };
        keys.iv.copy_from_slice(&okm[..16]);
        keys.cipher.copy_from_slice(&okm[16..48]);
        keys.mac.copy_from_slice(&okm[48..80]);
        keys
    }
}

/// Fills the fields that all files have, under the names that all but their numbers share.
macro_rules! filled {
    ($type:ident, $file:ident, $sealed:ident, $path:ident, { $($field:ident: $value:expr,)* }) => {
        $type {
            mimetype: Some($file.mime_type.clone().unwrap_or_else(|| $file.kind.usual_type().to_owned())),
            file_sha256: Some($sealed.hash.to_vec().into()),
            file_enc_sha256: Some($sealed.blob_hash.to_vec().into()),
            file_length: Some($file.bytes.len() as u64),
            media_key: Some($sealed.key.to_vec().into()),
            direct_path: Some($path),
            $($field: $value,)*
            ..$type::default()
        }
    };
}

/// The message that shows a file which lies at this path.
pub(super) fn message(file: &File, sealed: &Sealed, path: String) -> Message {
    let once = file.view_once.then_some(true);
    let content = match file.kind {
        FileKind::Image => {
            let image = filled!(ImageMessage, file, sealed, path, {
                caption: file.caption.clone(),
                view_once: once,
            });
            Message { image_message: Some(Box::new(image)), ..Message::default() }
        }
        FileKind::Video | FileKind::Gif | FileKind::Ptv => {
            let video = Some(Box::new(filled!(VideoMessage, file, sealed, path, {
                caption: file.caption.clone(),
                gif_playback: (file.kind == FileKind::Gif).then_some(true),
                view_once: once,
            })));
            match file.kind {
                FileKind::Ptv => Message { ptv_message: video, ..Message::default() },
                _ => Message { video_message: video, ..Message::default() },
            }
        }
        FileKind::Audio | FileKind::Voice => {
            let audio = filled!(AudioMessage, file, sealed, path, {
                ptt: Some(file.kind == FileKind::Voice),
                seconds: Some(1),
                view_once: once,
            });
            Message { audio_message: Some(Box::new(audio)), ..Message::default() }
        }
        FileKind::Document => {
            let name = file.file_name.clone().unwrap_or_else(|| "file".to_owned());
            let document = filled!(DocumentMessage, file, sealed, path, {
                title: Some(name.clone()),
                file_name: Some(name),
                caption: file.caption.clone(),
            });
            Message { document_message: Some(Box::new(document)), ..Message::default() }
        }
        FileKind::Sticker => {
            let sticker = filled!(StickerMessage, file, sealed, path, { is_animated: Some(false), });
            Message { sticker_message: Some(Box::new(sticker)), ..Message::default() }
        }
    };
    wrapped(file, content)
}

/// As phones wrap what may be looked at once, and documents with a text (PROTOCOL.md 11.5).
fn wrapped(file: &File, content: Message) -> Message {
    let has_caption = file.caption.as_ref().is_some_and(|caption| !caption.is_empty());
    let wrapper = |content| Some(Box::new(FutureProofMessage { message: Some(Box::new(content)) }));
    match file.kind {
        FileKind::Document if has_caption => {
            Message { document_with_caption_message: wrapper(content), ..Message::default() }
        }
        FileKind::Voice | FileKind::Audio if file.view_once => {
            Message { view_once_message_v2_extension: wrapper(content), ..Message::default() }
        }
        FileKind::Image | FileKind::Video if file.view_once => {
            Message { view_once_message: wrapper(content), ..Message::default() }
        }
        _ => content,
    }
}

/// Reads the fields that all files have.
macro_rules! named {
    ($message:ident, $kind:expr, { $($field:ident: $value:expr,)* }) => {
        Named {
            path: $message.direct_path.as_deref(),
            key: $message.media_key.as_deref(),
            blob_hash: $message.file_enc_sha256.as_deref(),
            hash: $message.file_sha256.as_deref(),
            length: $message.file_length,
            mime_type: $message.mimetype.as_deref(),
            $($field: $value,)*
            ..nothing($kind)
        }
    };
}

fn nothing<'a>(kind: FileKind) -> Named<'a> {
    Named {
        kind,
        path: None,
        key: None,
        blob_hash: None,
        hash: None,
        length: None,
        mime_type: None,
        file_name: None,
        seconds: None,
        dimensions: None,
        thumbnail: None,
        waveform: None,
        view_once: false,
    }
}

/// The file that a message without wrappers names.
pub(super) fn named(message: &Message) -> Option<Named<'_>> {
    let size = |width: Option<u32>, height: Option<u32>| Some((width?, height?));
    if let Some(image) = message.image_message.as_deref() {
        return Some(named!(image, FileKind::Image, {
            dimensions: size(image.width, image.height),
            thumbnail: image.jpeg_thumbnail.as_ref().map(Bytes::len),
            view_once: image.view_once(),
        }));
    }
    if let Some(video) = message.video_message.as_deref().or(message.ptv_message.as_deref()) {
        let kind = match () {
            () if message.ptv_message.is_some() => FileKind::Ptv,
            () if video.gif_playback() => FileKind::Gif,
            () => FileKind::Video,
        };
        return Some(named!(video, kind, {
            seconds: video.seconds,
            dimensions: size(video.width, video.height),
            thumbnail: video.jpeg_thumbnail.as_ref().map(Bytes::len),
            view_once: video.view_once(),
        }));
    }
    if let Some(audio) = message.audio_message.as_deref() {
        let kind = if audio.ptt() { FileKind::Voice } else { FileKind::Audio };
        return Some(named!(audio, kind, {
            seconds: audio.seconds,
            waveform: audio.waveform.as_ref().map(Bytes::len),
            view_once: audio.view_once(),
        }));
    }
    if let Some(document) = message.document_message.as_deref() {
        return Some(named!(document, FileKind::Document, {
            file_name: document.file_name.as_deref(),
            thumbnail: document.jpeg_thumbnail.as_ref().map(Bytes::len),
        }));
    }
    let sticker = message.sticker_message.as_deref()?;
    Some(named!(sticker, FileKind::Sticker, { dimensions: size(sticker.width, sticker.height), }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_phone_seals_another_opens_and_nothing_else() {
        for kind in [
            FileKind::Image,
            FileKind::Video,
            FileKind::Gif,
            FileKind::Ptv,
            FileKind::Audio,
            FileKind::Voice,
            FileKind::Document,
            FileKind::Sticker,
        ] {
            let file = File::new(kind, &b"a file"[..]);
            let sealed = sealed(kind, [3; 32], &file.bytes);
            let message = message(&file, &sealed, "/v/a?b=1".to_owned());
            let named = named(&message).unwrap();
            assert_eq!(named.kind, kind);
            let opened = named.open(&sealed.blob).unwrap();
            assert_eq!(opened, b"a file");
            assert_eq!(named.shown(Ok(&opened)).error, None);
            let mut damaged = sealed.blob.clone();
            damaged[3] ^= 1;
            assert_eq!(named.open(&damaged), Err(FileError::BlobHash));
            let wrong_length = Named { length: Some(7), ..named.clone() };
            assert_eq!(wrong_length.open(&sealed.blob), Err(FileError::Length));
            let wrong_key = Named { key: Some(&[4; 32]), ..named };
            assert_eq!(wrong_key.open(&sealed.blob), Err(FileError::Mac));
        }
    }

    /// PROTOCOL.md, appendix B: computed by whatsmeow.
    #[test]
    fn a_blob_is_what_whatsmeow_makes() {
        let sealed = sealed(FileKind::Image, [7; 32], b"hello media");
        assert_eq!(hex::encode(&sealed.blob), "e1c53c0354380e4530f049052fe59c901e19032fdb65716520b5");
    }

    #[test]
    fn the_oldest_files_go_first() {
        let mut files = Files::default();
        let large = |byte: u8| Bytes::from(vec![byte; MAX_KEPT / 2]);
        for byte in 0..3 {
            files.keep(large(byte));
        }
        assert_eq!((files.by_hash.len(), files.total), (2, MAX_KEPT));
        assert!(!files.by_hash.contains_key(&mac::sha256(&[&large(0)])));
    }
}
