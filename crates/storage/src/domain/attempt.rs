use serde::{Deserialize, Serialize};

use super::word::words;
use crate::{Cursor, EventId, EventKind, Timestamp};

/// Attempts of a webhook that are kept: the last ones.
pub const KEPT_ATTEMPTS: usize = 500;
/// Longest error of an attempt that is kept, in bytes.
const LONGEST_ERROR: usize = 300;

words! {
    /// What became of an attempt.
    AttemptOutcome, "attempt outcome" {
        /// The receiver has taken it.
        Delivered = "delivered",
        /// It failed; the delivery is tried again, or of no use any more.
        Failed = "failed",
        /// It failed, and was the last: the delivery is a dead letter.
        GivenUp = "given_up",
    }
}

/// One attempt to call a webhook. Many are kept, so the names that they are stored under are short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// The event, by its position in the instance's log.
    #[serde(rename = "s")]
    pub seq: i64,
    /// The event's id.
    #[serde(rename = "e")]
    pub event: EventId,
    /// What the event tells.
    #[serde(rename = "k")]
    pub kind: EventKind,
    /// From 1.
    #[serde(rename = "n")]
    pub number: u32,
    /// When it began.
    #[serde(rename = "t")]
    pub at: Timestamp,
    /// How long it took, in milliseconds.
    #[serde(rename = "ms")]
    pub millis: u32,
    /// HTTP status of the answer, if there was one.
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub status_code: Option<u16>,
    /// What went wrong, for the owner to read. No response bodies.
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What became of it.
    #[serde(rename = "o")]
    pub outcome: AttemptOutcome,
    /// Whether somebody had asked for the call again.
    #[serde(rename = "p", default, skip_serializing_if = "std::ops::Not::not")]
    pub replayed: bool,
}

impl Attempt {
    /// The same with an error that is no longer than is kept.
    #[must_use]
    pub fn clipped(mut self) -> Self {
        if let Some(error) = &mut self.error {
            error.truncate(error.floor_char_boundary(LONGEST_ERROR));
        }
        self
    }
}

/// Which attempts of a webhook, newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttemptQuery {
    /// Only those that ended like this.
    pub outcome: Option<AttemptOutcome>,
    /// Only those before this place.
    pub before: Option<Cursor>,
    /// How many to return at most.
    pub limit: u64,
}

impl AttemptQuery {
    /// Chooses a page from all attempts that are kept, each with its number, oldest first.
    pub fn page(&self, kept: Vec<(i64, Attempt)>) -> crate::Page<Attempt> {
        let wanted = |attempt: &Attempt| self.outcome.is_none_or(|outcome| attempt.outcome == outcome);
        let matching: Vec<_> = kept.into_iter().filter(|(_, attempt)| wanted(attempt)).collect();
        let total = matching.len() as u64;
        let before = self.before.map_or(i64::MAX, |before| before.major);
        let mut earlier = matching.into_iter().rev().filter(|(number, _)| *number < before).peekable();
        let (mut items, mut next) = (Vec::new(), None);
        while (items.len() as u64) < self.limit
            && let Some((number, attempt)) = earlier.next()
        {
            next = Some(Cursor { major: number, minor: 0 });
            items.push(attempt);
        }
        let has_more = earlier.peek().is_some();
        crate::Page { items, total, has_more, next: next.filter(|_| has_more) }
    }
}
