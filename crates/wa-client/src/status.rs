//! Who sees what the account posts to its status (PROTOCOL.md 25).

use std::fmt;

use wa_binary::{Jid, Node};

/// The most people that a list may name; more are not read.
const MAX_LISTED: usize = 10_000;

/// Who sees what the account posts to its status, as its owner has set it. `Debug` shows nobody.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum StatusPrivacy {
    /// Everybody in the address book.
    #[default]
    Contacts,
    /// Everybody in the address book but these.
    AllBut(Vec<Jid>),
    /// These alone.
    Only(Vec<Jid>),
}

impl StatusPrivacy {
    /// What holds if nothing else is said: the first list that says so, else the first.
    /// `privacy`: `<privacy><list type default><user jid/>…</list>…</privacy>`.
    pub(crate) fn read(privacy: &Node<'_>) -> Self {
        let is_default = |list: &&Node<'_>| list.attrs.text("default").is_some_and(|it| it == "true");
        let mut lists = privacy.children_named("list");
        let list = privacy.children_named("list").find(is_default).or_else(|| lists.next());
        let Some(list) = list else { return Self::default() };
        let users = list.children_named("user").take(MAX_LISTED);
        let users = users.filter_map(|user| user.attrs.jid("jid").map(Jid::to_user)).collect();
        match list.attrs.text("type").as_deref() {
            Some("blacklist") => Self::AllBut(users),
            Some("whitelist") => Self::Only(users),
            _ => Self::Contacts,
        }
    }

    /// What a post says of it.
    pub(crate) fn setting(&self) -> &'static str {
        match self {
            Self::Contacts => "contacts",
            Self::AllBut(_) => "denylist",
            Self::Only(_) => "allowlist",
        }
    }
}

/// Whom a post goes to.
#[derive(Clone, Default)]
pub(crate) struct StatusAudience {
    pub(crate) privacy: StatusPrivacy,
    /// The address book, where it counts.
    pub(crate) contacts: Vec<Jid>,
}

impl StatusAudience {
    /// Those who may see a post, and those of them who may not.
    pub(crate) fn allowed(&self) -> (&[Jid], &[Jid]) {
        match &self.privacy {
            StatusPrivacy::Contacts => (&self.contacts, &[]),
            StatusPrivacy::AllBut(denied) => (&self.contacts, denied),
            StatusPrivacy::Only(allowed) => (allowed, &[]),
        }
    }
}

impl fmt::Debug for StatusPrivacy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.setting())
    }
}

impl fmt::Debug for StatusAudience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StatusAudience").field("privacy", &self.privacy).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(kind: &'static str) -> Node<'static> {
        Node::new("list").attr("type", kind).child(Node::new("user").attr("jid", Jid::lid("9002")))
    }

    #[test]
    fn of_several_lists_the_default_counts() {
        let privacy =
            |lists: Vec<Node<'static>>| StatusPrivacy::read(&Node::new("privacy").with_children(lists));
        assert_eq!(privacy(Vec::new()), StatusPrivacy::Contacts);
        assert_eq!(privacy(vec![list("contacts")]), StatusPrivacy::Contacts);
        let only = StatusPrivacy::Only(vec![Jid::lid("9002")]);
        assert_eq!(privacy(vec![list("whitelist")]), only);
        assert_eq!(privacy(vec![list("blacklist"), list("whitelist").attr("default", "true")]), only);
        assert_eq!(privacy(vec![list("blacklist")]), StatusPrivacy::AllBut(vec![Jid::lid("9002")]));
        assert_eq!(format!("{only:?}"), "allowlist");
    }

    #[test]
    fn the_address_book_counts_unless_there_is_a_list_of_those_who_may() {
        let contacts = vec![Jid::pn("15550002")];
        let of = |privacy| StatusAudience { privacy, contacts: contacts.clone() };
        let listed = vec![Jid::lid("9003")];
        assert_eq!(of(StatusPrivacy::Contacts).allowed(), (&contacts[..], &[][..]));
        assert_eq!(of(StatusPrivacy::AllBut(listed.clone())).allowed(), (&contacts[..], &listed[..]));
        assert_eq!(of(StatusPrivacy::Only(listed.clone())).allowed(), (&listed[..], &[][..]));
    }
}
