use wa_binary::{Jid, Node};

use super::Receiver;
use super::notification::passed_on;
use super::receipt::ack;
use crate::context::Context;
use crate::end::End;
use crate::event::Event;
use crate::people::CallUpdate;
use crate::server_clock::time_of;

impl Receiver {
    /// `<call>`: somebody rings, or no longer (PROTOCOL.md 27). Acknowledged, and told.
    pub(super) async fn on_call(&mut self, context: &mut Context<'_>, node: &Node<'_>) -> Result<(), End> {
        self.answers.push(ack("call", node));
        let now = context.server_millis() / 1000;
        let event = match read(node, now) {
            Some(mut update) => {
                let (store, lids) = (&context.shared.store, &mut context.mirror.lids);
                let caller = update.creator.to_user();
                update.creator_pn = lids.pn_of(store, &caller).await?.or(update.creator_pn);
                update.creator_lid = lids.lid_of(store, &caller).await?.or(update.creator_lid);
                Event::Call(Box::new(update))
            }
            None => passed_on(node, "call"),
        };
        context.mirror.inbox.push(event);
        Ok(())
    }
}

/// `None` for what doesn't say which call it is about. `now`: the time of what doesn't say a sensible one.
fn read(node: &Node<'_>, now: i64) -> Option<CallUpdate> {
    let [child] = node.children() else { return None };
    let text = |name: &str| child.attrs.text(name).map(|text| text.into_owned());
    let other = |name: &str| child.attrs.jid(name).map(Jid::to_user);
    let from = node.attrs.jid("from")?.clone();
    let creator = child.attrs.jid("call-creator").cloned().unwrap_or_else(|| from.clone());
    Some(CallUpdate {
        id: text("call-id")?,
        creator_pn: other("caller_pn").filter(Jid::is_pn),
        creator_lid: other("caller_lid").filter(Jid::is_lid),
        creator,
        group: child.attrs.jid("group-jid").cloned(),
        is_video: child.get_child("video").is_some() || text("media").is_some_and(|media| media == "video"),
        timestamp: time_of(node, now).unwrap_or(now),
        what: child.tag().to_owned(),
        reason: text("reason"),
        from,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_read_with_who_calls() {
        let offer = Node::new("offer")
            .attr("call-id", "C1")
            .attr("call-creator", Jid::lid("80002").with_device(3))
            .attr("caller_pn", Jid::pn("15550002"))
            .child(Node::new("video"));
        let call =
            Node::new("call").attr("from", Jid::lid("80002")).attr("id", "1").attr("t", 7_u32).child(offer);
        let read = read(&call, 8).unwrap();
        assert_eq!((read.id.as_str(), read.what.as_str(), read.timestamp), ("C1", "offer", 7));
        assert_eq!(read.creator_pn, Some(Jid::pn("15550002")));
        assert!(read.is_video && read.group.is_none());
        assert!(super::read(&Node::new("call").attr("from", Jid::lid("80002")), 8).is_none());
    }
}
