use wa_protobuf::e2e::Message;

/// What a message is, and its text, as a phone would show it.
pub(crate) fn described(message: &Message) -> (&'static str, Option<String>) {
    let message = unwrapped(message);
    if let Some(text) = &message.conversation {
        return ("text", Some(text.clone()));
    }
    if let Some(extended) = &message.extended_text_message {
        return ("text", extended.text.clone());
    }
    if let Some(image) = &message.image_message {
        return ("image", image.caption.clone());
    }
    if let Some(video) = &message.video_message {
        return ("video", video.caption.clone());
    }
    if let Some(document) = &message.document_message {
        return ("document", document.caption.clone());
    }
    if let Some(reaction) = &message.reaction_message {
        return ("reaction", reaction.text.clone());
    }
    let kinds = [
        (message.audio_message.is_some(), "audio"),
        (message.sticker_message.is_some(), "sticker"),
        (message.contact_message.is_some(), "contact"),
        (message.location_message.is_some(), "location"),
        (message.poll_creation_message_v3.is_some(), "poll"),
        (message.protocol_message.is_some(), "protocol"),
    ];
    let kind = kinds.into_iter().find_map(|(is, kind)| is.then_some(kind));
    (kind.unwrap_or("unknown"), None)
}

/// The message inside the wrappers that say how to show it (protocol.md 12).
fn unwrapped(message: &Message) -> &Message {
    let wrapper = [
        &message.ephemeral_message,
        &message.view_once_message,
        &message.view_once_message_v2,
        &message.view_once_message_v2_extension,
        &message.document_with_caption_message,
        &message.edited_message,
    ];
    let inner = wrapper.into_iter().flatten().find_map(|wrapper| wrapper.message.as_deref());
    inner.map_or(message, unwrapped)
}
