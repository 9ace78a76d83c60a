//! What can be changed about a group, and who may.

use std::sync::Arc;

use compact_str::CompactString;

use super::{
    Group, MAX_DESCRIPTION, MAX_MEMBERS, MAX_SUBJECT, Member, Place, Rank, Record, Said, Settings, Switch,
};
use crate::account::Account;

/// Timers that phones offer, in seconds (PROTOCOL.md 11.5).
const TIMERS: [u32; 4] = [0, 86_400, 604_800, 7_776_000];

/// A group as it is to be made.
#[derive(Default)]
pub(crate) struct NewGroup {
    pub(crate) subject: String,
    pub(crate) settings: Settings,
    pub(crate) is_community: bool,
    pub(crate) place: Option<Place>,
}

/// A change of a group.
pub(crate) enum Change {
    Add(Vec<Arc<Account>>),
    Remove(Vec<Arc<Account>>),
    Promote(Vec<Arc<Account>>),
    Demote(Vec<Arc<Account>>),
    Leave,
    /// Comes in by the link.
    Join,
    /// They have come into another group of the community.
    Bring(Vec<Arc<Account>>),
    /// Lets in, or turns away, who asked to be let in.
    Decide {
        accounts: Vec<Arc<Account>>,
        lets_in: bool,
    },
    Subject(String),
    /// None takes it away. `replaces` is the id of the one that is there, as far as the sender knows.
    Description {
        id: CompactString,
        replaces: Option<CompactString>,
        text: Option<String>,
    },
    Switch(Switch, bool),
    Expiration(u32),
    /// The link leads nowhere any more; this is the code of the new one.
    Invite(CompactString),
}

/// What became of a change.
#[derive(Default)]
pub(crate) struct Done {
    /// Those whom it reached.
    pub(crate) accounts: Vec<Arc<Account>>,
    /// Those whom it could not reach, each with the server's code.
    pub(crate) refused: Vec<(Arc<Account>, u16)>,
    /// Whether it was only asked for.
    pub(crate) waits: bool,
}

/// Why a group isn't changed, or not shown: an error of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum GroupError {
    #[error("malformed: {0}")]
    BadRequest(&'static str),
    #[error("only administrators see or change the link")]
    NotAuthorized,
    #[error("the account isn't in the group, or not one of its administrators")]
    Forbidden,
    #[error("there is no such group")]
    NotFound,
    #[error("the value is longer than the server takes, or the code is none")]
    NotAcceptable,
    #[error("it is so already, or was changed by somebody else meanwhile")]
    Conflict,
    #[error("this link has been revoked")]
    Gone,
    #[error("the group is full")]
    Full,
}

/// Codes for single accounts that a change can't reach.
const IS_PRIVATE: u16 = 403;
const NOT_THERE: u16 = 404;
const IS_THERE: u16 = 409;
const NO_ROOM: u16 = 419;

impl Group {
    /// Changes the group for `by`, who may have to be an administrator.
    pub(crate) fn change(&self, by: &Arc<Account>, change: &Change, now: u64) -> Result<Done, GroupError> {
        if self.is_community && matches!(change, Change::Leave | Change::Join) {
            return Err(GroupError::BadRequest("a community is entered and left with its groups"));
        }
        let mut record = self.record();
        record.permits(by, change)?;
        record.apply(by, change, now)
    }
}

impl Record {
    fn permits(&self, by: &Account, change: &Change) -> Result<(), GroupError> {
        let rank = self.rank(by);
        let is_admin = rank.is_some_and(|rank| rank >= Rank::Admin);
        let is_allowed = match change {
            Change::Join => return if rank.is_some() { Err(GroupError::Conflict) } else { Ok(()) },
            // Who may bring them there has been checked where they came from.
            Change::Bring(_) => true,
            Change::Leave => rank.is_some(),
            Change::Add(_) => is_admin || rank.is_some() && self.settings.all_add,
            Change::Subject(_) | Change::Description { .. } | Change::Expiration(_) => {
                is_admin || rank.is_some() && !self.settings.is_locked
            }
            Change::Invite(_) if rank.is_some() && !is_admin => return Err(GroupError::NotAuthorized),
            _ => is_admin,
        };
        if is_allowed { Ok(()) } else { Err(GroupError::Forbidden) }
    }

