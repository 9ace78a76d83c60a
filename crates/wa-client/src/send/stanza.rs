//! What a message stanza says about its content (protocol.md 11.3 to 11.5).

use prost::Message as _;
use wa_binary::{Jid, Node};
use wa_protobuf::e2e::protocol_message::Type;
use wa_protobuf::e2e::{DeviceSentMessage, Message};
use wa_signal::Ciphertext;

/// Wrappers inside wrappers that are looked through.
const DEPTH: usize = 8;

/// The attributes that follow from the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kind {
    /// `type` of the stanza.
    pub(crate) stanza: &'static str,
    /// `mediatype` of each `<enc>`.
    pub(crate) media: Option<&'static str>,
    /// `edit` of the stanza.
    pub(crate) edit: Option<&'static str>,
    /// Whether a device that can't decrypt it should say nothing.
    pub(crate) hidden: bool,
}

impl Kind {
    pub(crate) fn of(message: &Message) -> Self {
        let edit = edit_of(message);
        let inner = unwrapped(message, DEPTH);
        let media = media_of(inner);
        let reaction = inner.reaction_message.is_some() || inner.enc_reaction_message.is_some();
        let vote = inner.poll_update_message.is_some();
        let poll = vote
            || [
                &inner.poll_creation_message,
                &inner.poll_creation_message_v2,
                &inner.poll_creation_message_v3,
                &inner.poll_creation_message_v5,
                &inner.poll_creation_message_v6,
            ]
            .into_iter()
            .any(Option::is_some);
        let stanza = match () {
            () if reaction => "reaction",
            () if poll => "poll",
            () if media.is_some() => "media",
            () => "text",
        };
        Self { stanza, media, edit, hidden: edit.is_some() || reaction || vote }
    }
}

/// The message inside wrappers that say only how to show it.
fn unwrapped(message: &Message, depth: usize) -> &Message {
    let wrappers = [
        &message.view_once_message,
        &message.view_once_message_v2,
        &message.view_once_message_v2_extension,
        &message.lottie_sticker_message,
        &message.ephemeral_message,
        &message.document_with_caption_message,
    ];
    match wrappers.into_iter().flatten().find_map(|wrapper| wrapper.message.as_deref()) {
        Some(inner) if depth > 0 => unwrapped(inner, depth - 1),
        _ => message,
    }
}

fn media_of(message: &Message) -> Option<&'static str> {
    if let Some(text) = &message.extended_text_message {
        return text.title.as_ref().filter(|title| !title.is_empty()).map(|_| "url");
    }
    if let Some(audio) = &message.audio_message {
        return Some(if audio.ptt == Some(true) { "ptt" } else { "audio" });
    }
    if let Some(video) = &message.video_message {
        return Some(if video.gif_playback == Some(true) { "gif" } else { "video" });
    }
    let kinds = [
        (message.image_message.is_some(), "image"),
        (message.sticker_message.is_some(), "sticker"),
        (message.document_message.is_some(), "document"),
        (message.contact_message.is_some(), "vcard"),
        (message.contacts_array_message.is_some(), "contact_array"),
        (message.list_message.is_some(), "list"),
        (message.list_response_message.is_some(), "list_response"),
        (message.buttons_response_message.is_some(), "buttons_response"),
        (message.order_message.is_some(), "order"),
        (message.interactive_response_message.is_some(), "native_flow_response"),
    ];
    kinds.into_iter().find_map(|(present, kind)| present.then_some(kind))
}

fn edit_of(message: &Message) -> Option<&'static str> {
    let protocol = message.protocol_message.as_ref();
    let kind = protocol.and_then(|protocol| protocol.r#type).and_then(|kind| Type::try_from(kind).ok());
    let of_me = |key: &Option<wa_protobuf::e2e::MessageKey>| {
        key.as_ref().is_some_and(|key| key.from_me == Some(true))
    };
    if kind == Some(Type::Revoke) {
        let own = protocol.is_some_and(|protocol| of_me(&protocol.key));
        return Some(if own { "7" } else { "8" });
    }
    if kind == Some(Type::MessageEdit) || message.edited_message.is_some() {
        return Some("1");
    }
    if message.pin_in_chat_message.is_some() {
        return Some("2");
    }
    let removed =
        message.reaction_message.as_ref().is_some_and(|reaction| reaction.text.as_deref() == Some(""));
    removed.then_some("7")
}

/// `<message>` without content.
pub(crate) fn message(to: &Jid, id: &str, kind: &Kind) -> Node<'static> {
    Node::new("message")
        .attr("id", id.to_owned())
        .attr("to", to)
        .attr("type", kind.stanza)
        .opt_attr("edit", kind.edit)
}

