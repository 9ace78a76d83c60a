use std::fmt;

use wa_media::MediaKind;
use wa_protobuf::e2e::{
    AudioMessage, DocumentMessage, ImageMessage, StickerMessage, StickerPackMessage, VideoMessage,
};

use super::body::Body;

/// The file of a message: where it lies, the key to it, and what its sender says of it (PROTOCOL.md 19.7).
///
/// Nothing of it is verified: length and type are the sender's word. `Debug` shows neither keys nor names.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Media<'a> {
    /// What it was uploaded as; decides how it is encrypted.
    pub kind: Option<MediaKind>,
    /// Full address; not to be used for downloads where there is a path.
    pub url: Option<&'a str>,
    /// Path on a media host, with a query.
    pub direct_path: Option<&'a str>,
    /// 32 bytes that the keys of the file are derived from.
    pub key: Option<&'a [u8]>,
    /// When the key was made, Unix seconds.
    pub key_timestamp: Option<i64>,
    /// SHA-256 of the file, 32 bytes.
    pub sha256: Option<&'a [u8]>,
    /// SHA-256 of the encrypted file with its MAC, 32 bytes.
    pub encrypted_sha256: Option<&'a [u8]>,
    /// Length of the file in bytes.
    pub size: Option<u64>,
    /// MIME type, with parameters such as `codecs=opus`.
    pub mime_type: Option<&'a str>,
    /// Name of a document.
    pub file_name: Option<&'a str>,
    /// Width in pixels.
    pub width: Option<u32>,
    /// Height in pixels.
    pub height: Option<u32>,
    /// Duration in seconds.
    pub seconds: Option<u32>,
    /// Pages of a document.
    pub pages: Option<u32>,
    /// A small picture: JPEG, of stickers PNG.
    pub thumbnail: Option<&'a [u8]>,
    /// 64 volumes of 0 to 100 of a voice note.
    pub waveform: Option<&'a [u8]>,
    /// Whether it is a voice note.
    pub is_voice: bool,
    /// Whether it is a silent video that repeats.
    pub is_gif: bool,
    /// Whether it is a sticker that moves.
    pub is_animated: bool,
}

impl fmt::Debug for Media<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Media")
            .field("mime_type", &self.mime_type)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

impl<'a> Media<'a> {
    pub(super) fn of(body: &Body<'a>) -> Option<Self> {
        Some(match *body {
            Body::Image(image) => image.into(),
            Body::Video(video) => video.into(),
            Body::VideoNote(video) => Self { kind: Some(MediaKind::RoundVideo), ..video.into() },
            Body::Audio(audio) => audio.into(),
            Body::Document(document) => document.into(),
            Body::Sticker(sticker) => sticker.into(),
            Body::StickerPack(pack) => pack.into(),
            Body::Product(product) => product.product.as_ref()?.product_image.as_deref()?.into(),
            Body::Buttons(buttons) => header(
                buttons.image_message.as_deref(),
                buttons.video_message.as_deref(),
                buttons.document_message.as_deref(),
            )?,
            Body::Template(template) => {
                let template = template.hydrated_template.as_deref()?;
                header(
                    template.image_message.as_deref(),
                    template.video_message.as_deref(),
                    template.document_message.as_deref(),
                )?
            }
            Body::Interactive(interactive) => {
                let head = interactive.header.as_deref()?;
                header(
                    head.image_message.as_deref(),
                    head.video_message.as_deref(),
                    head.document_message.as_deref(),
                )?
            }
            _ => return None,
        })
    }
}

/// The file above a text with buttons.
fn header<'a>(
    image: Option<&'a ImageMessage>,
    video: Option<&'a VideoMessage>,
    document: Option<&'a DocumentMessage>,
) -> Option<Media<'a>> {
    image.map(Into::into).or_else(|| video.map(Into::into)).or_else(|| document.map(Into::into))
}

/// Reads the fields that all files have under the same names.
macro_rules! media {
    ($message:ident, { $($field:ident: $value:expr,)* }) => {
        Media {
            url: $message.url.as_deref(),
            mime_type: $message.mimetype.as_deref(),
            $($field: $value,)*
            ..media!($message)
        }
    };
    ($message:ident) => {
        Media {
            direct_path: $message.direct_path.as_deref(),
            key: $message.media_key.as_deref(),
            key_timestamp: $message.media_key_timestamp,
            sha256: $message.file_sha256.as_deref(),
            encrypted_sha256: $message.file_enc_sha256.as_deref(),
            size: $message.file_length,
            ..Media::default()
        }
    };
}

impl<'a> From<&'a ImageMessage> for Media<'a> {
    fn from(image: &'a ImageMessage) -> Self {
        media!(image, {
            kind: Some(MediaKind::Image),
            width: image.width,
            height: image.height,
            thumbnail: image.jpeg_thumbnail.as_deref(),
        })
    }
}

impl<'a> From<&'a VideoMessage> for Media<'a> {
    fn from(video: &'a VideoMessage) -> Self {
        media!(video, {
            kind: Some(MediaKind::Video),
            width: video.width,
            height: video.height,
            seconds: video.seconds,
            thumbnail: video.jpeg_thumbnail.as_deref(),
            is_gif: video.gif_playback(),
        })
    }
}

impl<'a> From<&'a AudioMessage> for Media<'a> {
    fn from(audio: &'a AudioMessage) -> Self {
        media!(audio, {
            kind: Some(if audio.ptt() { MediaKind::Voice } else { MediaKind::Audio }),
            seconds: audio.seconds,
            waveform: audio.waveform.as_deref(),
            is_voice: audio.ptt(),
        })
    }
}

impl<'a> From<&'a DocumentMessage> for Media<'a> {
    fn from(document: &'a DocumentMessage) -> Self {
        media!(document, {
            kind: Some(MediaKind::Document),
            file_name: document.file_name.as_deref().or(document.title.as_deref()),
            pages: document.page_count,
            thumbnail: document.jpeg_thumbnail.as_deref(),
        })
    }
}

impl<'a> From<&'a StickerMessage> for Media<'a> {
    fn from(sticker: &'a StickerMessage) -> Self {
        media!(sticker, {
            kind: Some(MediaKind::Sticker),
            width: sticker.width,
            height: sticker.height,
            thumbnail: sticker.png_thumbnail.as_deref(),
            is_animated: sticker.is_animated() || sticker.is_lottie(),
        })
    }
}

impl<'a> From<&'a StickerPackMessage> for Media<'a> {
    fn from(pack: &'a StickerPackMessage) -> Self {
        Media { kind: Some(MediaKind::StickerPack), ..media!(pack) }
    }
}
