use bytes::Bytes;
use wa_media::{MediaKind, file};
use wa_protobuf::e2e::{
    AudioMessage, DocumentMessage, FutureProofMessage, ImageMessage, Message, StickerMessage, VideoMessage,
};

use super::Uploaded;
use crate::content::Draft;

/// Volumes in a waveform.
const VOLUMES: usize = 64;
/// Loudest volume in a waveform.
const LOUDEST: u8 = 100;

/// A file as it is shown in a message. What it is follows from what it was uploaded as: an image, a video, a round video, a
/// sound, a voice note, a sticker or a document; a video may be [a GIF](Self::as_gif).
///
/// ```no_run
/// # async fn example(client: wa_client::Client, picture: wa_client::Bytes, to: wa_client::Jid) -> Result<(), Box<dyn std::error::Error>> {
/// use wa_client::{Attachment, MediaKind, Outgoing};
///
/// let uploaded = client.upload(MediaKind::Image, &picture).await?;
/// let image = Attachment::new(uploaded, "image/jpeg").caption("The view").dimensions(1280, 720);
/// client.send(Outgoing::new(to, image)).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Attachment {
    uploaded: Uploaded,
    mime_type: String,
    caption: Option<String>,
    file_name: Option<String>,
    dimensions: Option<(u32, u32)>,
    thumbnail: Option<Bytes>,
    seconds: Option<u32>,
    waveform: Option<Bytes>,
    pages: Option<u32>,
    is_animated: bool,
    is_gif: bool,
    is_view_once: bool,
}

impl Attachment {
    /// A file of this MIME type; that of a voice note is `audio/ogg; codecs=opus`.
    pub fn new(uploaded: Uploaded, mime_type: impl Into<String>) -> Self {
        Self {
            uploaded,
            mime_type: mime_type.into(),
            caption: None,
            file_name: None,
            dimensions: None,
            thumbnail: None,
            seconds: None,
            waveform: None,
            pages: None,
            is_animated: false,
            is_gif: false,
            is_view_once: false,
        }
    }

    /// A text under it. Sounds and stickers show none.
    #[must_use]
    pub fn caption(mut self, caption: impl Into<String>) -> Self {
        self.caption = Some(caption.into()).filter(|caption| !caption.is_empty());
        self
    }

    /// The name of a document. Without one it has a name all the same.
    #[must_use]
    pub fn file_name(mut self, name: impl Into<String>) -> Self {
        self.file_name = Some(name.into());
        self
    }

    /// Width and height in pixels.
    #[must_use]
    pub fn dimensions(mut self, width: u32, height: u32) -> Self {
        self.dimensions = Some((width, height));
        self
    }

    /// What is shown before the file is there: a small JPEG; of stickers a PNG.
    #[must_use]
    pub fn thumbnail(mut self, picture: impl Into<Bytes>) -> Self {
        self.thumbnail = Some(picture.into());
        self
    }

    /// How long it plays.
    #[must_use]
    pub fn seconds(mut self, seconds: u32) -> Self {
        self.seconds = Some(seconds);
        self
    }

    /// How loud a voice note is: 64 volumes of 0 to 100. Others than these are cut off.
    #[must_use]
    pub fn waveform(mut self, volumes: &[u8]) -> Self {
        let volumes = volumes.iter().take(VOLUMES).map(|volume| (*volume).min(LOUDEST));
        self.waveform = Some(volumes.collect());
        self
    }

    /// Pages of a document.
    #[must_use]
    pub fn pages(mut self, pages: u32) -> Self {
        self.pages = Some(pages);
        self
    }

    /// Says that a sticker moves.
    #[must_use]
    pub fn animated(mut self) -> Self {
        self.is_animated = true;
        self
    }

    /// Shows a video without sound, again and again.
    #[must_use]
    pub fn as_gif(mut self) -> Self {
        self.is_gif = true;
        self
    }

    /// Lets it be looked at once. Only images, videos and sounds are shown so.
    #[must_use]
    pub fn view_once(mut self) -> Self {
        self.is_view_once = true;
        self
    }

    fn message(self) -> Message {
        let is_view_once = self.is_view_once;
        let kind = self.uploaded.kind;
        match kind {
            MediaKind::Image => {
                let image = Message { image_message: Some(Box::new(self.image())), ..Message::default() };
                if is_view_once { once(image) } else { image }
            }
            MediaKind::Video => {
                let video = Message { video_message: Some(Box::new(self.video())), ..Message::default() };
                if is_view_once { once(video) } else { video }
            }
            MediaKind::RoundVideo => {
                Message { ptv_message: Some(Box::new(self.video())), ..Message::default() }
            }
            MediaKind::Audio | MediaKind::Voice => {
                let audio = Message { audio_message: Some(Box::new(self.audio())), ..Message::default() };
                if is_view_once { heard_once(audio) } else { audio }
            }
            MediaKind::Sticker => {
                Message { sticker_message: Some(Box::new(self.sticker())), ..Message::default() }
            }
            // Whatever else was uploaded is a file to look at.
            _ => {
                let is_captioned = self.caption.is_some();
                let document = self.document();
                let document = Message { document_message: Some(Box::new(document)), ..Message::default() };
                if is_captioned { captioned(document) } else { document }
            }
        }
    }

