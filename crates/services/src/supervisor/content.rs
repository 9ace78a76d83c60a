//! What a person sees in a message.

use wa_protobuf::e2e::Message;
use wa_protobuf::e2e::protocol_message::Type;

/// Wrappers inside wrappers that are still opened.
const MAX_DEPTH: usize = 8;

/// The visible side of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Content {
    /// Name of the content as programs on WhatsApp's protocol know it: `conversation`, `imageMessage`, …
    pub(crate) kind: &'static str,
    /// Word of the API: `text`, `image`, …
    pub(crate) message_type: &'static str,
    /// Text, or the text under a file.
    pub(crate) text: Option<String>,
    /// A file, if one belongs to it.
    pub(crate) media: Option<Media>,
}

/// What is known of a file without fetching it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Media {
    pub(crate) mime_type: Option<String>,
    pub(crate) file_name: Option<String>,
}

impl Content {
    /// Looks through the wrappers. `None` for what only the machinery is concerned with: keys, settings,
    /// synchronisation. A kind that this version doesn't know is told as `unknown` instead of being dropped.
    pub(crate) fn of(message: &Message) -> Option<Self> {
        let message = unwrapped(message, MAX_DEPTH);
        let known = text(message).or_else(|| media(message)).or_else(|| plain(message));
        known.or_else(|| (!is_machinery(message)).then(|| bare("unknown", "unknown")))
    }

    /// The text of a message without a file.
    pub(crate) fn body(&self) -> Option<&str> {
        self.text.as_deref().filter(|_| self.media.is_none())
    }

    /// The text under a file.
    pub(crate) fn caption(&self) -> Option<&str> {
        self.text.as_deref().filter(|_| self.media.is_some())
    }
}

fn unwrapped(message: &Message, depth: usize) -> &Message {
    let wrappers = [
        &message.bot_invoke_message,
        &message.ephemeral_message,
        &message.view_once_message,
        &message.view_once_message_v2,
        &message.view_once_message_v2_extension,
        &message.lottie_sticker_message,
        &message.document_with_caption_message,
    ];
    let inner = wrappers.into_iter().flatten().find_map(|wrapper| wrapper.message.as_deref());
    match inner {
        Some(inner) if depth > 0 => unwrapped(inner, depth - 1),
        _ => message,
    }
}

fn text(message: &Message) -> Option<Content> {
    if let Some(text) = &message.conversation {
        return Some(Content { text: written(text), ..bare("conversation", "text") });
    }
    let extended = message.extended_text_message.as_ref()?;
    let text = extended.text.as_deref().and_then(written);
    Some(Content { text, ..bare("extendedTextMessage", "text") })
}

fn media(message: &Message) -> Option<Content> {
    let content = |kind, message_type, mime: &Option<String>, caption: Option<&String>| Content {
        text: caption.and_then(|caption| written(caption)),
        media: Some(Media { mime_type: mime.clone(), file_name: None }),
        ..bare(kind, message_type)
    };
    if let Some(image) = &message.image_message {
        return Some(content("imageMessage", "image", &image.mimetype, image.caption.as_ref()));
    }
    if let Some(video) = &message.video_message {
        return Some(content("videoMessage", "video", &video.mimetype, video.caption.as_ref()));
    }
    if let Some(video) = &message.ptv_message {
        return Some(content("ptvMessage", "video", &video.mimetype, video.caption.as_ref()));
    }
    if let Some(audio) = &message.audio_message {
        let message_type = if audio.ptt == Some(true) { "voice" } else { "audio" };
        return Some(content("audioMessage", message_type, &audio.mimetype, None));
    }
    if let Some(document) = &message.document_message {
        let file_name = document.file_name.as_ref().or(document.title.as_ref()).cloned();
        let media = Some(Media { mime_type: document.mimetype.clone(), file_name });
        let document = content("documentMessage", "document", &None, document.caption.as_ref());
        return Some(Content { media, ..document });
    }
    let sticker = message.sticker_message.as_ref()?;
    Some(content("stickerMessage", "sticker", &sticker.mimetype, None))
}

