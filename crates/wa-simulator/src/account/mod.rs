//! Accounts as the server keeps them.

mod companion;
mod directory;
mod link;
mod played;
mod prekeys;
mod standing;
mod trust;

use compact_str::CompactString;
use parking_lot::{Mutex, MutexGuard, RwLock};
use wa_binary::{Jid, Server};
use wa_crypto::{BadSignature, PublicKey, Signature};

pub(crate) use companion::{Companion, Delivery, StaleLid};
pub use directory::StatusPrivacy;
pub(crate) use directory::{Directory, Picture, Presence, Subscription};
pub(crate) use link::{Link, Orders, Outgoing};
pub(crate) use played::Played;
pub(crate) use prekeys::{PreKeyError, PreKeys};
pub use standing::{ChatCap, TimeLock};
pub(crate) use standing::{Limited, Standing};
pub use trust::Restriction;
pub(crate) use trust::{Token, Trust};

use crate::app_state::AppState;
use crate::phone::{PhoneKeys, PhoneLine};

/// The device number of devices in Meta's cloud, which have servers of their own in addresses (PROTOCOL.md 15).
pub(crate) const CLOUD: u16 = 99;

/// A signed prekey as it is published.
#[derive(Clone, Debug)]
pub(crate) struct SignedKey {
    pub(crate) id: u32,
    pub(crate) public: PublicKey,
    pub(crate) signature: Signature,
}

impl SignedKey {
    /// That of these keys.
    pub(crate) fn of(keys: &PhoneKeys) -> Self {
        let signed = &keys.signed_prekey;
        Self { id: signed.id, public: *signed.key.public(), signature: signed.signature }
    }

    /// Checks the signature, which is made over the key with its type byte (PROTOCOL.md 3).
    pub(crate) fn verify(&self, identity: &PublicKey) -> Result<(), BadSignature> {
        identity.verify(&[&self.public.to_signal()], &self.signature)
    }
}

/// How a user is addressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Addressing {
    /// By phone number.
    Pn,
    /// By the number that hides it.
    Lid,
}

impl Addressing {
    /// The name space of a user's JID.
    pub(crate) fn of(jid: &Jid) -> Option<Self> {
        match jid.server {
            _ if jid.is_server() => None,
            Server::Pn | Server::Legacy | Server::Hosted => Some(Self::Pn),
            Server::Lid | Server::HostedLid => Some(Self::Lid),
            _ => None,
        }
    }

    pub(crate) fn other(self) -> Self {
        match self {
            Self::Pn => Self::Lid,
            Self::Lid => Self::Pn,
        }
    }
}

/// An account: what names it, the server's record of it, and the line to its phone.
pub(crate) struct Account {
    /// Never changes: what the simulator tells accounts apart by.
    pub(crate) number: CompactString,
    /// All LIDs that it has had; the last one is its own now.
    lids: RwLock<Vec<CompactString>>,
    pub(crate) phone: PhoneLine,
    directory: Mutex<Directory>,
    /// `None` until somebody looks at it.
    app_state: Mutex<Option<Box<AppState>>>,
}

impl Account {
    pub(crate) fn new(
        number: CompactString,
        lid: CompactString,
        phone: PhoneLine,
        directory: Directory,
    ) -> Self {
        let (lids, directory) = (RwLock::new(vec![lid]), Mutex::new(directory));
        Self { number, lids, phone, directory, app_state: Mutex::default() }
    }

    /// The server's record. Held for moments only: no cryptography, and no other account's record meanwhile.
    pub(crate) fn directory(&self) -> MutexGuard<'_, Directory> {
        self.directory.lock()
    }

    /// The app state, see [`World::app_state`](crate::world::World::app_state). Its cryptography happens under this lock.
    pub(crate) fn app_state(&self) -> MutexGuard<'_, Option<Box<AppState>>> {
        self.app_state.lock()
    }

    /// Identity key of the phone, which is the account's.
    pub(crate) fn identity(&self) -> PublicKey {
        *self.phone.keys().identity.key.public()
    }

    /// The address of a device.
    pub(crate) fn jid(&self, addressing: Addressing, device: u16) -> Jid {
        let (user, server) = match (addressing, device) {
            (Addressing::Pn, CLOUD) => (self.number.clone(), Server::Hosted),
            (Addressing::Pn, _) => (self.number.clone(), Server::Pn),
            (Addressing::Lid, CLOUD) => (self.lid_user(), Server::HostedLid),
            (Addressing::Lid, _) => (self.lid_user(), Server::Lid),
        };
        Jid::new(user, server).with_device(device)
    }

    pub(crate) fn pn(&self) -> Jid {
        self.jid(Addressing::Pn, 0)
    }

    pub(crate) fn lid(&self) -> Jid {
        self.jid(Addressing::Lid, 0)
    }

    /// The user of its LID.
    pub(crate) fn lid_user(&self) -> CompactString {
        self.lids.read().last().cloned().unwrap_or_default()
    }

    /// Whether this LID is what it was called before, and isn't any more.
    pub(crate) fn has_left(&self, lid: &str) -> bool {
        self.lids.read().split_last().is_some_and(|(_, former)| former.iter().any(|known| known == lid))
    }

    /// Gives it another LID.
    pub(crate) fn move_to(&self, lid: CompactString) {
        self.lids.write().push(lid);
    }

    /// Whether the address is this account's, or one of its devices'. That it had before still leads to it.
    pub(crate) fn owns(&self, jid: &Jid) -> bool {
        match Addressing::of(jid) {
            Some(Addressing::Pn) => jid.user == self.number,
            Some(Addressing::Lid) => self.lids.read().contains(&jid.user),
            None => false,
        }
    }
}

impl PartialEq for Account {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}
