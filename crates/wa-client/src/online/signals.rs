//! What people show each other without a message: presence, typing, and that a call is declined (PROTOCOL.md 26, 27).

use std::borrow::Cow;

use wa_binary::{Jid, Node};

use super::Online;
use crate::command::{Reply, Signal};
use crate::end::End;
use crate::event::Event;
use crate::people::{ChatState, ChatStateUpdate, PresenceUpdate};
use crate::request::RequestError;
use crate::send;

impl Online<'_> {
    pub(super) async fn on_signal(&mut self, signal: Signal, reply: Reply<()>) -> Result<(), End> {
        let node = match signal {
            Signal::Subscribe(of) => {
                let right = send::shown_right(&mut self.context, &of).await;
                Node::new("presence").attr("type", "subscribe").attr("to", of).with_children(right)
            }
            Signal::ChatState(to, state) => Node::new("chatstate").attr("to", to).child(chat_state(state)),
            Signal::RejectCall { stanza, creator, id } => {
                let Some(own) = self.context.mirror.device.jid.as_ref().map(Jid::to_user) else {
                    let _ = reply.send(Err(RequestError::Invalid("no account is linked".into())));
                    return Ok(());
                };
                let reject =
                    Node::new("reject").attr("call-id", id).attr("call-creator", &creator).attr("count", "0");
                let call =
                    Node::new("call").attr("id", stanza.to_string()).attr("from", own).attr("to", creator);
                call.child(reject)
            }
        };
        self.context.link.send(&node).await?;
        let _ = reply.send(Ok(()));
        Ok(())
    }

    /// `<presence>`: somebody is there, or was.
    pub(super) async fn on_presence(&mut self, node: &Node<'_>) -> Result<(), End> {
        let Some(from) = node.attrs.jid("from").map(Jid::to_user).filter(Jid::is_user) else { return Ok(()) };
        let (pn, lid) = self.both(&from).await?;
        let is_available = node.attrs.text("type").is_none_or(|kind| kind != "unavailable");
        // `deny`, or anything that is no time: they don't say.
        let last_seen = node.attrs.text("last").and_then(|last| last.parse().ok());
        let update = PresenceUpdate { from, pn, lid, is_available, last_seen };
        self.context.mirror.inbox.push(Event::Presence(update));
        Ok(())
    }

    /// `<chatstate>`: somebody is about to write, or no longer.
    pub(super) async fn on_chat_state(&mut self, node: &Node<'_>) -> Result<(), End> {
        let (Some(chat), [child]) = (node.attrs.jid("from").map(Jid::to_user), node.children()) else {
            return Ok(());
        };
        let media = child.attrs.text("media").map(Cow::into_owned);
        let state = match (child.tag(), media.as_deref()) {
            ("composing", Some("audio")) => ChatState::Recording,
            ("composing", _) => ChatState::Typing,
            ("paused", _) => ChatState::Paused,
            _ => return Ok(()),
        };
        let from = node.attrs.jid("participant").map_or_else(|| chat.clone(), Jid::to_user);
        let (pn, lid) = self.both(&from).await?;
        let update = ChatStateUpdate { chat, from, pn, lid, state };
        self.context.mirror.inbox.push(Event::ChatState(update));
        Ok(())
    }

    async fn both(&mut self, user: &Jid) -> Result<(Option<Jid>, Option<Jid>), End> {
        let (store, lids) = (&self.context.shared.store, &mut self.context.mirror.lids);
        Ok((lids.pn_of(store, user).await?, lids.lid_of(store, user).await?))
    }
}

fn chat_state(state: ChatState) -> Node<'static> {
    match state {
        ChatState::Typing => Node::new("composing"),
        ChatState::Recording => Node::new("composing").attr("media", "audio"),
        ChatState::Paused => Node::new("paused"),
    }
}
