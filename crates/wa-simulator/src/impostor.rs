//! A server that wants to read along: it claims that somebody with keys of its own has a part in a conversation.

mod claims;

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use parking_lot::Mutex;
use prost::Message as _;
use rand_chacha::ChaCha20Rng;
use serde::{Deserialize, Serialize};
use wa_binary::{Jid, Node};
use wa_crypto::KeyPair;
use wa_protobuf::e2e::Message;
use wa_signal::{Bundle, PreKeyMessage, Session};

use crate::{
    account::{Account, CLOUD},
    adv,
    iq::TakenBundle,
    phone::PhoneKeys,
    queue::{Class, Stanza},
    stanza,
    world::World,
};

/// The device number of companions that were never linked.
const UNLINKED: u16 = 77;
/// Somebody else, whom nobody has written to.
const STRANGER: &str = "666000000000001";

/// Whom the server claims that somebody else is, to get at a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Impostor {
    /// A stranger, as the `participant` of a receipt in a chat of two.
    Participant,
    /// A companion of the recipient that the server lists, without a device identity.
    Companion,
    /// The same, and the server doesn't list it.
    UnlistedCompanion,
    /// The same, listed, with a device identity that another account has signed.
    ForgedCompanion,
    /// A listed device of the recipient in Meta's cloud, vouched for by another account.
    Hosted,
    /// A member of a group that names the recipient.
    Group,
    /// A reader of a status that names the recipient.
    Broadcast,
    /// A companion of the sender that the server lists, vouched for by another account.
    OwnCompanion,
    /// The sender's own phone, with another identity.
    OwnPhone,
    /// The recipient by number, with an agent.
    Agent,
    /// The recipient by the older form of the number.
    Legacy,
    /// A stranger whose LID the server says is that of the recipient's number.
    Pair,
    /// The recipient's phone, with another identity: what a new phone of theirs looks like.
    Phone,
}

/// Something that the server could read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stolen {
    /// To whom the client addressed it.
    pub to: String,
    /// The id of the message.
    pub id: String,
    /// Its text, if it has one.
    pub text: Option<String>,
}

/// What the server claims at present, and what that brought.
#[derive(Default)]
pub(crate) struct Impostors {
    keys: OnceLock<Keys>,
    active: Mutex<Option<Active>>,
    stolen: Mutex<Vec<Stolen>>,
}

/// The server's own keys: of a device, and of the account that vouches for it.
struct Keys {
    device: PhoneKeys,
    account: KeyPair,
}

/// To which companion it claims what, about whom.
#[derive(Clone)]
struct Active {
    number: String,
    device: u16,
    what: Impostor,
    /// The user whose chat it is about, by both addresses.
    chat: (Jid, Jid),
    own: (Jid, Jid),
}

impl Impostors {
    /// Forgets all claims, and what was stolen with them.
    pub(crate) fn clear(&self) {
        *self.active.lock() = None;
        self.stolen.lock().clear();
    }

    /// What could be read so far.
    pub(crate) fn stolen(&self) -> Vec<Stolen> {
        self.stolen.lock().clone()
    }

    fn claimed_to(&self, account: &Account, device: u16) -> Option<Active> {
        let active = self.active.lock();
        active.as_ref().filter(|active| account.number == active.number && device == active.device).cloned()
    }
}

impl World {
    fn impostor(&self) -> &Keys {
        self.impostors.keys.get_or_init(|| {
            let mut rng = self.fork_rng();
            Keys { device: PhoneKeys::generate(&mut rng), account: KeyPair::generate(&mut rng) }
        })
    }

    /// From now on the server claims `what` to a companion, and asks it for a message that it sent to `chat`.
    pub(crate) fn impersonate(
        &self,
        account: &Arc<Account>,
        device: u16,
        what: Impostor,
        chat: &Account,
        id: &str,
    ) {
        let active = Active {
            number: account.number.to_string(),
            device,
            what,
            chat: (chat.lid(), chat.pn()),
            own: (account.lid(), account.pn()),
        };
        *self.impostors.active.lock() = Some(active.clone());
        for node in claims::of(self, &active, id) {
            let class = if node.is("receipt") { Class::Receipt } else { Class::Notification };
            let (id, kind) = (stanza::text(&node.attrs, "id"), stanza::text(&node.attrs, "type"));
            let bytes = stanza::encode(&node);
            self.deliver(account, device, Stanza { class, id, kind, is_own_copy: false, bytes });
        }
    }

