use super::body::Body;
use super::parts::{Link, Target};

/// What a stanza says about the content that it carries, so that the server can treat it without reading it
/// (PROTOCOL.md 11.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attributes {
    /// `type` of the `<message>`: `text`, `media`, `reaction`, `poll` or `event`.
    pub kind: &'static str,
    /// `mediatype` of each `<enc>`. A `media` stanza without it is dropped by the server.
    pub media_type: Option<&'static str>,
    /// `edit` of the `<message>`.
    pub edit: Option<EditCode>,
    /// Name and value of what `<meta>` says of a poll, an event or what may be looked at once.
    pub meta: Option<(&'static str, &'static str)>,
    /// Whether each `<enc>` says `decrypt-fail="hide"`: who can't decrypt it shows no placeholder.
    pub is_hidden: bool,
}

/// The `edit` attribute of a message that changes another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EditCode {
    /// New content.
    Edit,
    /// A pin, or its removal.
    Pin,
    /// New content of a post in a newsletter.
    AdminEdit,
    /// The author takes a message back.
    Revoke,
    /// A reaction or a keep is taken back.
    Undo,
    /// An administrator takes another's message back.
    AdminRevoke,
}

impl EditCode {
    /// The value on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Edit => "1",
            Self::Pin => "2",
            Self::AdminEdit => "3",
            Self::Revoke | Self::Undo => "7",
            Self::AdminRevoke => "8",
        }
    }
}

impl Attributes {
    /// The same content in a newsletter, where only administrators write (PROTOCOL.md 11.6).
    #[must_use]
    pub fn in_newsletter(self) -> Self {
        let edit = self.edit.map(|edit| match edit {
            EditCode::Edit => EditCode::AdminEdit,
            EditCode::Revoke => EditCode::AdminRevoke,
            edit => edit,
        });
        Self { edit, ..self }
    }

    pub(super) fn of(body: &Body<'_>, is_undone: bool) -> Self {
        let media_type = media_type(body);
        let kind = match body {
            Body::Reaction(_) | Body::EncReaction(_) => "reaction",
            Body::Poll(_) | Body::PollVote(_) => "poll",
            Body::Event(_) | Body::EventResponse(_) => "event",
            _ if media_type.is_some() => "media",
            _ => "text",
        };
        let is_hidden = matches!(
            body,
            Body::Reaction(_)
                | Body::EncReaction(_)
                | Body::PollVote(_)
                | Body::EventResponse(_)
                | Body::Edit { .. }
                | Body::SecretEdit(_)
                | Body::Pin(_)
                | Body::Keep(_)
        );
        Self { kind, media_type, edit: edit(body, is_undone), meta: None, is_hidden }
    }

    /// What `<meta>` says of the content, apart from how often it may be looked at.
    pub(super) fn meta_of(body: &Body<'_>) -> Option<(&'static str, &'static str)> {
        match body {
            Body::Poll(_) => Some(("polltype", "creation")),
            Body::PollVote(_) => Some(("polltype", "vote")),
            Body::Event(_) => Some(("event_type", "creation")),
            Body::EventResponse(_) => Some(("event_type", "response")),
            _ => None,
        }
    }
}

fn media_type(body: &Body<'_>) -> Option<&'static str> {
    Some(match body {
        Body::ExtendedText(text) => {
            Link::of(text)?;
            "url"
        }
        Body::Image(_) => "image",
        Body::Video(video) if video.gif_playback() => "gif",
        Body::Video(_) => "video",
        Body::VideoNote(_) => "ptv",
        Body::Audio(audio) if audio.ptt() => "ptt",
        Body::Audio(_) => "audio",
        Body::Document(_) => "document",
        Body::Sticker(_) => "sticker",
        Body::StickerPack(_) => "sticker_pack",
        Body::Contact(_) => "vcard",
        Body::Contacts(_) => "contact_array",
        Body::Location(location) if location.is_live() => "livelocation",
        Body::Location(_) => "location",
        Body::LiveLocation(_) => "livelocation",
        Body::GroupInvite(_) => "url",
        Body::Product(_) => "product",
        Body::Order(_) => "order",
        Body::List(_) => "list",
        Body::ListResponse(_) => "list_response",
        Body::ButtonsResponse(_) => "buttons_response",
        Body::InteractiveResponse(_) => "native_flow_response",
        Body::Conversation(_)
        | Body::Album
        | Body::Poll(_)
        | Body::PollVote(_)
        | Body::Event(_)
        | Body::EventResponse(_)
        | Body::Buttons(_)
        | Body::Template(_)
        | Body::TemplateReply(_)
        | Body::Interactive(_)
        | Body::Reaction(_)
        | Body::EncReaction(_)
        | Body::Edit { .. }
        | Body::SecretEdit(_)
        | Body::Revoke(_)
        | Body::Pin(_)
        | Body::Keep(_)
        | Body::Timer(_)
        | Body::Call
        | Body::Unknown
        | Body::Machinery => return None,
    })
}

fn edit(body: &Body<'_>, is_undone: bool) -> Option<EditCode> {
    match body {
        Body::Edit { .. } | Body::SecretEdit(_) => Some(EditCode::Edit),
        Body::Revoke(key) if Target::read(*key).is_some_and(|target| target.from_me) => {
            Some(EditCode::Revoke)
        }
        Body::Revoke(_) => Some(EditCode::AdminRevoke),
        Body::Pin(_) => Some(EditCode::Pin),
        Body::Reaction(_) | Body::Keep(_) if is_undone => Some(EditCode::Undo),
        _ => None,
    }
}
