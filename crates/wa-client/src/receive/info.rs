use bytes::Bytes;
use wa_appstate::Collection;
use wa_binary::Node;
use wa_noise::preamble::MAX_ROUTING;

use super::Receiver;
use super::notification::expire_own_devices;
use crate::cause::Cause;
use crate::context::Context;
use crate::end::End;
use crate::event::Event;
use crate::iq;

impl Receiver {
    /// `<ib>`: what the server says about the connection (PROTOCOL.md 7.2).
    pub(super) async fn on_info(&mut self, context: &mut Context<'_>, node: &Node<'_>) -> Result<(), End> {
        for child in node.children() {
            match child.tag() {
                "offline_preview" => self.on_backlog(context).await?,
                "offline" => self.on_backlog_end(context, child),
                "dirty" => on_dirty(context, child).await?,
                "edge_routing" => on_edge_routing(context, child),
                "client_expiration" => on_client_expiration(context, child),
                "downgrade_webclient" => return Err(End::of(Cause::MultiDeviceRequired)),
                _ => {}
            }
        }
        context.commit_if_urgent().await
    }
}

/// Something of the account changed while we were away. Of the account itself the own devices and the app state
/// are held: they are asked for again, and so it is clean. What is not held stays dirty, for whoever will hold it.
async fn on_dirty(context: &mut Context<'_>, dirty: &Node<'_>) -> Result<(), End> {
    let (Some(kind), Some(timestamp)) = (dirty.attrs.text("type"), dirty.attrs.text("timestamp")) else {
        return Ok(());
    };
    match &*kind {
        "account_sync" => expire_own_devices(context).await?,
        "syncd_app_state" => context.mirror.stale_collections.extend(Collection::ALL),
        _ => {
            tracing::debug!(%kind, "something changed that this client does not hold");
            return Ok(());
        }
    }
    let clean = context.requests.unanswered(iq::session::clean(&kind, &timestamp));
    Ok(context.link.send(&clean).await?)
}

/// This version will be refused from then on (PROTOCOL.md 3).
fn on_client_expiration(context: &mut Context<'_>, node: &Node<'_>) {
    let Some(Ok(seconds)) = node.attrs.number::<i64>("t") else { return };
    let (version, at) = (context.link.announced, seconds.saturating_mul(1000));
    tracing::warn!(%version, at, "WhatsApp will refuse this version");
    context.shared.versions.expires(version, at);
    context.mirror.inbox.push(Event::ClientExpires { version, at });
}

/// Kept, and replayed in front of the next handshake.
fn on_edge_routing(context: &mut Context<'_>, node: &Node<'_>) {
    let Some(info) = node.get_child("routing_info").and_then(Node::bytes) else { return };
    let device = &mut context.mirror.device;
    if info.len() <= MAX_ROUTING && device.routing_info.as_deref() != Some(&*info) {
        device.routing_info = Some(Bytes::copy_from_slice(&info));
        context.mirror.device_changed();
        context.mirror.must_commit();
    }
}
