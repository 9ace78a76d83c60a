//! What is written is read back, whatever it is.
#![allow(clippy::unwrap_used, reason = "a failed test is a panic")]

use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use wa_binary::{Content, Jid, Node, Server, Value, decode, encode, encode_compressed, unpack};

/// Text of every kind the encoder tells apart, and around the lengths where it changes its mind.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec!["iq", "message", "read-self", "mute_v2", "1961", "404", "s.whatsapp.net"])
            .prop_map(str::to_owned),
        "[0-9.-]{1,130}",
        "[0-9A-F]{1,130}",
        "[a-z0-9_-]{1,20}",
        "\\PC{1,40}",
        any::<String>().prop_filter("not empty", |text| !text.is_empty()),
        (250usize..260).prop_map(|len| "y".repeat(len)),
    ]
}

fn jid() -> impl Strategy<Value = Jid> {
    let pair = (
        "[0-9a-zA-Z_-]{0,40}",
        prop::sample::select(vec![
            Server::Pn,
            Server::Lid,
            Server::Group,
            Server::Legacy,
            Server::Broadcast,
            Server::Newsletter,
            Server::Bot,
        ]),
    )
        .prop_map(|(user, server)| Jid::new(user, server));
    let device = (
        "[0-9a-zA-Z_-]{1,40}",
        prop::sample::select(vec![Server::Pn, Server::Lid, Server::Hosted, Server::HostedLid]),
        any::<u8>(),
    )
        .prop_map(|(user, server, device)| Jid::new(user, server).with_device(device.into()));
    let agent = ("[0-9]{1,15}", any::<u8>(), prop::sample::select(vec![2u8, 7, 127, 130, 255]))
        .prop_map(|(user, device, agent)| Jid { agent, ..Jid::pn(user).with_device(device.into()) });
    let messenger = ("\\PC{1,20}", any::<u16>())
        .prop_filter("separators", |(user, _)| !user.contains(['@', ':']))
        .prop_map(|(user, device)| Jid::new(user, Server::Messenger).with_device(device));
    let interop = ("[0-9a-z.-]{1,30}", any::<u16>(), any::<u16>()).prop_map(|(user, device, integrator)| {
        Jid { integrator, ..Jid::new(user, Server::Interop).with_device(device) }
    });
    prop_oneof![pair, device, agent, messenger, interop]
}

fn value() -> impl Strategy<Value = Value<'static>> {
    prop_oneof![text().prop_map(Value::from), jid().prop_map(Value::from)]
}

fn leaf() -> impl Strategy<Value = Content<'static>> {
    prop_oneof![
        Just(Content::Empty),
        vec(any::<u8>(), 0..300).prop_map(|bytes| Content::Bytes(bytes.into())),
        text().prop_map(|text| Content::Text(text.into())),
    ]
}

fn node() -> impl Strategy<Value = Node<'static>> {
    let bare = |content: BoxedStrategy<Content<'static>>| {
        (text(), vec((text(), value()), 0..5), content).prop_map(|(tag, attrs, content)| Node {
            tag: tag.into(),
            attrs: attrs.into_iter().collect(),
            content,
        })
    };
    bare(leaf().boxed())
        .prop_recursive(5, 60, 8, move |inner| bare(vec(inner, 0..8).prop_map(Content::Nodes).boxed()))
}

/// Text that was sent as binary for want of another form comes back as bytes.
fn text_as_bytes(node: Node<'_>) -> Node<'_> {
    let content = match node.content {
        Content::Text(text) => Content::Bytes(text.into_owned().into_bytes().into()),
        Content::Nodes(nodes) => Content::Nodes(nodes.into_iter().map(text_as_bytes).collect()),
        content => content,
    };
    Node { content, ..node }
}

fn assert_stays(jid: &Jid) {
    assert_eq!(jid.to_string().parse::<Jid>().as_ref(), Ok(jid));
    let frame = encode(&Node::new("to").attr("jid", jid)).unwrap();
    assert_eq!(decode(&frame[1..]).unwrap().attrs.jid("jid"), Some(jid));
}

proptest! {
    #[test]
    fn nodes_come_back(node in node()) {
        let frame = encode(&node).unwrap();
        let data = unpack(&frame).unwrap();
        let read = decode(&data).unwrap();
        prop_assert_eq!(encode(&read).unwrap(), &frame[..]);
        prop_assert_eq!(text_as_bytes(read.clone().into_owned()), text_as_bytes(node.clone()));
        let compressed = encode_compressed(&node).unwrap();
        prop_assert_eq!(unpack(&compressed).unwrap(), data);
    }

    #[test]
    fn jids_come_back_from_text_and_wire(jid in jid()) {
        assert_stays(&jid);
    }

    #[test]
    fn jids_that_can_be_read_can_be_printed_and_sent(
        user in "[0-9a-z]{0,4}", agent in of(any::<u8>()), device in of(0u32..70_000), rest in "\\PC{0,3}",
        server in prop::sample::select(vec!["s.whatsapp.net", "lid", "g.us", "c.us", "msgr", "interop", "hosted"]),
    ) {
        let agent = agent.map(|agent| format!(".{agent}")).unwrap_or_default();
        let device = device.map(|device| format!(":{device}")).unwrap_or_default();
        if let Ok(jid) = format!("{user}{agent}{rest}{device}@{server}").parse::<Jid>() {
            assert_stays(&jid);
        }
    }

    #[test]
    fn any_text_may_be_offered_as_jid(text in "\\PC{0,30}") {
        if let Ok(jid) = text.parse::<Jid>() {
            assert_stays(&jid);
        }
    }

    #[test]
    fn no_prefix_of_a_node_is_a_node(node in node(), cut in any::<prop::sample::Index>()) {
        let frame = encode(&node).unwrap();
        let cut = 1 + cut.index(frame.len() - 1);
        prop_assert!(decode(&frame[1..cut]).is_err());
    }
}
