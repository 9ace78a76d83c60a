//! Messages to groups (PROTOCOL.md 11.2).

use std::{collections::BTreeMap, sync::Arc};

use compact_str::CompactString;
use wa_binary::{Jid, Node, phash};

use super::{
    Sender,
    letter::{Copy, Refusal, Route, check_ciphertext, check_device_identity, id_of, participant},
    message::{FORWARDED, Taken},
};
use crate::{
    Addressing,
    account::{Account, CLOUD},
    group::{Group, Rank},
    queue::{Class, Stanza},
    stanza,
    world::World,
};

/// The most devices that one message hands its key to: a full group with all that its members may link.
pub(super) const MAX_COPIES: usize = 6_000;
/// The least that a group's message is long: what comes before the ciphertext, one block and the signature.
const MIN_SEALED: usize = 1 + 4 + 16 + 64;

/// `edit` of what an administrator takes back.
const BY_ADMINISTRATOR: &str = "8";

/// A device of a member, by the account's number.
type Place = (CompactString, u16);

/// Delivers a message to all devices of the members, or again to one of them.
pub(super) fn take(world: &World, sender: Sender<'_>, node: &Node<'_>) -> Result<Taken, Refusal> {
    let id = id_of(node)?;
    let to = node.attrs.jid("to").ok_or(Refusal::Destination)?;
    let group = world.group(to).ok_or(Refusal::Nobody)?;
    check_sender(sender, &group)?;
    check_addressing(node, &group)?;
    check_edit(sender, &group, node)?;
    let post = Post { world, sender, group: &group, node, id };
    let expected = match node.attrs.jid("participant") {
        Some(device) => post.again(device).map(|()| None),
        None => post.to_all(),
    }?;
    Ok(Taken { expected, ..Taken::default() })
}

fn check_sender(sender: Sender<'_>, group: &Group) -> Result<(), Refusal> {
    let record = group.record();
    let rank = record.rank(sender.account).ok_or(Refusal::NotMember)?;
    if group.is_community {
        return Err(Refusal::Announcement);
    }
    if record.settings().is_announcement && rank < Rank::Admin { Err(Refusal::Announcement) } else { Ok(()) }
}

/// Only administrators take back what others wrote, which the stanza says (PROTOCOL.md 11.4).
fn check_edit(sender: Sender<'_>, group: &Group, node: &Node<'_>) -> Result<(), Refusal> {
    let is_admin = group.record().rank(sender.account).is_some_and(|rank| rank >= Rank::Admin);
    match &*stanza::text(&node.attrs, "edit") {
        "" | "1" | "2" | "7" => Ok(()),
        BY_ADMINISTRATOR if is_admin => Ok(()),
        BY_ADMINISTRATOR => Err(Refusal::Administrator),
        _ => Err(Refusal::Kind),
    }
}

/// A group by LID is written to as such.
fn check_addressing(node: &Node<'_>, group: &Group) -> Result<(), Refusal> {
    let said = match &*stanza::text(&node.attrs, "addressing_mode") {
        "lid" => Addressing::Lid,
        "" | "pn" => Addressing::Pn,
        _ => return Err(Refusal::Kind),
    };
    if said == group.addressing { Ok(()) } else { Err(Refusal::Mixed) }
}

/// The ciphertext for everybody: `<enc v="2" type="skmsg">`.
pub(super) fn sealed<'n>(node: &'n Node<'n>) -> Result<&'n Node<'n>, Refusal> {
    let mut ciphertexts = node.children_named("enc");
    let (Some(enc), None) = (ciphertexts.next(), ciphertexts.next()) else {
        return Err(Refusal::Ciphertext);
    };
    let bytes = enc.bytes().ok_or(Refusal::Ciphertext)?;
    let is_sound = stanza::text(&enc.attrs, "v") == "2"
        && stanza::text(&enc.attrs, "type") == "skmsg"
        && bytes.first() == Some(&0x33)
        && bytes.len() >= MIN_SEALED;
    if is_sound { Ok(enc) } else { Err(Refusal::Ciphertext) }
}

/// A message on its way to a group.
struct Post<'a> {
    world: &'a World,
    sender: Sender<'a>,
    group: &'a Arc<Group>,
    node: &'a Node<'a>,
    id: CompactString,
}

