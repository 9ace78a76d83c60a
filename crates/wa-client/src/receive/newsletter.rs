//! Newsletters (PROTOCOL.md 24): what is posted, which is not encrypted, and what becomes of it.

use bytes::Bytes;
use wa_binary::{Jid, Node};

use super::Receiver;
use super::envelope::Envelope;
use super::meaning;
use crate::context::Context;
use crate::end::End;
use crate::event::{Event, UndecryptableReason};
use crate::inbox::EventSource;
use crate::iq;
use crate::iq::newsletter::Followed;
use crate::newsletter::{NewsletterNews, NewsletterPost, NewsletterUpdate};

impl Receiver {
    /// A post, its new content, or that it was taken back, which has none. The server hears that it is here; nobody else
    /// does.
    pub(super) async fn on_post(
        &mut self,
        context: &mut Context<'_>,
        node: &Node<'_>,
        envelope: &Envelope,
        frame: &Bytes,
    ) -> Result<(), End> {
        let Some(plaintext) = node.get_child("plaintext") else {
            let reason = UndecryptableReason::Newsletter;
            return self.on_unreadable(context, node, envelope, reason).await;
        };
        self.answers.push(envelope.ack(None));
        let plain = plaintext.bytes().map_or_else(Bytes::new, |bytes| Bytes::copy_from_slice(&bytes));
        let mirror = &mut *context.mirror;
        let meaning = meaning::of(mirror, context.shared, node, envelope, plain.clone()).await?;
        mirror.inbox.push_once(meaning.event, EventSource::Message { frame: frame.clone(), plain });
        Ok(())
    }
}

/// `<notification type="newsletter">`: how often posts were looked at, and what was put to them.
pub(super) fn counted(node: &Node<'_>, timestamp: i64) -> Option<Event> {
    let newsletter = node.attrs.jid("from").filter(|from| from.is_newsletter())?.clone();
    let posts = NewsletterPost::list(node.get_child("live_updates")?.get_child("messages")?);
    told(newsletter, timestamp, NewsletterNews::Counted(posts))
}

/// `<notification type="mex">`: another device of the account follows a newsletter, or no longer.
pub(super) fn followed(node: &Node<'_>, timestamp: i64) -> Option<Event> {
    let (newsletter, what) = match node.children_named("update").find_map(iq::newsletter::read_update)? {
        Followed::Begun(newsletter) => (newsletter.jid.clone(), NewsletterNews::Followed(newsletter)),
        Followed::Ended(newsletter) => (newsletter, NewsletterNews::Unfollowed),
    };
    told(newsletter, timestamp, what)
}

#[allow(clippy::unnecessary_wraps, reason = "what those who ask for it have")]
fn told(newsletter: Jid, timestamp: i64, what: NewsletterNews) -> Option<Event> {
    Some(Event::Newsletter(Box::new(NewsletterUpdate { newsletter, timestamp, what })))
}
