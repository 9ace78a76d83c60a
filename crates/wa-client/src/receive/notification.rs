use bytes::Bytes;
use wa_appstate::Collection;
use wa_binary::{Jid, Node};
use wa_media::ReuploadAnswer;

use super::Receiver;
use super::newsletter;
use super::receipt::ack;
use crate::context::Context;
use crate::end::End;
use crate::event::{Event, Notification};
use crate::group::{GroupNews, GroupUpdate};
use crate::keeper::Keeper;
use crate::server_clock::time_of;
use crate::standing;
use crate::trust;

impl Receiver {
    /// Always acknowledged (PROTOCOL.md 17); what keys and devices need is done here, the rest is passed on.
    pub(super) async fn on_notification(
        &mut self,
        context: &mut Context<'_>,
        keeper: &mut Keeper,
        node: &Node<'_>,
    ) -> Result<(), End> {
        self.answers.push(ack("notification", node));
        let from = node.attrs.jid("from").cloned();
        let kind = node.attrs.text("type").unwrap_or_default();
        match (&*kind, from) {
            ("encrypt", Some(from)) if from.is_server() => keeper.on_notification(context, node),
            ("encrypt", Some(from)) if node.get_child("identity").is_some() => {
                trust::changed(context, &from).await?;
                for user in both_addresses(context, &from).await? {
                    standing::renew_token(context, &user).await?;
                }
            }
            ("privacy_token", Some(from)) => {
                on_tokens(context, &from, node).await?;
                context.mirror.inbox.push(passed_on(node, &kind));
            }
            ("w:gp2", Some(from)) => {
                context.mirror.forget_group(&from);
                let now = context.server_millis() / 1000;
                for update in GroupUpdate::read(node, time_of(node, now).unwrap_or(now)) {
                    if let GroupNews::Joined(group, _) = &update.what {
                        context.learn_members(&group.members).await?;
                    }
                    context.mirror.inbox.push(Event::Group(Box::new(update)));
                }
            }
            ("mediaretry", _) if on_reupload(context, node) => {}
            ("server_sync", _) => {
                let named = node
                    .children_named("collection")
                    .filter_map(|node| node.attrs.text("name")?.parse().ok());
                context.mirror.stale_collections.extend(named.collect::<Vec<Collection>>());
            }
            ("mex", _) if standing::on_update(context, node) => {}
            ("devices", Some(from)) => on_devices(context, &from, node).await?,
            ("account_sync", _) => {
                if let Some(devices) = node.get_child("devices") {
                    on_own_devices(context, devices).await?;
                }
                context.mirror.inbox.push(passed_on(node, &kind));
            }
            _ => {
                let now = context.server_millis() / 1000;
                let told = in_newsletter(node, &kind, time_of(node, now).unwrap_or(now));
                context.mirror.inbox.push(told.unwrap_or_else(|| passed_on(node, &kind)));
            }
        }
        Ok(())
    }
}

/// What happened in a newsletter, if that is what it tells.
fn in_newsletter(node: &Node<'_>, kind: &str, timestamp: i64) -> Option<Event> {
    match kind {
        "newsletter" => newsletter::counted(node, timestamp),
        "mex" => newsletter::followed(node, timestamp),
        _ => None,
    }
}

/// A person lets the account write to them (PROTOCOL.md 22). Known by the LID, which the stanza may name.
async fn on_tokens(context: &mut Context<'_>, from: &Jid, node: &Node<'_>) -> Result<(), End> {
    if let Some(lid) = node.attrs.jid("sender_lid")
        && from.is_pn()
    {
        context.learn_lid(&from.to_user(), &lid.to_user()).await?;
    }
    let now = context.server_millis() / 1000;
    let store = &context.shared.store;
    let Some(lid) = context.mirror.lids.lid_of(store, &from.to_user()).await? else { return Ok(()) };
    let tokens = node.get_child("tokens").map_or(&[][..], Node::children);
    for token in
        tokens.iter().filter(|token| token.attrs.get("type").is_some_and(|kind| *kind == "trusted_contact"))
    {
        let (Some(bytes), Some(at)) = (token.bytes(), time_of(token, now)) else { continue };
        let bytes = Bytes::copy_from_slice(&bytes);
        if context.mirror.tokens.receive(store, &lid.user, bytes, at).await? {
            context.mirror.must_commit();
        }
    }
    Ok(())
}

async fn on_devices(context: &mut Context<'_>, from: &Jid, node: &Node<'_>) -> Result<(), End> {
    if let Some(lid) = node.attrs.jid("lid")
        && from.is_pn()
    {
        context.learn_lid(&from.to_user(), &lid.to_user()).await?;
    }
    let changes = node.children().iter();
    let signed = changes.filter_map(|change| change.get_child("key-index-list")?.bytes()).next();
    for user in both_addresses(context, from).await? {
        if let Some(signed) = signed.as_deref() {
            trust::saw_signed(context, &user, signed).await?;
        }
        context.mirror.expire_device_list(&context.shared.store, &user).await?;
    }
    Ok(())
}

/// The own devices have changed. The list that came along says how old any other may be.
async fn on_own_devices(context: &mut Context<'_>, devices: &Node<'_>) -> Result<(), End> {
    if let Some(signed) = devices.get_child("key-index-list").and_then(Node::bytes) {
        for user in own_users(context) {
            trust::saw_signed(context, &user, &signed).await?;
        }
    }
    expire_own_devices(context).await
}

/// The own devices are asked for again before the next message.
pub(super) async fn expire_own_devices(context: &mut Context<'_>) -> Result<(), End> {
    for user in own_users(context) {
        context.mirror.expire_device_list(&context.shared.store, &user).await?;
    }
    Ok(())
}

/// The own account, by every address that it has.
fn own_users(context: &Context<'_>) -> Vec<Jid> {
    let own = [&context.mirror.device.jid, &context.mirror.device.lid];
    own.into_iter().flatten().map(Jid::to_user).collect()
}

/// A user by every address that is known.
async fn both_addresses(context: &mut Context<'_>, jid: &Jid) -> Result<Vec<Jid>, End> {
    let (user, store, lids) = (jid.to_user(), &context.shared.store, &mut context.mirror.lids);
    let (pn, lid) = (lids.pn_of(store, &user).await?, lids.lid_of(store, &user).await?);
    let mut all: Vec<_> = pn.into_iter().chain(lid).collect();
    if !all.contains(&user) {
        all.push(user);
    }
    Ok(all)
}

/// The own phone's answer about a file, if somebody waits for it (PROTOCOL.md 19.6).
fn on_reupload(context: &mut Context<'_>, node: &Node<'_>) -> bool {
    ReuploadAnswer::parse(node).is_ok_and(|answer| context.reuploads.answer(&answer))
}

/// For the embedder, as it came.
pub(super) fn passed_on(node: &Node<'_>, kind: &str) -> Event {
    Event::Notification(Box::new(Notification {
        kind: kind.to_owned(),
        from: node.attrs.jid("from").cloned(),
        timestamp: node.attrs.number("t").and_then(Result::ok).unwrap_or(0),
        node: node.clone().into_owned(),
    }))
}
