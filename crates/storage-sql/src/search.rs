//! How far one question looks at messages that nobody counts.

use std::time::Duration;

use storage::{Cursor, MessageStatus};

/// Messages that one question looks at at most.
pub const STRETCH: i64 = 20_000;
/// Messages whose chats are looked up at a time.
pub const PIECE: i64 = 500;
/// Keys of the index that are asked for at a time: of an instance that few others share the database with, all of its
/// messages.
pub const WINDOW: i64 = 100_000;
/// Matches that are read at a time.
pub const MATCHES: i64 = 200;
/// After this time, a search answers what it has found.
pub const PATIENCE: Duration = Duration::from_secs(1);

/// The place of the message with this key, in the order in which messages were stored.
pub fn place(key: i64) -> Cursor {
    Cursor { major: 0, minor: key }
}

/// How many of a chat's newest messages nobody has read. Of each: whether it is one's own, whether it came with the history,
/// and its status.
pub fn unread(newest: &[(bool, bool, String)]) -> u64 {
    let is_unread = |(from_me, history, status): &&(bool, bool, String)| {
        !from_me && !history && status == MessageStatus::Received.as_str()
    };
    newest.iter().take_while(is_unread).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_or_answered_ends_what_is_unread() {
        let received = |from_me, history| (from_me, history, "received".to_owned());
        assert_eq!(unread(&[]), 0);
        assert_eq!(unread(&[received(false, false), received(false, false), received(true, false)]), 2);
        assert_eq!(unread(&[received(false, false), received(false, true), received(false, false)]), 1);
        assert_eq!(unread(&[(false, false, "read".to_owned()), received(false, false)]), 0);
    }
}
