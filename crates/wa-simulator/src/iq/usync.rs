use std::sync::Arc;

use wa_binary::{Jid, Node, phash};

use super::{Answered, Context, IqError, Request};
use crate::{
    Addressing,
    account::{Account, CLOUD},
    faults::FaultKind,
    stanza,
};

/// The key index of a device that isn't there: newer than every signed list.
const NEWER_INDEX: u32 = 1_000;
/// Most users in one query.
const MAX_USERS: usize = 5_000;

/// What can be asked about users. Others are answered with nothing, as for users without them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Devices,
    Lid,
    Contact,
    Status,
    Picture,
    DisappearingMode,
    Other,
}

/// A user who is asked about.
struct Subject<'n> {
    /// The address in the answer: it echoes the one in the question.
    jid: Option<Jid>,
    account: Option<Arc<Account>>,
    /// The text that a contact was looked up by.
    contact: Option<&'n str>,
}

/// Name space `usync`: devices, LIDs and contacts (PROTOCOL.md 15).
pub(super) fn answer(context: &Context<'_>, request: &Request<'_>) -> Answered {
    let usync = request.node.require_child("usync")?;
    usync.require_text("sid")?;
    let protocols = usync.require_child("query")?.children();
    let users = usync.require_child("list")?.children();
    if protocols.is_empty() || users.len() > MAX_USERS {
        return Err(IqError::BadRequest("a query asks for something, about at most 5000 users"));
    }
    let subjects = users.iter().map(|user| subject(context, user)).collect::<Result<Vec<_>, _>>()?;
    let list = subjects.iter().filter_map(|subject| described(context, protocols, subject));
    let list: Vec<_> = list.collect();
    let result = protocols.iter().map(|protocol| Node::new(protocol.tag().to_owned()));
    let mut answer = Node::new("usync");
    for name in ["sid", "index", "last", "mode", "context"] {
        answer = answer.opt_attr(name, usync.attrs.text(name).map(|value| value.into_owned()));
    }
    let answer =
        answer.child(Node::new("result").with_children(result)).child(Node::new("list").with_children(list));
    Ok(answer.into())
}

fn subject<'n>(context: &Context<'_>, user: &'n Node<'n>) -> Result<Subject<'n>, IqError> {
    if let Some(jid) = user.attrs.jid("jid") {
        let account = context.world.resolve(jid);
        return Ok(Subject { jid: Some(jid.to_user()), account, contact: None });
    }
    let contact = user.require_child("contact")?;
    let text = contact.content_text().ok_or(IqError::BadRequest("a contact is looked up by a number"))?;
    // whatsmeow appends `@c.us` to whatever its caller gave, Baileys sends `+` and digits.
    let digits = text.split('@').next().unwrap_or_default().trim_start_matches('+');
    let account = context.world.contact(digits);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    // The account says what it is called, whatever was asked.
    let jid = account.as_ref().map(|account| account.pn()).or_else(|| is_number.then(|| Jid::pn(digits)));
    Ok(Subject { jid, account, contact: Some(text) })
}

fn described(context: &Context<'_>, protocols: &[Node<'_>], subject: &Subject<'_>) -> Option<Node<'static>> {
    let wants_lid = protocols
        .iter()
        .any(|protocol| protocol.is("contact") && stanza::text(&protocol.attrs, "addressing_mode") == "lid");
    let mut jid = subject.jid.clone()?;
    let mut pn_jid = None;
    let tells_lid = tells_lid(context, subject);
    if let Some(account) = &subject.account {
        if wants_lid && subject.contact.is_some() && tells_lid {
            jid = account.lid();
        }
        pn_jid = (Addressing::of(&jid) == Some(Addressing::Lid)).then(|| account.pn());
    }
    let children: Vec<_> = protocols
        .iter()
        .filter_map(|protocol| match (Protocol::of(protocol.tag()), &subject.account) {
            (Protocol::Contact, account) => Some(contact(subject.contact, account.is_some())),
            (Protocol::Lid, Some(_)) if !tells_lid => None,
            (Protocol::Lid, Some(account)) => {
                refreshed(context, account);
                Protocol::Lid.about(context, account, &jid)
            }
            (protocol, Some(account)) => protocol.about(context, account, &jid),
            (Protocol::Devices, None) => {
                context.world.claimed_device(context.account, context.device, &jid).map(|claimed| {
                    Node::new("devices")
                        .child(Node::new("device-list").child(device_node(claimed, Some(NEWER_INDEX))))
                })
            }
            (_, None) => None,
        })
        .collect();
    Some(Node::new("user").attr("jid", jid).opt_attr("pn_jid", pn_jid).with_children(children))
}

