use rand::{RngExt, distr::Alphanumeric};
use wa_binary::Node;

use super::logged_in::{LoggedIn, Step};
use crate::{
    faults::{FaultKind, Moment},
    iq::{self, Then},
    queue::Class,
    routing::{self, Sender},
    stanza,
};

/// Characters of the token in the link to a call.
const LINK_LENGTH: usize = 22;

impl LoggedIn {
    /// Handles one stanza of the client. What it does not know it ignores, as servers do.
    pub(super) fn dispatch(&mut self, node: &Node<'_>) -> Step {
        match node.tag() {
            "iq" => self.iq(node),
            "message" => self.message(node),
            "receipt" => self.receipt(node),
            "ack" => self.acknowledged(node),
            "ib" => self.info(node),
            "presence" => self.presence(node),
            "chatstate" => self.chatstate(node),
            "call" => self.call(node),
            "xmlstreamend" => Step::End(None),
            _ => Step::Continue,
        }
    }

    fn iq(&mut self, node: &Node<'_>) -> Step {
        let context = iq::Context { world: &self.world, account: &self.account, device: self.device };
        let Some((answer, then)) = iq::answer(&context, node) else { return Step::Continue };
        if let Some(answer) = answer {
            self.answer(&answer);
        }
        match then {
            Then::Nothing => {}
            Then::Activate => self.activate(),
            Then::Deactivate => self.deactivate(),
            Then::Unlink => {
                self.world.unlink(&self.account, self.device, &mut self.rng);
            }
        }
        Step::Continue
    }

    fn message(&mut self, node: &Node<'_>) -> Step {
        let ending = self.strike(|kind| is_ending(kind, Moment::Send).then(|| kind.clone()));
        if let Some(kind) = ending {
            return self.end_by(&kind);
        }
        self.world.read_along(&self.account, self.device, node);
        let sender = Sender { account: &self.account, device: self.device };
        let ack = routing::message(&self.world, sender, node);
        let ending = self.strike(|kind| is_ending(kind, Moment::Sent).then(|| kind.clone()));
        if let Some(kind) = ending {
            return self.end_by(&kind);
        }
        let is_silent = self.strike(|kind| (*kind == FaultKind::NoAck).then_some(())).is_some();
        if is_silent {
            return Step::Continue;
        }
        if !self.is_silenced() {
            routing::acknowledged(&self.world, sender, &ack);
        }
        self.answer(&ack);
        Step::Continue
    }

    fn receipt(&mut self, node: &Node<'_>) -> Step {
        let sender = Sender { account: &self.account, device: self.device };
        let ack = routing::receipt(&self.world, sender, node);
        self.answer(&ack);
        // What was withheld behind a stanza may come now.
        self.deliver_backlog(0);
        Step::Continue
    }

    fn acknowledged(&mut self, node: &Node<'_>) -> Step {
        let id = stanza::text(&node.attrs, "id");
        let kind = stanza::text(&node.attrs, "type");
        let class = Class::named(&stanza::text(&node.attrs, "class"));
        if let Some(companion) = self.account.directory().companions.get_mut(&self.device) {
            companion.queue.settle_by_ack(&class, &id, &kind);
        }
        self.deliver_backlog(0);
        Step::Continue
    }

    /// The client asks for more of what waited (PROTOCOL.md 7.2).
    fn info(&mut self, node: &Node<'_>) -> Step {
        let batch = node.get_child("offline_batch").and_then(|batch| batch.attrs.number("count"));
        if let Some(Ok(count)) = batch {
            self.deliver_backlog(count);
        }
        Step::Continue
    }

    fn presence(&mut self, node: &Node<'_>) -> Step {
        let sender = Sender { account: &self.account, device: self.device };
        if let Some(answer) = routing::presence(&self.world, sender, node) {
            self.answer(&answer);
        }
        Step::Continue
    }

    /// Takes that a call is declined, or makes the link to one that others can join; no call is made through it
    /// (PROTOCOL.md 27).
    fn call(&mut self, node: &Node<'_>) -> Step {
        if let Some(reject) = node.get_child("reject") {
            let sender = Sender { account: &self.account, device: self.device };
            self.world.decline(sender, reject);
            let ack = Node::new("ack")
                .attr("class", "call")
                .attr("id", stanza::text(&node.attrs, "id"))
                .attr("from", stanza::destination(node));
            self.answer(&ack);
        }
        if let Some(wanted) = node.get_child("link_create") {
            let token: String = (0..LINK_LENGTH).map(|_| char::from(self.rng.sample(Alphanumeric))).collect();
            let link = Node::new("link_create")
                .attr("token", token)
                .attr("media", stanza::text(&wanted.attrs, "media"));
            let ack = Node::new("ack")
                .attr("class", "call")
                .attr("id", stanza::text(&node.attrs, "id"))
                .attr("from", stanza::destination(node))
                .child(link);
            self.answer(&ack);
        }
        Step::Continue
    }

    fn chatstate(&mut self, node: &Node<'_>) -> Step {
        routing::chatstate(&self.world, Sender { account: &self.account, device: self.device }, node);
        Step::Continue
    }

    fn strike<T>(&self, pick: impl Fn(&FaultKind) -> Option<T>) -> Option<T> {
        self.world.faults.strike(&self.account.number, self.device, pick)
    }

    /// Has the connection end the way it would if the server had told it to.
    fn end_by(&self, kind: &FaultKind) -> Step {
        if matches!(kind, FaultKind::StreamError { .. }) {
            self.world.end_connections(&self.account, Some(self.device), kind);
            return Step::Continue;
        }
        Step::End(None)
    }
}

fn is_ending(kind: &FaultKind, moment: Moment) -> bool {
    match kind {
        FaultKind::Drop { when } | FaultKind::StreamError { when, .. } => *when == moment,
        _ => false,
    }
}
