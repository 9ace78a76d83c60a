use bytes::Bytes;
use wa_binary::Node;
use wa_noise::preamble::MAX_ROUTING;

use super::Batch;
use crate::event::Event;
use crate::instance::End;
use crate::iq;
use crate::online::Online;
use crate::state::Cause;

/// Stanzas that the server may send at once from what waited.
const OFFLINE_BATCH: u32 = 100;

impl Online<'_> {
    /// `<ib>`: what the server says about the connection (protocol.md 7.2, baileys.md 3.4).
    pub(super) async fn on_info(&mut self, node: &Node<'_>, batch: &mut Batch) -> Result<(), End> {
        for child in node.children() {
            match child.tag() {
                "offline_preview" => {
                    let wanted = Node::new("offline_batch").attr("count", OFFLINE_BATCH);
                    batch.answers.push(Node::new("ib").child(wanted));
                }
                "offline" => {
                    let count = child.attrs.number("count").and_then(Result::ok).unwrap_or(0);
                    batch.events.push(Event::OfflineDone { count });
                }
                "dirty" => self.on_dirty(child, batch),
                "edge_routing" => self.on_edge_routing(child),
                "downgrade_webclient" => return Err(End::of(Cause::MultiDeviceRequired)),
                _ => {}
            }
        }
        Ok(())
    }

    /// Something of the account changed while we were away. What this client caches is kept in step by
    /// notifications, so there is nothing to fetch before saying that it is clean.
    fn on_dirty(&mut self, dirty: &Node<'_>, batch: &mut Batch) {
        let (Some(kind), Some(timestamp)) = (dirty.attrs.text("type"), dirty.attrs.text("timestamp")) else {
            return;
        };
        let clean = self.requests.unanswered(iq::session::clean(&kind, &timestamp)).into_owned();
        batch.answers.push(clean);
    }

    /// Kept, and replayed in front of the next handshake.
    fn on_edge_routing(&mut self, node: &Node<'_>) {
        let Some(info) = node.get_child("routing_info").and_then(Node::bytes) else { return };
        if info.len() <= MAX_ROUTING && self.account.device.routing_info.as_deref() != Some(&*info) {
            self.account.device.routing_info = Some(Bytes::copy_from_slice(&info));
            self.account.device_changed();
            self.account.must_commit();
        }
    }
}
