use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use compact_str::CompactString;

/// How long a token is good: the present week and the three before (PROTOCOL.md 22).
const WEEKS: u64 = 4;
/// A week, in seconds.
const WEEK: u64 = 7 * 24 * 60 * 60;
/// Tokens of one account for another that are remembered: more than are good at a time.
const REMEMBERED: usize = 8;

/// Whom an account trusts, who trusts it, and with whom it has exchanged messages. Accounts are named by their numbers.
#[derive(Debug, Default)]
pub(crate) struct Trust {
    /// When a token was issued to whom, in Unix seconds.
    given: BTreeMap<CompactString, Vec<u64>>,
    /// The newest token of everybody who issued one to this account.
    received: BTreeMap<CompactString, Token>,
    chats: BTreeSet<CompactString>,
}

/// A token for a trusted contact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) bytes: Bytes,
    /// When it was issued, in Unix seconds.
    pub(crate) at: u64,
}

/// Who may write to an account, and may subscribe to its presence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Restriction {
    /// Everybody may write to the account.
    #[default]
    None,
    /// Companions that show a `<tctoken>` of the account, or a right `<cstoken>`.
    Token,
    /// Companions that show a `<tctoken>` of the account.
    Trusted,
}

impl Trust {
    /// The account has issued a token to another.
    pub(crate) fn gave(&mut self, to: &CompactString, at: u64) {
        let given = self.given.entry(to.clone()).or_default();
        given.retain(|known| *known != at);
        given.push(at);
        let surplus = given.len().saturating_sub(REMEMBERED);
        given.drain(..surplus);
    }

    /// Times of the tokens for another that are still good.
    pub(crate) fn given(&self, to: &str, now: u64) -> Vec<u64> {
        let oldest = (now / WEEK).saturating_sub(WEEKS - 1) * WEEK;
        self.given.get(to).into_iter().flatten().copied().filter(|at| *at >= oldest).collect()
    }

    /// Whether another is due for a token: none was issued this week.
    pub(crate) fn owes(&self, to: &str, now: u64) -> bool {
        let is_of_this_week = |at: &u64| *at / WEEK >= now / WEEK;
        !self.given.get(to).is_some_and(|given| given.iter().any(is_of_this_week))
    }

    /// Another account has issued a token to this one.
    pub(crate) fn got(&mut self, from: &CompactString, token: Token) {
        let newest = self.received.entry(from.clone()).or_insert_with(|| token.clone());
        if token.at > newest.at {
            *newest = token;
        }
    }

    pub(crate) fn received(&self, from: &str) -> Option<&Token> {
        self.received.get(from)
    }

    /// When the last token for another was issued.
    pub(crate) fn last_given(&self, to: &str) -> Option<u64> {
        self.given.get(to)?.last().copied()
    }

    /// A message was exchanged with another.
    pub(crate) fn met(&mut self, other: &CompactString) {
        self.chats.insert(other.clone());
    }

    pub(crate) fn knows(&self, other: &str) -> bool {
        self.chats.contains(other)
    }

    /// Everybody with whom a message was exchanged.
    pub(crate) fn chats(&self) -> Vec<CompactString> {
        self.chats.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_good_for_four_weeks_and_owed_every_week() {
        let mut trust = Trust::default();
        let (bob, start) = (CompactString::from("15550000002"), 100 * WEEK);
        assert!(trust.owes(&bob, start));
        trust.gave(&bob, start + 5);
        assert!(!trust.owes(&bob, start + WEEK - 1));
        assert!(trust.owes(&bob, start + WEEK));
        assert_eq!(trust.given(&bob, start + 4 * WEEK - 1), [start + 5]);
        assert!(trust.given(&bob, start + 4 * WEEK).is_empty());
    }

    #[test]
    fn the_newest_token_counts() {
        let mut trust = Trust::default();
        let bob = CompactString::from("15550000002");
        let token = |at| Token { bytes: Bytes::from(vec![1]), at };
        trust.got(&bob, token(5));
        trust.got(&bob, token(3));
        assert_eq!(trust.received(&bob), Some(&token(5)));
    }
}
