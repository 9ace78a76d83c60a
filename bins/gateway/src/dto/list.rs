//! Messages and chats from place to place.

use serde::Serialize;
use services::{Found, MAX_FOUND, MAX_PAGE, MemberReceipt, MessageView};
use storage::{ChatSummary, Cursor, ListFrom, Message, MessageFilter, Slice};
use utoipa::{IntoParams, ToSchema};

use super::message::MessageResponse;
use super::page::place;
use super::time::Time;
use crate::error::ApiError;
use crate::extract::{FromQuery, Parameters};
use crate::forms::{Chat, MessageKindList, PagePlace, SearchWords, StatusList};
use crate::listing::Listing;

/// `GET …/messages?limit&before&after&chat&kind&fromMe&status&since&until`.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// How many at most.
    #[param(required = false, minimum = 1, maximum = 1000, default = 50)]
    pub(crate) limit: u64,
    /// Those before this place, the newest first: the `next` of the last page. Without a place, from the newest on.
    #[param(inline, value_type = Option<PagePlace>)]
    before: Option<Cursor>,
    /// Those after this place, the oldest first: for those who want to hear of all that comes.
    #[param(inline, value_type = Option<PagePlace>)]
    after: Option<Cursor>,
    #[param(ignore)]
    pub(crate) filter: FilterQuery,
}

/// Which messages.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct FilterQuery {
    /// Only those of this chat: a phone number, or the JID of a person, group, channel or list.
    #[param(rename = "chat", inline, value_type = Option<Chat>)]
    chat: Option<String>,
    /// Only of these types (`messageType`), separated by commas; without it, all that chats list.
    #[param(rename = "kind", inline, value_type = Option<MessageKindList>, example = "text,image")]
    kinds: Vec<storage::MessageKind>,
    /// Only this account's own, or only those of others.
    #[param(rename = "fromMe", value_type = Option<bool>)]
    from_me: Option<bool>,
    /// Only those of these statuses, separated by commas.
    #[param(rename = "status", inline, value_type = Option<StatusList>, example = "pending,failed")]
    statuses: Vec<storage::MessageStatus>,
    /// Only those written then or later: ISO 8601.
    #[param(rename = "since", value_type = Option<String>, format = DateTime)]
    start: Option<storage::Timestamp>,
    /// Only those written then or earlier: ISO 8601.
    #[param(rename = "until", value_type = Option<String>, format = DateTime)]
    end: Option<storage::Timestamp>,
}

impl FromQuery for FilterQuery {
    fn from_query(parameters: &mut Parameters) -> Result<Self, ApiError> {
        Ok(Self {
            chat: parameters.parsed("chat", "must be a chat")?,
            kinds: parameters.list("kind", |word| word.parse().ok())?,
            from_me: parameters.parsed("fromMe", "must be true or false")?,
            statuses: parameters.list("status", |word| word.parse().ok())?,
            start: parameters.time("since")?,
            end: parameters.time("until")?,
        })
    }
}

impl From<FilterQuery> for MessageFilter {
    fn from(query: FilterQuery) -> Self {
        let FilterQuery { chat, kinds, from_me, statuses, start, end } = query;
        Self { chat, kinds, from_me, statuses, start, end }
    }
}

impl FromQuery for ListQuery {
    fn from_query(parameters: &mut Parameters) -> Result<Self, ApiError> {
        let query = Self {
            limit: parameters.number("limit", 1..=MAX_PAGE, 50)?,
            before: place("before", parameters)?,
            after: place("after", parameters)?,
            filter: FilterQuery::from_query(parameters)?,
        };
        if query.before.is_some() && query.after.is_some() {
            return Err(
                ApiError::invalid("A list goes on \"before\" a place or \"after\" one.").with_field("after")
            );
        }
        Ok(query)
    }
}

impl ListQuery {
    /// Where the list goes on.
    pub(crate) fn from(&self) -> ListFrom {
        match (self.after, self.before) {
            (Some(after), _) => ListFrom::After(after),
            (None, Some(before)) => ListFrom::Before(before),
            (None, None) => ListFrom::Newest,
        }
    }
}

/// `GET …/messages/search?q&limit&before&…`.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct SearchQuery {
    /// Words that all have to be there, whatever the case of their letters; `"words that follow each other"`; the
    /// beginning of a word with a `*` behind it.
    #[param(rename = "q", inline, value_type = SearchWords)]
    pub(crate) words: String,
    /// How many at most.
    #[param(required = false, minimum = 1, maximum = 100, default = 20)]
    pub(crate) limit: u64,
    /// Those before this place: the `next` of the last page.
    #[param(inline, value_type = Option<PagePlace>)]
    pub(crate) before: Option<Cursor>,
    #[param(ignore)]
    pub(crate) filter: FilterQuery,
}

impl FromQuery for SearchQuery {
    fn from_query(parameters: &mut Parameters) -> Result<Self, ApiError> {
        let words: Option<String> = parameters.parsed("q", "must be words")?;
        Ok(Self {
            words: words.ok_or_else(|| ApiError::invalid("\"q\" says what to look for.").with_field("q"))?,
            limit: parameters.number("limit", 1..=MAX_FOUND, 20)?,
            before: place("before", parameters)?,
            filter: FilterQuery::from_query(parameters)?,
        })
    }
}

