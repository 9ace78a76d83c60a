use std::fmt;
use std::ops::Range;

use compact_str::CompactString;

/// What sort of record it is. A kind's number, keys and values never change their meaning; numbers are never reused.
///
/// | kind | key | value |
/// |---|---|---|
/// | 1 [`DEVICE`](Self::DEVICE) | empty: there is one | the device record, protobuf |
/// | 2 [`SESSION`](Self::SESSION) | Signal name, device | the session record of `wa-signal` |
/// | 3 [`IDENTITY`](Self::IDENTITY) | Signal name, device | public key, 32 bytes |
/// | 4 [`PREKEY`](Self::PREKEY) | id, 8 hexadecimal digits | private key, 32 bytes |
/// | 5 [`SENDER_KEY`](Self::SENDER_KEY) | group, Signal name, device | the sender key record of `wa-signal` |
/// | 6 [`LID_OF_PN`](Self::LID_OF_PN) | phone number user | LID user |
/// | 7 [`PN_OF_LID`](Self::PN_OF_LID) | LID user | phone number user |
/// | 8 [`DEVICE_LIST`](Self::DEVICE_LIST) | user JID | the device list, protobuf |
/// | 9 [`SENT_MESSAGE`](Self::SENT_MESSAGE) | time, chat JID, message id | recipient and message, protobuf |
/// | 10 [`APP_STATE_KEY`](Self::APP_STATE_KEY) | key id in hexadecimal | key, fingerprint and time, protobuf |
/// | 11 [`PEER_DATA`](Self::PEER_DATA) | time, sort, message id | what came, protobuf |
/// | 12 [`INBOX`](Self::INBOX) | number, 16 hexadecimal digits | what was received, in the form of the client |
/// | 13 [`ALIAS`](Self::ALIAS) | phone number as it was asked, digits only, or a LID that its owner had before, as a JID | the account's own number and when it was told, protobuf |
/// | 15 [`PRIVACY_TOKEN`](Self::PRIVACY_TOKEN) | LID user | tokens received and given, protobuf |
/// | 16 [`LIMITS`](Self::LIMITS) | empty: there is one | what the account may do, protobuf |
/// | 17 [`MISSED`](Self::MISSED) | number, 16 hexadecimal digits | a message that could not be read, in the form of the client |
/// | 18 [`IDENTITY_CHANGE`](Self::IDENTITY_CHANGE) | user JID | Unix milliseconds, 8 bytes, and how: 1 new keys, 2 another LID |
/// | 19 [`CHAT_TIMER`](Self::CHAT_TIMER) | user JID | seconds, 4 bytes, and when that was set, Unix seconds, 8 bytes |
/// | 20 [`KEY_HOLDERS`](Self::KEY_HOLDERS) | group | the devices that have the own sender key, protobuf |
/// | 30 [`MESSAGE_SECRET`](Self::MESSAGE_SECRET) | time, message id, chat JID | author, secret and options of a poll or an event, protobuf |
/// | 40 [`APP_STATE`](Self::APP_STATE) | name of a collection | version, 8 bytes, and sum over its records, 128 bytes |
/// | 41 [`APP_STATE_RECORD`](Self::APP_STATE_RECORD) | name of a collection, MAC of the index in hexadecimal | MAC of the value, 32 bytes |
/// | 42 [`HISTORY_PROGRESS`](Self::HISTORY_PROGRESS) | as of the piece of history in 11 | how many of its items have been told, 8 bytes |
///
/// Times in keys are Unix milliseconds in 16 hexadecimal digits, moved by 2⁶³ so that negative ones sort first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Kind(u8);

impl Kind {
    /// The companion's credentials.
    pub const DEVICE: Self = Self(1);
    /// Signal sessions with other devices.
    pub const SESSION: Self = Self(2);
    /// Identity keys of other devices.
    pub const IDENTITY: Self = Self(3);
    /// One-time prekeys that have not been used up.
    pub const PREKEY: Self = Self(4);
    /// Sender keys of groups.
    pub const SENDER_KEY: Self = Self(5);
    /// One half of a pair of phone number and LID; it holds only where the other half agrees.
    pub const LID_OF_PN: Self = Self(6);
    /// Phone numbers by LID: the same pairs, read the other way.
    pub const PN_OF_LID: Self = Self(7);
    /// The devices of each user.
    pub const DEVICE_LIST: Self = Self(8);
    /// Messages that left, for retry receipts.
    pub const SENT_MESSAGE: Self = Self(9);
    /// Keys of the app state that the phone shared.
    pub const APP_STATE_KEY: Self = Self(10);
    /// What the phone told and nobody has read yet.
    pub const PEER_DATA: Self = Self(11);
    /// What was received and nobody has recorded yet.
    pub const INBOX: Self = Self(12);
    /// What accounts are called that were looked up by a number.
    pub const ALIAS: Self = Self(13);
    /// When the identity of a user last changed.
    pub const IDENTITY_CHANGE: Self = Self(18);
    /// After how long what is written in a chat disappears.
    pub const CHAT_TIMER: Self = Self(19);
    /// What could not be read and is asked for from the phone.
    pub const MISSED: Self = Self(17);

