/// What a file is sent as. Decides the keys that a media key expands to, and the path on the media hosts.
///
/// The table is PROTOCOL.md 19.2, where three clients agree that stickers go with images, GIFs and round videos with
/// videos, and voice notes with audio. WhatsApp Web has paths of their own for some (`gif`, `ptt`, `sticker`) and the
/// thumbnails (its module `WAWebMmsClientFormatHashUrl`); their keys are the same (`WAWebCryptoMediaTypeInfo`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MediaKind {
    /// A picture.
    Image,
    /// A sticker, still or animated.
    Sticker,
    /// A video, also one that is sent as GIF.
    Video,
    /// A round video.
    RoundVideo,
    /// Music and other recordings.
    Audio,
    /// A voice note.
    Voice,
    /// Any file.
    Document,
    /// The archive of a sticker pack.
    StickerPack,
    /// The picture of a sticker pack.
    StickerPackThumbnail,
    /// The larger picture of a link preview.
    LinkThumbnail,
    /// The larger picture of an image.
    ImageThumbnail,
    /// The larger picture of a video.
    VideoThumbnail,
    /// The larger picture of a document.
    DocumentThumbnail,
    /// A part of the phone's history.
    History,
    /// A snapshot or a large patch of the app state.
    AppState,
}

impl MediaKind {
    /// Every kind.
    pub const ALL: [Self; 15] = [
        Self::Image,
        Self::Sticker,
        Self::Video,
        Self::RoundVideo,
        Self::Audio,
        Self::Voice,
        Self::Document,
        Self::StickerPack,
        Self::StickerPackThumbnail,
        Self::LinkThumbnail,
        Self::ImageThumbnail,
        Self::VideoThumbnail,
        Self::DocumentThumbnail,
        Self::History,
        Self::AppState,
    ];

    /// HKDF info of the expansion, and the name in paths and in `mms-type`.
    const fn row(self) -> (&'static str, &'static str) {
        match self {
            Self::Image | Self::Sticker => ("WhatsApp Image Keys", "image"),
            Self::Video | Self::RoundVideo => ("WhatsApp Video Keys", "video"),
            Self::Audio | Self::Voice => ("WhatsApp Audio Keys", "audio"),
            Self::Document => ("WhatsApp Document Keys", "document"),
            Self::StickerPack => ("WhatsApp Sticker Pack Keys", "sticker-pack"),
            Self::StickerPackThumbnail => ("WhatsApp Sticker Pack Thumbnail Keys", "thumbnail-sticker-pack"),
            Self::LinkThumbnail => ("WhatsApp Link Thumbnail Keys", "thumbnail-link"),
            Self::ImageThumbnail => ("WhatsApp Image Thumbnail Keys", "thumbnail-image"),
            Self::VideoThumbnail => ("WhatsApp Video Thumbnail Keys", "thumbnail-video"),
            Self::DocumentThumbnail => ("WhatsApp Document Thumbnail Keys", "thumbnail-document"),
            Self::History => ("WhatsApp History Keys", "md-msg-hist"),
            Self::AppState => ("WhatsApp App State Keys", "md-app-state"),
        }
    }

    /// Info of the HKDF that expands the media key.
    pub const fn key_info(self) -> &'static str {
        self.row().0
    }

    /// Name in the path of uploads, `/mms/<name>/<token>`, and in the query of downloads, `mms-type`.
    pub const fn mms_type(self) -> &'static str {
        self.row().1
    }

    /// Whether files of this kind are played while they arrive, and so come with a sidecar.
    pub const fn is_streamed(self) -> bool {
        matches!(self, Self::Video | Self::RoundVideo | Self::Audio | Self::Voice)
    }
}
