use wa_protobuf::e2e::protocol_message::Type;
use wa_protobuf::e2e::secret_encrypted_message::SecretEncType;
use wa_protobuf::e2e::{
    AudioMessage, ButtonsMessage, ButtonsResponseMessage, ContactMessage, ContactsArrayMessage,
    DocumentMessage, EncEventResponseMessage, EncReactionMessage, EventMessage, ExtendedTextMessage,
    GroupInviteMessage, ImageMessage, InteractiveMessage, InteractiveResponseMessage, KeepInChatMessage,
    ListMessage, ListResponseMessage, LiveLocationMessage, LocationMessage, Message, MessageKey,
    OrderMessage, PinInChatMessage, PollCreationMessage, PollUpdateMessage, ProductMessage, ProtocolMessage,
    ReactionMessage, SecretEncryptedMessage, StickerMessage, StickerPackMessage, TemplateButtonReplyMessage,
    TemplateMessage, VideoMessage,
};

use super::kind::Kind;
use super::wrapper::Unwrapped;

/// The field of a message that holds its content. The only code that asks a message which fields it has; whatever
/// depends on the kind of content matches on this, so that the compiler asks for every kind.
#[derive(Clone, Copy)]
pub(super) enum Body<'a> {
    Conversation(&'a str),
    ExtendedText(&'a ExtendedTextMessage),
    Image(&'a ImageMessage),
    Video(&'a VideoMessage),
    VideoNote(&'a VideoMessage),
    Audio(&'a AudioMessage),
    Document(&'a DocumentMessage),
    Sticker(&'a StickerMessage),
    StickerPack(&'a StickerPackMessage),
    Contact(&'a ContactMessage),
    Contacts(&'a ContactsArrayMessage),
    Location(&'a LocationMessage),
    LiveLocation(&'a LiveLocationMessage),
    Album,
    Poll(&'a PollCreationMessage),
    PollVote(&'a PollUpdateMessage),
    Event(&'a EventMessage),
    EventResponse(&'a EncEventResponseMessage),
    GroupInvite(&'a GroupInviteMessage),
    Product(&'a ProductMessage),
    Order(&'a OrderMessage),
    List(&'a ListMessage),
    ListResponse(&'a ListResponseMessage),
    Buttons(&'a ButtonsMessage),
    ButtonsResponse(&'a ButtonsResponseMessage),
    Template(&'a TemplateMessage),
    TemplateReply(&'a TemplateButtonReplyMessage),
    Interactive(&'a InteractiveMessage),
    InteractiveResponse(&'a InteractiveResponseMessage),
    Reaction(&'a ReactionMessage),
    EncReaction(&'a EncReactionMessage),
    /// `content` is the new one; `key` may be missing where only a wrapper says that it is an edit.
    Edit {
        key: Option<&'a MessageKey>,
        content: Option<&'a Message>,
    },
    /// A new content of a message, a poll or an event, encrypted with the secret of the first one.
    SecretEdit(&'a SecretEncryptedMessage),
    Revoke(Option<&'a MessageKey>),
    Pin(&'a PinInChatMessage),
    Keep(&'a KeepInChatMessage),
    Timer(&'a ProtocolMessage),
    Call,
    Unknown,
    Machinery,
}

/// Returns the first of some fields that is there.
macro_rules! first {
    ($message:ident: $($field:ident => $body:expr,)+) => {
        $(
            if let Some(content) = $message.$field.as_deref() {
                return Some($body(content));
            }
        )+
    };
}

impl<'a> Body<'a> {
    /// The content of a message without wrappers.
    pub(super) fn of(unwrapped: &Unwrapped<'a>) -> Self {
        let message = unwrapped.message;
        let body = Self::text(message)
            .or_else(|| Self::shown(message))
            .or_else(|| Self::business(message))
            .or_else(|| Self::referring(message))
            .unwrap_or_else(|| Self::rest(message));
        match body {
            Self::Edit { .. } | Self::Revoke(_) | Self::Timer(_) | Self::Machinery => body,
            _ if unwrapped.is_edited => Self::Edit { key: None, content: Some(message) },
            _ => body,
        }
    }

    fn text(message: &'a Message) -> Option<Self> {
        let conversation = message.conversation.as_deref().filter(|text| !text.is_empty());
        conversation.map(Self::Conversation)
    }

    /// The part that people see, if the message has one: not what clients tell each other.
    fn shown(message: &'a Message) -> Option<Self> {
        first!(message:
            extended_text_message => Self::ExtendedText,
            image_message => Self::Image,
            video_message => Self::Video,
            ptv_message => Self::VideoNote,
            audio_message => Self::Audio,
            document_message => Self::Document,
            sticker_message => Self::Sticker,
            sticker_pack_message => Self::StickerPack,
            contact_message => Self::Contact,
            contacts_array_message => Self::Contacts,
            location_message => Self::Location,
            live_location_message => Self::LiveLocation,
            album_message => |_| Self::Album,
            poll_creation_message => Self::Poll,
            poll_creation_message_v2 => Self::Poll,
            poll_creation_message_v3 => Self::Poll,
            poll_creation_message_v5 => Self::Poll,
            poll_creation_message_v6 => Self::Poll,
            event_message => Self::Event,
            group_invite_message => Self::GroupInvite,
            call_log_message => |_| Self::Call,
            scheduled_call_creation_message => |_| Self::Call,
        );
        None
    }

    /// What businesses make, and the answers.
    fn business(message: &'a Message) -> Option<Self> {
        first!(message:
            product_message => Self::Product,
            order_message => Self::Order,
            list_message => Self::List,
            list_response_message => Self::ListResponse,
            buttons_message => Self::Buttons,
            buttons_response_message => Self::ButtonsResponse,
            template_message => Self::Template,
            template_button_reply_message => Self::TemplateReply,
            interactive_message => Self::Interactive,
            interactive_response_message => Self::InteractiveResponse,
        );
        None
    }

    /// What says something about another message.
    fn referring(message: &'a Message) -> Option<Self> {
        first!(message:
            reaction_message => Self::Reaction,
            enc_reaction_message => Self::EncReaction,
            poll_update_message => Self::PollVote,
            enc_event_response_message => Self::EventResponse,
            pin_in_chat_message => Self::Pin,
            keep_in_chat_message => Self::Keep,
        );
        if let Some(secret) = message.secret_encrypted_message.as_deref() {
            let edits = [
                SecretEncType::EventEdit,
                SecretEncType::MessageEdit,
                SecretEncType::PollEdit,
                SecretEncType::PollAddOption,
            ];
            let is_edit = edits.contains(&secret.secret_enc_type());
            return Some(if is_edit { Self::SecretEdit(secret) } else { Self::Unknown });
        }
        message.protocol_message.as_deref().and_then(Self::protocol)
    }

    fn protocol(protocol: &'a ProtocolMessage) -> Option<Self> {
        let key = protocol.key.as_ref();
        let is = |kind: Type| protocol.r#type == Some(kind as i32);
        // The type of a revocation is 0 and may be left out; then only the key tells.
        if is(Type::Revoke) || (protocol.r#type.is_none() && key.is_some()) {
            return Some(Self::Revoke(key));
        }
        if is(Type::EphemeralSetting) {
            return Some(Self::Timer(protocol));
        }
        is(Type::MessageEdit).then_some(Self::Edit { key, content: protocol.edited_message.as_deref() })
    }

    /// What is left: an empty text, what nobody knows, and what is for machines alone.
    fn rest(message: &'a Message) -> Self {
        let type_of = |protocol: &ProtocolMessage| protocol.r#type;
        let is_new = |kind: i32| Type::try_from(kind).is_err();
        let unknown = message.protocol_message.as_deref().and_then(type_of).is_some_and(is_new)
            || message.comment_message.is_some()
            || message.enc_comment_message.is_some()
            || message.newsletter_admin_invite_message.is_some()
            || message.placeholder_message.is_some()
            || message.poll_result_snapshot_message.is_some()
            || message.request_phone_number_message.is_some();
        let machinery = message.protocol_message.is_some()
            || message.sender_key_distribution_message.is_some()
            || message.fast_ratchet_key_sender_key_distribution_message.is_some()
            || message.call.is_some()
            || message.scheduled_call_edit_message.is_some();
        match &message.conversation {
            Some(text) => Self::Conversation(text),
            None if !unknown && machinery => Self::Machinery,
            None => Self::Unknown,
        }
    }

    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Conversation(_) | Self::ExtendedText(_) => Kind::Text,
            Self::Image(_) => Kind::Image,
            Self::Video(video) if video.gif_playback() => Kind::Gif,
            Self::Video(_) => Kind::Video,
            Self::VideoNote(_) => Kind::VideoNote,
            Self::Audio(audio) if audio.ptt() => Kind::Voice,
            Self::Audio(_) => Kind::Audio,
            Self::Document(_) => Kind::Document,
            Self::Sticker(_) => Kind::Sticker,
            Self::Contact(_) => Kind::Contact,
            Self::Contacts(_) => Kind::Contacts,
            Self::Location(location) if location.is_live() => Kind::LiveLocation,
            Self::Location(_) => Kind::Location,
            Self::LiveLocation(_) => Kind::LiveLocation,
            Self::Album => Kind::Album,
            Self::Poll(_) => Kind::Poll,
            Self::PollVote(_) => Kind::PollVote,
            Self::Event(_) => Kind::Event,
            Self::EventResponse(_) => Kind::EventResponse,
            Self::GroupInvite(_) => Kind::GroupInvite,
            Self::Product(_) => Kind::Product,
            Self::Order(_) => Kind::Order,
            Self::List(_) => Kind::List,
            Self::ListResponse(_) => Kind::ListResponse,
            Self::Buttons(_) => Kind::Buttons,
            Self::ButtonsResponse(_) | Self::TemplateReply(_) => Kind::ButtonsResponse,
            Self::Template(_) => Kind::Template,
            Self::Interactive(_) => Kind::Interactive,
            Self::InteractiveResponse(_) => Kind::InteractiveResponse,
            Self::Reaction(_) | Self::EncReaction(_) => Kind::Reaction,
            Self::Edit { .. } | Self::SecretEdit(_) => Kind::Edit,
            Self::Revoke(_) => Kind::Revoke,
            Self::Pin(_) => Kind::Pin,
            Self::Keep(_) => Kind::Keep,
            Self::Timer(_) => Kind::Timer,
            Self::Call => Kind::Call,
            Self::StickerPack(_) | Self::Unknown => Kind::Unknown,
            Self::Machinery => Kind::Machinery,
        }
    }
}
