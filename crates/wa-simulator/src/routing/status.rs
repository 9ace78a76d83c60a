//! Posts to the status (PROTOCOL.md 25): a group message whose recipients its sender names, each time anew.

use std::{collections::BTreeMap, sync::Arc};

use compact_str::CompactString;
use wa_binary::{Jid, Node, phash};

use super::{
    Sender, group,
    letter::{Copy, Refusal, Route, check_ciphertext, check_device_identity, id_of},
    message::Taken,
};
use crate::{
    Addressing,
    account::{Account, CLOUD},
    queue::{Class, Stanza},
    stanza,
    world::World,
};

/// What a post says of who sees it.
const SETTINGS: [&str; 3] = ["contacts", "denylist", "allowlist"];

/// A device of somebody, by the account's number.
type Place = (CompactString, u16);

/// Delivers a post to all devices of those who are named in it, or again to one of them.
pub(super) fn take(world: &World, sender: Sender<'_>, node: &Node<'_>) -> Result<Taken, Refusal> {
    let id = id_of(node)?;
    if stanza::text(&node.attrs, "addressing_mode") != "lid" {
        return Err(Refusal::StatusShape);
    }
    check_setting(node)?;
    let post = Post { world, sender, node, id };
    let expected = match node.attrs.jid("participant") {
        Some(device) => post.again(device).map(|()| None),
        None => post.to_all(),
    }?;
    Ok(Taken { expected, ..Taken::default() })
}

/// Posts say who sees them; reactions and what takes a post back don't.
fn check_setting(node: &Node<'_>) -> Result<(), Refusal> {
    let edit = stanza::text(&node.attrs, "edit");
    if !matches!(&*edit, "" | "7") {
        return Err(Refusal::Kind);
    }
    let is_post = edit.is_empty() && stanza::text(&node.attrs, "type") != "reaction";
    let is_again = node.attrs.contains("participant");
    let said = node.children_named("meta").find_map(|meta| meta.attrs.text("status_setting"));
    let is_right = match said {
        Some(said) => is_post && SETTINGS.contains(&&*said),
        None => !is_post || is_again,
    };
    if is_right { Ok(()) } else { Err(Refusal::StatusShape) }
}

/// A post on its way.
struct Post<'a> {
    world: &'a World,
    sender: Sender<'a>,
    node: &'a Node<'a>,
    id: CompactString,
}

/// Whom a post is for, and the keys for their devices.
struct Named<'n> {
    accounts: BTreeMap<CompactString, Arc<Account>>,
    keys: Vec<(Place, Copy<'n>)>,
}

impl<'a> Post<'a> {
    fn to_all(&self) -> Result<Option<String>, Refusal> {
        let sealed = group::sealed(self.node)?;
        let Named { accounts, keys } = self.named()?;
        // The sender's own devices show it, too.
        if !accounts.contains_key(&self.sender.account.number) {
            return Err(Refusal::StatusShape);
        }
        let (places, copies): (Vec<_>, Vec<_>) = keys.into_iter().unzip();
        check_device_identity(self.sender, self.node, &copies, Route::Fanout)?;
        let keys: BTreeMap<Place, &Node<'_>> =
            places.into_iter().zip(copies.iter().map(|copy| copy.enc)).collect();
        let mut devices = vec![self.sender.account.jid(Addressing::Lid, self.sender.device)];
        for account in accounts.values() {
            for device in self.devices_of(account) {
                devices.push(account.jid(Addressing::Lid, device));
                let key = keys.get(&(account.number.clone(), device)).copied();
                if !account.directory().blocked.contains(&self.sender.account.number) {
                    let ciphertexts: Vec<_> = key.into_iter().chain([sealed]).collect();
                    self.world.deliver(account, device, self.stanza(&ciphertexts));
                }
            }
        }
        let right = phash(&devices);
        Ok(self.node.attrs.text("phash").filter(|said| *said != right).map(|_| right))
    }