    /// Secrets of polls and events.
    pub const MESSAGE_SECRET: Self = Self(30);
    /// Who has the own sender key of each group.
    pub const KEY_HOLDERS: Self = Self(20);
    /// Tokens of people who trust the account, and of those whom it trusts.
    pub const PRIVACY_TOKEN: Self = Self(15);
    /// Limits on whom the account may write to.
    pub const LIMITS: Self = Self(16);
    /// How far each collection of the app state is known.
    pub const APP_STATE: Self = Self(40);
    /// What stands for each record of the app state.
    pub const APP_STATE_RECORD: Self = Self(41);
    /// How far each piece of the history has been told.
    pub const HISTORY_PROGRESS: Self = Self(42);

    /// The kind with this number, be it known to this version or not.
    pub const fn from_number(number: u8) -> Self {
        Self(number)
    }

    /// Its number, as backends store it.
    pub const fn number(self) -> u8 {
        self.0
    }
}

/// Names a record among those of its kind. Keys are ordered by their bytes.
///
/// A key is printable ASCII: parts joined by `/`, in which every other byte, `/` and `%` are written as `%` and two
/// hexadecimal digits. So every database compares and sorts keys alike, as plain text in its simplest collation.
/// Keys hold phone numbers: `Debug` doesn't show them.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(CompactString);

impl Key {
    /// The empty key, which sorts before all others.
    pub const FIRST: Self = Self(CompactString::const_new(""));
    /// Sorts after all keys and is none itself: the end of a range.
    pub const END: Self = Self(CompactString::const_new("\x7f"));

    /// The key of these parts.
    pub fn new<'a>(parts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut key = CompactString::default();
        for (position, part) in parts.into_iter().enumerate() {
            if position > 0 {
                key.push(SEPARATOR);
            }
            escape(&mut key, part);
        }
        Self(key)
    }

    /// A key as a backend got it from [`as_str`](Self::as_str) and stored it.
    pub fn from_stored(text: impl Into<CompactString>) -> Self {
        Self(text.into())
    }

    /// The text to store.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// All keys that begin with these parts and have more of them.
    pub(crate) fn below<'a>(parts: impl IntoIterator<Item = &'a str>) -> Range<Self> {
        let parent = Self::new(parts).0;
        let (mut start, mut end) = (parent.clone(), parent);
        start.push(SEPARATOR);
        end.push(AFTER_SEPARATOR);
        Self(start)..Self(end)
    }

    /// What follows the key's first separator, escaped as it is.
    pub(crate) fn rest(&self) -> Option<&str> {
        self.0.split_once(SEPARATOR).map(|(_, rest)| rest)
    }

    /// The last part, escaped as it is.
    pub(crate) fn last_part(&self) -> &str {
        self.0.rsplit(SEPARATOR).next().unwrap_or_default()
    }

    /// The next key in order: nothing sorts between.
    pub(crate) fn next(&self) -> Self {
        let mut next = self.0.clone();
        next.push(FIRST_CHARACTER);
        Self(next)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

const SEPARATOR: char = '/';
/// The character after [`SEPARATOR`].
const AFTER_SEPARATOR: char = '0';
/// The first printable character: a key with it appended is the smallest of those that are greater.
const FIRST_CHARACTER: char = ' ';

fn escape(key: &mut CompactString, part: &str) {
    let is_plain = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'/' && byte != b'%';
    if part.bytes().all(is_plain) {
        key.push_str(part);
        return;
    }
    for byte in part.bytes() {
        if is_plain(byte) {
            key.push(char::from(byte));
        } else {
            key.push_str(&format!("%{byte:02x}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_are_readable_where_they_can_be() {
        assert_eq!(Key::new(["100000000000001_1", "12"]).as_str(), "100000000000001_1/12");
        assert_eq!(Key::new(["1203-5@g.us", "a/b", "5%\0é"]).as_str(), "1203-5@g.us/a%2fb/5%25%00%c3%a9");
        assert_eq!(Key::new([]), Key::FIRST);
        assert_eq!(format!("{:?}", Key::new(["15550000001"])), "Key(..)");
    }

    #[test]
    fn a_name_is_no_parent_of_longer_names() {
        let of_name = Key::below(["15550000002"]);
        assert!(of_name.contains(&Key::new(["15550000002", "0"])));
        assert!(of_name.contains(&Key::new(["15550000002", "65535"])));
        for other in ["15550000002_1", "155500000021", "1555000000", "15550000002/"] {
            assert!(!of_name.contains(&Key::new([other, "0"])), "{other}");
        }
        assert!(!of_name.contains(&Key::new(["15550000002"])));
    }

    proptest! {
        #[test]
        fn different_parts_have_different_keys(one: (String, String), two: (String, String)) {
            let key = |(name, group): &(String, String)| Key::new([name.as_str(), group.as_str()]);
            prop_assert_eq!(key(&one) == key(&two), one == two);
            prop_assert!(key(&one).as_str().bytes().all(|byte| (b' '..=b'~').contains(&byte)));
            prop_assert!((Key::FIRST..Key::END).contains(&key(&one)));
            prop_assert!(Key::below([one.0.as_str()]).contains(&key(&one)));
            let between = key(&one)..key(&one).next();
            prop_assert!(between.contains(&key(&one)) && !between.contains(&key(&two)) || one == two);
        }
    }
}