/// `GET …/chats?limit&after`.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ChatsQuery {
    /// How many at most.
    #[param(required = false, minimum = 1, maximum = 100, default = 50)]
    pub(crate) limit: u64,
    /// Those behind this place: the `next` of the last page.
    #[param(inline, value_type = Option<PagePlace>)]
    pub(crate) after: Option<Cursor>,
}

impl FromQuery for ChatsQuery {
    fn from_query(parameters: &mut Parameters) -> Result<Self, ApiError> {
        Ok(Self { limit: parameters.number("limit", 1..=MAX_FOUND, 50)?, after: place("after", parameters)? })
    }
}

/// What follows a list that nobody counts.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SliceEnd {
    /// Whether there may be more. One call looks at so much at most: a page may be short, or empty, and go on all the same.
    has_more: bool,
    /// The place behind the last one that was looked at, for the next call.
    next: Option<String>,
}

impl SliceEnd {
    fn of<T>(slice: &Slice<T>) -> Self {
        Self { has_more: slice.has_more, next: slice.next.map(|next| next.to_string()) }
    }
}

/// Messages in the order they were stored in.
#[derive(ToSchema)]
#[allow(dead_code, reason = "only described")]
pub(crate) struct MessagesResponse {
    messages: Vec<MessageResponse>,
    #[schema(inline)]
    #[serde(flatten)]
    end: SliceEnd,
}

impl MessagesResponse {
    pub(crate) fn of(slice: Slice<Message>) -> Listing<impl Iterator<Item = impl Serialize> + 'static> {
        let end = SliceEnd::of(&slice);
        Listing::new("messages", slice.items.into_iter().map(MessageResponse::from), &end)
    }
}

/// Messages that have the words, the last stored first.
#[derive(ToSchema)]
#[allow(dead_code, reason = "only described")]
pub(crate) struct SearchResponse {
    messages: Vec<FoundResponse>,
    #[schema(inline)]
    #[serde(flatten)]
    end: SliceEnd,
}

/// A message that has the words.
#[derive(Serialize, ToSchema)]
struct FoundResponse {
    /// The part of its text around the first of them.
    snippet: String,
    #[serde(flatten)]
    message: MessageResponse,
}

impl SearchResponse {
    pub(crate) fn of(slice: Slice<Found>) -> Listing<impl Iterator<Item = impl Serialize> + 'static> {
        let end = SliceEnd::of(&slice);
        let shown = |Found { message, snippet }: Found| FoundResponse { snippet, message: message.into() };
        Listing::new("messages", slice.items.into_iter().map(shown), &end)
    }
}

/// Chats by their last messages.
#[derive(ToSchema)]
#[allow(dead_code, reason = "only described")]
pub(crate) struct ChatsResponse {
    chats: Vec<ChatResponse>,
    #[schema(inline)]
    #[serde(flatten)]
    end: SliceEnd,
}

/// A chat.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ChatResponse {
    /// Its JID.
    id: String,
    /// What it is called, where that is known.
    name: Option<String>,
    is_group: bool,
    /// How many messages of others came since the last that was read or that this account wrote; 100 means that, or more.
    unread_count: u64,
    /// The message that its own list begins with.
    last_message: MessageResponse,
}

impl ChatsResponse {
    pub(crate) fn of(slice: Slice<ChatSummary>) -> Listing<impl Iterator<Item = impl Serialize> + 'static> {
        let end = SliceEnd::of(&slice);
        let shown = |ChatSummary { chat, name, last, unread }: ChatSummary| ChatResponse {
            is_group: chat.ends_with("@g.us"),
            id: chat,
            name,
            unread_count: unread,
            last_message: last.into(),
        };
        Listing::new("chats", slice.items.into_iter().map(shown), &end)
    }
}

/// A message, and who in a group has it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OneMessageResponse {
    #[serde(flatten)]
    message: MessageResponse,
    /// Of a message of this account to a group: what each member has told of it, by JID. Empty otherwise.
    receipts: Vec<ReceiptResponse>,
}

/// What a member of a group has told of a message.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ReceiptResponse {
    /// The member's JID.
    participant: String,
    /// The member by phone number, where that is known and `participant` isn't it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pn: Option<String>,
    /// Since when a device of theirs has it.
    delivered_at: Option<Time>,
    /// When they have seen it; never told by those who have read receipts switched off.
    read_at: Option<Time>,
    /// When they have played it.
    played_at: Option<Time>,
}

impl From<MemberReceipt> for ReceiptResponse {
    fn from(MemberReceipt { receipt, pn }: MemberReceipt) -> Self {
        Self {
            participant: receipt.member,
            pn,
            delivered_at: receipt.delivered_at.map(Time::from),
            read_at: receipt.read_at.map(Time::from),
            played_at: receipt.played_at.map(Time::from),
        }
    }
}

impl From<MessageView> for OneMessageResponse {
    fn from(MessageView { message, receipts }: MessageView) -> Self {
        Self { message: message.into(), receipts: receipts.into_iter().map(ReceiptResponse::from).collect() }
    }
}
