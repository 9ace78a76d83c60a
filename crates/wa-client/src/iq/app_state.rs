//! Requests that concern the app state (PROTOCOL.md 18.4).

use bytes::Bytes;
use wa_appstate::Collection;
use wa_binary::Node;

use super::set;
use crate::request::RequestError;

const XMLNS: &str = "w:sync:app:state";

/// Asks for what follows the versions that are known; of those without one, for everything.
pub(crate) fn fetch(wanted: &[(Collection, Option<u64>)]) -> Node<'static> {
    let collections = wanted.iter().map(|(collection, version)| {
        Node::new("collection")
            .attr("name", collection.name())
            .attr("return_snapshot", if version.is_none() { "true" } else { "false" })
            .opt_attr("version", *version)
    });
    set(XMLNS).child(Node::new("sync").with_children(collections))
}

/// Adds a patch to the collection at this version.
pub(crate) fn push(collection: Collection, version: u64, patch: Vec<u8>) -> Node<'static> {
    let collection = Node::new("collection")
        .attr("name", collection.name())
        .attr("version", version)
        .attr("return_snapshot", "false")
        .child(Node::new("patch").with_bytes(patch));
    set(XMLNS).child(Node::new("sync").child(collection))
}

/// What the server says of one collection.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) collection: Collection,
    /// A `SyncdSnapshot` is behind this encoded reference.
    pub(crate) snapshot: Option<Bytes>,
    /// Encoded patches, in their order.
    pub(crate) patches: Vec<Bytes>,
    /// There are more of them.
    pub(crate) has_more: bool,
    /// The code and text of an error; 409 where a patch came too late.
    pub(crate) error: Option<(u32, String)>,
}

/// Reads the answer to [`fetch`] or [`push`]. Collections that there aren't are left out.
pub(crate) fn parse(answer: &Node<'_>) -> Result<Vec<Answer>, RequestError> {
    let sync = answer.require_child("sync")?;
    let known = sync.children_named("collection").filter_map(|node| {
        let collection = node.attrs.text("name")?.parse().ok()?;
        Some((collection, node))
    });
    Ok(known.map(|(collection, node)| read(collection, node)).collect())
}

fn read(collection: Collection, node: &Node<'_>) -> Answer {
    let bytes = |node: &Node<'_>| node.bytes().map(|bytes| Bytes::copy_from_slice(&bytes));
    let patches = node.get_child("patches").map(|patches| patches.children_named("patch").filter_map(bytes));
    let is_error = node.attrs.get("type").is_some_and(|kind| *kind == "error");
    let error = node.get_child("error");
    let code = error.and_then(|error| error.attrs.number("code")?.ok()).unwrap_or(0);
    let text = error.and_then(|error| error.attrs.text("text")).unwrap_or_default().into_owned();
    Answer {
        collection,
        snapshot: node.get_child("snapshot").and_then(bytes),
        patches: patches.map(Iterator::collect).unwrap_or_default(),
        has_more: node.attrs.get("has_more_patches").is_some_and(|more| *more == "true"),
        error: (is_error || error.is_some()).then_some((code, text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_look_as_protocol_md_shows_them() {
        let wanted = [(Collection::Regular, Some(7)), (Collection::CriticalBlock, None)];
        assert_eq!(
            fetch(&wanted).to_string(),
            r#"<iq to="s.whatsapp.net" type="set" xmlns="w:sync:app:state"><sync><collection name="regular" return_snapshot="false" version="7"/><collection name="critical_block" return_snapshot="true"/></sync></iq>"#
        );
        let push = push(Collection::RegularLow, 3, vec![1, 2]);
        let collection = push.get_child("sync").unwrap().get_child("collection").unwrap();
        assert_eq!(collection.attrs.text("version").as_deref(), Some("3"));
        assert_eq!(collection.get_child("patch").unwrap().bytes().as_deref(), Some(&[1, 2][..]));
    }

    #[test]
    fn answers_are_read() {
        let patches = [1_u8, 2].map(|byte| Node::new("patch").with_bytes(vec![byte]));
        let regular = Node::new("collection")
            .attr("name", "regular")
            .attr("has_more_patches", "true")
            .child(Node::new("snapshot").with_bytes(vec![9]))
            .child(Node::new("patches").with_children(patches));
        let error = Node::new("error").attr("code", 409_u32).attr("text", "conflict");
        let high = Node::new("collection").attr("name", "regular_high").attr("type", "error").child(error);
        let unknown = Node::new("collection").attr("name", "x");
        let sync = Node::new("sync").with_children([regular, high, unknown]);
        let answers = parse(&Node::new("iq").child(sync)).unwrap();
        assert_eq!(answers.len(), 2);
        let bytes = |byte: u8| Bytes::from(vec![byte]);
        assert_eq!((answers[0].snapshot.clone(), answers[0].has_more), (Some(bytes(9)), true));
        assert_eq!(answers[0].patches, [bytes(1), bytes(2)]);
        assert_eq!(answers[1].error, Some((409, "conflict".into())));
        assert!(parse(&Node::new("iq")).is_err());
    }
}
