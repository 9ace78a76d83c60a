//! Groups, as their members see them (PROTOCOL.md 23).

mod change;
mod update;

mod community;

use std::fmt;

use wa_binary::{Jid, Node, ShapeError};

pub use change::{GroupChange, JoinRequest, Joined, NotReached};
pub use community::{GroupKind, Relation, SubGroup};
pub use update::{GroupNews, GroupUpdate};

/// The most members that are taken from the server: far beyond what it lets into a group.
const MAX_MEMBERS: usize = 10_000;

/// A group. `Debug` shows neither names nor numbers.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Group {
    /// Its address.
    pub jid: Jid,
    /// How it stands to others.
    pub kind: GroupKind,
    /// What it is called.
    pub subject: String,
    /// What it is about.
    pub description: Option<Description>,
    /// Who made it, as members are named in it.
    pub creator: Option<Jid>,
    /// When it was made: Unix seconds.
    pub created_at: i64,
    /// How its members are named in it.
    pub addressing: GroupAddressing,
    /// Who is in it; nobody where only the group was asked about.
    pub members: Vec<Member>,
    /// Whether only administrators write.
    pub is_announcement: bool,
    /// Whether only administrators change subject, description and timer.
    pub is_locked: bool,
    /// Whether administrators let in who comes by the link.
    pub needs_approval: bool,
    /// Whether every member may add others.
    pub all_add: bool,
    /// How long messages are kept, in seconds; 0 means for ever.
    pub expiration: u32,
}

/// What a group is about.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Description {
    /// Its id, which a change names.
    pub id: String,
    /// The text.
    pub text: String,
}

/// Somebody in a group.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Member {
    /// As the group names them.
    pub jid: Jid,
    /// By phone number, where it is known.
    pub pn: Option<Jid>,
    /// By LID, where it is known.
    pub lid: Option<Jid>,
    /// What they may do.
    pub rank: Rank,
}

/// How a group names its members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupAddressing {
    /// By phone number.
    Pn,
    /// By LID.
    Lid,
}

/// What a member may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// Read, and write unless the group is for announcements only.
    Member,
    /// Change the group and its members.
    Admin,
    /// The same; who made the group.
    Superadmin,
}

/// Whether what is written there is encrypted with sender keys: a group, or the status.
pub(crate) fn has_sender_keys(chat: &Jid) -> bool {
    chat.is_group() || chat.is_status()
}

impl Group {
    /// What this user is in the group, by any of their addresses.
    pub fn rank(&self, user: &Jid) -> Option<Rank> {
        self.members.iter().find(|member| member.is(user)).map(|member| member.rank)
    }

    /// Reads `<group>`.
    pub(crate) fn read(node: &Node<'_>) -> Result<Self, ShapeError> {
        let id = node.require_text("id")?;
        let jid = id.parse::<Jid>().ok().filter(Jid::is_group).unwrap_or_else(|| Jid::group(&*id));
        let text = |name: &str| node.attrs.text(name).unwrap_or_default().into_owned();
        let has = |name: &str| node.get_child(name).is_some();
        let is_lid = node.attrs.text("addressing_mode").is_some_and(|mode| mode == "lid");
        let participants = node.children_named("participant").take(MAX_MEMBERS);
        let ephemeral = node.get_child("ephemeral").and_then(|timer| timer.attrs.number("expiration"));
        Ok(Self {
            jid,
            kind: GroupKind::read(node),
            subject: text("subject"),
            description: node.get_child("description").and_then(Description::read),
            creator: node.attrs.jid("creator").cloned(),
            created_at: node.attrs.number("creation").and_then(Result::ok).unwrap_or(0),
            addressing: if is_lid { GroupAddressing::Lid } else { GroupAddressing::Pn },
            // Somebody with an error was asked for, and isn't in the group.
            members: participants
                .filter(|participant| !participant.attrs.contains("error"))
                .filter_map(Member::read)
                .collect(),
            is_announcement: has("announcement"),
            is_locked: has("locked"),
            needs_approval: node.get_child("membership_approval_mode").is_some_and(is_on),
            all_add: node
                .get_child("member_add_mode")
                .and_then(Node::content_text)
                .is_some_and(|mode| mode == "all_member_add"),
            expiration: ephemeral.and_then(Result::ok).unwrap_or(0),
        })
    }
}

