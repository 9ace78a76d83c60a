//! What a view tells of the fields.

use super::*;

#[test]
fn files_have_a_caption_and_say_where_they_lie() {
    let document = DocumentMessage {
        direct_path: Some("/v/file?x=1".into()),
        media_key: Some(vec![7; 32].into()),
        file_sha256: Some(vec![1; 32].into()),
        file_enc_sha256: Some(vec![2; 32].into()),
        file_length: Some(5),
        mimetype: Some("application/pdf".into()),
        file_name: Some("a.pdf".into()),
        page_count: Some(3),
        caption: Some("look".into()),
        ..DocumentMessage::default()
    };
    let captioned = message!(document_with_caption_message: wrapped(message!(document_message: document)));
    let view = View::of(&captioned);
    assert_eq!((view.text(), view.caption(), view.text_or_caption()), (None, Some("look"), Some("look")));
    let media = view.media().unwrap();
    assert_eq!((media.direct_path, media.size, media.pages), (Some("/v/file?x=1"), Some(5), Some(3)));
    assert_eq!((media.key, media.sha256), (Some(&[7; 32][..]), Some(&[1; 32][..])));
    assert_eq!((media.mime_type, media.file_name), (Some("application/pdf"), Some("a.pdf")));
    assert!(!format!("{media:?} {view:?}").contains("a.pdf"));
}

#[test]
fn files_above_buttons_are_files() {
    let buttons = ButtonsMessage {
        content_text: Some("choose".into()),
        image_message: Some(Box::new(ImageMessage { width: Some(9), ..ImageMessage::default() })),
        ..ButtonsMessage::default()
    };
    let message = message!(buttons_message: buttons);
    let view = View::of(&message);
    assert_eq!((view.text(), view.caption()), (Some("choose"), None));
    assert_eq!(view.media().and_then(|media| media.width), Some(9));
}

#[test]
fn what_was_chosen_is_told_with_its_id() {
    let response = ButtonsResponseMessage {
        selected_button_id: Some("b1".into()),
        selected_display_text: Some("Yes".into()),
        ..ButtonsResponseMessage::default()
    };
    let message = message!(buttons_response_message: response);
    assert_eq!((View::of(&message).text(), View::of(&message).choice()), (Some("Yes"), Some("b1")));
    let row = list_response_message::SingleSelectReply { selected_row_id: Some("r1".into()) };
    let response = ListResponseMessage {
        title: Some("One".into()),
        single_select_reply: Some(row),
        ..ListResponseMessage::default()
    };
    let message = message!(list_response_message: response);
    assert_eq!((View::of(&message).text(), View::of(&message).choice()), (Some("One"), Some("r1")));
}

#[test]
fn an_edit_tells_its_target_and_its_new_content() {
    let inner =
        protocol(Some(Type::MessageEdit), key("A", true), Some(message!(image_message: image("new"))));
    for edit in [inner.clone(), message!(edited_message: wrapped(inner))] {
        let view = View::of(&edit);
        assert_eq!((view.text(), view.caption()), (Some("new"), None));
        assert_eq!(view.target(), Some(Target::of(CHAT, "A", true)));
        let edited = view.edited().unwrap();
        assert_eq!((edited.kind(), edited.caption()), (Kind::Image, Some("new")));
    }
    let bare = message!(edited_message: wrapped(text("new")));
    assert_eq!((View::of(&bare).text(), View::of(&bare).target()), (Some("new"), None));
    assert_eq!(View::of(&bare).edited().map(|edited| edited.kind()), Some(Kind::Text));
}

#[test]
fn what_refers_to_another_message_names_it() {
    let reaction = ReactionMessage { key: key("A", false), ..ReactionMessage::default() };
    let vote =
        PollUpdateMessage { poll_creation_message_key: key("A", false), ..PollUpdateMessage::default() };
    let answer = EncEventResponseMessage {
        event_creation_message_key: key("A", false),
        ..EncEventResponseMessage::default()
    };
    let pin = PinInChatMessage { key: key("A", false), ..PinInChatMessage::default() };
    let keep = KeepInChatMessage { key: key("A", false), ..KeepInChatMessage::default() };
    let secret = SecretEncryptedMessage {
        target_message_key: key("A", false),
        secret_enc_type: Some(SecretEncType::MessageEdit.into()),
        ..SecretEncryptedMessage::default()
    };
    let encrypted =
        EncReactionMessage { target_message_key: key("A", false), ..EncReactionMessage::default() };
    for message in [
        message!(reaction_message: reaction),
        message!(enc_reaction_message: encrypted),
        message!(poll_update_message: vote),
        message!(enc_event_response_message: answer),
        message!(pin_in_chat_message: pin),
        message!(keep_in_chat_message: keep),
        message!(secret_encrypted_message: secret),
        protocol(Some(Type::Revoke), key("A", false), None),
    ] {
        assert_eq!(View::of(&message).target(), Some(Target::of(CHAT, "A", false)), "{message:?}");
    }
    let nameless = protocol(Some(Type::Revoke), key("", true), None);
    assert_eq!(View::of(&nameless).target(), None);
    assert_eq!(View::of(&text("hi")).target(), None);
}

