//! Posts to newsletters (PROTOCOL.md 11.6): the same for everybody, and not encrypted.

use std::collections::BTreeMap;
use std::sync::Arc;

use wa_binary::{Jid, Node};

use super::audience::{self, Audience, NameSpace};
use super::lanes::Queued;
use super::{Prepared, Try, stanza};
use crate::context::Context;
use crate::message::{DeviceCount, SendError};

/// A post that may leave at once: there is nobody to look up.
pub(super) fn prepare(context: &Context<'_>, lane: &Jid, (message, reply): Queued) -> Option<Prepared> {
    let audience = match audience_of(context, lane) {
        Ok(audience) => Arc::new(audience),
        Err(error) => {
            let _ = reply.send(Err(error));
            return None;
        }
    };
    let attributes = message.content.view().attributes();
    let plaintext = Node::new("plaintext")
        .opt_attr("mediatype", attributes.media_type)
        .with_bytes(message.content.encode_once().to_vec());
    let node = stanza::message(lane, message.id.as_str(), &attributes).child(plaintext);
    let devices = DeviceCount { reached: 0, failed: 0 };
    Some(Prepared { node, audience, devices, message: (message, reply), attempt: Try::First })
}

/// Nobody's devices.
fn audience_of(context: &Context<'_>, lane: &Jid) -> Result<Audience, SendError> {
    Ok(Audience {
        chat: lane.clone(),
        pn: None,
        theirs: Vec::new(),
        ours: Vec::new(),
        own: audience::own_device(context)?,
        own_pn: None,
        numbers: BTreeMap::new(),
        name_space: NameSpace::Lid,
        left_out: 0,
    })
}
