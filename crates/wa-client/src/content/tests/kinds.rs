//! What every kind of content is, and what its stanza says: `kind`, `type`, `mediatype`, `edit`, hidden (PROTOCOL.md 11.4).

use super::*;

type Row = (Message, Kind, &'static str, Option<&'static str>, Option<&'static str>, bool);

fn media() -> Vec<Row> {
    let gif = VideoMessage { gif_playback: Some(true), ..VideoMessage::default() };
    let voice = AudioMessage { ptt: Some(true), ..AudioMessage::default() };
    let live = LocationMessage { is_live: Some(true), ..LocationMessage::default() };
    let link = ExtendedTextMessage { matched_text: Some("a.test".into()), ..ExtendedTextMessage::default() };
    let shown = |message, kind, media| (message, kind, "media", Some(media), None, false);
    vec![
        shown(message!(extended_text_message: link), Kind::Text, "url"),
        shown(message!(image_message: image("")), Kind::Image, "image"),
        shown(message!(video_message: VideoMessage::default()), Kind::Video, "video"),
        shown(message!(video_message: gif), Kind::Gif, "gif"),
        shown(message!(ptv_message: VideoMessage::default()), Kind::VideoNote, "ptv"),
        shown(message!(audio_message: AudioMessage::default()), Kind::Audio, "audio"),
        shown(message!(audio_message: voice), Kind::Voice, "ptt"),
        shown(message!(document_message: DocumentMessage::default()), Kind::Document, "document"),
        shown(message!(sticker_message: StickerMessage::default()), Kind::Sticker, "sticker"),
        shown(message!(sticker_pack_message: StickerPackMessage::default()), Kind::Unknown, "sticker_pack"),
        shown(message!(contact_message: ContactMessage::default()), Kind::Contact, "vcard"),
        shown(
            message!(contacts_array_message: ContactsArrayMessage::default()),
            Kind::Contacts,
            "contact_array",
        ),
        shown(message!(location_message: LocationMessage::default()), Kind::Location, "location"),
        shown(message!(location_message: live), Kind::LiveLocation, "livelocation"),
        shown(
            message!(live_location_message: LiveLocationMessage::default()),
            Kind::LiveLocation,
            "livelocation",
        ),
        shown(message!(group_invite_message: GroupInviteMessage::default()), Kind::GroupInvite, "url"),
        shown(message!(product_message: ProductMessage::default()), Kind::Product, "product"),
        shown(message!(order_message: OrderMessage::default()), Kind::Order, "order"),
        shown(message!(list_message: ListMessage::default()), Kind::List, "list"),
        shown(
            message!(list_response_message: ListResponseMessage::default()),
            Kind::ListResponse,
            "list_response",
        ),
        shown(
            message!(buttons_response_message: ButtonsResponseMessage::default()),
            Kind::ButtonsResponse,
            "buttons_response",
        ),
        shown(
            message!(interactive_response_message: InteractiveResponseMessage::default()),
            Kind::InteractiveResponse,
            "native_flow_response",
        ),
    ]
}

fn plain() -> Vec<Row> {
    let row = |message, kind| (message, kind, "text", None, None, false);
    vec![
        row(text("hi"), Kind::Text),
        row(text(""), Kind::Text),
        row(message!(extended_text_message: ExtendedTextMessage::default()), Kind::Text),
        row(message!(album_message: AlbumMessage::default()), Kind::Album),
        row(message!(buttons_message: ButtonsMessage::default()), Kind::Buttons),
        row(message!(template_message: TemplateMessage::default()), Kind::Template),
        row(
            message!(template_button_reply_message: TemplateButtonReplyMessage::default()),
            Kind::ButtonsResponse,
        ),
        row(message!(interactive_message: InteractiveMessage::default()), Kind::Interactive),
        row(message!(call_log_message: CallLogMessage::default()), Kind::Call),
        row(message!(scheduled_call_creation_message: ScheduledCallCreationMessage::default()), Kind::Call),
        row(message!(poll_result_snapshot_message: PollResultSnapshotMessage::default()), Kind::Unknown),
        row(message!(comment_message: CommentMessage::default()), Kind::Unknown),
        row(message!(secret_encrypted_message: SecretEncryptedMessage::default()), Kind::Unknown),
        row(Message::default(), Kind::Unknown),
        row(protocol(Some(Type::AppStateSyncKeyShare), None, None), Kind::Machinery),
        row(protocol(Some(Type::EphemeralSetting), None, None), Kind::Timer),
        row(protocol(None, None, None), Kind::Machinery),
        row(
            message!(protocol_message: ProtocolMessage { r#type: Some(99), ..Default::default() }),
            Kind::Unknown,
        ),
        row(message!(call: Call::default()), Kind::Machinery),
        row(
            message!(sender_key_distribution_message: SenderKeyDistributionMessage::default()),
            Kind::Machinery,
        ),
    ]
}

fn polls_and_events() -> Vec<Row> {
    let poll = PollCreationMessage::default;
    let created = |message| (message, Kind::Poll, "poll", None, None, false);
    vec![
        created(message!(poll_creation_message: poll())),
        created(message!(poll_creation_message_v2: poll())),
        created(message!(poll_creation_message_v3: poll())),
        created(message!(poll_creation_message_v4: wrapped(message!(poll_creation_message: poll())))),
        created(message!(poll_creation_message_v5: poll())),
        created(message!(poll_creation_message_v6: poll())),
        (
            message!(poll_update_message: PollUpdateMessage::default()),
            Kind::PollVote,
            "poll",
            None,
            None,
            true,
        ),
        (message!(event_message: EventMessage::default()), Kind::Event, "event", None, None, false),
        (
            message!(enc_event_response_message: EncEventResponseMessage::default()),
            Kind::EventResponse,
            "event",
            None,
            None,
            true,
        ),
    ]
}

fn referring() -> Vec<Row> {
    let reaction = |text: &str| message!(reaction_message: ReactionMessage { text: Some(text.into()), ..ReactionMessage::default() });
    let pin = |kind: PinType| message!(pin_in_chat_message: PinInChatMessage { r#type: Some(kind.into()), ..PinInChatMessage::default() });
    let keep = |kind: KeepType| {
        message!(keep_in_chat_message: KeepInChatMessage {
            keep_type: Some(kind.into()),
            ..KeepInChatMessage::default()
        })
    };
    let secret = |kind: SecretEncType| {
        message!(secret_encrypted_message: SecretEncryptedMessage {
            secret_enc_type: Some(kind.into()),
            ..SecretEncryptedMessage::default()
        })
    };
    let edit = protocol(Some(Type::MessageEdit), key("A", true), Some(text("new")));
    let hidden = |message, kind, edit| (message, kind, "text", None, Some(edit), true);
    vec![
        (reaction("👍"), Kind::Reaction, "reaction", None, None, true),
        (reaction(""), Kind::Reaction, "reaction", None, Some("7"), true),
        (
            message!(enc_reaction_message: EncReactionMessage::default()),
            Kind::Reaction,
            "reaction",
            None,
            None,
            true,
        ),
        hidden(edit.clone(), Kind::Edit, "1"),
        hidden(message!(edited_message: wrapped(edit)), Kind::Edit, "1"),
        hidden(message!(edited_message: wrapped(message!(image_message: image("new")))), Kind::Edit, "1"),
        hidden(secret(SecretEncType::MessageEdit), Kind::Edit, "1"),
        hidden(secret(SecretEncType::PollAddOption), Kind::Edit, "1"),
        (protocol(Some(Type::Revoke), key("A", true), None), Kind::Revoke, "text", None, Some("7"), false),
        (protocol(Some(Type::Revoke), key("A", false), None), Kind::Revoke, "text", None, Some("8"), false),
        (protocol(None, key("A", true), None), Kind::Revoke, "text", None, Some("7"), false),
        hidden(pin(PinType::PinForAll), Kind::Pin, "2"),
        hidden(pin(PinType::UnpinForAll), Kind::Pin, "2"),
        (keep(KeepType::KeepForAll), Kind::Keep, "text", None, None, true),
        hidden(keep(KeepType::UndoKeepForAll), Kind::Keep, "7"),
    ]
}

#[test]
fn every_kind_has_its_stanza() {
    let mut seen = Vec::new();
    for (message, kind, stanza, media_type, edit, is_hidden) in
        [media(), plain(), polls_and_events(), referring()].into_iter().flatten()
    {
        let view = View::of(&message);
        assert_eq!(view.kind(), kind, "{message:?}");
        let attributes = view.attributes();
        let found = (
            attributes.kind,
            attributes.media_type,
            attributes.edit.map(EditCode::as_str),
            attributes.is_hidden,
        );
        assert_eq!(found, (stanza, media_type, edit, is_hidden), "{message:?}");
        seen.push(kind);
    }
    let missing: Vec<_> = Kind::ALL.iter().filter(|kind| !seen.contains(kind)).collect();
    assert_eq!(missing, [&Kind::Machinery; 0], "without an example");
}

#[test]
fn words_are_one_each() {
    let mut words: Vec<_> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
    words.sort_unstable();
    words.dedup();
    assert_eq!(words.len(), Kind::ALL.len());
}

#[test]
fn newsletters_have_edit_codes_of_their_own() {
    let code = |message: &Message| View::of(message).attributes().in_newsletter().edit.map(EditCode::as_str);
    let edit = protocol(Some(Type::MessageEdit), key("A", true), Some(text("new")));
    assert_eq!(code(&edit), Some("3"));
    assert_eq!(code(&protocol(Some(Type::Revoke), key("A", true), None)), Some("8"));
    assert_eq!(code(&message!(reaction_message: ReactionMessage::default())), Some("7"));
    assert_eq!(code(&text("post")), None);
}

#[test]
fn keys_that_come_along_hide_nothing() {
    let keys = message!(sender_key_distribution_message: SenderKeyDistributionMessage::default());
    let with_text = Message { conversation: Some("hi".into()), ..keys.clone() };
    assert_eq!(View::of(&with_text).text(), Some("hi"));
    let with_unknown = Message { comment_message: Some(Box::default()), ..keys };
    assert_eq!(View::of(&with_unknown).kind(), Kind::Unknown);
}

#[test]
fn an_empty_text_beside_something_else_is_not_the_content() {
    let both = Message { conversation: Some(String::new()), ..message!(image_message: image("look")) };
    assert_eq!((View::of(&both).kind(), View::of(&both).caption()), (Kind::Image, Some("look")));
}