/// `<enc>`; `count` is that of a resend.
pub(crate) fn enc(ciphertext: Ciphertext, kind: &Kind, count: Option<u32>) -> Node<'static> {
    Node::new("enc")
        .attr("v", "2")
        .attr("type", ciphertext.kind.as_str())
        .opt_attr("count", count)
        .opt_attr("mediatype", kind.media)
        .opt_attr("decrypt-fail", kind.hidden.then_some("hide"))
        .with_bytes(ciphertext.bytes)
}

/// What the own other devices get instead: the message and where it went.
pub(crate) fn device_sent(to: &Jid, message: &Message) -> Vec<u8> {
    let sent = DeviceSentMessage {
        destination_jid: Some(to.to_string()),
        message: Some(Box::new(message.clone())),
        phash: None,
    };
    let envelope = Message {
        device_sent_message: Some(Box::new(sent)),
        message_context_info: message.message_context_info.clone(),
        ..Default::default()
    };
    envelope.encode_to_vec()
}

#[cfg(test)]
mod tests {
    use wa_protobuf::e2e::{
        AudioMessage, ExtendedTextMessage, FutureProofMessage, ImageMessage, MessageKey, PollUpdateMessage,
        ProtocolMessage, ReactionMessage,
    };

    use super::*;

    fn kind(message: &Message) -> (&'static str, Option<&'static str>, Option<&'static str>, bool) {
        let Kind { stanza, media, edit, hidden } = Kind::of(message);
        (stanza, media, edit, hidden)
    }

    fn image() -> Message {
        Message { image_message: Some(Box::new(ImageMessage::default())), ..Message::default() }
    }

    #[test]
    fn texts_and_media_are_told_apart() {
        let text = Message { conversation: Some("hi".into()), ..Message::default() };
        assert_eq!(kind(&text), ("text", None, None, false));
        assert_eq!(kind(&image()), ("media", Some("image"), None, false));
        let audio = AudioMessage { ptt: Some(true), ..AudioMessage::default() };
        let voice = Message { audio_message: Some(Box::new(audio)), ..Message::default() };
        assert_eq!(kind(&voice), ("media", Some("ptt"), None, false));
    }

    #[test]
    fn only_a_text_with_a_title_is_a_link() {
        let text = |title: Option<&str>| {
            let text = ExtendedTextMessage { title: title.map(Into::into), ..ExtendedTextMessage::default() };
            Message { extended_text_message: Some(Box::new(text)), ..Message::default() }
        };
        assert_eq!(kind(&text(None)), ("text", None, None, false));
        assert_eq!(kind(&text(Some("A page"))), ("media", Some("url"), None, false));
    }

    #[test]
    fn wrappers_are_looked_through() {
        let wrapper = FutureProofMessage { message: Some(Box::new(image())) };
        let once = Message { view_once_message_v2: Some(Box::new(wrapper)), ..Message::default() };
        assert_eq!(kind(&once), ("media", Some("image"), None, false));
    }

    #[test]
    fn reactions_votes_and_edits_fail_silently() {
        let reaction = |text: &str| {
            let reaction = ReactionMessage { text: Some(text.into()), ..ReactionMessage::default() };
            Message { reaction_message: Some(Box::new(reaction)), ..Message::default() }
        };
        assert_eq!(kind(&reaction("+")), ("reaction", None, None, true));
        assert_eq!(kind(&reaction("")), ("reaction", None, Some("7"), true));
        let vote = Message {
            poll_update_message: Some(Box::new(PollUpdateMessage::default())),
            ..Message::default()
        };
        assert_eq!(kind(&vote), ("poll", None, None, true));
    }

    #[test]
    fn a_revoke_says_whose_message_it_was() {
        let revoke = |from_me| {
            let key = MessageKey { from_me: Some(from_me), ..MessageKey::default() };
            let protocol = ProtocolMessage {
                r#type: Some(Type::Revoke.into()),
                key: Some(key),
                ..ProtocolMessage::default()
            };
            Message { protocol_message: Some(Box::new(protocol)), ..Message::default() }
        };
        assert_eq!(kind(&revoke(true)), ("text", None, Some("7"), true));
        assert_eq!(kind(&revoke(false)), ("text", None, Some("8"), true));
    }

    #[test]
    fn own_devices_are_told_where_a_message_went() {
        let text = Message { conversation: Some("hi".into()), ..Message::default() };
        let copy = Message::decode(&device_sent(&Jid::lid("9002"), &text)[..]).unwrap();
        let sent = copy.device_sent_message.unwrap();
        assert_eq!(sent.destination_jid.as_deref(), Some("9002@lid"));
        assert_eq!(sent.message.unwrap().conversation.as_deref(), Some("hi"));
    }
}
