//! Groups as the server keeps them (PROTOCOL.md 23).

mod change;
mod node;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use compact_str::CompactString;
use parking_lot::{Mutex, MutexGuard};
use wa_binary::Jid;

pub(crate) use change::{Change, Done, GroupError, NewGroup};

use crate::{
    Addressing,
    account::{Account, Picture},
};

/// The most members of a group: WhatsApp's bound.
pub(crate) const MAX_MEMBERS: usize = 1_024;
/// Longest subject, in characters.
const MAX_SUBJECT: usize = 100;
/// Longest description, in characters.
const MAX_DESCRIPTION: usize = 2_048;

/// A group: what never changes about it, and the server's record of it.
pub(crate) struct Group {
    pub(crate) id: CompactString,
    /// How its members are named in all that is said in it.
    pub(crate) addressing: Addressing,
    /// In seconds since 1970.
    pub(crate) creation: u64,
    pub(crate) creator: Arc<Account>,
    /// Whether it is a community, which holds groups together and in which nobody writes.
    pub(crate) is_community: bool,
    record: Mutex<Record>,
}

/// What a group is to a community.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The user part of the community's address.
    pub(crate) community: CompactString,
    /// Whether it is the group for announcements, in which all members are.
    pub(crate) is_default: bool,
}

/// What changes about a group.
pub(crate) struct Record {
    members: BTreeMap<CompactString, Member>,
    subject: Said,
    /// With its id, which the next change names.
    description: Option<(CompactString, Said)>,
    settings: Settings,
    /// The community that it is in.
    pub(crate) place: Option<Place>,
    /// Who asked to be let in, and when.
    requests: BTreeMap<CompactString, (Arc<Account>, u64)>,
    /// The code of the invite link.
    invite: CompactString,
    /// Codes that led here once.
    revoked: BTreeSet<CompactString>,
    /// What it shows.
    pub(crate) picture: Option<Picture>,
    /// Counts the changes of members.
    version: u64,
}

/// Somebody in a group.
#[derive(Clone)]
pub(crate) struct Member {
    pub(crate) account: Arc<Account>,
    pub(crate) rank: Rank,
}

/// What a member may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Rank {
    /// Read and, unless it is for announcements only, write.
    Member,
    /// Change the group and its members.
    Admin,
    /// The same; whoever made the group stays its administrator.
    Superadmin,
}

/// A text, who set it and when.
struct Said {
    text: String,
    at: u64,
    by: Arc<Account>,
}

/// What administrators decide about a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Settings {
    /// Only administrators write.
    pub(crate) is_announcement: bool,
    /// Only administrators change subject, description and timer.
    pub(crate) is_locked: bool,
    /// Administrators let in who comes by the link.
    pub(crate) needs_approval: bool,
    /// Every member may add others.
    pub(crate) all_add: bool,
    /// How long messages are kept, in seconds; 0 means for ever.
    pub(crate) expiration: u32,
}

/// A setting that is on or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Switch {
    Announcement,
    Locked,
    Approval,
    AllAdd,
}

impl Settings {
    pub(crate) fn turn(&mut self, switch: Switch, on: bool) {
        *match switch {
            Switch::Announcement => &mut self.is_announcement,
            Switch::Locked => &mut self.is_locked,
            Switch::Approval => &mut self.needs_approval,
            Switch::AllAdd => &mut self.all_add,
        } = on;
    }
}

/// How somebody came into a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entrance {
    /// The group was made with them.
    New,
    /// A member added them.
    Added,
    /// By the link.
    Link,
}

impl Group {
    /// What it is called.
    pub(crate) fn subject(&self) -> String {
        self.record.lock().subject.text.clone()
    }

    /// Makes a group of its creator alone.
    pub(crate) fn new(
        id: CompactString,
        addressing: Addressing,
        (creator, now): (&Arc<Account>, u64),
        wanted: NewGroup,
        invite: CompactString,
    ) -> Result<Self, GroupError> {
        let first = Member { account: creator.clone(), rank: Rank::Superadmin };
        let subject = Said { text: change::subject(wanted.subject)?, at: now, by: creator.clone() };
        let record = Record {
            members: BTreeMap::from([(creator.number.clone(), first)]),
            subject,
            description: None,
            settings: wanted.settings,
            place: wanted.place,
            requests: BTreeMap::new(),
            invite,
            revoked: BTreeSet::new(),
            picture: None,
            version: now,
        };
        let (creator, creation, is_community) = (creator.clone(), now, wanted.is_community);
        Ok(Self { id, addressing, creation, creator, is_community, record: Mutex::new(record) })
    }

    pub(crate) fn jid(&self) -> Jid {
        Jid::group(&self.id)
    }

    /// The server's record. Held for moments only; those of accounts may be looked at meanwhile, but not the other way
    /// round.
    pub(crate) fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock()
    }

    /// All members, by number.
    pub(crate) fn members(&self) -> Vec<Member> {
        self.record().members.values().cloned().collect()
    }

    /// A member's address in this group.
    pub(crate) fn address(&self, account: &Account, device: u16) -> Jid {
        account.jid(self.addressing, device)
    }
}

impl Record {
    /// What this account is in the group, if it is in it.
    pub(crate) fn rank(&self, account: &Account) -> Option<Rank> {
        self.members.get(&account.number).map(|member| member.rank)
    }

    pub(crate) fn settings(&self) -> Settings {
        self.settings
    }

    pub(crate) fn subject(&self) -> &str {
        &self.subject.text
    }

    /// With its id.
    pub(crate) fn description(&self) -> Option<(&CompactString, &str)> {
        self.description.as_ref().map(|(id, said)| (id, said.text.as_str()))
    }

    /// Numbers of those who asked to be let in.
    pub(crate) fn requests(&self) -> impl Iterator<Item = &CompactString> {
        self.requests.keys()
    }

    pub(crate) fn invite(&self) -> &CompactString {
        &self.invite
    }

    /// Whether this code led here once.
    pub(crate) fn has_revoked(&self, code: &str) -> bool {
        self.revoked.contains(code)
    }
}
