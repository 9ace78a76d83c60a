//! Messages and chats from place to place, and what is found by its words.

use storage::{
    ChatSummary, Cursor, InstanceId, ListFrom, Message, MessageFilter, Missing, Receipt, SearchTerms, Slice,
};

use super::EventService;
use crate::auth::Caller;
use crate::error::ServiceError;
use crate::field::Field;
use crate::page::{MAX_PAGE, check_limit};
use crate::recipient::parse_chat;

/// Most messages that a page of a search has.
pub const MAX_FOUND: u64 = 100;
/// Longest search, in characters.
pub const MAX_SEARCH: usize = 200;
/// Messages that are indexed at a time, and how often at most before a search: what else there is follows by itself.
const PIECE: u64 = 1_000;
const PIECES: u32 = 10;

/// A message of this account or of others, with who has it.
#[derive(Clone, Debug)]
pub struct MessageView {
    /// The message.
    pub message: Message,
    /// In a group, of one of this account's own: whose devices have it, and who has seen it.
    pub receipts: Vec<MemberReceipt>,
}

/// What a member of a group has told of a message.
#[derive(Clone, Debug)]
pub struct MemberReceipt {
    /// Who, and when.
    pub receipt: Receipt,
    /// The member by phone number, where that is known.
    pub pn: Option<String>,
}

/// A message that has the words, and the part of its text around the first of them.
#[derive(Clone, Debug)]
pub struct Found {
    /// The message.
    pub message: Message,
    /// A part of its text.
    pub snippet: String,
}

impl EventService {
    /// Messages of an instance in the order they were stored in, from any place on. Whoever goes on after the last place
    /// misses none and sees none twice, whatever else comes meanwhile.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` for a chat that can't be read or a limit of 0 or above [`crate::MAX_PAGE`].
    pub async fn list(
        &self,
        caller: &Caller,
        instance: InstanceId,
        filter: MessageFilter,
        from: ListFrom,
        limit: u64,
    ) -> Result<Slice<Message>, ServiceError> {
        check_limit(limit, MAX_PAGE)?;
        let filter = named(filter)?;
        self.catch_up(caller, instance).await;
        let slice = self.storage.list_messages(caller.user, instance, &filter, from, limit).await?;
        if !slice.items.is_empty() {
            return Ok(slice);
        }
        match self.otherwise_named(instance, &filter).await {
            Some(filter) => {
                Ok(self.storage.list_messages(caller.user, instance, &filter, from, limit).await?)
            }
            None => Ok(slice),
        }
    }

    /// Messages that have these words, the last stored first.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` for words, for a chat that can't be read, or a limit of 0 or above [`MAX_FOUND`].
    pub async fn search(
        &self,
        caller: &Caller,
        instance: InstanceId,
        (words, filter): (&str, MessageFilter),
        before: Option<Cursor>,
        limit: u64,
    ) -> Result<Slice<Found>, ServiceError> {
        check_limit(limit, MAX_FOUND)?;
        if words.chars().count() > MAX_SEARCH {
            let problem = format!("must have at most {MAX_SEARCH} characters");
            return Err(ServiceError::invalid(Field::Search, problem));
        }
        let terms = SearchTerms::parse(words);
        let terms = terms.map_err(|error| ServiceError::invalid(Field::Search, error.to_string()))?;
        let filter = named(filter)?;
        let _turn = self.searches.wait(caller.user).await;
        self.catch_up(caller, instance).await;
        self.index().await?;
        let find = |filter: MessageFilter| {
            let terms = &terms;
            async move { self.storage.search_messages(caller.user, instance, terms, &filter, before, limit).await }
        };
        let mut found = find(filter.clone()).await?;
        if found.items.is_empty()
            && let Some(filter) = self.otherwise_named(instance, &filter).await
        {
            found = find(filter).await?;
        }
        let shown = |message: Message| {
            let snippet = terms.snippet(message.text.as_deref().unwrap_or_default());
            Found { message, snippet }
        };
        let Slice { items, has_more, next } = found;
        Ok(Slice { items: items.into_iter().map(shown).collect(), has_more, next })
    }

    /// Chats by their last messages, each once.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` for a limit of 0 or above [`MAX_FOUND`].
    pub async fn chats(
        &self,
        caller: &Caller,
        instance: InstanceId,
        after: Option<Cursor>,
        limit: u64,
    ) -> Result<Slice<ChatSummary>, ServiceError> {
        check_limit(limit, MAX_FOUND)?;
        self.catch_up(caller, instance).await;
        Ok(self.storage.chats(caller.user, instance, after, limit).await?)
    }

    /// One message, by WhatsApp's id; one of this account's own rather than another's with the same id.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn message(
        &self,
        caller: &Caller,
        instance: InstanceId,
        id: &str,
    ) -> Result<MessageView, ServiceError> {
        self.catch_up(caller, instance).await;
        let mut found = self.storage.messages_by_id(caller.user, instance, id).await?;
        found.sort_by_key(|message| !message.from_me);
        let message = found.into_iter().next().ok_or(ServiceError::NotFound { what: Missing::Message })?;
        let mut receipts = Vec::new();
        for receipt in self.storage.receipts(caller.user, instance, id).await? {
            let pn = match receipt.member.strip_suffix("@lid") {
                Some(lid) => self.supervisor.number_of(instance, lid).await,
                None => None,
            };
            let pn = pn.map(|number| wa_binary::Jid::pn(number).to_string());
            receipts.push(MemberReceipt { receipt, pn });
        }
        Ok(MessageView { message, receipts })
    }

    /// Lets what has just been stored be found.
    async fn index(&self) -> Result<(), ServiceError> {
        for _ in 0..PIECES {
            if self.storage.index_messages(PIECE).await? == 0 {
                break;
            }
        }
        Ok(())
    }

    /// The same filter by the other name of its chat, where there is one. To be asked only once it is known that the
    /// instance is the caller's.
    async fn otherwise_named(&self, instance: InstanceId, filter: &MessageFilter) -> Option<MessageFilter> {
        let chat: wa_binary::Jid = filter.chat.as_ref()?.parse().ok()?;
        let number = match chat.server {
            wa_binary::Server::Lid => self.supervisor.number_of(instance, &chat.user).await,
            wa_binary::Server::Pn => self.supervisor.alias_of(instance, &chat.user).await,
            _ => None,
        };
        let chat = wa_binary::Jid::pn(number?).to_string();
        Some(MessageFilter { chat: Some(chat), ..filter.clone() })
    }
}

/// The filter with its chat as it is stored.
fn named(filter: MessageFilter) -> Result<MessageFilter, ServiceError> {
    let chat = filter.chat.as_deref().map(parse_chat).transpose();
    let chat = chat.map_err(|error| ServiceError::invalid(Field::ListedChat, error.to_string()))?;
    Ok(MessageFilter { chat: chat.map(|jid| jid.to_string()), ..filter })
}
