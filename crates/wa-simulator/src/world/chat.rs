//! Where a phone writes to: somebody, or a group.

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
}

impl Chat {
    /// The name under which phones keep it: `15550000001@s.whatsapp.net`, `120363…@g.us`.
    pub(crate) fn name(&self) -> CompactString {
        match self {
            Self::Person(account) => account.pn().to_compact_string(),
            Self::Group(group) => group.jid().to_compact_string(),
        }
    }

    /// The address that it is written to.
    pub(crate) fn jid(&self, addressing: Addressing) -> Jid {
        match self {
            Self::Person(account) => account.jid(addressing, 0),
            Self::Group(group) => group.jid(),
        }
    }
}

impl World {
    /// The chat with this address.
    pub(crate) fn chat(&self, jid: &Jid) -> Option<Chat> {
        if jid.is_group() {
            return self.group(jid).map(Chat::Group);
        }
        self.resolve(jid).map(Chat::Person)
    }

    /// The chat that phones keep under this name.
    pub(crate) fn chat_named(&self, name: &str) -> Option<Chat> {
        self.chat(&name.parse().ok()?)
    }
}
