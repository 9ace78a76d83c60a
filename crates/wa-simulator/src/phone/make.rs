//! The messages that a phone makes.

use wa_crypto::mac::sha256;
use wa_protobuf::e2e::{
    ButtonsResponseMessage, ContactMessage, ContactsArrayMessage, ContextInfo, EncEventResponseMessage,
    EncReactionMessage, EventMessage, EventResponseMessage, ExtendedTextMessage, FutureProofMessage,
    KeepInChatMessage, ListResponseMessage, LiveLocationMessage, LocationMessage, Message,
    MessageContextInfo, MessageKey, PinInChatMessage, PollCreationMessage, PollEncValue, PollUpdateMessage,
    PollVoteMessage, ProtocolMessage, ReactionMessage, SecretEncryptedMessage, TemplateButtonReplyMessage,
    event_response_message::EventResponseType, keep_in_chat_message::KeepType,
    list_response_message::SingleSelectReply, pin_in_chat_message::Type as PinType,
    poll_creation_message::Option as PollOption, protocol_message::Type,
    secret_encrypted_message::SecretEncType,
};

use super::{
    Timer,
    known::Known,
    say::{Card, Event, Going, Place, Poll, Press, Pressed, Rich},
};

type Key = Option<MessageKey>;
type Sealed = (Vec<u8>, Vec<u8>);

fn with(secret: [u8; 32], message: Message) -> Message {
    let info = MessageContextInfo { message_secret: Some(secret.to_vec().into()), ..Default::default() };
    Message { message_context_info: Some(Box::new(info)), ..message }
}

pub(super) fn plain(text: &str, secret: [u8; 32]) -> Message {
    with(secret, Message { conversation: Some(text.to_owned()), ..Default::default() })
}

/// A text that disappears as its chat is set to.
pub(super) fn timed(message: Message, timer: Timer) -> Message {
    if timer.seconds == 0 {
        return message;
    }
    let text = ExtendedTextMessage {
        text: message.conversation,
        context_info: Some(Box::new(expiring(timer))),
        ..Default::default()
    };
    Message { conversation: None, extended_text_message: Some(Box::new(text)), ..message }
}

fn expiring(timer: Timer) -> ContextInfo {
    ContextInfo {
        expiration: Some(timer.seconds),
        ephemeral_setting_timestamp: Some(timer.set_at).filter(|at| *at > 0),
        ..Default::default()
    }
}

pub(super) fn rich(
    rich: &Rich,
    quoted: Option<&Known>,
    mentions: Vec<String>,
    (secret, timer): ([u8; 32], Timer),
) -> Message {
    let is_timed = timer.seconds > 0;
    let context = ContextInfo {
        stanza_id: quoted.map(|known| known.id.to_string()),
        participant: quoted.map(|known| known.author.lid().to_string()),
        quoted_message: quoted
            .map(|known| Box::new(Message { message_context_info: None, ..known.message.clone() })),
        mentioned_jid: mentions,
        is_forwarded: (rich.forwarded > 0).then_some(true),
        forwarding_score: (rich.forwarded > 0).then_some(rich.forwarded),
        ..if is_timed { expiring(timer) } else { ContextInfo::default() }
    };
    let (link, title) = rich.link.clone().unzip();
    let text = ExtendedTextMessage {
        text: Some(rich.text.clone()),
        matched_text: link,
        title,
        context_info: Some(Box::new(context)),
        ..Default::default()
    };
    with(secret, Message { extended_text_message: Some(Box::new(text)), ..Default::default() })
}

pub(super) fn setting(seconds: u32, now: i64) -> Message {
    protocol(ProtocolMessage {
        r#type: Some(Type::EphemeralSetting.into()),
        ephemeral_expiration: Some(seconds),
        ephemeral_setting_timestamp: Some(now),
        ..Default::default()
    })
}

fn protocol(protocol: ProtocolMessage) -> Message {
    Message { protocol_message: Some(Box::new(protocol)), ..Default::default() }
}

pub(super) fn edit(key: Key, content: Message, now: i64) -> Message {
    let message = protocol(ProtocolMessage {
        key,
        r#type: Some(Type::MessageEdit.into()),
        edited_message: Some(Box::new(content)),
        timestamp_ms: Some(now),
        ..Default::default()
    });
    Message {
        edited_message: Some(Box::new(FutureProofMessage { message: Some(Box::new(message)) })),
        ..Default::default()
    }
}