fn plain(message: &Message) -> Option<Content> {
    let with = |kind, message_type, text: Option<&String>| {
        Some(Content { text: text.and_then(|text| written(text)), ..bare(kind, message_type) })
    };
    if let Some(reaction) = &message.reaction_message {
        return with("reactionMessage", "reaction", reaction.text.as_ref());
    }
    if let Some(contact) = &message.contact_message {
        return with("contactMessage", "contact", contact.display_name.as_ref());
    }
    if let Some(location) = &message.location_message {
        return with("locationMessage", "location", location.name.as_ref());
    }
    named(message).map(|(kind, message_type)| bare(kind, message_type))
}

fn bare(kind: &'static str, message_type: &'static str) -> Content {
    Content { kind, message_type, text: None, media: None }
}

fn written(text: &str) -> Option<String> {
    Some(text).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// The kinds of which only the name is told.
fn named(message: &Message) -> Option<(&'static str, &'static str)> {
    let kinds = [
        (message.contacts_array_message.is_some(), "contactsArrayMessage", "contacts"),
        (message.live_location_message.is_some(), "liveLocationMessage", "location"),
        (message.group_invite_message.is_some(), "groupInviteMessage", "group_invite"),
        (message.poll_creation_message.is_some(), "pollCreationMessage", "poll"),
        (message.poll_creation_message_v2.is_some(), "pollCreationMessageV2", "poll"),
        (message.poll_creation_message_v3.is_some(), "pollCreationMessageV3", "poll"),
        (message.poll_creation_message_v5.is_some(), "pollCreationMessageV5", "poll"),
        (message.poll_update_message.is_some(), "pollUpdateMessage", "poll_vote"),
        (message.enc_reaction_message.is_some(), "encReactionMessage", "reaction"),
        (message.event_message.is_some(), "eventMessage", "event"),
        (message.order_message.is_some(), "orderMessage", "order"),
        (message.list_message.is_some(), "listMessage", "list"),
        (message.list_response_message.is_some(), "listResponseMessage", "list_response"),
        (message.buttons_message.is_some(), "buttonsMessage", "buttons"),
        (message.buttons_response_message.is_some(), "buttonsResponseMessage", "buttons_response"),
        (message.template_message.is_some(), "templateMessage", "template"),
        (message.template_button_reply_message.is_some(), "templateButtonReplyMessage", "buttons_response"),
        (message.interactive_message.is_some(), "interactiveMessage", "interactive"),
        (
            message.interactive_response_message.is_some(),
            "interactiveResponseMessage",
            "interactive_response",
        ),
        (message.album_message.is_some(), "albumMessage", "album"),
        (message.pin_in_chat_message.is_some(), "pinInChatMessage", "pin"),
        (message.keep_in_chat_message.is_some(), "keepInChatMessage", "keep"),
        (message.edited_message.is_some(), "editedMessage", "edit"),
        (is_revoke(message), "protocolMessage", "revoke"),
        (is_edit(message), "protocolMessage", "edit"),
    ];
    kinds.into_iter().find(|(present, ..)| *present).map(|(_, kind, message_type)| (kind, message_type))
}

fn is_revoke(message: &Message) -> bool {
    // The type is 0 and may be left out; then only the key tells.
    message.protocol_message.as_ref().is_some_and(|protocol| match protocol.r#type {
        Some(kind) => kind == Type::Revoke as i32,
        None => protocol.key.is_some(),
    })
}

