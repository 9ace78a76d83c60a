//! What is sent, and in which bytes.

use super::*;

#[test]
fn answers_quote_content_without_its_own_context() {
    let question =
        Draft::text("Tea?").quoting(&Quote::of("0", CHAT).showing(View::of(&text("?")))).expiring(60);
    let quote = Quote::of("A", MEMBER).showing(question.view());
    let answer = Draft::text("Yes").quoting(&quote).mentioning([MEMBER]).expiring(86_400);
    let view = answer.view();
    assert_eq!((view.text(), view.expiration()), (Some("Yes"), Some(86_400)));
    assert_eq!(view.mentions(), [MEMBER]);
    let quoted = view.quote().unwrap();
    assert_eq!((quoted.id, quoted.participant, quoted.chat), ("A", Some(MEMBER), None));
    let content = quoted.content.unwrap();
    assert_eq!((content.text(), content.quote().is_none(), content.expiration()), (Some("Tea?"), true, None));
}

#[test]
fn a_draft_without_a_place_for_a_context_stays_as_it_is() {
    let revoke = Draft::revoke(&Target::of(CHAT, "A", true));
    assert_eq!(revoke.clone().expiring(60).encode_once(), revoke.encode_once());
}

#[test]
fn drafts_are_what_their_view_says() {
    let target = Target::of("1203@g.us", "A", false).by(MEMBER);
    let reaction = Draft::reaction(&target, "👍", 1);
    assert_eq!((reaction.view().text(), reaction.view().target()), (Some("👍"), Some(target)));
    let edit = Draft::edit(&Target::of(CHAT, "A", true), Draft::text("new"), 1);
    assert_eq!((edit.view().kind(), edit.view().text()), (Kind::Edit, Some("new")));
    let revoke = Draft::revoke(&target);
    assert_eq!((revoke.view().kind(), revoke.view().target()), (Kind::Revoke, Some(target)));
}

#[test]
fn a_revocation_names_its_type_although_it_is_zero() {
    let raw = Draft::revoke(&Target::of(CHAT, "A", true)).encode_once();
    let protocol = Message::decode(raw).unwrap().protocol_message.unwrap();
    assert_eq!(protocol.r#type, Some(0));
}

#[test]
fn stored_bytes_leave_as_they_are() {
    let mut raw = text("hi").encode_to_vec();
    raw.extend([0xFA, 0x3E, 1, b'x']); // A field that this version doesn't know.
    let draft = Draft::from_raw(raw.clone()).unwrap();
    assert_eq!((draft.view().text(), &draft.encode_once()[..]), (Some("hi"), &raw[..]));
    let copy = Content::decode(draft.for_own_devices(&Jid::lid("9002"))).unwrap().into_own_copy().unwrap();
    assert_eq!((&copy.content.raw()[..], copy.destination.as_deref()), (&raw[..], Some("9002@lid")));
    assert!(Draft::from_raw(&b"\xff"[..]).is_err());
}

#[test]
fn own_devices_get_the_message_and_where_it_went() {
    let secret = MessageContextInfo { message_secret: Some(vec![9; 32].into()), ..Default::default() };
    let message = Message { message_context_info: Some(Box::new(secret)), ..text(&"long ".repeat(100)) };
    let draft = Draft::from_raw(message.encode_to_vec()).unwrap();
    let sent = DeviceSentMessage {
        destination_jid: Some("9002@lid".into()),
        message: Some(Box::new(message.clone())),
        phash: None,
    };
    let expected = Message {
        device_sent_message: Some(Box::new(sent)),
        message_context_info: message.message_context_info.clone(),
        ..Message::default()
    };
    assert_eq!(draft.for_own_devices(&Jid::lid("9002")), expected.encode_to_vec());
}

#[test]
fn an_envelope_in_pieces_is_put_together() {
    let piece = |destination: Option<&str>, message: Option<Message>| {
        let sent = DeviceSentMessage {
            destination_jid: destination.map(Into::into),
            message: message.map(Box::new),
            phash: None,
        };
        message!(device_sent_message: sent).encode_to_vec()
    };
    let caption = message!(image_message: image("look"));
    let width = message!(image_message: ImageMessage { width: Some(3), ..ImageMessage::default() });
    let raw = [piece(Some(CHAT), Some(caption)), piece(None, Some(width))].concat();
    let copy = Content::decode(raw).unwrap().into_own_copy().unwrap();
    let again = Content::decode(copy.content.raw().clone()).unwrap();
    assert_eq!((again.view().caption(), copy.destination.as_deref()), (Some("look"), Some(CHAT)));
    assert_eq!(again.view().media().and_then(|media| media.width), Some(3));
    assert!(Content::decode(text("hi").encode_to_vec()).unwrap().into_own_copy().is_err());
}

#[test]
fn a_poll_that_phones_would_not_show_is_none() {
    let long = "x".repeat(101);
    for (question, options, choices, why) in [
        ("", vec!["a", "b"], 1, NotAPoll::Question),
        ("?", vec!["a"], 1, NotAPoll::Options),
        ("?", vec!["a"; 13], 1, NotAPoll::Options),
        ("?", vec!["a", " "], 1, NotAPoll::Option),
        ("?", vec!["a", &long], 1, NotAPoll::Option),
        ("?", vec!["a", "b", "a"], 1, NotAPoll::Alike),
        ("?", vec!["a", "b"], 3, NotAPoll::Choices),
    ] {
        assert_eq!(Draft::poll(question, options, choices).err(), Some(why));
    }
    let poll = Draft::poll("?", ["a", "b"], 0).unwrap();
    assert_eq!(poll.view().poll().map(|poll| (poll.options().count(), poll.choices())), Some((2, 0)));
    assert!(poll.secret().is_some() && poll.secret() != Draft::poll("?", ["a", "b"], 0).unwrap().secret());
}

#[test]
fn a_text_has_its_preview_and_its_mark_beside_each_other() {
    let mut link = Link::to("a.test");
    link.title = Some("A");
    let draft = Draft::text("see a.test").forwarded(5).previewing(&link).mentioning_everyone();
    let view = draft.view();
    assert_eq!((view.text(), view.link().and_then(|link| link.title)), (Some("see a.test"), Some("A")));
    assert!(view.is_forwarded() && view.mentions_everyone());
    assert_eq!(view.attributes().media_type, Some("url"));
}
