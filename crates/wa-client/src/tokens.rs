use std::collections::HashMap;

use bytes::Bytes;
use compact_str::CompactString;
use wa_store::{PrivacyToken, Store, StoreError};

use crate::cache::Cache;

/// A token is good in the week of its issue and the three that follow (PROTOCOL.md 22).
const WEEKS: i64 = 4;
const WEEK: i64 = 7 * 24 * 60 * 60;
/// People whose tokens are kept in memory per companion; the store has all.
const CACHED: usize = 256;
/// Longest token that is kept, in bytes: many times what WhatsApp sends.
const LONGEST: usize = 1024;

/// Tokens of the people that a companion writes to, by LID user.
#[derive(Debug)]
pub(crate) struct Tokens {
    known: Cache<CompactString, PrivacyToken>,
    /// For the next commit.
    unstored: HashMap<CompactString, PrivacyToken>,
    /// People to whom a token is being given.
    giving: Vec<CompactString>,
}

impl Tokens {
    pub(crate) fn new() -> Self {
        Self { known: Cache::new(CACHED), unstored: HashMap::new(), giving: Vec::new() }
    }

    /// What is known about this person; nothing is the default.
    pub(crate) async fn of(&mut self, store: &Store, lid: &str) -> Result<PrivacyToken, StoreError> {
        if let Some(token) = self.known.get(lid) {
            return Ok(token.clone());
        }
        let token = match self.unstored.get(lid) {
            Some(token) => token.clone(),
            None => store.privacy_token(lid).await?.unwrap_or_default(),
        };
        self.known.put(lid.into(), token.clone());
        Ok(token)
    }

    /// A person has given us a token; the newest counts. Returns whether it is one that counts.
    pub(crate) async fn receive(
        &mut self,
        store: &Store,
        lid: &str,
        token: Bytes,
        at: i64,
    ) -> Result<bool, StoreError> {
        let known = self.of(store, lid).await?;
        let counts = (1..=LONGEST).contains(&token.len()) && at > known.received_at;
        if counts {
            self.put(lid, PrivacyToken { token, received_at: at, ..known });
        }
        Ok(counts)
    }

    /// We have given this person a token.
    pub(crate) async fn gave(&mut self, store: &Store, lid: &str, at: i64) -> Result<(), StoreError> {
        let known = self.of(store, lid).await?;
        if at > known.given_at {
            self.put(lid, PrivacyToken { given_at: at, ..known });
        }
        Ok(())
    }

    /// A message was exchanged with this person. Returns whether they were a stranger.
    pub(crate) async fn meet(&mut self, store: &Store, lid: &str, at: i64) -> Result<bool, StoreError> {
        let known = self.of(store, lid).await?;
        let is_new = is_stranger(&known);
        if known.met_at == 0 {
            self.put(lid, PrivacyToken { met_at: at, ..known });
        }
        Ok(is_new)
    }

    /// The person is known by another LID from now on.
    pub(crate) async fn follow(&mut self, store: &Store, old: &str, new: &str) -> Result<(), StoreError> {
        let known = self.of(store, old).await?;
        let later = self.of(store, new).await?;
        let is_news = known != PrivacyToken::default() && later.token.is_empty() && later.given_at == 0;
        if is_news {
            self.put(new, known);
        }
        Ok(())
    }

    /// Forgets the token that this person gave, if it is good no more. When it was given stays known.
    pub(crate) async fn prune(&mut self, store: &Store, lid: &str, now: i64) -> Result<(), StoreError> {
        let known = self.of(store, lid).await?;
        if !known.token.is_empty() && !is_good(&known, now) {
            self.put(lid, PrivacyToken { token: Bytes::new(), ..known });
        }
        Ok(())
    }

    /// Begins to give this person a token; false if that is under way already.
    pub(crate) fn begin_giving(&mut self, lid: &str) -> bool {
        let begins = !self.giving.iter().any(|giving| giving == lid);
        if begins {
            self.giving.push(lid.into());
        }
        begins
    }

    /// It has been given, or that failed.
    pub(crate) fn end_giving(&mut self, lid: &str) {
        self.giving.retain(|giving| giving != lid);
    }

    /// The connection is gone, and with it what was under way.
    pub(crate) fn forget_giving(&mut self) {
        self.giving.clear();
    }

    /// Whether something waits for a commit.
    pub(crate) fn has_unstored(&self) -> bool {
        !self.unstored.is_empty()
    }

    /// What was learned, for a commit.
    pub(crate) fn take_unstored(&mut self) -> Vec<(CompactString, PrivacyToken)> {
        self.unstored.drain().collect()
    }

