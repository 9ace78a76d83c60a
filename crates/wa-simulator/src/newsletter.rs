//! Newsletters as the server keeps them (PROTOCOL.md 24): posts in the clear, numbered, with views and reactions.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use compact_str::CompactString;
use parking_lot::{Mutex, MutexGuard};
use wa_binary::{Jid, Server};

/// Longest name, in characters.
pub(crate) const MAX_NAME: usize = 100;
/// Longest description, in characters.
pub(crate) const MAX_DESCRIPTION: usize = 2_048;
/// Posts that are kept; past that the oldest is lost.
const MAX_POSTS: usize = 10_000;

/// A newsletter: what never changes about it, and the server's record of it.
pub(crate) struct Newsletter {
    pub(crate) id: CompactString,
    pub(crate) name: String,
    pub(crate) description: String,
    /// The code of its link.
    pub(crate) invite: CompactString,
    /// In seconds since 1970.
    pub(crate) creation: u64,
    /// The number of the account that made it.
    pub(crate) owner: CompactString,
    record: Mutex<Record>,
}

/// What changes about a newsletter.
#[derive(Default)]
pub(crate) struct Record {
    /// Numbers of the accounts that follow it, but its owner.
    pub(crate) followers: BTreeSet<CompactString>,
    pub(crate) posts: BTreeMap<u32, Post>,
    last: u32,
    /// Devices that are told of views and reactions, by number, and until when.
    pub(crate) watchers: BTreeMap<(CompactString, u16), u64>,
}

/// A post.
pub(crate) struct Post {
    /// Its id as a message.
    pub(crate) id: CompactString,
    pub(crate) kind: CompactString,
    /// An encoded `Message`.
    pub(crate) content: Bytes,
    pub(crate) timestamp: u64,
    /// Numbers of the accounts that have looked at it.
    pub(crate) viewers: BTreeSet<CompactString>,
    /// By the account's number.
    pub(crate) reactions: BTreeMap<CompactString, CompactString>,
}

impl Newsletter {
    pub(crate) fn new(
        (id, invite): (CompactString, CompactString),
        (owner, creation): (CompactString, u64),
        name: String,
        description: String,
    ) -> Self {
        Self { id, name, description, invite, creation, owner, record: Mutex::default() }
    }

    pub(crate) fn jid(&self) -> Jid {
        Jid::new(self.id.clone(), Server::Newsletter)
    }

    /// The server's record. Held for moments only.
    pub(crate) fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock()
    }

    /// What an account is in it, in the server's words.
    pub(crate) fn role(&self, number: &CompactString) -> &'static str {
        match () {
            () if *number == self.owner => "OWNER",
            () if self.record().followers.contains(number) => "SUBSCRIBER",
            () => "GUEST",
        }
    }

    /// Numbers of all who get what is posted.
    pub(crate) fn readers(&self) -> Vec<CompactString> {
        let record = self.record();
        record.followers.iter().chain([&self.owner]).cloned().collect()
    }
}

impl Record {
    /// Numbers a post; what was posted before under this id stays.
    pub(crate) fn add(&mut self, post: Post) -> u32 {
        if let Some((known, _)) = self.posts.iter().find(|(_, known)| known.id == post.id) {
            return *known;
        }
        self.last += 1;
        self.posts.insert(self.last, post);
        if self.posts.len() > MAX_POSTS {
            self.posts.pop_first();
        }
        self.last
    }
}

impl Post {
    /// Each emoji, and how often it was put to the post.
    pub(crate) fn counted(&self) -> BTreeMap<&CompactString, u32> {
        let mut counted = BTreeMap::new();
        for emoji in self.reactions.values() {
            *counted.entry(emoji).or_default() += 1;
        }
        counted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn post(id: &str) -> Post {
        Post {
            id: id.into(),
            kind: "text".into(),
            content: Bytes::new(),
            timestamp: 7,
            viewers: BTreeSet::new(),
            reactions: BTreeMap::new(),
        }
    }

    #[test]
    fn a_post_has_one_number_however_often_it_comes() {
        let mut record = Record::default();
        assert_eq!([record.add(post("a")), record.add(post("b")), record.add(post("a"))], [1, 2, 1]);
    }
}
