use std::fmt;

use bytes::Bytes;
use wa_binary::Node;

use crate::content::Content;
use crate::message::MessageId;

/// Posts of one answer, or of one notification, that are read; the server sends fewer.
const MAX_POSTS: usize = 1_000;
/// Emojis of one post that are read.
const MAX_REACTIONS: usize = 100;

/// A post of a newsletter. `Debug` shows nothing of what it says.
#[derive(Clone)]
#[non_exhaustive]
pub struct NewsletterPost {
    /// Its number in the newsletter, by which reactions and pages name it.
    pub server_id: u32,
    /// Its id as a message, where the server says so.
    pub id: Option<MessageId>,
    /// When it was posted: Unix seconds.
    pub timestamp: i64,
    /// Whether the account posted it.
    pub from_me: bool,
    /// What it says; `None` where it was taken back, or only its figures are told.
    pub content: Option<Content>,
    /// How many have looked at it, where the server says so.
    pub views: Option<u64>,
    /// Who often which emoji was put to it.
    pub reactions: Reactions,
}

/// Emojis, and how often each was put to a post.
pub type Reactions = Vec<(String, u64)>;

impl NewsletterPost {
    /// Reads `<messages><message server_id …/>…</messages>`.
    pub(crate) fn list(messages: &Node<'_>) -> Vec<Self> {
        messages.children_named("message").take(MAX_POSTS).filter_map(Self::read).collect()
    }

    fn read(node: &Node<'_>) -> Option<Self> {
        let plaintext = node.get_child("plaintext").and_then(Node::bytes).filter(|bytes| !bytes.is_empty());
        let content = plaintext.and_then(|bytes| Content::decode(Bytes::copy_from_slice(&bytes)).ok());
        let count = |node: &Node<'_>| node.attrs.number("count").and_then(Result::ok);
        let reactions = node.get_child("reactions").map_or(&[][..], Node::children).iter();
        let reaction =
            |reaction: &Node<'_>| Some((reaction.attrs.text("code")?.into_owned(), count(reaction)?));
        Some(Self {
            server_id: node.attrs.number("server_id")?.ok()?,
            id: node.attrs.text("id").map(|id| MessageId::from(&*id)),
            timestamp: node.attrs.number("t").and_then(Result::ok).unwrap_or(0),
            from_me: node.attrs.get("is_sender").is_some_and(|is_sender| *is_sender == "true"),
            content,
            views: node.get_child("views_count").and_then(count),
            reactions: reactions.filter_map(reaction).take(MAX_REACTIONS).collect(),
        })
    }
}

impl fmt::Debug for NewsletterPost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewsletterPost").field("server_id", &self.server_id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::Draft;

    #[test]
    fn posts_are_read_with_their_figures() {
        let reaction = Node::new("reaction").attr("code", "👍").attr("count", 3_u32);
        let text = Draft::text("tea").encode_once().to_vec();
        let full = Node::new("message")
            .attr("server_id", 7_u32)
            .attr("id", "3EB0")
            .attr("t", 17_u32)
            .attr("is_sender", "true")
            .child(Node::new("plaintext").with_bytes(text))
            .child(Node::new("views_count").attr("count", 12_u32))
            .child(Node::new("reactions").child(reaction).child(Node::new("reaction")));
        let bare = Node::new("message").attr("server_id", 8_u32);
        let list = Node::new("messages").child(full).child(bare).child(Node::new("message"));
        let posts = NewsletterPost::list(&list);
        let [full, bare] = &posts[..] else { panic!("{posts:?}") };
        assert_eq!((full.server_id, full.timestamp, full.from_me, full.views), (7, 17, true, Some(12)));
        assert_eq!(full.reactions, [("👍".to_owned(), 3)]);
        assert_eq!(
            full.content.as_ref().and_then(|it| it.view().text().map(str::to_owned)).as_deref(),
            Some("tea")
        );
        assert!(bare.content.is_none() && bare.reactions.is_empty());
        assert_eq!((bare.server_id, bare.views, bare.from_me), (8, None, false));
    }
}