    fn image(self) -> ImageMessage {
        ImageMessage {
            url: self.uploaded.url,
            mimetype: Some(self.mime_type),
            caption: self.caption,
            file_sha256: Some(copied(&self.uploaded.sha256)),
            file_length: Some(self.uploaded.size),
            height: self.dimensions.map(|(_, height)| height),
            width: self.dimensions.map(|(width, _)| width),
            media_key: Some(copied(self.uploaded.key.expose())),
            file_enc_sha256: Some(copied(&self.uploaded.encrypted_sha256)),
            direct_path: Some(self.uploaded.path.as_str().to_owned()),
            media_key_timestamp: Some(self.uploaded.key_timestamp),
            jpeg_thumbnail: self.thumbnail,
            view_once: self.is_view_once.then_some(true),
            ..ImageMessage::default()
        }
    }

    fn video(self) -> VideoMessage {
        VideoMessage {
            url: self.uploaded.url,
            mimetype: Some(self.mime_type),
            caption: self.caption,
            file_sha256: Some(copied(&self.uploaded.sha256)),
            file_length: Some(self.uploaded.size),
            seconds: self.seconds,
            gif_playback: self.is_gif.then_some(true),
            height: self.dimensions.map(|(_, height)| height),
            width: self.dimensions.map(|(width, _)| width),
            media_key: Some(copied(self.uploaded.key.expose())),
            file_enc_sha256: Some(copied(&self.uploaded.encrypted_sha256)),
            direct_path: Some(self.uploaded.path.as_str().to_owned()),
            media_key_timestamp: Some(self.uploaded.key_timestamp),
            jpeg_thumbnail: self.thumbnail,
            streaming_sidecar: self.uploaded.sidecar,
            view_once: self.is_view_once.then_some(true),
            ..VideoMessage::default()
        }
    }

    fn audio(self) -> AudioMessage {
        AudioMessage {
            url: self.uploaded.url,
            mimetype: Some(self.mime_type),
            file_sha256: Some(copied(&self.uploaded.sha256)),
            file_length: Some(self.uploaded.size),
            seconds: self.seconds,
            ptt: Some(self.uploaded.kind == MediaKind::Voice),
            media_key: Some(copied(self.uploaded.key.expose())),
            file_enc_sha256: Some(copied(&self.uploaded.encrypted_sha256)),
            direct_path: Some(self.uploaded.path.as_str().to_owned()),
            media_key_timestamp: Some(self.uploaded.key_timestamp),
            streaming_sidecar: self.uploaded.sidecar,
            waveform: self.waveform,
            view_once: self.is_view_once.then_some(true),
            ..AudioMessage::default()
        }
    }

    fn sticker(self) -> StickerMessage {
        StickerMessage {
            url: self.uploaded.url,
            mimetype: Some(self.mime_type),
            file_sha256: Some(copied(&self.uploaded.sha256)),
            file_length: Some(self.uploaded.size),
            height: self.dimensions.map(|(_, height)| height),
            width: self.dimensions.map(|(width, _)| width),
            media_key: Some(copied(self.uploaded.key.expose())),
            file_enc_sha256: Some(copied(&self.uploaded.encrypted_sha256)),
            direct_path: Some(self.uploaded.path.as_str().to_owned()),
            media_key_timestamp: Some(self.uploaded.key_timestamp),
            png_thumbnail: self.thumbnail,
            is_animated: Some(self.is_animated),
            ..StickerMessage::default()
        }
    }

    /// A document without a name is shown as "untitled", so it always has one.
    fn document(self) -> DocumentMessage {
        let name = file::document_name(self.file_name.as_deref(), &self.mime_type);
        DocumentMessage {
            url: self.uploaded.url,
            mimetype: Some(self.mime_type),
            title: Some(name.clone()),
            file_sha256: Some(copied(&self.uploaded.sha256)),
            file_length: Some(self.uploaded.size),
            page_count: self.pages,
            media_key: Some(copied(self.uploaded.key.expose())),
            file_name: Some(name),
            file_enc_sha256: Some(copied(&self.uploaded.encrypted_sha256)),
            direct_path: Some(self.uploaded.path.as_str().to_owned()),
            media_key_timestamp: Some(self.uploaded.key_timestamp),
            jpeg_thumbnail: self.thumbnail,
            thumbnail_width: self.dimensions.map(|(width, _)| width),
            thumbnail_height: self.dimensions.map(|(_, height)| height),
            caption: self.caption,
            ..DocumentMessage::default()
        }
    }
}

impl From<Attachment> for Draft {
    fn from(attachment: Attachment) -> Self {
        Self::of_message(attachment.message())
    }
}

impl std::fmt::Debug for Attachment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Attachment").field("uploaded", &self.uploaded).finish_non_exhaustive()
    }
}

fn copied(bytes: &[u8]) -> Bytes {
    Bytes::copy_from_slice(bytes)
}

