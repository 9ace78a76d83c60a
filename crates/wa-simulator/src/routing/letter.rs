use std::collections::BTreeSet;

use compact_str::CompactString;
use wa_binary::{Jid, Node};

use super::Sender;
use crate::{Addressing, account::Limited, stanza};

/// Kinds of messages, as the `type` attribute names them (PROTOCOL.md 11.4).
const KINDS: [&str; 9] =
    ["text", "media", "reaction", "poll", "event", "protocol", "pay", "medianotify", "url"];
/// Longest id that is taken.
const MAX_ID: usize = 128;
/// The most devices one message may be encrypted for.
const MAX_COPIES: usize = 1_000;

/// The answer to a message that WhatsApp finds malformed.
const MALFORMED: u16 = 479;
/// The answer to a message that would need a token (PROTOCOL.md 11.3).
const NO_TOKEN: u16 = 463;
/// The answer to a message that would begin one new chat too many (PROTOCOL.md 11.3).
const TOO_MANY_CHATS: u16 = 475;
/// The answer to a message that its sender has no right to write in the group.
const FORBIDDEN: u16 = 403;
/// The answer to a message for nobody.
const NO_RECIPIENT: u16 = 404;
/// The answer to a message in the wrong name space, or in two at once.
const NAME_SPACE: u16 = 400;

/// Why a message is refused: the `error` of its `<ack>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("it has no id, or one that is too long")]
    Id,
    #[error("its type is unknown")]
    Kind,
    #[error("it is for no user")]
    Destination,
    #[error("it changes a post, which is not served yet")]
    NotServed,
    #[error("its sender is not in the group")]
    NotMember,
    #[error("only administrators write to the group")]
    Announcement,
    #[error("only administrators of a group take back what others wrote")]
    Administrator,
    #[error(
        "a post to the status names all who see it by LID, the own account among them, and says how they were chosen"
    )]
    StatusShape,
    #[error("it has a file, and its ciphertexts don't say of which kind")]
    MediaType,
    #[error("it has no ciphertext, or one of a wrong shape")]
    Ciphertext,
    #[error("it is encrypted for a device of somebody else")]
    Stranger,
    #[error("a pkmsg needs the device identity of the sender, and nothing else does")]
    DeviceIdentity,
    #[error("a peer message goes to the own account")]
    Peer,
    #[error("it shows two tokens")]
    Tokens,
    #[error("a limit forbids to write to the recipient: {0:?}")]
    Limited(Limited),
    #[error("nobody has this address")]
    Nobody,
    #[error("it names some by number and others by LID")]
    Mixed,
    #[error("chats of this account are not keyed by LID yet")]
    NotMigrated,
    #[error("a fault refuses it")]
    Fault(u16),
}

impl Refusal {
    pub(crate) fn code(self) -> u16 {
        match self {
            Self::Nobody => NO_RECIPIENT,
            Self::NotServed => 501,
            Self::NotMember | Self::Announcement | Self::Administrator => FORBIDDEN,
            Self::Limited(Limited::Token) => NO_TOKEN,
            Self::Limited(Limited::NewChats) => TOO_MANY_CHATS,
            Self::Mixed | Self::NotMigrated => NAME_SPACE,
            Self::Fault(code) => code,
            _ => MALFORMED,
        }
    }
}

/// A message as its sender wrote it, with the shape checked.
pub(crate) struct Letter<'n> {
    pub(crate) id: CompactString,
    /// The user, or the one device, that it is for.
    pub(crate) to: Jid,
    pub(crate) addressing: Addressing,
    pub(crate) route: Route,
    pub(crate) copies: Vec<Copy<'n>>,
    pub(crate) node: &'n Node<'n>,
}

/// One ciphertext and the device it is for.
pub(crate) struct Copy<'n> {
    pub(crate) device: Jid,
    pub(crate) enc: &'n Node<'n>,
}

/// How a message travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// To all devices of the recipient, and the sender's others.
    Fanout,
    /// To one device, usually again after a retry receipt (PROTOCOL.md 14).
    Again,
    /// To one device of the own account, about the account (PROTOCOL.md 11.7).
    Peer,
}

impl<'n> Letter<'n> {
    /// Checks the shape of a message from `sender`.
    pub(crate) fn parse(sender: Sender<'_>, node: &'n Node<'n>) -> Result<Self, Refusal> {
        let id = id_of(node)?;
        let to = node.attrs.jid("to").cloned().ok_or(Refusal::Destination)?;
        let addressing = Addressing::of(&to).ok_or(Refusal::Destination)?;
        let route = route(node, &to)?;
        if route == Route::Peer && !sender.account.owns(&to) {
            return Err(Refusal::Peer);
        }
        let copies = copies(node, &to, route)?;
        check_media_type(node, &copies)?;
        check_device_identity(sender, node, &copies, route)?;
        Ok(Self { id, to, addressing, route, copies, node })
    }

    /// A message is by LID or by number as a whole, and by LID only once the account is migrated (PROTOCOL.md 11.1).
    pub(crate) fn check_name_space(&self, sender: Sender<'_>) -> Result<(), Refusal> {
        if self.route != Route::Fanout {
            return Ok(());
        }
        if self.addressing == Addressing::Lid && !sender.account.directory().lid_migrated {
            return Err(Refusal::NotMigrated);
        }
        let is_like_chat = |copy: &Copy<'_>| Addressing::of(&copy.device) == Some(self.addressing);
        if self.copies.iter().all(is_like_chat) { Ok(()) } else { Err(Refusal::Mixed) }
    }
}

