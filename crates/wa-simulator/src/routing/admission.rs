use std::sync::Arc;

use wa_binary::Node;

use super::{Sender, letter::Refusal};
use crate::{
    account::{Account, Limited, Restriction},
    faults::{FaultKind, Moment},
    world::World,
};

/// Whether a companion may write to `recipient`: what limits say, of the sender and of the recipient (PROTOCOL.md 22).
/// Phones may always.
pub(super) fn admit(
    world: &World,
    sender: Sender<'_>,
    recipient: &Arc<Account>,
    node: &Node<'_>,
) -> Result<(), Refusal> {
    if node.get_child("tctoken").is_some() && node.get_child("cstoken").is_some() {
        return Err(Refusal::Tokens);
    }
    if sender.device == 0 || recipient == sender.account {
        return Ok(());
    }
    let now = world.clock.unix_seconds();
    let shown = world.tokens_in(node, sender.account, recipient);
    let is_let_in = match recipient.directory().restriction {
        Restriction::None => true,
        Restriction::Token => shown.is_trusted || shown.is_derived,
        Restriction::Trusted => shown.is_trusted,
    };
    let (outcome, is_banned) = {
        let mut directory = sender.account.directory();
        let is_known = directory.trust.knows(&recipient.number);
        let admitted = if is_let_in { Ok(()) } else { Err(Limited::Token) };
        let outcome = admitted.and_then(|()| directory.standing.admits(shown.is_trusted, is_known, now));
        let uptime = world.clock.uptime_seconds();
        (outcome, directory.standing.note(outcome, world.options.behaviour.bans, uptime))
    };
    if is_banned {
        world.end_connections(sender.account, None, &FaultKind::Drop { when: Moment::Now });
    }
    outcome.map_err(Refusal::Limited)
}

/// Both have exchanged a message.
pub(super) fn remember_chat(sender: &Account, recipient: &Account) {
    sender.directory().trust.met(&recipient.number);
    recipient.directory().trust.met(&sender.number);
}