#[test]
fn an_empty_reaction_takes_one_away() {
    let reaction = message!(reaction_message: ReactionMessage::default());
    assert_eq!((View::of(&reaction).text(), View::of(&reaction).is_undone()), (Some(""), true));
}

#[test]
fn view_once_is_a_wrapper_or_a_flag() {
    let once = message!(view_once_message_v2: wrapped(message!(image_message: image(""))));
    assert!(View::of(&once).is_view_once());
    let flagged = AudioMessage { view_once: Some(true), ..AudioMessage::default() };
    assert!(View::of(&message!(audio_message: flagged)).is_view_once());
    assert!(!View::of(&message!(ephemeral_message: wrapped(text("hi")))).is_view_once());
}

#[test]
fn contexts_tell_quotes_mentions_and_timers() {
    let context = ContextInfo {
        stanza_id: Some("Q".into()),
        participant: Some(MEMBER.into()),
        quoted_message: Some(Box::new(text("asked"))),
        mentioned_jid: vec![MEMBER.into()],
        non_jid_mentions: Some(1),
        expiration: Some(86_400),
        is_forwarded: Some(true),
        ..ContextInfo::default()
    };
    let mut sticker = StickerMessage { context_info: Some(Box::new(context)), ..StickerMessage::default() };
    let message = message!(sticker_message: sticker.clone());
    let view = View::of(&message);
    let quote = view.quote().unwrap();
    assert_eq!((quote.id, quote.participant, quote.chat), ("Q", Some(MEMBER), None));
    assert_eq!(quote.content.and_then(|content| content.text()), Some("asked"));
    assert_eq!((view.mentions(), view.mentions_everyone()), (&[MEMBER.to_owned()][..], true));
    assert_eq!((view.expiration(), view.is_forwarded()), (Some(86_400), true));
    sticker.context_info.as_mut().unwrap().stanza_id = None;
    assert!(View::of(&message!(sticker_message: sticker)).quote().is_none());
    let timer = ProtocolMessage {
        r#type: Some(Type::EphemeralSetting.into()),
        ephemeral_expiration: Some(604_800),
        ..ProtocolMessage::default()
    };
    assert_eq!(View::of(&message!(protocol_message: timer)).expiration(), Some(604_800));
}

#[test]
fn links_contacts_and_places_have_parts() {
    let link = ExtendedTextMessage {
        text: Some("see a.test".into()),
        matched_text: Some("a.test".into()),
        title: Some("A".into()),
        ..ExtendedTextMessage::default()
    };
    let message = message!(extended_text_message: link);
    let link = View::of(&message).link().unwrap();
    assert_eq!((link.url, link.title, link.description), (Some("a.test"), Some("A"), None));
    let card = |name: &str| ContactMessage { display_name: Some(name.into()), ..ContactMessage::default() };
    let message = message!(contact_message: card("Ann"));
    assert_eq!(View::of(&message).text(), Some("Ann"));
    let cards = ContactsArrayMessage { contacts: vec![card("Ann"), card("Ben")], ..Default::default() };
    let message = message!(contacts_array_message: cards);
    let names: Vec<_> = View::of(&message).contacts().filter_map(|card| card.name).collect();
    assert_eq!(names, ["Ann", "Ben"]);
    let place = LocationMessage {
        degrees_latitude: Some(1.5),
        degrees_longitude: Some(-2.5),
        name: Some("Pier".into()),
        ..LocationMessage::default()
    };
    let message = message!(location_message: place);
    let place = View::of(&message).place().unwrap();
    assert_eq!((place.latitude, place.longitude, View::of(&message).text()), (1.5, -2.5, Some("Pier")));
}