/// As WhatsApp Web wraps them (PROTOCOL.md 11.5).
fn once(message: Message) -> Message {
    Message { view_once_message: Some(wrapper(message)), ..Message::default() }
}

fn heard_once(message: Message) -> Message {
    Message { view_once_message_v2_extension: Some(wrapper(message)), ..Message::default() }
}

fn captioned(message: Message) -> Message {
    Message { document_with_caption_message: Some(wrapper(message)), ..Message::default() }
}

fn wrapper(message: Message) -> Box<FutureProofMessage> {
    Box::new(FutureProofMessage { message: Some(Box::new(message)) })
}

#[cfg(test)]
mod tests {
    use crate::content::{Kind, Quote, View};

    use super::*;

    fn uploaded(kind: MediaKind) -> Uploaded {
        Uploaded {
            kind,
            key: wa_media::MediaKey::new([7; 32]),
            key_timestamp: 1,
            path: "/v/t62.7118-24/a_n.enc?ccb=1".parse().unwrap(),
            url: None,
            sha256: [1; 32],
            encrypted_sha256: [2; 32],
            size: 9,
            sidecar: Some(Bytes::from_static(b"sidecar")),
        }
    }

    fn draft(kind: MediaKind, change: impl FnOnce(Attachment) -> Attachment) -> Draft {
        change(Attachment::new(uploaded(kind), "a/b")).into()
    }

    #[test]
    fn each_kind_is_read_as_what_it_was_uploaded_as() {
        let kinds = [
            (MediaKind::Image, Kind::Image, "image"),
            (MediaKind::Video, Kind::Video, "video"),
            (MediaKind::RoundVideo, Kind::VideoNote, "ptv"),
            (MediaKind::Audio, Kind::Audio, "audio"),
            (MediaKind::Voice, Kind::Voice, "ptt"),
            (MediaKind::Document, Kind::Document, "document"),
            (MediaKind::Sticker, Kind::Sticker, "sticker"),
        ];
        for (uploaded_as, kind, media_type) in kinds {
            let draft = draft(uploaded_as, |file| file);
            let view = draft.view();
            assert_eq!((view.kind(), view.attributes().media_type), (kind, Some(media_type)));
            assert_eq!(view.attributes().kind, "media");
            let media = view.media().unwrap();
            assert_eq!(media.kind, Some(uploaded_as), "{kind}");
            assert_eq!((media.size, media.mime_type), (Some(9), Some("a/b")));
            let remote = super::super::RemoteFile::of(&media).unwrap();
            assert_eq!((remote.sha256, remote.encrypted_sha256), ([1; 32], [2; 32]));
        }
        let gif = draft(MediaKind::Video, Attachment::as_gif);
        assert_eq!((gif.view().kind(), gif.view().attributes().media_type), (Kind::Gif, Some("gif")));
    }

    #[test]
    fn what_was_told_of_a_file_is_in_its_message() {
        let image = draft(MediaKind::Image, |file| {
            file.caption("look").dimensions(3, 2).thumbnail(&b"jpeg"[..]).view_once()
        });
        let view = image.view();
        let media = view.media().unwrap();
        assert_eq!((view.caption(), view.is_view_once()), (Some("look"), true));
        assert_eq!((media.width, media.height, media.thumbnail), (Some(3), Some(2), Some(&b"jpeg"[..])));
        let voice = draft(MediaKind::Voice, |file| file.seconds(4).waveform(&[200; 70]).view_once());
        let media = voice.view().media().unwrap();
        assert!(media.is_voice && voice.view().is_view_once());
        assert_eq!((media.seconds, media.waveform), (Some(4), Some(&[100; 64][..])));
        let sticker = draft(MediaKind::Sticker, Attachment::animated);
        assert!(sticker.view().media().unwrap().is_animated);
    }

    #[test]
    fn a_document_always_has_a_name() {
        let named = |name: Option<&str>, caption: &str| {
            draft(MediaKind::Document, |file| {
                let file = file.caption(caption).pages(2);
                match name {
                    Some(name) => file.file_name(name),
                    None => file,
                }
            })
        };
        let report = named(Some("../report.pdf"), "the figures");
        let view = report.view();
        assert_eq!((view.kind(), view.caption()), (Kind::Document, Some("the figures")));
        assert_eq!(view.media().unwrap().file_name, Some("report.pdf"));
        assert_eq!(named(None, "").view().media().unwrap().file_name, Some("document"));
    }

    #[test]
    fn wrapped_files_quote_and_disappear_like_others() {
        let question = Draft::text("Which one?");
        let quote = Quote::of("A", "15550000001@s.whatsapp.net").showing(question.view());
        for file in [
            draft(MediaKind::Document, |file| file.caption("this")),
            draft(MediaKind::Image, Attachment::view_once),
            draft(MediaKind::Voice, Attachment::view_once),
        ] {
            let answer = file.quoting(&quote).expiring(60);
            let view: View<'_> = answer.view();
            assert_eq!(view.quote().map(|quote| quote.id), Some("A"));
            assert_eq!(view.expiration(), Some(60));
        }
    }
}
