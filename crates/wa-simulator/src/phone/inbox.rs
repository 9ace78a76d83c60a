use std::collections::{HashMap, VecDeque};

use compact_str::CompactString;
use serde::Serialize;

use super::files::ReceivedFile;

/// A message that a phone shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InboxEntry {
    /// The message's id.
    pub id: String,
    /// Who sent it, by phone number: `15550000001@s.whatsapp.net`.
    pub from: String,
    /// The chat it is in: the other one, whoever sent it, or the group.
    pub chat: String,
    /// The device that sent it; 0 is the sender's phone.
    pub device: u16,
    /// Its text, the new text of an edit, the emoji of a reaction, the caption of its media, the question of a poll.
    pub text: Option<String>,
    /// What it is: `text`, `image`, `poll`, `edit`, `revoke`, `reaction`, ….
    pub kind: &'static str,
    /// The id of the message that it edits, takes back, reacts to or votes on.
    pub target: Option<String>,
    /// What is chosen in it: options of a poll by name, a button or row by its sender's id.
    pub chosen: Vec<String>,
    /// The id of the message that it quotes.
    pub quoted: Option<String>,
    /// Whom it names: JIDs.
    pub mentions: Vec<String>,
    /// How often it was forwarded.
    pub forwarded: u32,
    /// Why the phone doesn't heed it, if it doesn't: what it is about is another's, too old, or unknown, or its secret is
    /// another.
    pub ignored: Option<&'static str>,
    /// After how many seconds it disappears, as a text says.
    pub expiration: Option<u32>,
    /// When the server took it, in seconds since 1970.
    pub timestamp: u64,
    /// The file that came with it, downloaded and verified, or refused.
    pub media: Option<ReceivedFile>,
    /// Whether one of the own companions sent it.
    pub from_me: bool,
    /// The sender's name, as the server told it.
    pub push_name: String,
    /// How often it came again under its id. The phone shows it once.
    pub repeats: u32,
}

/// The messages of a phone, each (chat, sender, id) once.
#[derive(Debug)]
pub(crate) struct Inbox {
    limit: usize,
    /// Number of the first entry, counted over the phone's life.
    first: u64,
    entries: VecDeque<InboxEntry>,
    known: HashMap<Key, u64>,
    /// Messages that could not be decrypted so far, by the number and device of their sender.
    undecryptable: HashMap<(CompactString, u16), u64>,
}

type Key = (CompactString, CompactString, CompactString);

impl Inbox {
    pub(crate) fn new(limit: usize) -> Self {
        let (entries, known, undecryptable) = Default::default();
        Self { limit, first: 0, entries, known, undecryptable }
    }

    /// Shows a message, or counts that it came again.
    pub(crate) fn show(&mut self, entry: InboxEntry) {
        let key = key(&entry.chat, &entry.from, &entry.id);
        if self.repeat(&key) {
            return;
        }
        let number = self.first + self.entries.len() as u64;
        self.known.insert(key, number);
        self.entries.push_back(entry);
        if self.entries.len() > self.limit
            && let Some(oldest) = self.entries.pop_front()
        {
            self.first += 1;
            self.known.remove(&self::key(&oldest.chat, &oldest.from, &oldest.id));
        }
    }

    /// A used key came again, so that only the envelope can be read. Looks for the message by its sender and id;
    /// whether there is one.
    pub(crate) fn repeat_sealed(&mut self, from: &str, id: &str) -> bool {
        let entry = self.entries.iter_mut().rev().find(|entry| entry.id == id && entry.from == from);
        let Some(entry) = entry else { return false };
        entry.repeats += 1;
        true
    }

    fn repeat(&mut self, key: &Key) -> bool {
        let index = self.known.get(key).and_then(|number| usize::try_from(number - self.first).ok());
        match index.and_then(|index| self.entries.get_mut(index)) {
            Some(entry) => {
                entry.repeats += 1;
                true
            }
            None => false,
        }
    }

    /// A message of this sender could not be decrypted.
    pub(crate) fn count_undecryptable(&mut self, number: &CompactString, device: u16) {
        *self.undecryptable.entry((number.clone(), device)).or_default() += 1;
    }

    /// How many messages could not be decrypted so far.
    pub(crate) fn undecryptable(&self) -> u64 {
        self.undecryptable.values().sum()
    }

    /// How many of this sender's could not be decrypted so far.
    pub(crate) fn undecryptable_from(&self, number: &CompactString, device: u16) -> u64 {
        self.undecryptable.get(&(number.clone(), device)).copied().unwrap_or_default()
    }

    pub(crate) fn entries(&self) -> Vec<InboxEntry> {
        self.entries.iter().cloned().collect()
    }

    /// How many messages were shown so far, those no longer kept included.
    pub(crate) fn shown(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    pub(crate) fn find(&self, id: &str) -> Option<&InboxEntry> {
        self.entries.iter().rev().find(|entry| entry.id == id)
    }
}

fn key(chat: &str, from: &str, id: &str) -> Key {
    (chat.into(), from.into(), id.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(from: &str, id: &str) -> InboxEntry {
        InboxEntry {
            id: id.to_owned(),
            from: from.to_owned(),
            chat: from.to_owned(),
            device: 1,
            text: Some("hello".to_owned()),
            kind: "text",
            target: None,
            chosen: Vec::new(),
            quoted: None,
            mentions: Vec::new(),
            forwarded: 0,
            ignored: None,
            expiration: None,
            timestamp: 0,
            media: None,
            from_me: false,
            push_name: String::new(),
            repeats: 0,
        }
    }

    #[test]
    fn shows_each_message_once_and_counts_repeats() {
        let mut inbox = Inbox::new(10);
        inbox.show(entry("a", "1"));
        inbox.show(entry("b", "1"));
        inbox.show(entry("a", "1"));
        assert!(inbox.repeat_sealed("a", "1"));
        assert!(!inbox.repeat_sealed("a", "2"));
        let entries = inbox.entries();
        assert_eq!(entries.iter().map(|entry| entry.repeats).collect::<Vec<_>>(), [2, 0]);
        assert_eq!(inbox.shown(), 2);
    }

    #[test]
    fn forgets_the_oldest() {
        let mut inbox = Inbox::new(2);
        for id in ["1", "2", "3"] {
            inbox.show(entry("a", id));
        }
        inbox.show(entry("a", "3"));
        let entries = inbox.entries();
        assert_eq!(entries[0].id, "2");
        assert_eq!(entries[1].repeats, 1);
        assert_eq!(inbox.shown(), 3);
        inbox.show(entry("a", "1"));
        assert_eq!(inbox.shown(), 4);
    }
}