    /// A device that the server adds to a user's list.
    pub(crate) fn claimed_device(&self, account: &Account, device: u16, user: &Jid) -> Option<u16> {
        let active = self.impostors.claimed_to(account, device)?;
        let is = |(lid, pn): &(Jid, Jid)| lid.is_same_user(user) || pn.is_same_user(user);
        match active.what {
            Impostor::Companion | Impostor::ForgedCompanion if is(&active.chat) => Some(UNLINKED),
            Impostor::OwnCompanion if is(&active.own) => Some(UNLINKED),
            Impostor::Hosted if is(&active.chat) => Some(CLOUD),
            Impostor::Pair if *user == Jid::lid(STRANGER) => Some(0),
            _ => None,
        }
    }

    /// The bundle that the server makes up for a device, if it does.
    pub(crate) fn claimed_bundle(&self, account: &Account, device: u16, of: &Jid) -> Option<TakenBundle> {
        let active = self.impostors.claimed_to(account, device)?;
        let is_claimed = match active.what {
            Impostor::OwnPhone => *of == active.own.0 || *of == active.own.1,
            Impostor::Pair => *of == Jid::lid(STRANGER),
            _ => matches!(of.device, UNLINKED | CLOUD),
        };
        is_claimed.then(|| claims::bundle(self, active.what))
    }

    /// Tries to read what a companion sends.
    pub(crate) fn read_along(&self, account: &Account, device: u16, node: &Node<'_>) {
        if self.impostors.claimed_to(account, device).is_none() {
            return;
        }
        let copies = node.get_child("participants").map(Node::children).unwrap_or_default();
        let to = |node: &Node<'_>, name| stanza::text(&node.attrs, name).to_string();
        let direct = node.children_named("enc").map(|enc| (to(node, "to"), enc));
        let copies = copies.iter().filter_map(|copy| Some((to(copy, "jid"), copy.get_child("enc")?)));
        let mut rng = self.fork_rng();
        for (to, enc) in direct.chain(copies) {
            if let Some(text) = enc.bytes().and_then(|bytes| self.impostor().read(&bytes, &mut rng)) {
                let id = stanza::text(&node.attrs, "id").to_string();
                self.impostors.stolen.lock().push(Stolen { to, id, text });
            }
        }
    }
}

impl Keys {
    /// The text of a ciphertext, if it was made for these keys.
    fn read(&self, ciphertext: &[u8], rng: &mut ChaCha20Rng) -> Option<Option<String>> {
        let message = PreKeyMessage::parse(ciphertext).ok()?;
        let prekey = message.prekey_id.map(|id| self.device.prekey(id));
        let (identity, signed) = (&self.device.identity, &self.device.signed_prekey.key);
        let (_, padded, _) = Session::accept(None, identity, signed, prekey.as_ref(), &message, rng).ok()?;
        let message = Message::decode(wa_signal::unpad(&padded).ok()?).ok()?;
        let message = match message.device_sent_message {
            Some(copy) => *copy.message.unwrap_or_default(),
            None => message,
        };
        let extended = message.extended_text_message.and_then(|extended| extended.text);
        Some(message.conversation.or(extended))
    }

    fn bundle(&self) -> Bundle {
        let PhoneKeys { identity, signed_prekey, .. } = &self.device;
        Bundle {
            registration_id: identity.registration_id,
            identity: *identity.key.public(),
            signed_prekey_id: signed_prekey.id,
            signed_prekey: *signed_prekey.key.public(),
            signed_prekey_signature: signed_prekey.signature,
            prekey: Some((1, *self.device.prekey(1).public())),
        }
    }

    /// A device identity that vouches for these keys, in the name of an account that isn't the one in question.
    fn device_identity(&self, index: u16, is_hosted: bool, world: &World) -> Bytes {
        let device = &self.device.identity.key;
        let index = (1, u32::from(index));
        adv::identity(
            &self.account,
            device,
            index,
            is_hosted,
            world.clock.unix_seconds(),
            &mut world.fork_rng(),
        )
    }
}
