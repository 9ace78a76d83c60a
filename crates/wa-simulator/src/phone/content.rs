use super::{Timer, known::Sealed, secret::Label};
use bytes::Bytes;
use wa_protobuf::e2e::{
    ContextInfo, Message, MessageKey, PollCreationMessage, ProtocolMessage, keep_in_chat_message::KeepType,
    pin_in_chat_message::Type as PinType, protocol_message::Type, secret_encrypted_message::SecretEncType,
};

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
    /// What is chosen in it: options of a poll by name, a button or row by the sender's id.
    pub(crate) chosen: Vec<String>,
}

/// What a message is, as a phone would show it.
pub(crate) fn described(message: &Message) -> Described {
    describe(message, MAX_DEPTH)
}

/// The message inside all wrappers.
pub(super) fn unwrapped(message: &Message) -> &Message {
    let mut message = message;
    for _ in 0..MAX_DEPTH {
        let Some(inner) = inside(message) else { break };
        message = inner;
    }
    message
}

/// What is encrypted in it with the secret of the message that it is about.
pub(super) fn sealed(message: &Message) -> Option<Sealed> {
    let bytes = |bytes: &Option<Bytes>| bytes.clone().unwrap_or_default();
    if let Some(update) = &message.poll_update_message {
        let vote = update.vote.as_ref()?;
        let (nonce, payload) = (bytes(&vote.enc_iv), bytes(&vote.enc_payload));
        return Some(Sealed { label: Label::PollVote, nonce, payload });
    }
    if let Some(answer) = &message.enc_event_response_message {
        let (nonce, payload) = (bytes(&answer.enc_iv), bytes(&answer.enc_payload));
        return Some(Sealed { label: Label::EventResponse, nonce, payload });
    }
    if let Some(reaction) = &message.enc_reaction_message {
        let (nonce, payload) = (bytes(&reaction.enc_iv), bytes(&reaction.enc_payload));
        return Some(Sealed { label: Label::Reaction, nonce, payload });
    }
    let edit = message.secret_encrypted_message.as_ref()?;
    let (nonce, payload) = (bytes(&edit.enc_iv), bytes(&edit.enc_payload));
    let is_edit = edit.secret_enc_type() == SecretEncType::MessageEdit;
    is_edit.then_some(Sealed { label: Label::MessageEdit, nonce, payload })
}

/// What it quotes, whom it names and how often it was forwarded.
pub(super) fn context(message: &Message) -> Option<&ContextInfo> {
    message.extended_text_message.as_ref()?.context_info.as_deref()
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
    let known = texts(message).or_else(|| media(message)).or_else(|| plain(message));
    let known = known.or_else(|| referring(message, rest));
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

pub(super) fn poll(message: &Message) -> Option<&PollCreationMessage> {
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

/// Places, contacts, events, and what was chosen from what a business offered.
fn plain(message: &Message) -> Option<Described> {
    if let Some(contact) = &message.contact_message {
        return Some(shown("contact", contact.display_name.as_ref()));
    }
    if let Some(contacts) = &message.contacts_array_message {
        return Some(shown("contacts", contacts.display_name.as_ref()));
    }
    if let Some(location) = &message.location_message {
        return Some(shown("location", location.name.as_ref()));
    }
    if let Some(location) = &message.live_location_message {
        return Some(shown("live_location", location.caption.as_ref()));
    }
    if let Some(event) = &message.event_message {
        return Some(shown("event", event.name.as_ref()));
    }
    if let Some(response) = &message.buttons_response_message {
        let text = response.selected_display_text.as_ref();
        return Some(choosing(response.selected_button_id.as_ref(), shown("buttons_response", text)));
    }
    if let Some(response) = &message.list_response_message {
        let row = response.single_select_reply.as_ref().and_then(|reply| reply.selected_row_id.as_ref());
        return Some(choosing(row, shown("list_response", response.title.as_ref())));
    }
    let reply = message.template_button_reply_message.as_ref()?;
    let text = reply.selected_display_text.as_ref();
    Some(choosing(reply.selected_id.as_ref(), shown("buttons_response", text)))
}

fn choosing(id: Option<&String>, described: Described) -> Described {
    Described { chosen: id.cloned().into_iter().collect(), ..described }
}

/// What says something about another message.
fn referring(message: &Message, depth: usize) -> Option<Described> {
    if let Some(reaction) = &message.reaction_message {
        return Some(about(reaction.key.as_ref(), shown("reaction", reaction.text.as_ref())));
    }
    if let Some(vote) = &message.poll_update_message {
        return Some(about(vote.poll_creation_message_key.as_ref(), shown("poll_vote", None)));
    }
    if let Some(answer) = &message.enc_event_response_message {
        return Some(about(answer.event_creation_message_key.as_ref(), shown("event_response", None)));
    }
    if let Some(reaction) = &message.enc_reaction_message {
        return Some(about(reaction.target_message_key.as_ref(), shown("reaction", None)));
    }
    if let Some(edit) = &message.secret_encrypted_message {
        return Some(about(edit.target_message_key.as_ref(), shown("edit", None)));
    }
    if let Some(pin) = &message.pin_in_chat_message {
        let kind = if pin.r#type() == PinType::PinForAll { "pin" } else { "unpin" };
        return Some(about(pin.key.as_ref(), shown(kind, None)));
    }
    if let Some(keep) = &message.keep_in_chat_message {
        let kind = if keep.keep_type() == KeepType::KeepForAll { "keep" } else { "let_go" };
        return Some(about(keep.key.as_ref(), shown(kind, None)));
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
    let kinds = [(message.audio_message.is_some(), "audio"), (message.sticker_message.is_some(), "sticker")];
    kinds.into_iter().find_map(|(is, kind)| is.then_some(kind)).unwrap_or("unknown")
}

fn shown(kind: &'static str, text: Option<&String>) -> Described {
    Described { kind, text: text.cloned(), ..Described::default() }
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