fn is_edit(message: &Message) -> bool {
    message
        .protocol_message
        .as_ref()
        .is_some_and(|protocol| protocol.r#type == Some(Type::MessageEdit as i32))
}

/// True if there is nothing in it but keys, settings and the like.
fn is_machinery(message: &Message) -> bool {
    let has_machinery = message.protocol_message.is_some()
        || message.sender_key_distribution_message.is_some()
        || message.fast_ratchet_key_sender_key_distribution_message.is_some();
    let rest = Message {
        protocol_message: None,
        sender_key_distribution_message: None,
        fast_ratchet_key_sender_key_distribution_message: None,
        message_context_info: None,
        ..message.clone()
    };
    has_machinery && rest == Message::default()
}

#[cfg(test)]
mod tests {
    use wa_protobuf::e2e::{
        AudioMessage, DocumentMessage, ExtendedTextMessage, FutureProofMessage, ImageMessage,
        MessageContextInfo, ProtocolMessage, SenderKeyDistributionMessage,
    };

    use super::*;

    fn text(text: &str) -> Message {
        Message { conversation: Some(text.to_owned()), ..Message::default() }
    }

    fn wrap(message: Message) -> Option<Box<FutureProofMessage>> {
        Some(Box::new(FutureProofMessage { message: Some(Box::new(message)) }))
    }

    fn kinds(message: &Message) -> Option<(&'static str, &'static str)> {
        Content::of(message).map(|content| (content.kind, content.message_type))
    }

    #[test]
    fn texts_of_both_kinds_have_a_body() {
        let content = Content::of(&text("hi")).unwrap();
        assert_eq!((content.kind, content.message_type), ("conversation", "text"));
        assert_eq!((content.body(), content.caption()), (Some("hi"), None));
        let extended = ExtendedTextMessage { text: Some("hi".to_owned()), ..Default::default() };
        let message = Message { extended_text_message: Some(extended.into()), ..Message::default() };
        assert_eq!(Content::of(&message).unwrap().body(), Some("hi"));
    }

    #[test]
    fn files_have_a_caption_a_type_and_a_name() {
        let image = ImageMessage {
            mimetype: Some("image/jpeg".to_owned()),
            caption: Some("look".to_owned()),
            ..Default::default()
        };
        let content =
            Content::of(&Message { image_message: Some(image.into()), ..Message::default() }).unwrap();
        assert_eq!((content.body(), content.caption()), (None, Some("look")));
        assert_eq!(content.media.unwrap().mime_type.as_deref(), Some("image/jpeg"));
        let document = DocumentMessage {
            mimetype: Some("application/pdf".to_owned()),
            file_name: Some("a.pdf".to_owned()),
            ..Default::default()
        };
        let content =
            Content::of(&Message { document_message: Some(document.into()), ..Message::default() }).unwrap();
        let media = content.media.unwrap();
        assert_eq!(
            (media.mime_type.as_deref(), media.file_name.as_deref()),
            (Some("application/pdf"), Some("a.pdf"))
        );
        let voice = AudioMessage { ptt: Some(true), ..Default::default() };
        assert_eq!(
            kinds(&Message { audio_message: Some(voice.into()), ..Message::default() }),
            Some(("audioMessage", "voice"))
        );
    }

    #[test]
    fn wrappers_are_looked_through_but_not_for_ever() {
        let mut message = text("secret");
        message = Message { view_once_message_v2: wrap(message), ..Message::default() };
        message = Message { ephemeral_message: wrap(message), ..Message::default() };
        assert_eq!(Content::of(&message).unwrap().body(), Some("secret"));
        for _ in 0..20 {
            message = Message { ephemeral_message: wrap(message), ..Message::default() };
        }
        assert_eq!(kinds(&message), Some(("unknown", "unknown")));
    }

    #[test]
    fn machinery_is_not_shown_and_what_is_unknown_is() {
        let keys = Message {
            sender_key_distribution_message: Some(SenderKeyDistributionMessage::default().into()),
            message_context_info: Some(MessageContextInfo::default().into()),
            ..Message::default()
        };
        assert_eq!(kinds(&keys), None);
        let protocol = |kind: Type| Message {
            protocol_message: Some(
                ProtocolMessage { r#type: Some(kind as i32), ..Default::default() }.into(),
            ),
            ..Message::default()
        };
        assert_eq!(kinds(&protocol(Type::AppStateSyncKeyShare)), None);
        assert_eq!(kinds(&protocol(Type::Revoke)), Some(("protocolMessage", "revoke")));
        assert_eq!(kinds(&protocol(Type::MessageEdit)), Some(("protocolMessage", "edit")));
        assert_eq!(kinds(&Message::default()), Some(("unknown", "unknown")));
        let with_keys = Message { conversation: Some("hi".to_owned()), ..keys };
        assert_eq!(Content::of(&with_keys).unwrap().body(), Some("hi"));
    }
}
