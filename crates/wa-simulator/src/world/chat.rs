//! Where a phone writes to: somebody, a group, or the status.

use std::sync::Arc;

use compact_str::{CompactString, ToCompactString};
use wa_binary::Jid;

use super::World;
use crate::{Addressing, account::Account, group::Group};

/// A chat of a phone.
#[derive(Clone)]
pub(crate) enum Chat {
    Person(Arc<Account>),
    Group(Arc<Group>),
    /// The status; what is posted there goes to these and to the own account.
    Status(Vec<Arc<Account>>),
}

/// Those who read what is written under one key of its sender: a group, or those who see a status.
pub(crate) struct Circle {
    /// Under which keys are kept.
    pub(crate) id: CompactString,
    pub(crate) jid: Jid,
    /// How all are named.
    pub(crate) addressing: Addressing,
    pub(crate) members: Vec<Arc<Account>>,
}

impl Chat {
    /// The name under which phones keep it: `15550000001@s.whatsapp.net`, `120363…@g.us`.
    pub(crate) fn name(&self) -> CompactString {
        match self {
            Self::Person(account) => account.pn().to_compact_string(),
            Self::Group(group) => group.jid().to_compact_string(),
            Self::Status(_) => Jid::status().to_compact_string(),
        }
    }

    /// The address that it is written to.
    pub(crate) fn jid(&self, addressing: Addressing) -> Jid {
        match self {
            Self::Person(account) => account.jid(addressing, 0),
            Self::Group(group) => group.jid(),
            Self::Status(_) => Jid::status(),
        }
    }

    /// Those who read it, if it is for many.
    pub(crate) fn circle(&self) -> Option<Circle> {
        let jid = self.jid(Addressing::Lid);
        let id = jid.user.clone();
        let (addressing, members) = match self {
            Self::Person(_) => return None,
            Self::Group(group) => {
                (group.addressing, group.members().into_iter().map(|member| member.account).collect())
            }
            // Nobody is called by number there (PROTOCOL.md 25).
            Self::Status(audience) => (Addressing::Lid, audience.clone()),
        };
        Some(Circle { id, jid, addressing, members })
    }

    /// How those who write are named there, if not they alone do.
    pub(crate) fn addressing(&self) -> Option<Addressing> {
        match self {
            Self::Person(_) => None,
            Self::Group(group) => Some(group.addressing),
            Self::Status(_) => Some(Addressing::Lid),
        }
    }
}

impl World {
    /// The chat with this address.
    pub(crate) fn chat(&self, jid: &Jid) -> Option<Chat> {
        if jid.is_group() {
            return self.group(jid).map(Chat::Group);
        }
        if jid.is_status() {
            return Some(Chat::Status(Vec::new()));
        }
        self.resolve(jid).map(Chat::Person)
    }

    /// The chat that phones keep under this name.
    pub(crate) fn chat_named(&self, name: &str) -> Option<Chat> {
        self.chat(&name.parse().ok()?)
    }
}