/// Whether the answer names the LID.
fn tells_lid(context: &Context<'_>, subject: &Subject<'_>) -> bool {
    let is_kept_back = context.world.options.behaviour.contacts_without_lid && subject.contact.is_some();
    !is_kept_back && subject.account.as_ref().is_some_and(|account| !account.directory().hides_lid)
}

/// The companion knows the LID as it is now.
fn refreshed(context: &Context<'_>, account: &Account) {
    let mut directory = context.account.directory();
    let stale = directory.companions.get_mut(&context.device).map(|companion| &mut companion.stale);
    if stale.is_some_and(|stale| stale.remove(&account.number).is_some()) {
        directory.standing.has_asked();
    }
}

fn contact(text: Option<&str>, is_known: bool) -> Node<'static> {
    let node = Node::new("contact").attr("type", if is_known { "in" } else { "out" });
    match text {
        Some(text) => node.with_bytes(text.as_bytes().to_vec()),
        None => node,
    }
}

impl Protocol {
    fn of(tag: &str) -> Self {
        match tag {
            "devices" => Self::Devices,
            "lid" => Self::Lid,
            "contact" => Self::Contact,
            "status" => Self::Status,
            "picture" => Self::Picture,
            "disappearing_mode" => Self::DisappearingMode,
            _ => Self::Other,
        }
    }

    fn about(self, context: &Context<'_>, account: &Arc<Account>, jid: &Jid) -> Option<Node<'static>> {
        match self {
            Self::Devices if is_listed_elsewhere(context, account, jid) => {
                Some(Node::new("devices").child(Node::new("device-list")))
            }
            Self::Devices => Some(devices(context, account, jid)),
            Self::Lid => Some(Node::new("lid").attr("val", account.lid())),
            Self::Status => {
                let about = account.directory().about.clone();
                Some(Node::new("status").with_bytes(about.into_bytes()))
            }
            Self::Picture => {
                let picture = account.directory().picture.clone()?;
                Some(Node::new("picture").attr("id", picture.id))
            }
            Self::DisappearingMode => {
                Some(Node::new("disappearing_mode").attr("duration", 0_u32).attr("t", 0_u32))
            }
            Self::Contact | Self::Other => None,
        }
    }
}

fn device_node(device: u16, index: Option<u32>) -> Node<'static> {
    Node::new("device")
        .attr("id", device)
        .opt_attr("key-index", index)
        .opt_attr("is_hosted", (device == CLOUD).then_some("true"))
}

/// Whether the devices are to be asked for by LID (PROTOCOL.md 15).
fn is_listed_elsewhere(context: &Context<'_>, account: &Arc<Account>, jid: &Jid) -> bool {
    context.world.options.behaviour.devices_by_lid_only
        && Addressing::of(jid) == Some(Addressing::Pn)
        && account != context.account
        && context.account.directory().lid_migrated
        && !account.directory().hides_lid
}

/// The devices with their key indexes, and the list of valid indexes that the phone has signed. Who asks
/// is told when they change.
fn devices(context: &Context<'_>, account: &Arc<Account>, jid: &Jid) -> Node<'static> {
    let (devices, (signed, signed_at)) = {
        let mut directory = account.directory();
        directory.watch(&context.account.number);
        let is_old = |kind: &FaultKind| (*kind == FaultKind::OldDeviceList).then_some(());
        let struck = context.world.faults.strike(&context.account.number, context.device, is_old);
        let present = (directory.devices(), directory.key_index_list.clone());
        struck.and_then(|()| directory.outdated.clone()).unwrap_or(present)
    };
    let claimed = context.world.claimed_device(context.account, context.device, jid);
    let hash = phash(&devices.iter().map(|(device, _)| jid.clone().with_device(*device)).collect::<Vec<_>>());
    let list = devices
        .iter()
        .map(|(device, index)| device_node(*device, *index))
        .chain(claimed.map(|device| device_node(device, Some(NEWER_INDEX))));
    Node::new("devices")
        .child(Node::new("device-list").attr("hash", hash).with_children(list))
        .child(Node::new("key-index-list").attr("ts", signed_at).with_bytes(signed.to_vec()))
}
