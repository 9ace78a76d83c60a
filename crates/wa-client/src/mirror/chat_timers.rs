//! After how long what is written in each chat disappears (PROTOCOL.md 12).

use wa_binary::Jid;
use wa_store::{ChatTimer, Store, StoreError};

use super::Mirror;

/// Chats whose timers are kept in memory per companion; the store has all.
pub(super) const CACHED_TIMERS: usize = 256;

impl Mirror {
    /// Takes in what somebody in a chat says of its timer. The one that was set last counts; of those without a time, the
    /// one that was heard last, as long as none with a time is known.
    pub(crate) async fn learn_timer(
        &mut self,
        store: &Store,
        chat: &Jid,
        said: ChatTimer,
    ) -> Result<(), StoreError> {
        let known = self.chat_timer(store, chat).await?;
        if said == known || said.set_at < known.set_at {
            return Ok(());
        }
        // A number outlasts the LIDs of its owner.
        let chat = self.lids.pn_of(store, chat).await?.unwrap_or_else(|| chat.clone());
        self.changes.chat_timers.push((chat.clone(), said));
        self.chat_timers.put(chat, Some(said));
        Ok(())
    }

    /// The timer of the chat with this user, by number or LID; off where nothing is known.
    pub(crate) async fn chat_timer(&mut self, store: &Store, chat: &Jid) -> Result<ChatTimer, StoreError> {
        let names = [self.lids.pn_of(store, chat).await?, self.lids.lid_of(store, chat).await?];
        let mut newest = ChatTimer::default();
        for name in names.into_iter().flatten() {
            if !self.chat_timers.contains(&name) {
                let stored = store.chat_timer(&name).await?;
                self.chat_timers.put(name.clone(), stored);
            }
            let timer = self.chat_timers.get(&name).copied().flatten();
            newest = timer.filter(|timer| timer.set_at >= newest.set_at).unwrap_or(newest);
        }
        Ok(newest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mirror::tests::mirror;

    fn timer(seconds: u32, set_at: i64) -> ChatTimer {
        ChatTimer { seconds, set_at }
    }

    #[tokio::test]
    async fn the_timer_that_was_set_last_counts() {
        let (store, mut mirror) = (Store::memory(), mirror());
        let chat = Jid::lid("9002");
        for (said, counts) in [
            (timer(60, 0), timer(60, 0)),
            (timer(90, 0), timer(90, 0)),
            (timer(86_400, 20), timer(86_400, 20)),
            (timer(60, 0), timer(86_400, 20)),
            (timer(0, 30), timer(0, 30)),
            (timer(86_400, 20), timer(0, 30)),
        ] {
            mirror.learn_timer(&store, &chat, said).await.unwrap();
            assert_eq!(mirror.chat_timer(&store, &chat).await.unwrap(), counts);
        }
    }

    #[tokio::test]
    async fn a_timer_is_the_chats_under_each_of_its_names() {
        let (store, mut mirror) = (Store::memory(), mirror());
        let (pn, lid) = (Jid::pn("15550002"), Jid::lid("9002"));
        mirror.learn_timer(&store, &lid, timer(60, 5)).await.unwrap();
        assert_eq!(mirror.chat_timer(&store, &pn).await.unwrap(), ChatTimer::default());
        mirror.learn_lid(&store, &pn, &lid).await.unwrap();
        assert_eq!(mirror.chat_timer(&store, &pn).await.unwrap(), timer(60, 5));
        mirror.learn_timer(&store, &lid, timer(90, 6)).await.unwrap();
        store.commit(mirror.take_changes()).await.unwrap();
        store.commit(mirror.release()).await.unwrap();
        mirror.learn_lid(&store, &pn, &Jid::lid("9003")).await.unwrap();
        for name in [&pn, &Jid::lid("9003")] {
            assert_eq!(mirror.chat_timer(&store, name).await.unwrap(), timer(90, 6));
        }
    }
}