pub(super) fn revoke(key: Key) -> Message {
    protocol(ProtocolMessage { key, r#type: Some(Type::Revoke.into()), ..Default::default() })
}

pub(super) fn reaction(key: Key, emoji: &str, now: i64) -> Message {
    let reaction = ReactionMessage {
        key,
        text: Some(emoji.to_owned()),
        sender_timestamp_ms: Some(now),
        ..Default::default()
    };
    Message { reaction_message: Some(Box::new(reaction)), ..Default::default() }
}

pub(super) fn place(place: &Place, secret: [u8; 32]) -> Message {
    let (latitude, longitude) = (Some(place.latitude), Some(place.longitude));
    let message = if place.live {
        let live = LiveLocationMessage {
            degrees_latitude: latitude,
            degrees_longitude: longitude,
            caption: place.name.clone(),
            sequence_number: Some(1),
            ..Default::default()
        };
        Message { live_location_message: Some(Box::new(live)), ..Default::default() }
    } else {
        let location = LocationMessage {
            degrees_latitude: latitude,
            degrees_longitude: longitude,
            name: place.name.clone(),
            ..Default::default()
        };
        Message { location_message: Some(Box::new(location)), ..Default::default() }
    };
    with(secret, message)
}

pub(super) fn contacts(cards: &[Card], secret: [u8; 32]) -> Message {
    let contact = |card: &Card| ContactMessage {
        display_name: Some(card.name.clone()),
        vcard: Some(card.vcard.clone()),
        ..Default::default()
    };
    let message = match cards {
        [card] => Message { contact_message: Some(Box::new(contact(card))), ..Default::default() },
        cards => {
            let array = ContactsArrayMessage {
                display_name: Some(format!("{} contacts", cards.len())),
                contacts: cards.iter().map(contact).collect(),
                ..Default::default()
            };
            Message { contacts_array_message: Some(Box::new(array)), ..Default::default() }
        }
    };
    with(secret, message)
}

pub(super) fn poll(poll: &Poll, secret: [u8; 32]) -> Message {
    let option = |name: &String| PollOption { option_name: Some(name.clone()), option_hash: None };
    let creation = PollCreationMessage {
        name: Some(poll.question.clone()),
        options: poll.options.iter().map(option).collect(),
        selectable_options_count: Some(poll.choices),
        ..Default::default()
    };
    let creation = Some(Box::new(creation));
    let message = if poll.choices == 1 {
        Message { poll_creation_message_v3: creation, ..Default::default() }
    } else {
        Message { poll_creation_message: creation, ..Default::default() }
    };
    with(secret, message)
}

pub(super) fn event(event: &Event, secret: [u8; 32]) -> Message {
    let event =
        EventMessage { name: Some(event.name.clone()), start_time: Some(event.start), ..Default::default() };
    with(secret, Message { event_message: Some(Box::new(event)), ..Default::default() })
}

pub(super) fn vote(choices: &[String]) -> Vec<u8> {
    let hash = |name: &String| sha256(&[name.as_bytes()]).to_vec().into();
    prost::Message::encode_to_vec(&PollVoteMessage { selected_options: choices.iter().map(hash).collect() })
}

pub(super) fn sealed_vote(key: Key, payload: Vec<u8>, nonce: Vec<u8>, now: i64) -> Message {
    let update = PollUpdateMessage {
        poll_creation_message_key: key,
        vote: Some(PollEncValue { enc_payload: Some(payload.into()), enc_iv: Some(nonce.into()) }),
        sender_timestamp_ms: Some(now),
    };
    Message { poll_update_message: Some(Box::new(update)), ..Default::default() }
}

pub(super) fn answer(going: Going, now: i64) -> Vec<u8> {
    let response = match going {
        Going::Going => EventResponseType::Going,
        Going::NotGoing => EventResponseType::NotGoing,
        Going::Maybe => EventResponseType::Maybe,
    };
    prost::Message::encode_to_vec(&EventResponseMessage {
        response: Some(response.into()),
        timestamp_ms: Some(now),
        extra_guest_count: None,
    })
}

pub(super) fn sealed_answer(key: Key, payload: Vec<u8>, nonce: Vec<u8>) -> Message {
    let response = EncEventResponseMessage {
        event_creation_message_key: key,
        enc_payload: Some(payload.into()),
        enc_iv: Some(nonce.into()),
    };
    Message { enc_event_response_message: Some(Box::new(response)), ..Default::default() }
}

pub(super) fn secret_edit(key: Key, (payload, nonce): Sealed) -> Message {
    let edit = SecretEncryptedMessage {
        target_message_key: key,
        enc_payload: Some(payload.into()),
        enc_iv: Some(nonce.into()),
        secret_enc_type: Some(SecretEncType::MessageEdit.into()),
        ..Default::default()
    };
    Message { secret_encrypted_message: Some(Box::new(edit)), ..Default::default() }
}

pub(super) fn secret_reaction(key: Key, (payload, nonce): Sealed) -> Message {
    let reaction = EncReactionMessage {
        target_message_key: key,
        enc_payload: Some(payload.into()),
        enc_iv: Some(nonce.into()),
    };
    Message { enc_reaction_message: Some(Box::new(reaction)), ..Default::default() }
}

pub(super) fn pin(key: Key, seconds: u32, now: i64) -> Message {
    let kind = if seconds > 0 { PinType::PinForAll } else { PinType::UnpinForAll };
    let pin = PinInChatMessage { key, r#type: Some(kind.into()), sender_timestamp_ms: Some(now) };
    let info = MessageContextInfo { message_add_on_duration_in_secs: Some(seconds), ..Default::default() };
    Message {
        pin_in_chat_message: Some(Box::new(pin)),
        message_context_info: Some(Box::new(info)),
        ..Default::default()
    }
}

pub(super) fn keep(key: Key, keep: bool, now: i64) -> Message {
    let kind = if keep { KeepType::KeepForAll } else { KeepType::UndoKeepForAll };
    let keep = KeepInChatMessage { key, keep_type: Some(kind.into()), timestamp_ms: Some(now) };
    Message { keep_in_chat_message: Some(Box::new(keep)), ..Default::default() }
}

pub(super) fn pressed(press: &Press) -> Message {
    let (id, text) = (Some(press.id.clone()), Some(press.text.clone()));
    match press.of {
        Pressed::Buttons => {
            let response = ButtonsResponseMessage {
                selected_button_id: id,
                selected_display_text: text,
                ..Default::default()
            };
            Message { buttons_response_message: Some(Box::new(response)), ..Default::default() }
        }
        Pressed::List => {
            let response = ListResponseMessage {
                title: text,
                single_select_reply: Some(SingleSelectReply { selected_row_id: id }),
                ..Default::default()
            };
            Message { list_response_message: Some(Box::new(response)), ..Default::default() }
        }
        Pressed::Template => {
            let reply = TemplateButtonReplyMessage {
                selected_id: id,
                selected_display_text: text,
                ..Default::default()
            };
            Message { template_button_reply_message: Some(Box::new(reply)), ..Default::default() }
        }
    }
}
