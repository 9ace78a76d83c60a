//! What is asked of a group.

use wa_binary::Jid;

/// A change of a group. Mostly only its administrators may.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum GroupChange {
    /// Adds these people.
    Add(Vec<Jid>),
    /// Removes these members.
    Remove(Vec<Jid>),
    /// Makes these members administrators.
    Promote(Vec<Jid>),
    /// Makes these administrators plain members.
    Demote(Vec<Jid>),
    /// Lets in these people, who came by the link.
    Approve(Vec<Jid>),
    /// Turns away these people, who came by the link.
    Reject(Vec<Jid>),
    /// Another subject.
    Subject(String),
    /// Another description; `None` takes it away.
    Description(Option<String>),
    /// Whether only administrators write.
    Announcement(bool),
    /// Whether only administrators change subject, description and timer.
    Locked(bool),
    /// Whether administrators let in who comes by the link.
    Approval(bool),
    /// Whether every member may add others.
    AllAdd(bool),
    /// How long messages are kept, in seconds; 0 means for ever. WhatsApp takes 0, 86,400, 604,800 and 7,776,000.
    Expiration(u32),
    /// Leaves the group.
    Leave,
}

impl GroupChange {
    /// Whom it is about.
    pub(crate) fn people(&mut self) -> Option<&mut Vec<Jid>> {
        match self {
            Self::Add(people)
            | Self::Remove(people)
            | Self::Promote(people)
            | Self::Demote(people)
            | Self::Approve(people)
            | Self::Reject(people) => Some(people),
            _ => None,
        }
    }
}

/// Somebody whom a change could not reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotReached {
    /// Who it is, as the server names them.
    pub user: Jid,
    /// The server's code: 403 they let nobody add them, 404 there is no such account or member, 409 they are in the group
    /// already, 408 they have left it lately, 419 it is full.
    pub code: u32,
}

/// What became of coming in by a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Joined {
    /// The account is in this group.
    Member(Jid),
    /// The administrators of this group were asked.
    Asked(Jid),
}

/// Somebody who asks to be let into a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinRequest {
    /// Who it is, as the group names them.
    pub user: Jid,
    /// Since when: Unix seconds.
    pub at: i64,
}