/// The id of a message of a known kind.
pub(super) fn id_of(node: &Node<'_>) -> Result<CompactString, Refusal> {
    let id = stanza::text(&node.attrs, "id");
    if id.is_empty() || id.len() > MAX_ID {
        return Err(Refusal::Id);
    }
    if !KINDS.contains(&&*stanza::text(&node.attrs, "type")) {
        return Err(Refusal::Kind);
    }
    Ok(id)
}

fn route(node: &Node<'_>, to: &Jid) -> Result<Route, Refusal> {
    match &*stanza::text(&node.attrs, "category") {
        "peer" => return Ok(Route::Peer),
        "" => {}
        _ => return Err(Refusal::Kind),
    }
    let has_participants = node.get_child("participants").is_some();
    let is_alone = stanza::text(&node.attrs, "device_fanout") == "false";
    match (has_participants, is_alone) {
        (true, false) if to.device > 0 => Err(Refusal::Destination),
        (true, false) => Ok(Route::Fanout),
        // A bare ciphertext is for one device, the phone when `to` names none. whatsmeow and Baileys say
        // `device_fanout="false"` besides (PROTOCOL.md 14), whatsapp-rust doesn't.
        _ => Ok(Route::Again),
    }
}

fn copies<'n>(node: &'n Node<'n>, to: &Jid, route: Route) -> Result<Vec<Copy<'n>>, Refusal> {
    let direct: Vec<_> = node.children_named("enc").map(|enc| Copy { device: to.clone(), enc }).collect();
    let participants = node.get_child("participants");
    let copies = match (route, participants) {
        (Route::Fanout, Some(participants)) if direct.is_empty() => {
            participants.children().iter().map(participant).collect::<Result<Vec<_>, _>>()?
        }
        (Route::Fanout, _) => return Err(Refusal::Ciphertext),
        // What Baileys sends again has `<participants>` with yet another ciphertext for the same device.
        (Route::Again | Route::Peer, _) if direct.len() == 1 => direct,
        (Route::Again | Route::Peer, _) => return Err(Refusal::Ciphertext),
    };
    if copies.is_empty() || copies.len() > MAX_COPIES {
        return Err(Refusal::Ciphertext);
    }
    copies.iter().try_for_each(|copy| check_ciphertext(copy.enc))?;
    Ok(copies)
}

/// `<to jid><enc/></to>`.
pub(super) fn participant<'n>(node: &'n Node<'n>) -> Result<Copy<'n>, Refusal> {
    let device = node.attrs.jid("jid").filter(|_| node.is("to"));
    let device = device.ok_or(Refusal::Ciphertext)?.clone();
    let enc = node.get_child("enc").ok_or(Refusal::Ciphertext)?;
    Ok(Copy { device, enc })
}

/// `<enc v="2" type="pkmsg|msg">` with bytes that begin as Signal messages of version 3 do.
pub(super) fn check_ciphertext(enc: &Node<'_>) -> Result<(), Refusal> {
    let kind = stanza::text(&enc.attrs, "type");
    let bytes = enc.bytes().ok_or(Refusal::Ciphertext)?;
    let is_sound = stanza::text(&enc.attrs, "v") == "2"
        && matches!(&*kind, "pkmsg" | "msg")
        && bytes.first() == Some(&0x33)
        && bytes.len() > 9;
    if is_sound { Ok(()) } else { Err(Refusal::Ciphertext) }
}

/// Messages of type `media` whose ciphertexts have no `mediatype` never arrive (PROTOCOL.md 11.4).
fn check_media_type(node: &Node<'_>, copies: &[Copy<'_>]) -> Result<(), Refusal> {
    let is_media = stanza::text(&node.attrs, "type") == "media";
    let is_named = |copy: &Copy<'_>| copy.enc.attrs.contains("mediatype");
    if !is_media || copies.iter().all(is_named) { Ok(()) } else { Err(Refusal::MediaType) }
}

/// A companion that opens a session shows who it is (PROTOCOL.md 11.1). Phones have nothing to show.
/// Baileys adds its identity to everything it sends again, which does no harm.
pub(super) fn check_device_identity(
    sender: Sender<'_>,
    node: &Node<'_>,
    copies: &[Copy<'_>],
    route: Route,
) -> Result<(), Refusal> {
    let opens = copies.iter().any(|copy| stanza::text(&copy.enc.attrs, "type") == "pkmsg");
    let shown = node.get_child("device-identity");
    let is_right = match (sender.device, shown) {
        (0, shown) => shown.is_none(),
        (_, Some(identity)) => {
            (opens || route != Route::Fanout) && identity.bytes().is_some_and(|bytes| !bytes.is_empty())
        }
        (_, None) => !opens,
    };
    if is_right { Ok(()) } else { Err(Refusal::DeviceIdentity) }
}

/// Devices as `(is the recipient's, device)`, to compare what a message is encrypted for with what there is.
pub(crate) type Coverage = BTreeSet<(bool, u16)>;
