//! The stanza tree.

use std::borrow::Cow;

use crate::attrs::owned_name;
use crate::{Attrs, Jid, ShapeError, Value};

/// A node of a stanza: a tag, attributes, and bytes, text or child nodes.
///
/// Nodes that were decoded borrow from the frame; [`into_owned`](Self::into_owned) cuts them loose. The
/// methods that take and return `self` build a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node<'a> {
    /// Name of the node; not empty on the wire.
    pub tag: Cow<'a, str>,
    /// Its attributes, in the order of the wire.
    pub attrs: Attrs<'a>,
    /// What is inside: nothing, bytes, a text or nodes.
    pub content: Content<'a>,
}

/// What is inside a [`Node`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Content<'a> {
    /// Nothing at all.
    #[default]
    Empty,
    /// Bytes. They are always sent as such, and this is what WhatsApp's clients expect of nearly every leaf.
    Bytes(Cow<'a, [u8]>),
    /// Text, which is sent as token or packed where it can be. Text that is neither comes back as
    /// [`Bytes`](Self::Bytes): the wire does not tell the two apart.
    Text(Cow<'a, str>),
    /// Child nodes.
    Nodes(Vec<Node<'a>>),
}

impl<'a> Node<'a> {
    /// A node without attributes and content.
    pub fn new(tag: impl Into<Cow<'a, str>>) -> Self {
        Self { tag: tag.into(), attrs: Attrs::new(), content: Content::Empty }
    }

    /// Sets an attribute. Integers and booleans are written out; a [`Jid`] becomes a JID token, a string
    /// never does. Empty text is not sent at all.
    #[must_use]
    pub fn attr(mut self, name: impl Into<Cow<'a, str>>, value: impl Into<Value<'a>>) -> Self {
        self.attrs.insert(name, value);
        self
    }

    /// Sets an attribute if there is a value.
    #[must_use]
    pub fn opt_attr(self, name: impl Into<Cow<'a, str>>, value: Option<impl Into<Value<'a>>>) -> Self {
        match value {
            Some(value) => self.attr(name, value),
            None => self,
        }
    }

    /// Adds a child. Bytes or text that were the content are replaced.
    #[must_use]
    pub fn child(mut self, child: Node<'a>) -> Self {
        match &mut self.content {
            Content::Nodes(children) => children.push(child),
            content => *content = Content::Nodes(vec![child]),
        }
        self
    }

    /// Adds children. None at all leave the content as it is.
    #[must_use]
    pub fn with_children(mut self, children: impl IntoIterator<Item = Node<'a>>) -> Self {
        let mut children = children.into_iter().peekable();
        if children.peek().is_none() {
            return self;
        }
        match &mut self.content {
            Content::Nodes(known) => known.extend(children),
            content => *content = Content::Nodes(children.collect()),
        }
        self
    }

    /// Sets bytes as content.
    #[must_use]
    pub fn with_bytes(mut self, bytes: impl Into<Cow<'a, [u8]>>) -> Self {
        self.content = Content::Bytes(bytes.into());
        self
    }

    /// Sets text as content: see [`Content::Text`].
    #[must_use]
    pub fn text(mut self, text: impl Into<Cow<'a, str>>) -> Self {
        self.content = Content::Text(text.into());
        self
    }

    /// Name of the node.
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// Whether the node has this name.
    pub fn is(&self, tag: &str) -> bool {
        self.tag == tag
    }

    /// Child nodes; none when the content is something else.
    pub fn children(&self) -> &[Node<'a>] {
        match &self.content {
            Content::Nodes(children) => children,
            _ => &[],
        }
    }

    /// First child of whatever name.
    pub fn first_child(&self) -> Option<&Node<'a>> {
        self.children().first()
    }

    /// First child of this name.
    pub fn get_child(&self, tag: &str) -> Option<&Node<'a>> {
        self.children().iter().find(|child| child.is(tag))
    }

    /// All children of this name.
    pub fn children_named<'n>(&'n self, tag: &'n str) -> impl Iterator<Item = &'n Node<'a>> {
        self.children().iter().filter(move |child| child.is(tag))
    }

    /// The content as bytes, be it bytes or text.
    pub fn bytes(&self) -> Option<Cow<'_, [u8]>> {
        match &self.content {
            Content::Bytes(bytes) => Some(Cow::Borrowed(bytes)),
            Content::Text(text) => Some(Cow::Borrowed(text.as_bytes())),
            Content::Empty | Content::Nodes(_) => None,
        }
    }

    /// The content as text, be it text or bytes in UTF-8.
    pub fn content_text(&self) -> Option<&str> {
        match &self.content {
            Content::Bytes(bytes) => std::str::from_utf8(bytes).ok(),
            Content::Text(text) => Some(text),
            Content::Empty | Content::Nodes(_) => None,
        }
    }

    /// First child of this name, or an error that says who misses it.
    pub fn require_child(&self, tag: &str) -> Result<&Node<'a>, ShapeError> {
        self.get_child(tag).ok_or_else(|| ShapeError::missing_child(tag).within(&self.tag))
    }

    /// The content as bytes (or text), or an error that names the node.
    pub fn require_bytes(&self) -> Result<Cow<'_, [u8]>, ShapeError> {
        self.bytes().ok_or_else(|| ShapeError::content(&self.tag, "bytes"))
    }

    /// An attribute as text, or an error that names the node: see [`Attrs::require_text`].
    pub fn require_text(&self, name: &str) -> Result<Cow<'_, str>, ShapeError> {
        self.attrs.require_text(name).map_err(|error| error.within(&self.tag))
    }

    /// An attribute as JID token, or an error that names the node: see [`Attrs::require_jid`].
    pub fn require_jid(&self, name: &str) -> Result<&Jid, ShapeError> {
        self.attrs.require_jid(name).map_err(|error| error.within(&self.tag))
    }

    /// An attribute as number, or an error that names the node: see [`Attrs::require_number`].
    pub fn require_number<T: std::str::FromStr>(&self, name: &str) -> Result<T, ShapeError> {
        self.attrs.require_number(name).map_err(|error| error.within(&self.tag))
    }

    /// The same node without borrowed parts.
    pub fn into_owned(self) -> Node<'static> {
        Node {
            tag: owned_name(self.tag),
            attrs: self.attrs.into_owned(),
            content: match self.content {
                Content::Empty => Content::Empty,
                Content::Bytes(bytes) => Content::Bytes(Cow::Owned(bytes.into_owned())),
                Content::Text(text) => Content::Text(Cow::Owned(text.into_owned())),
                Content::Nodes(nodes) => Content::Nodes(nodes.into_iter().map(Node::into_owned).collect()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list() -> Node<'static> {
        Node::new("list").attr("id", "1").child(Node::new("user").attr("n", 1u8)).with_children([
            Node::new("item").with_bytes(b"bytes"),
            Node::new("user").attr("n", 2u8),
            Node::new("mode").text("text"),
        ])
    }

    #[test]
    fn children_are_found_by_name() {
        let list = list();
        assert_eq!(list.children().len(), 4);
        assert_eq!(list.first_child().map(Node::tag), Some("user"));
        assert_eq!(list.get_child("item").and_then(Node::content_text), Some("bytes"));
        assert_eq!(list.children_named("user").count(), 2);
        assert!(list.get_child("absent").is_none());
        assert!(list.is("list") && !list.is("user"));
        assert!(Node::new("x").with_bytes(b"y").children().is_empty());
    }

    #[test]
    fn bytes_and_text_are_read_alike() {
        let list = list();
        assert_eq!(list.require_child("item").unwrap().require_bytes().unwrap(), &b"bytes"[..]);
        assert_eq!(list.require_child("mode").unwrap().require_bytes().unwrap(), &b"text"[..]);
        assert_eq!(list.get_child("mode").unwrap().content_text(), Some("text"));
        assert_eq!(Node::new("x").with_bytes(&[0xff]).content_text(), None);
        assert_eq!(list.bytes(), None);
        assert_eq!(Node::new("x").bytes(), None);
    }

    #[test]
    fn no_children_are_no_content() {
        assert_eq!(Node::new("list").with_children([]), Node::new("list"));
        assert_eq!(Node::new("list").text("a").with_children([]).content_text(), Some("a"));
        assert_eq!(Node::new("list").text("a").child(Node::new("b")).content_text(), None);
    }

    #[test]
    fn errors_say_who_misses_what() {
        let list = list();
        let text = |error: ShapeError| error.to_string();
        assert_eq!(text(list.require_child("x").unwrap_err()), "<list>: child <x> is missing");
        assert_eq!(text(list.require_bytes().unwrap_err()), "<list>: content is not bytes");
        assert_eq!(text(list.require_text("x").unwrap_err()), "<list>: attribute \"x\" is missing");
        assert_eq!(text(list.require_jid("id").unwrap_err()), "<list>: attribute \"id\" is not a JID");
        assert_eq!(list.require_number::<u8>("id"), Ok(1));
    }

    #[test]
    fn owned_nodes_are_equal_and_keep_tokens_borrowed() {
        let (tag, name) = ("message".to_owned(), "unusual".to_owned());
        let node = Node::new(&tag).attr(&name, &tag).text(&name);
        let owned: Node<'static> = node.clone().into_owned();
        assert_eq!(owned, node);
        assert!(matches!(owned.tag, Cow::Borrowed("message")));
    }
}