impl Post<'_> {
    /// The one ciphertext goes to everybody; who got a copy of their own, with the key in it, has that first.
    fn to_all(&self) -> Result<Option<String>, Refusal> {
        let sealed = sealed(self.node)?;
        let copies = self.copies()?;
        check_device_identity(self.sender, self.node, &copies, Route::Fanout)?;
        let places = self.places();
        let keys = self.keys(&copies)?;
        self.remember_acquaintance();
        let plain = self.stanza(&[sealed]);
        for ((number, device), account) in &places {
            let stanza = match keys.get(&(number.clone(), *device)) {
                Some(key) => self.stanza(&[*key, sealed]),
                None => plain.clone(),
            };
            self.world.deliver(account, *device, stanza);
        }
        Ok(self.unlike(&places))
    }

    /// What one device could not read, encrypted for it alone (PROTOCOL.md 14).
    fn again(&self, device: &Jid) -> Result<(), Refusal> {
        let account = self.member(device)?;
        let mut ciphertexts = self.node.children_named("enc");
        let (Some(enc), None) = (ciphertexts.next(), ciphertexts.next()) else {
            return Err(Refusal::Ciphertext);
        };
        check_ciphertext(enc)?;
        let copy = Copy { device: device.clone(), enc };
        check_device_identity(self.sender, self.node, &[copy], Route::Again)?;
        if !account.directory().has_device(device.device) {
            return Err(Refusal::Nobody);
        }
        self.world.deliver(&account, device.device, self.stanza(&[enc]));
        Ok(())
    }

    /// The key of the sender, for those who don't have it yet.
    fn copies(&self) -> Result<Vec<Copy<'_>>, Refusal> {
        let Some(participants) = self.node.get_child("participants") else { return Ok(Vec::new()) };
        let copies = participants.children().iter().map(participant).collect::<Result<Vec<_>, _>>()?;
        if copies.len() > MAX_COPIES {
            return Err(Refusal::Ciphertext);
        }
        copies.iter().try_for_each(|copy| check_ciphertext(copy.enc))?;
        Ok(copies)
    }

    /// The copies by place. Baileys has one for itself, too (PROTOCOL.md 31.2), which goes nowhere.
    fn keys<'n>(&self, copies: &'n [Copy<'n>]) -> Result<BTreeMap<Place, &'n Node<'n>>, Refusal> {
        let mut keys = BTreeMap::new();
        for copy in copies {
            if Addressing::of(&copy.device) != Some(self.group.addressing) {
                return Err(Refusal::Mixed);
            }
            let account = self.member(&copy.device)?;
            keys.entry((account.number.clone(), copy.device.device)).or_insert(copy.enc);
        }
        Ok(keys)
    }

    fn member(&self, device: &Jid) -> Result<Arc<Account>, Refusal> {
        let account = self.world.resolve(device).ok_or(Refusal::Stranger)?;
        if self.group.record().rank(&account).is_none() {
            return Err(Refusal::Stranger);
        }
        Ok(account)
    }

    /// All devices of the members but the sending one. Those in Meta's cloud take no part in groups.
    fn places(&self) -> BTreeMap<Place, Arc<Account>> {
        let mut places = BTreeMap::new();
        for member in self.group.members() {
            let devices = member.account.directory().devices();
            for (device, _) in devices.into_iter().filter(|(device, _)| *device != CLOUD) {
                places.insert((member.account.number.clone(), device), member.account.clone());
            }
        }
        places.remove(&(self.sender.account.number.clone(), self.sender.device));
        places
    }

    /// The hash of all devices, if the sender said another (PROTOCOL.md 11.2).
    fn unlike(&self, places: &BTreeMap<Place, Arc<Account>>) -> Option<String> {
        let said = self.node.attrs.text("phash")?;
        let sending = self.group.address(self.sender.account, self.sender.device);
        let devices = places.iter().map(|((_, device), account)| self.group.address(account, *device));
        let right = phash(&devices.chain([sending]).collect::<Vec<_>>());
        (right != *said).then_some(right)
    }

    /// The members know each other's devices from now on, and are told of changes.
    fn remember_acquaintance(&self) {
        for member in self.group.members() {
            if member.account != *self.sender.account {
                member.account.directory().watch(&self.sender.account.number);
            }
        }
    }

    fn stanza(&self, ciphertexts: &[&Node<'_>]) -> Stanza {
        let (account, source) = (self.sender.account, &self.node.attrs);
        let is_lid = self.group.addressing == Addressing::Lid;
        let opens = ciphertexts.iter().any(|enc| stanza::text(&enc.attrs, "type") == "pkmsg");
        let identity = self.node.get_child("device-identity").filter(|_| opens);
        let forwarded = self.node.children().iter().filter(|child| FORWARDED.contains(&child.tag()));
        let node = Node::new("message")
            .attr("from", self.group.jid())
            .attr("participant", self.group.address(account, self.sender.device))
            .opt_attr("participant_pn", is_lid.then(|| account.pn()))
            .opt_attr("participant_lid", (!is_lid).then(|| account.lid()))
            .opt_attr("addressing_mode", is_lid.then_some("lid"))
            .attr("id", self.id.clone())
            .attr("type", stanza::text(source, "type"))
            .attr("t", self.world.clock.unix_seconds())
            .attr("notify", account.directory().announced_name(self.sender.device))
            .opt_attr("edit", source.text("edit").map(|edit| edit.into_owned()))
            .with_children(ciphertexts.iter().map(|enc| (*enc).clone()))
            .with_children(identity.into_iter().chain(forwarded).cloned());
        Stanza {
            class: Class::Message,
            id: self.id.clone(),
            kind: Default::default(),
            is_own_copy: false,
            bytes: stanza::encode(&node),
        }
    }
}