    /// Forgets what the store has, too: it is read again when it is needed.
    pub(crate) fn release(&mut self) {
        drop(self.known.take());
    }

    fn put(&mut self, lid: &str, token: PrivacyToken) {
        self.known.put(lid.into(), token.clone());
        self.unstored.insert(lid.into(), token);
    }
}

/// Whether what this person gave us still lets us write to them. Times are Unix seconds.
pub(crate) fn is_good(token: &PrivacyToken, now: i64) -> bool {
    !token.token.is_empty() && token.received_at >= oldest_good(now)
}

/// Whether no message was ever exchanged with this person, nor a token given.
pub(crate) fn is_stranger(token: &PrivacyToken) -> bool {
    token.met_at == 0 && token.given_at == 0
}

/// Whether this person is to get a token of ours: they had none this week.
pub(crate) fn is_due(token: &PrivacyToken, now: i64) -> bool {
    now.div_euclid(WEEK) > token.given_at.div_euclid(WEEK)
}

/// When the token was given that this person still holds; `None` if they hold none.
pub(crate) fn given(token: &PrivacyToken, now: i64) -> Option<i64> {
    Some(token.given_at).filter(|given| *given >= oldest_good(now))
}

fn oldest_good(now: i64) -> i64 {
    ((now.div_euclid(WEEK) - (WEEKS - 1)) * WEEK).max(1)
}

#[cfg(test)]
mod tests {
    use wa_store::Changes;

    use super::*;

    fn received(at: i64) -> PrivacyToken {
        PrivacyToken { token: Bytes::from_static(b"token"), received_at: at, given_at: at, met_at: 0 }
    }

    #[test]
    fn tokens_are_good_for_four_weeks_and_due_every_week() {
        let start = 2_960 * WEEK;
        assert!(is_good(&received(start), start + 4 * WEEK - 1));
        assert!(!is_good(&received(start), start + 4 * WEEK));
        assert!(!is_good(&PrivacyToken::default(), 0));
        assert!(is_due(&PrivacyToken::default(), start));
        assert!(!is_due(&received(start + 1), start + WEEK - 1));
        assert!(is_due(&received(start + 1), start + WEEK));
        assert_eq!(given(&received(start), start + WEEK), Some(start));
        assert_eq!(given(&PrivacyToken::default(), start), None);
    }

    #[tokio::test]
    async fn the_newest_token_counts_and_is_stored_beside_what_was_given() {
        let (store, mut tokens) = (Store::memory(), Tokens::new());
        assert!(tokens.meet(&store, "9", 6).await.unwrap());
        tokens.gave(&store, "9", 7).await.unwrap();
        assert!(!tokens.meet(&store, "9", 8).await.unwrap());
        assert!(tokens.receive(&store, "9", Bytes::from_static(b"new"), 5).await.unwrap());
        assert!(!tokens.receive(&store, "9", Bytes::from_static(b"old"), 4).await.unwrap());
        assert!(!tokens.receive(&store, "9", Bytes::from(vec![0; LONGEST + 1]), 9).await.unwrap());
        let privacy_tokens = tokens.take_unstored();
        store.commit(Changes { privacy_tokens, ..Changes::default() }).await.unwrap();
        tokens.release();
        let kept = PrivacyToken { token: Bytes::from_static(b"new"), received_at: 5, given_at: 7, met_at: 6 };
        assert_eq!(tokens.of(&store, "9").await.unwrap(), kept);
    }

    #[tokio::test]
    async fn a_token_that_is_good_no_more_is_forgotten_and_when_it_came_is_not() {
        let (store, mut tokens) = (Store::memory(), Tokens::new());
        let start = 2_960 * WEEK;
        tokens.receive(&store, "9", Bytes::from_static(b"token"), start).await.unwrap();
        tokens.prune(&store, "9", start + 4 * WEEK - 1).await.unwrap();
        assert!(!tokens.of(&store, "9").await.unwrap().token.is_empty());
        tokens.prune(&store, "9", start + 4 * WEEK).await.unwrap();
        let privacy_tokens = tokens.take_unstored();
        store.commit(Changes { privacy_tokens, ..Changes::default() }).await.unwrap();
        tokens.release();
        let kept = tokens.of(&store, "9").await.unwrap();
        assert_eq!((kept.token.len(), kept.received_at), (0, start));
        assert!(!tokens.receive(&store, "9", Bytes::from_static(b"token"), start).await.unwrap());
    }

    #[test]
    fn one_token_at_a_time_is_given_to_a_person() {
        let mut tokens = Tokens::new();
        assert!(tokens.begin_giving("9") && !tokens.begin_giving("9"));
        tokens.end_giving("9");
        assert!(tokens.begin_giving("9"));
    }
}
