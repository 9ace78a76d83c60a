//! The codec agrees with Baileys, in both directions: `testdata/PROVENANCE`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test is a panic")]

use serde_json::Value as Json;
use wa_binary::{Content, Jid, Node, Value, decode, encode, unpack};

fn vectors(section: &str) -> Vec<Json> {
    let all: Json = serde_json::from_str(include_str!("../testdata/baileys.json")).unwrap();
    all[section].as_array().unwrap().clone()
}

fn frame(vector: &Json) -> Vec<u8> {
    let run = |run: &Json| {
        let bytes = hex::decode(run[0].as_str().unwrap()).unwrap();
        bytes.repeat(run[1].as_u64().unwrap().try_into().unwrap())
    };
    vector["frame"].as_array().unwrap().iter().flat_map(run).collect()
}

fn node(json: &Json) -> Node<'static> {
    let mut node = Node::new(json["tag"].as_str().unwrap().to_owned());
    for pair in json["attrs"].as_array().unwrap() {
        let (name, value) = (pair[0].as_str().unwrap().to_owned(), &pair[1]);
        node = match value.as_str() {
            Some(text) => node.attr(name, text.to_owned()),
            None => node.attr(name, value["jid"].as_str().unwrap().parse::<Jid>().unwrap()),
        };
    }
    node.content = content(&json["content"]);
    node
}

fn content(json: &Json) -> Content<'static> {
    let times = json["times"].as_u64().unwrap_or(1).try_into().unwrap();
    if let Some(nodes) = json.as_array() {
        Content::Nodes(nodes.iter().map(node).collect())
    } else if let Some(child) = json.get("node") {
        Content::Nodes(vec![node(child); times])
    } else if let Some(bytes) = json.get("bytes") {
        Content::Bytes(hex::decode(bytes.as_str().unwrap()).unwrap().repeat(times).into())
    } else if let Some(text) = json.get("text") {
        Content::Text(text.as_str().unwrap().repeat(times).into())
    } else {
        Content::Empty
    }
}

/// Text content comes back as bytes where it has neither token nor packed form.
fn assert_read(name: &str, frame: &[u8], expected: &Node<'_>) {
    let data = unpack(frame).unwrap();
    let mut read = decode(&data).unwrap_or_else(|error| panic!("{name}: {error}"));
    if let (Content::Bytes(bytes), Content::Text(_)) = (&read.content, &expected.content) {
        read.content = Content::Text(String::from_utf8(bytes.to_vec()).unwrap().into());
    }
    assert!(read == *expected, "{name}: {read}");
}

#[test]
fn nodes_are_written_as_baileys_writes_them() {
    let vectors = vectors("written");
    assert!(vectors.len() > 60);
    for vector in vectors {
        let written = encode(&node(&vector["node"])).unwrap();
        assert!(written == frame(&vector), "{}", vector["name"]);
    }
}

#[test]
fn nodes_of_baileys_are_read() {
    for vector in vectors("written").into_iter().chain(vectors("readOnly")) {
        assert_read(vector["name"].as_str().unwrap(), &frame(&vector), &node(&vector["node"]));
    }
}

/// Baileys has no JID type: all its values are text, a server has an `@` in front, agents are dropped.
fn as_baileys_prints(value: &Value<'_>) -> String {
    match value {
        Value::Text(text) => text.to_string(),
        Value::Jid(jid) if jid.is_server() => format!("@{jid}"),
        Value::Jid(jid) => Jid { agent: 0, ..jid.clone() }.to_string(),
    }
}

fn assert_same(name: &str, read: &Node<'_>, baileys: &Node<'_>) {
    let print = |node: &Node<'_>| {
        let mut attrs: Vec<_> =
            node.attrs.iter().map(|(name, value)| (name.to_owned(), as_baileys_prints(value))).collect();
        attrs.sort();
        (node.tag().to_owned(), attrs, node.bytes().map(|bytes| bytes.into_owned()))
    };
    assert_eq!(print(read), print(baileys), "{name}");
    assert_eq!(read.children().len(), baileys.children().len(), "{name}");
    for (read, baileys) in read.children().iter().zip(baileys.children()) {
        assert_same(name, read, baileys);
    }
}

#[test]
fn frames_mean_what_baileys_reads() {
    for vector in vectors("handMade") {
        let name = vector["name"].as_str().unwrap();
        let frame = frame(&vector);
        let data = unpack(&frame).unwrap();
        let read = decode(&data).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_same(name, &read, &node(&vector["node"]));
    }
}
