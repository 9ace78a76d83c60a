use compact_str::CompactString;
use wa_store::{Alias, Store, StoreError};

use crate::cache::Cache;

/// Numbers kept in memory per companion; the store has all.
const CACHED: usize = 256;

/// What accounts are called that were looked up by a number (PROTOCOL.md 15). Answers are cached, "never asked" too.
#[derive(Debug)]
pub(crate) struct Aliases {
    known: Cache<CompactString, Option<Alias>>,
}

impl Aliases {
    pub(crate) fn new() -> Self {
        Self { known: Cache::new(CACHED) }
    }

    /// The account's own number, if this one was looked up at `oldest` (Unix seconds) or later.
    pub(crate) async fn find(
        &mut self,
        store: &Store,
        asked: &str,
        oldest: i64,
    ) -> Result<Option<CompactString>, StoreError> {
        let alias = match self.known.get(asked) {
            Some(known) => known.clone(),
            None => {
                let stored = store.alias(asked).await?;
                self.known.put(asked.into(), stored.clone());
                stored
            }
        };
        Ok(alias.filter(|alias| alias.found_at >= oldest).map(|alias| alias.number))
    }

    /// Remembers what is on its way to the store.
    pub(crate) fn remember(&mut self, asked: CompactString, alias: Alias) {
        self.known.put(asked, Some(alias));
    }

    /// Forgets what the store has, too: it is read again when it is needed.
    pub(crate) fn release(&mut self) {
        drop(self.known.take());
    }
}

#[cfg(test)]
mod tests {
    use wa_store::Changes;

    use super::*;

    #[tokio::test]
    async fn an_answer_counts_for_its_time() {
        let store = Store::memory();
        let mut aliases = Aliases::new();
        assert_eq!(aliases.find(&store, "5511987654321", 0).await.unwrap(), None);
        let alias = Alias { number: "551187654321".into(), found_at: 100 };
        aliases.remember("5511987654321".into(), alias.clone());
        let found = aliases.find(&store, "5511987654321", 100).await.unwrap();
        assert_eq!(found.as_deref(), Some("551187654321"));
        assert_eq!(aliases.find(&store, "5511987654321", 101).await.unwrap(), None);

        let changes = Changes { aliases: vec![("1555".into(), alias)], ..Changes::default() };
        store.commit(changes).await.unwrap();
        aliases.release();
        assert_eq!(aliases.find(&store, "1555", 0).await.unwrap().as_deref(), Some("551187654321"));
    }
}
