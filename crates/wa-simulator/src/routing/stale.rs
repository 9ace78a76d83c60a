//! LIDs that are to be asked for again (PROTOCOL.md 11.3).

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use wa_binary::Node;

use super::{Sender, letter::Letter};
use crate::{
    Addressing,
    account::{Account, StaleLid},
    faults::{FaultKind, Moment},
    world::World,
};

/// How long messages may still come to a LID after it was called stale: they were on their way.
const GRACE: Duration = Duration::from_secs(10);

/// Notes a message that a companion sent to somebody. Whether its `<ack>` says that the LID is to be asked for again:
/// from then on until the companion asks. Who goes on writing to it and knows that it is stale is banned, as for other
/// refusals.
pub(super) fn is_stale(
    world: &World,
    sender: Sender<'_>,
    recipient: &Arc<Account>,
    letter: &Letter<'_>,
) -> bool {
    let is_fault = |kind: &FaultKind| (*kind == FaultKind::RefreshLid).then_some(());
    let struck = world.faults.strike(&sender.account.number, sender.device, is_fault).is_some();
    let behaviour = &world.options.behaviour;
    let mut directory = sender.account.directory();
    let Some(companion) = directory.companions.get_mut(&sender.device) else { return struck };
    let by_lid = letter.addressing == Addressing::Lid && recipient != sender.account;
    let ages = by_lid && companion.sent.beats(behaviour.stale_lids);
    let has_moved = by_lid && recipient.has_left(&letter.to.user);
    if struck || ages || has_moved {
        let lid = if by_lid { letter.to.user.clone() } else { recipient.lid_user() };
        companion.stale.entry(recipient.number.clone()).or_insert(StaleLid { known_since: None, lid });
    }
    let stale = companion.stale.get(&recipient.number).filter(|_| by_lid || struck);
    let is_stale = stale.is_some();
    let known_since = stale.and_then(|stale| stale.known_since);
    let insists = known_since.is_some_and(|known_since| known_since.elapsed() > GRACE);
    let now = world.clock.uptime_seconds();
    let is_banned = insists && directory.standing.insists(behaviour.bans, now);
    drop(directory);
    if is_banned {
        world.end_connections(sender.account, None, &FaultKind::Drop { when: Moment::Now });
    }
    is_stale
}

/// An `<ack>` is written to a companion: what it says about the LID is known there from now on.
pub(crate) fn acknowledged(world: &World, sender: Sender<'_>, ack: &Node<'_>) {
    let Some(recipient) = ack.attrs.jid("from").filter(|_| ack.attrs.contains("refresh_lid")) else { return };
    let Some(recipient) = world.resolve(recipient) else { return };
    let mut directory = sender.account.directory();
    let companion = directory.companions.get_mut(&sender.device);
    if let Some(stale) = companion.and_then(|companion| companion.stale.get_mut(&recipient.number)) {
        stale.known_since.get_or_insert_with(Instant::now);
    }
}
