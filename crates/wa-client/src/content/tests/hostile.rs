//! Anything may come, and nothing of it hurts. The wire format, not this code, says which wrappers and contexts there are.

use super::*;

/// The fields of `Message`, read from the protobuf source: type, name, number.
fn fields_of_message() -> Vec<(String, String, u32)> {
    let source = source();
    let body = source.split("\nmessage Message {\n").nth(1).unwrap().split("\n}\n").next().unwrap();
    let field = |line: &str| {
        let line = line.trim().strip_prefix("optional ")?.strip_suffix(';')?;
        let (left, number) = line.split_once(" = ")?;
        let (kind, name) = left.split_once(' ')?;
        Some((kind.to_owned(), name.to_owned(), number.parse().ok()?))
    };
    body.lines().filter_map(field).collect()
}

fn source() -> String {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../proto/e2e.proto")).unwrap()
}

/// Numbers of the context in each type that has one.
fn contexts() -> Vec<(String, u32)> {
    let source = source();
    let context = |block: &str| {
        let (name, body) = block.split_once(" {\n")?;
        let body = body.split("\n}\n").next()?;
        let field =
            body.lines().find_map(|line| line.strip_prefix("  optional ContextInfo context_info = "))?;
        Some((name.to_owned(), field.trim_end_matches(';').parse().ok()?))
    };
    source.split("\nmessage ").filter_map(context).collect()
}

fn embedded(number: u32, inner: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    prost::encoding::bytes::encode(number, &inner.to_vec(), &mut bytes);
    bytes
}

#[test]
fn every_wrapper_is_opened() {
    let inner = embedded(1, &text("inside").encode_to_vec());
    let wrappers: Vec<_> =
        fields_of_message().into_iter().filter(|(kind, ..)| kind == "FutureProofMessage").collect();
    assert!(wrappers.len() > 20, "{wrappers:?}");
    for (_, name, number) in wrappers {
        let content = Content::decode(embedded(number, &inner)).unwrap();
        assert_eq!(content.view().text(), Some("inside"), "{name}");
    }
}

#[test]
fn every_context_is_found_and_can_be_set() {
    let contexts = contexts();
    let mut found = 0;
    for (kind, name, number) in fields_of_message() {
        let Some((_, context)) = contexts.iter().find(|(with, _)| *with == kind) else { continue };
        let quote = ContextInfo { stanza_id: Some("Q".into()), ..ContextInfo::default() };
        let content = Content::decode(embedded(number, &embedded(*context, &quote.encode_to_vec()))).unwrap();
        assert_eq!(content.view().quote().map(|quote| quote.id), Some("Q"), "{name}");
        let again = Draft::from(content).quoting(&Quote::of("R", CHAT));
        assert_eq!(again.view().quote().map(|quote| quote.id), Some("R"), "{name}");
        found += 1;
    }
    assert!(found > 30, "{found}");
}

#[test]
fn wrappers_are_opened_but_not_for_ever() {
    let nested = |depth: usize| {
        (0..depth).fold(text("deep"), |message, _| message!(ephemeral_message: wrapped(message)))
    };
    assert_eq!(View::of(&nested(10)).text(), Some("deep"));
    assert_eq!(View::of(&nested(1000)).kind(), Kind::Unknown);
    let edits = (0..1000)
        .fold(text("deep"), |message, _| protocol(Some(Type::MessageEdit), key("A", true), Some(message)));
    assert_eq!((View::of(&edits).kind(), View::of(&edits).text()), (Kind::Edit, None));
    let quotes = (0..1000).fold(text("deep"), |message, _| {
        let context = ContextInfo {
            stanza_id: Some("Q".into()),
            quoted_message: Some(Box::new(message)),
            ..ContextInfo::default()
        };
        message!(image_message: ImageMessage { context_info: Some(Box::new(context)), ..ImageMessage::default() })
    });
    let mut depth = 0;
    let mut view = Some(View::of(&quotes));
    while let Some(inner) = view {
        (view, depth) = (inner.quote().and_then(|quote| quote.content), depth + 1);
    }
    assert!(depth < 20, "{depth}");
}

/// Asks a view everything.
fn ask(view: View<'_>) {
    let edited = view.edited().map(|edited| edited.kind());
    let quoted = view.quote().and_then(|quote| quote.content?.text());
    let shown = format!("{view:?} {:?} {:?} {:?}", view.media(), view.quote(), view.target());
    let texts = (view.text(), view.caption(), view.choice(), view.mentions().len());
    let flags = (view.is_view_once(), view.is_forwarded(), view.is_undone(), view.mentions_everyone());
    let parts = (view.contacts().count(), view.place(), view.link(), view.expiration());
    let attributes = view.attributes();
    assert!(
        texts.0.is_none() || texts.1.is_none(),
        "text and caption: {edited:?} {quoted:?} {flags:?} {parts:?}"
    );
    assert!(attributes.kind != "media" || attributes.media_type.is_some(), "{shown}");
}

/// One field after the other, wrapped in wrappers and edits.
fn nested() -> impl Strategy<Value = Vec<u8>> {
    let numbers: Vec<_> = fields_of_message().into_iter().map(|(.., number)| number).collect();
    let number = prop::sample::select(numbers);
    let leaf = prop::collection::vec(any::<u8>(), 0..40);
    let leaf = prop_oneof![leaf, Just(text("hi").encode_to_vec()), Just(Vec::new())];
    leaf.prop_recursive(40, 80, 3, move |inner| {
        (number.clone(), inner.clone(), prop::collection::vec(inner, 0..2), 0..4_u32).prop_map(
            |(number, inside, beside, shape)| {
                let inside = match shape {
                    0 => embedded(1, &inside),
                    1 => embedded(2, &inside),
                    2 => embedded(14, &inside),
                    _ => inside,
                };
                [embedded(number, &inside), beside.concat()].concat()
            },
        )
    })
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(raw in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(content) = Content::decode(raw) {
            ask(content.view());
            if let Ok(copy) = content.into_own_copy() {
                ask(copy.content.view());
            }
        }
    }

    #[test]
    fn any_nesting_is_read_or_refused(raw in nested()) {
        if let Ok(content) = Content::decode(raw.clone()) {
            ask(content.view());
            // Texts that are no UTF-8 are repaired, once and for all.
            let is_sound = Message::decode(&raw[..]).is_ok();
            let raw = if is_sound { raw } else { content.raw().to_vec() };
            prop_assert_eq!(&Draft::from(content.clone()).encode_once()[..], &raw[..]);
            let copy = Draft::from(content.clone()).for_own_devices(&Jid::lid("9002"));
            let copy = Content::decode(copy).unwrap().into_own_copy().unwrap();
            prop_assert_eq!(&copy.content.raw()[..], &raw[..]);
            ask(Draft::from(content).quoting(&Quote::of("Q", CHAT).showing(copy.content.view())).view());
        }
    }
}
