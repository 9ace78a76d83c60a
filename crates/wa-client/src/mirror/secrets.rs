//! Secrets of polls and events, which votes and answers are encrypted with (PROTOCOL.md 21).

use std::sync::Arc;

use compact_str::CompactString;
use wa_binary::Jid;
use wa_store::{MessageSecret, Store, StoreError};

use super::Mirror;
use crate::content::{Content, View};
use crate::shared::Shared;

/// Secrets kept in memory per companion; the store has more.
pub(super) const CACHED_SECRETS: usize = 32;

/// Which message a secret is in.
#[derive(Clone, Copy)]
pub(crate) struct Holder<'a> {
    /// The chat, without device.
    pub(crate) chat: &'a Jid,
    /// Id of the message.
    pub(crate) id: &'a str,
    /// Who wrote it, without device, as the stanza names them.
    pub(crate) author: &'a Jid,
    /// When it was written, in Unix milliseconds.
    pub(crate) at: i64,
}

impl Holder<'_> {
    fn with(&self, view: &View<'_>, secret: [u8; 32]) -> MessageSecret {
        let poll = view.poll();
        MessageSecret {
            chat: self.chat.clone(),
            id: self.id.into(),
            author: self.author.clone(),
            secret,
            options: poll.iter().flat_map(|poll| poll.options()).map(str::to_owned).collect(),
            most: poll.map_or(0, |poll| poll.choices()),
            timestamp: self.at,
        }
    }
}

impl Mirror {
    /// Keeps the secret of a poll or an event. Those of other messages are the embedder's to keep.
    pub(crate) fn keep_secret(&mut self, holder: Holder<'_>, view: &View<'_>, secret: Option<[u8; 32]>) {
        let Some(secret) = secret.filter(|_| view.poll().is_some() || view.meeting().is_some()) else {
            return;
        };
        let secret = holder.with(view, secret);
        self.changes.message_secrets.push(secret.clone());
        self.secrets.put((secret.chat.clone(), secret.id.clone()), Arc::new(secret));
    }

    /// The secret of a message in the chat that has one of these names: of a poll or an event, or of another one that the
    /// embedder keeps.
    pub(crate) async fn secret(
        &mut self,
        shared: &Shared,
        chats: &[Jid],
        id: &str,
    ) -> Result<Option<Arc<MessageSecret>>, StoreError> {
        let key = |chat: &Jid| (chat.clone(), CompactString::from(id));
        if let Some(known) = chats.iter().find_map(|chat| self.secrets.get(&key(chat)).cloned()) {
            return Ok(Some(known));
        }
        let is_it = |secret: &MessageSecret| secret.id == id && chats.contains(&secret.chat);
        let unstored = self.changes.message_secrets.iter().rev().find(|secret| is_it(secret)).cloned();
        let found = match unstored {
            Some(secret) => Some(secret),
            None => shared.store.message_secrets(id).await?.into_iter().rfind(is_it),
        };
        let found = match found {
            None => self.kept(shared, chats, id).await,
            found => found,
        };
        let Some(found) = found.map(Arc::new) else { return Ok(None) };
        self.secrets.put((found.chat.clone(), found.id.clone()), found.clone());
        Ok(Some(found))
    }

    /// The secret in a message that the embedder keeps.
    async fn kept(&self, shared: &Shared, chats: &[Jid], id: &str) -> Option<MessageSecret> {
        let own = self.device.lid.as_ref().or(self.device.jid.as_ref()).map(Jid::to_user);
        for chat in chats {
            let sent = match &shared.sent_messages {
                Some(sent) => sent.sent(chat, id).await.map(|sent| sent.message).zip(own.clone()),
                None => None,
            };
            let kept = match (&shared.received_messages, sent) {
                (_, Some(sent)) => Some(sent),
                (Some(received), None) => received.content(chat, id).await.map(|it| (it.message, it.author)),
                (None, None) => None,
            };
            let Some((content, author)) = kept else { continue };
            let content = Content::decode(content).ok()?;
            return Some(
                Holder { chat, id, author: &author, at: 0 }.with(&content.view(), content.secret()?),
            );
        }
        None
    }

    /// A user under all names that are known, that which was given first.
    pub(crate) async fn names(&mut self, store: &Store, user: &Jid) -> Result<Vec<Jid>, StoreError> {
        let mut names = vec![user.to_user()];
        if self.is_own_user(user) {
            names.extend([&self.device.lid, &self.device.jid].into_iter().flatten().map(Jid::to_user));
        } else if user.is_user() {
            names.extend(self.lids.lid_of(store, user).await?.map(|lid| lid.to_user()));
            names.extend(self.lids.pn_of(store, user).await?.map(|pn| pn.to_user()));
        }
        let first = names[0].clone();
        names.sort();
        names.dedup();
        names.retain(|name| *name != first);
        names.insert(0, first);
        Ok(names)
    }
}