/// `<membership_approval_mode><group_join state/></membership_approval_mode>`.
fn is_on(mode: &Node<'_>) -> bool {
    let join = mode.get_child("group_join");
    join.is_some_and(|join| join.attrs.text("state").is_some_and(|state| state == "on"))
}

impl Description {
    fn read(node: &Node<'_>) -> Option<Self> {
        let body = node.get_child("body")?.bytes()?;
        let text = String::from_utf8_lossy(&body).into_owned();
        Some(Self { id: node.attrs.text("id")?.into_owned(), text })
    }
}

impl Member {
    /// Whether this is the user with that address.
    pub fn is(&self, user: &Jid) -> bool {
        let names = [Some(&self.jid), self.pn.as_ref(), self.lid.as_ref()];
        names.into_iter().flatten().any(|name| name.is_same_user(user))
    }

    /// Reads `<participant jid [phone_number] [lid] [type]/>`.
    pub(crate) fn read(node: &Node<'_>) -> Option<Self> {
        let jid = node.attrs.jid("jid")?.to_user();
        let other = |name: &str| node.attrs.jid(name).map(Jid::to_user);
        let pn = if jid.is_pn() { Some(jid.clone()) } else { other("phone_number").filter(Jid::is_pn) };
        let lid = if jid.is_lid() { Some(jid.clone()) } else { other("lid").filter(Jid::is_lid) };
        let rank = match node.attrs.text("type").as_deref() {
            Some("superadmin") => Rank::Superadmin,
            Some("admin") => Rank::Admin,
            _ => Rank::Member,
        };
        jid.is_user().then_some(Self { jid, pn, lid, rank })
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group")
            .field("kind", &self.kind)
            .field("addressing", &self.addressing)
            .field("members", &self.members.len())
            .field("is_announcement", &self.is_announcement)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Description").finish_non_exhaustive()
    }
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Member").field("rank", &self.rank).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group() -> Node<'static> {
        let participant = |jid: Jid| Node::new("participant").attr("jid", jid);
        let body = Node::new("body").with_bytes(b"About tea".to_vec());
        Node::new("group")
            .attr("id", "120363001795290751")
            .attr("subject", "Tea")
            .attr("creation", 1_795_290_751_u32)
            .attr("creator", Jid::lid("80001"))
            .attr("addressing_mode", "lid")
            .child(
                participant(Jid::lid("80001"))
                    .attr("phone_number", Jid::pn("15550001"))
                    .attr("type", "superadmin"),
            )
            .child(participant(Jid::lid("80002")))
            .child(participant(Jid::lid("80003")).attr("error", 403_u32))
            .child(Node::new("participant"))
            .child(Node::new("description").attr("id", "D1").child(body))
            .child(Node::new("announcement"))
            .child(Node::new("ephemeral").attr("expiration", 86_400_u32))
            .child(Node::new("member_add_mode").text("all_member_add"))
    }

    #[test]
    fn a_group_is_read_with_its_members() {
        let group = Group::read(&group()).unwrap();
        assert_eq!(group.jid, Jid::group("120363001795290751"));
        assert_eq!((group.subject.as_str(), group.created_at), ("Tea", 1_795_290_751));
        assert_eq!(group.description.as_ref().map(|it| (&*it.id, &*it.text)), Some(("D1", "About tea")));
        assert_eq!(group.addressing, GroupAddressing::Lid);
        let ranks: Vec<_> = group.members.iter().map(|member| (member.pn.clone(), member.rank)).collect();
        assert_eq!(ranks, [(Some(Jid::pn("15550001")), Rank::Superadmin), (None, Rank::Member)]);
        for (user, rank) in [
            (Jid::pn("15550001"), Some(Rank::Superadmin)),
            (Jid::lid("80002").with_device(3), Some(Rank::Member)),
            (Jid::lid("80003"), None),
        ] {
            assert_eq!(group.rank(&user), rank);
        }
        assert!(group.is_announcement && group.all_add && !group.is_locked && !group.needs_approval);
        assert_eq!(group.expiration, 86_400);
        assert!(Group::read(&Node::new("group")).is_err());
    }

    #[test]
    fn debug_shows_nobody() {
        let text = format!("{:?}", Group::read(&group()).unwrap());
        assert!(!text.contains("8000") && !text.contains("Tea"), "{text}");
    }
}