    /// What one device could not read, encrypted for it alone (PROTOCOL.md 14).
    fn again(&self, device: &Jid) -> Result<(), Refusal> {
        let account = self.account(device)?;
        let mut ciphertexts = self.node.children_named("enc");
        let (Some(enc), None) = (ciphertexts.next(), ciphertexts.next()) else {
            return Err(Refusal::Ciphertext);
        };
        check_ciphertext(enc)?;
        check_device_identity(self.sender, self.node, &[Copy { device: device.clone(), enc }], Route::Again)?;
        if !account.directory().has_device(device.device) {
            return Err(Refusal::Nobody);
        }
        self.world.deliver(&account, device.device, self.stanza(&[enc]));
        Ok(())
    }

    /// `<to jid><enc/></to>` for a device that is to have the key, `<to jid/>` for somebody whose devices have it.
    fn named(&self) -> Result<Named<'a>, Refusal> {
        let participants = self.node.get_child("participants").ok_or(Refusal::StatusShape)?;
        let (mut accounts, mut keys) = (BTreeMap::new(), Vec::new());
        for to in participants.children() {
            let jid = to.attrs.jid("jid").filter(|_| to.is("to")).ok_or(Refusal::StatusShape)?;
            let account = self.account(jid)?;
            if let Some(enc) = to.get_child("enc") {
                check_ciphertext(enc)?;
                keys.push(((account.number.clone(), jid.device), Copy { device: jid.clone(), enc }));
            } else if jid.device != 0 {
                return Err(Refusal::StatusShape);
            }
            accounts.insert(account.number.clone(), account);
        }
        if keys.len() > group::MAX_COPIES { Err(Refusal::Ciphertext) } else { Ok(Named { accounts, keys }) }
    }

    /// Nobody is called by number in a status.
    fn account(&self, jid: &Jid) -> Result<Arc<Account>, Refusal> {
        if Addressing::of(jid) != Some(Addressing::Lid) {
            return Err(Refusal::StatusShape);
        }
        self.world.resolve(jid).ok_or(Refusal::Stranger)
    }

    /// Those of the account that get it: all but the sending one, and those in Meta's cloud.
    fn devices_of(&self, account: &Arc<Account>) -> Vec<u16> {
        let devices = account.directory().devices().into_iter().map(|(device, _)| device);
        let is_sending = |device: u16| account == self.sender.account && device == self.sender.device;
        devices.filter(|device| *device != CLOUD && !is_sending(*device)).collect()
    }

    /// In the form that servers have had from the beginning, or in the one since July 2026 (PROTOCOL.md 7.3).
    fn stanza(&self, ciphertexts: &[&Node<'_>]) -> Stanza {
        let tag = if self.world.options.behaviour.novelties { "status" } else { "message" };
        let (account, source) = (self.sender.account, &self.node.attrs);
        let opens = ciphertexts.iter().any(|enc| stanza::text(&enc.attrs, "type") == "pkmsg");
        let identity = self.node.get_child("device-identity").filter(|_| opens);
        let meta = self.node.children_named("meta");
        let node = Node::new(tag)
            .attr("from", Jid::status())
            .attr("participant", account.jid(Addressing::Lid, self.sender.device))
            .attr("participant_pn", account.pn())
            .attr("addressing_mode", "lid")
            .attr("id", self.id.clone())
            .attr("type", stanza::text(source, "type"))
            .attr("t", self.world.clock.unix_seconds())
            .attr("notify", account.directory().announced_name(self.sender.device))
            .opt_attr("edit", source.text("edit").map(|edit| edit.into_owned()))
            .with_children(ciphertexts.iter().map(|enc| (*enc).clone()))
            .with_children(identity.cloned())
            .with_children(meta.cloned());
        Stanza {
            class: Class::named(tag),
            id: self.id.clone(),
            kind: Default::default(),
            is_own_copy: false,
            bytes: stanza::encode(&node),
        }
    }
}
