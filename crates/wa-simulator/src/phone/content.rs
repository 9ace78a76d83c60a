use super::Timer;
use wa_protobuf::e2e::{Message, MessageKey, PollCreationMessage, ProtocolMessage, protocol_message::Type};

/// Wrappers and edits inside each other that a phone opens.
const MAX_DEPTH: usize = 16;

/// A message as a phone shows it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Described {
    /// What it is, as the inbox of the control API names it.
    pub(crate) kind: &'static str,
    /// Its text, its new text, its emoji, the caption of its media or the question of its poll.
    pub(crate) text: Option<String>,
    /// The message that it edits, takes back, reacts to or votes on.
    pub(crate) target: Option<String>,
}

/// What a message is, as a phone would show it.
pub(crate) fn described(message: &Message) -> Described {
    describe(message, MAX_DEPTH)
}

/// The timer that the message sets for its chat.
pub(super) fn timer(message: &Message) -> Option<Timer> {
    let protocol = message.protocol_message.as_deref()?;
    let is_setting = protocol.r#type() == Type::EphemeralSetting;
    let set_at = protocol.ephemeral_setting_timestamp();
    is_setting.then(|| Timer { seconds: protocol.ephemeral_expiration(), set_at })
}

/// After how many seconds a text says that it disappears.
pub(super) fn expiration(message: &Message) -> Option<u32> {
    message.extended_text_message.as_ref()?.context_info.as_ref()?.expiration
}

fn describe(message: &Message, depth: usize) -> Described {
    let Some(rest) = depth.checked_sub(1) else { return shown("unknown", None) };
    if let Some(inner) = inside(message) {
        return describe(inner, rest);
    }
    let known = texts(message).or_else(|| media(message)).or_else(|| referring(message, rest));
    known.unwrap_or_else(|| shown(named(message), None))
}

/// The message inside a wrapper that says how to show it (PROTOCOL.md 12).
fn inside(message: &Message) -> Option<&Message> {
    let wrappers = [
        &message.ephemeral_message,
        &message.view_once_message,
        &message.view_once_message_v2,
        &message.view_once_message_v2_extension,
        &message.document_with_caption_message,
        &message.poll_creation_message_v4,
        &message.edited_message,
    ];
    wrappers.into_iter().flatten().find_map(|wrapper| wrapper.message.as_deref())
}

fn texts(message: &Message) -> Option<Described> {
    if let Some(text) = &message.conversation {
        return Some(shown("text", Some(text)));
    }
    if let Some(extended) = &message.extended_text_message {
        return Some(shown("text", extended.text.as_ref()));
    }
    poll(message).map(|poll| shown("poll", poll.name.as_ref()))
}

fn poll(message: &Message) -> Option<&PollCreationMessage> {
    let polls = [
        &message.poll_creation_message,
        &message.poll_creation_message_v2,
        &message.poll_creation_message_v3,
        &message.poll_creation_message_v5,
        &message.poll_creation_message_v6,
    ];
    polls.into_iter().find_map(Option::as_deref)
}

fn media(message: &Message) -> Option<Described> {
    if let Some(image) = &message.image_message {
        return Some(shown("image", image.caption.as_ref()));
    }
    if let Some(video) = message.video_message.as_ref().or(message.ptv_message.as_ref()) {
        return Some(shown("video", video.caption.as_ref()));
    }
    let document = message.document_message.as_ref()?;
    Some(shown("document", document.caption.as_ref()))
}

/// What says something about another message.
fn referring(message: &Message, depth: usize) -> Option<Described> {
    if let Some(reaction) = &message.reaction_message {
        return Some(about(reaction.key.as_ref(), shown("reaction", reaction.text.as_ref())));
    }
    if let Some(vote) = &message.poll_update_message {
        return Some(about(vote.poll_creation_message_key.as_ref(), shown("poll_vote", None)));
    }
    message.protocol_message.as_deref().map(|protocol| of_protocol(protocol, depth))
}

fn of_protocol(protocol: &ProtocolMessage, depth: usize) -> Described {
    match protocol.r#type.map(Type::try_from) {
        Some(Ok(Type::Revoke)) => about(protocol.key.as_ref(), shown("revoke", None)),
        Some(Ok(Type::MessageEdit)) => {
            let edited = protocol.edited_message.as_deref().map(|message| describe(message, depth));
            let text = edited.and_then(|edited| edited.text);
            about(protocol.key.as_ref(), shown("edit", text.as_ref()))
        }
        Some(Ok(Type::EphemeralSetting)) => shown("timer", None),
        _ => shown("protocol", None),
    }
}

fn named(message: &Message) -> &'static str {
    let kinds = [
        (message.audio_message.is_some(), "audio"),
        (message.sticker_message.is_some(), "sticker"),
        (message.contact_message.is_some(), "contact"),
        (message.contacts_array_message.is_some(), "contacts"),
        (message.location_message.is_some(), "location"),
        (message.live_location_message.is_some(), "live_location"),
        (message.event_message.is_some(), "event"),
    ];
    kinds.into_iter().find_map(|(is, kind)| is.then_some(kind)).unwrap_or("unknown")
}

fn shown(kind: &'static str, text: Option<&String>) -> Described {
    Described { kind, text: text.cloned(), target: None }
}

fn about(key: Option<&MessageKey>, described: Described) -> Described {
    Described { target: key.and_then(|key| key.id.clone()), ..described }
}

#[cfg(test)]
mod tests {
    use wa_protobuf::e2e::{FutureProofMessage, PollUpdateMessage};

    use super::*;

    fn wrapped(message: Message) -> Option<Box<FutureProofMessage>> {
        Some(Box::new(FutureProofMessage { message: Some(Box::new(message)) }))
    }

    fn text(text: &str) -> Message {
        Message { conversation: Some(text.to_owned()), ..Message::default() }
    }

    #[test]
    fn polls_of_all_versions_and_votes_are_named() {
        let poll = || Some(Box::new(PollCreationMessage { name: Some("Tea?".into()), ..Default::default() }));
        let first = Message { poll_creation_message: poll(), ..Message::default() };
        let polls = [
            first.clone(),
            Message { poll_creation_message_v2: poll(), ..Message::default() },
            Message { poll_creation_message_v3: poll(), ..Message::default() },
            Message { poll_creation_message_v4: wrapped(first), ..Message::default() },
            Message { poll_creation_message_v5: poll(), ..Message::default() },
            Message { poll_creation_message_v6: poll(), ..Message::default() },
        ];
        for message in polls {
            assert_eq!(described(&message), shown("poll", Some(&"Tea?".to_owned())));
        }
        let key = MessageKey { id: Some("P".into()), ..MessageKey::default() };
        let vote = PollUpdateMessage { poll_creation_message_key: Some(key), ..Default::default() };
        let vote = described(&Message { poll_update_message: Some(Box::new(vote)), ..Message::default() });
        assert_eq!((vote.kind, vote.target.as_deref()), ("poll_vote", Some("P")));
    }

    #[test]
    fn nesting_is_opened_but_not_for_ever() {
        let nested = |depth: usize| {
            (0..depth).fold(text("deep"), |message, _| Message {
                ephemeral_message: wrapped(message),
                ..Message::default()
            })
        };
        assert_eq!(described(&nested(5)).text.as_deref(), Some("deep"));
        assert_eq!(described(&nested(100)).kind, "unknown");
    }
}
