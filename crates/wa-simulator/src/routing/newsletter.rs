//! What is posted to newsletters, and put to posts (PROTOCOL.md 11.6).

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use prost::Message as _;
use wa_binary::Node;
use wa_protobuf::e2e::Message;

use super::{
    Sender,
    letter::{Refusal, id_of},
    message::Taken,
};
use crate::{newsletter::Post, stanza, world::World};

/// Longest emoji, in bytes.
const MAX_EMOJI: usize = 64;

/// Takes a post of whoever runs the newsletter, or a reaction of whoever follows it.
pub(super) fn take(world: &World, sender: Sender<'_>, node: &Node<'_>) -> Result<Taken, Refusal> {
    let id = id_of(node)?;
    let to = node.attrs.jid("to").ok_or(Refusal::Destination)?;
    let newsletter = world.newsletter(to).ok_or(Refusal::Nobody)?;
    let role = newsletter.role(&sender.account.number);
    let kind = stanza::text(&node.attrs, "type");
    let server_id = if kind == "reaction" {
        if role == "GUEST" {
            return Err(Refusal::NotMember);
        }
        let emoji = reaction(node)?;
        let server_id = node.attrs.number("server_id").and_then(Result::ok).ok_or(Refusal::Kind)?;
        if !world.react_in(sender.account, &newsletter, server_id, &emoji) {
            return Err(Refusal::Nobody);
        }
        server_id
    } else {
        if role != "OWNER" {
            return Err(Refusal::Announcement);
        }
        // New content, and taking back, go under the id of the post: nobody needs them here yet.
        if node.attrs.contains("edit") {
            return Err(Refusal::NotServed);
        }
        let (timestamp, content) = (world.clock.unix_seconds(), plaintext(node)?);
        let (viewers, reactions) = (BTreeSet::new(), BTreeMap::new());
        world.post_in(sender, &newsletter, Post { id, kind, content, timestamp, viewers, reactions })
    };
    Ok(Taken { server_id: Some(server_id), ..Taken::default() })
}

/// `<reaction code/>`; without a code it is taken away, which the stanza says, too.
fn reaction(node: &Node<'_>) -> Result<String, Refusal> {
    let reaction = node.get_child("reaction").ok_or(Refusal::Ciphertext)?;
    let code = reaction.attrs.text("code").unwrap_or_default().into_owned();
    let takes_away = stanza::text(&node.attrs, "edit") == "7";
    if code.len() > MAX_EMOJI || code.is_empty() != takes_away { Err(Refusal::Kind) } else { Ok(code) }
}

/// `<plaintext>` with a message, and no ciphertext.
fn plaintext(node: &Node<'_>) -> Result<Bytes, Refusal> {
    if node.get_child("enc").is_some() || node.get_child("participants").is_some() {
        return Err(Refusal::Ciphertext);
    }
    let bytes = node.get_child("plaintext").and_then(Node::bytes).ok_or(Refusal::Ciphertext)?;
    let is_message = Message::decode(&*bytes).is_ok_and(|message| message != Message::default());
    if is_message { Ok(Bytes::copy_from_slice(&bytes)) } else { Err(Refusal::Ciphertext) }
}