    fn apply(&mut self, by: &Arc<Account>, change: &Change, now: u64) -> Result<Done, GroupError> {
        match change {
            Change::Add(accounts) => Ok(self.each(accounts, |record, account| record.add(account, by))),
            Change::Remove(accounts) => Ok(self.each(accounts, Self::remove)),
            Change::Promote(accounts) => Ok(self.each(accounts, |it, account| it.rise(account, Rank::Admin))),
            Change::Demote(accounts) => Ok(self.each(accounts, |it, account| it.rise(account, Rank::Member))),
            Change::Bring(accounts) => Ok(self.each(accounts, Self::enter)),
            Change::Leave => Ok(self.leave(by)),
            Change::Join => self.join(by, now),
            Change::Decide { accounts, lets_in } => {
                Ok(self.each(accounts, |record, account| record.decide(account, *lets_in)))
            }
            Change::Subject(text) => {
                self.subject = Said { text: subject(text.clone())?, at: now, by: by.clone() };
                Ok(Done::default())
            }
            Change::Description { id, replaces, text } => {
                self.describe(by, now, (id, replaces.as_ref()), text.as_deref())
            }
            Change::Switch(switch, on) => {
                self.settings.turn(*switch, *on);
                Ok(Done::default())
            }
            Change::Expiration(seconds) if !TIMERS.contains(seconds) => {
                Err(GroupError::BadRequest("a timer is one of those that phones offer"))
            }
            Change::Expiration(seconds) => {
                self.settings.expiration = *seconds;
                Ok(Done::default())
            }
            Change::Invite(code) => {
                let old = std::mem::replace(&mut self.invite, code.clone());
                self.revoked.insert(old);
                Ok(Done::default())
            }
        }
    }

    /// Does something to each account, and notes whom it could not be done to.
    fn each(
        &mut self,
        accounts: &[Arc<Account>],
        mut reach: impl FnMut(&mut Self, &Arc<Account>) -> Result<(), u16>,
    ) -> Done {
        let mut done = Done::default();
        for account in accounts {
            match reach(self, account) {
                Ok(()) => done.accounts.push(account.clone()),
                Err(code) => done.refused.push((account.clone(), code)),
            }
        }
        if !done.accounts.is_empty() {
            self.version += 1;
        }
        done
    }

    fn add(&mut self, account: &Arc<Account>, by: &Account) -> Result<(), u16> {
        let may_add = {
            let directory = account.directory();
            match directory.privacy.get("groupadd").map(CompactString::as_str) {
                Some("none") => false,
                Some("contacts") => directory.trust.knows(&by.number),
                _ => true,
            }
        };
        if self.rank(account).is_some() {
            return Err(IS_THERE);
        }
        if !may_add {
            return Err(IS_PRIVATE);
        }
        self.enter(account)
    }

    fn enter(&mut self, account: &Arc<Account>) -> Result<(), u16> {
        if self.members.len() >= MAX_MEMBERS {
            return Err(NO_ROOM);
        }
        let member = Member { account: account.clone(), rank: Rank::Member };
        self.requests.remove(&account.number);
        self.members.insert(account.number.clone(), member);
        Ok(())
    }

    fn remove(&mut self, account: &Arc<Account>) -> Result<(), u16> {
        match self.rank(account) {
            None => Err(NOT_THERE),
            Some(Rank::Superadmin) => Err(IS_PRIVATE),
            Some(_) => {
                self.members.remove(&account.number);
                Ok(())
            }
        }
    }

    fn rise(&mut self, account: &Arc<Account>, rank: Rank) -> Result<(), u16> {
        let member = self.members.get_mut(&account.number).ok_or(NOT_THERE)?;
        if member.rank == Rank::Superadmin {
            return Err(IS_PRIVATE);
        }
        member.rank = rank;
        Ok(())
    }

    /// Takes somebody out; a group without administrator gets another one.
    fn leave(&mut self, account: &Arc<Account>) -> Done {
        self.members.remove(&account.number);
        self.version += 1;
        if !self.members.values().any(|member| member.rank >= Rank::Admin)
            && let Some(next) = self.members.values_mut().next()
        {
            next.rank = Rank::Admin;
        }
        Done { accounts: vec![account.clone()], ..Done::default() }
    }

    fn join(&mut self, account: &Arc<Account>, now: u64) -> Result<Done, GroupError> {
        if self.settings.needs_approval {
            self.requests.insert(account.number.clone(), (account.clone(), now));
            return Ok(Done { waits: true, ..Done::default() });
        }
        self.enter(account).map_err(|_| GroupError::Full)?;
        self.version += 1;
        Ok(Done { accounts: vec![account.clone()], ..Done::default() })
    }

    fn decide(&mut self, account: &Arc<Account>, lets_in: bool) -> Result<(), u16> {
        self.requests.remove(&account.number).ok_or(NOT_THERE)?;
        if lets_in { self.enter(account) } else { Ok(()) }
    }

    fn describe(
        &mut self,
        by: &Arc<Account>,
        now: u64,
        (id, replaces): (&CompactString, Option<&CompactString>),
        text: Option<&str>,
    ) -> Result<Done, GroupError> {
        if self.description.as_ref().map(|(id, _)| id) != replaces {
            return Err(GroupError::Conflict);
        }
        if text.is_some_and(|text| text.chars().count() > MAX_DESCRIPTION) {
            return Err(GroupError::NotAcceptable);
        }
        let said = text.map(|text| Said { text: text.to_owned(), at: now, by: by.clone() });
        self.description = said.map(|said| (id.clone(), said));
        Ok(Done::default())
    }
}

/// A subject that the server takes.
pub(super) fn subject(text: String) -> Result<String, GroupError> {
    match text.chars().count() {
        0 => Err(GroupError::BadRequest("a group has a subject")),
        length if length > MAX_SUBJECT => Err(GroupError::NotAcceptable),
        _ => Ok(text),
    }
}
