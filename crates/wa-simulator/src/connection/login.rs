use std::sync::Arc;

use compact_str::format_compact;
use wa_binary::Node;
use wa_crypto::PublicKey;
use wa_protobuf::payload::ClientPayload;

use super::{Channel, ChannelError, Newcomer, logged_in::LoggedIn};
use crate::{
    Addressing,
    account::{Account, Link},
    faults::{Details, FaultKind, Moment},
    pairing, stanza,
    versions::Version,
    world::World,
};

/// Ends a connection with `<failure>` (PROTOCOL.md 7.6).
pub(super) async fn fail(
    mut channel: Channel,
    reason: u16,
    details: Option<Details>,
) -> Result<(), ChannelError> {
    let node = Node::new("failure")
        .attr("reason", reason)
        .attr("location", "sim")
        .opt_attr("code", details.and_then(|details| details.code))
        .opt_attr("expire", details.and_then(|details| details.expire));
    channel.send(&node).await?;
    channel.linger().await;
    Ok(())
}

/// The failure that a fault prescribes for this client, if any.
pub(super) fn prescribed_failure(world: &World, number: Option<&str>, device: u16) -> Option<(u16, Details)> {
    let pick = |kind: &FaultKind| match kind {
        FaultKind::Failure { reason, code, expire } => {
            Some((*reason, Details { code: *code, expire: *expire }))
        }
        _ => None,
    };
    match number {
        Some(number) => world.faults.strike(number, device, pick),
        // A registration belongs to no account: a fault for everybody strikes it.
        None => world.faults.strike("", 1, pick),
    }
}

/// Logs a companion in and serves it.
pub(super) async fn serve(world: Arc<World>, newcomer: Newcomer) -> Result<(), ChannelError> {
    let Newcomer { mut channel, noise, payload, rng, age } = newcomer;
    let (account, device, version) = match check(&world, &payload, &noise) {
        Ok(known) => known,
        Err(reason) => return fail(channel, reason, None).await,
    };
    channel.peer.number = Some(account.number.clone());
    channel.peer.device = device;
    let now = world.clock.uptime_seconds();
    if let Some(details) = world.faults.ban(&account.number, device, now) {
        return fail(channel, 402, Some(details)).await;
    }
    if let Some((reason, details)) = prescribed_failure(&world, Some(&account.number), device) {
        return fail(channel, reason, Some(details)).await;
    }
    let ban = account.directory().standing.tries_to_log_in(now);
    if let Some((code, lasts)) = ban {
        let details = Details { code: Some(code), expire: Some(lasts) };
        return fail(channel, 402, Some(details)).await;
    }
    let (link, orders) = Link::new(channel.peer.connection);
    if !take_over(&world, &account, device, &link, payload.lc) {
        return fail(channel, 401, None).await;
    }
    welcome(&world, &mut channel, &account, device, version).await?;
    if let Some(ending) = ending_after_login(&world, &account, device) {
        world.end_connections(&account, Some(device), &ending);
    }
    let is_passive = payload.passive == Some(true);
    LoggedIn::new(world, account, device, channel, orders, rng, age).run(is_passive).await
}

/// Checks a login, or says the reason of its failure.
fn check(
    world: &World,
    payload: &ClientPayload,
    noise: &PublicKey,
) -> Result<(Arc<Account>, u16, Version), u16> {
    let version = pairing::check_user_agent(payload, &world.versions).map_err(|error| error.reason())?;
    // A login without device comes from Baileys when pairing by code was interrupted (PROTOCOL.md 6.3).
    let (Some(username), Some(device)) = (payload.username, payload.device) else { return Err(401) };
    let account = world.account(&format_compact!("{username}")).ok_or(401_u16)?;
    let device = u16::try_from(device).map_err(|_| 401_u16)?;
    let is_known =
        account.directory().companions.get(&device).is_some_and(|companion| companion.noise == *noise);
    if is_known { Ok((account, device, version)) } else { Err(401) }
}

/// Makes this the device's only connection. False if the device was unlinked meanwhile.
fn take_over(world: &World, account: &Account, device: u16, link: &Link, login_counter: Option<i32>) -> bool {
    let mut directory = account.directory();
    let Some(companion) = directory.companions.get_mut(&device) else { return false };
    companion.login_counter = login_counter;
    if let Some(older) = companion.connect(link.clone(), world.options.behaviour.overlaps) {
        older.close(Some(stanza::encode(&stanza::replaced())));
    }
    true
}

async fn welcome(
    world: &World,
    channel: &mut Channel,
    account: &Account,
    device: u16,
    version: Version,
) -> Result<(), ChannelError> {
    let now = world.clock.unix_seconds();
    let name = account.directory().name.clone();
    let success = Node::new("success")
        .attr("t", now)
        .attr("props", "27")
        .attr("location", "sim")
        .attr("lid", account.jid(Addressing::Lid, device))
        .attr("display_name", name);
    channel.feed(&stanza::encode(&success)).await?;
    if world.options.edge_routing {
        let routing = world.token(&[b"edge routing", account.number.as_bytes()]);
        let info = Node::new("routing_info").with_bytes(routing[..8].to_vec());
        let node = stanza::from_server("ib").child(Node::new("edge_routing").child(info));
        channel.feed(&stanza::encode(&node)).await?;
    }
    if let Some(end) = world.versions.end(version) {
        let node = stanza::from_server("ib").child(Node::new("client_expiration").attr("t", end));
        channel.feed(&stanza::encode(&node)).await?;
    }
    channel.flush().await
}

fn ending_after_login(world: &World, account: &Account, device: u16) -> Option<FaultKind> {
    world.faults.strike(&account.number, device, |kind| match kind {
        FaultKind::Drop { when: Moment::Login }
        | FaultKind::StreamError { when: Moment::Login, .. }
        | FaultKind::Silence => Some(kind.clone()),
        _ => None,
    })
}
