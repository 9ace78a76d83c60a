//! What the items of a piece say: to the companion itself, and to the embedder.

use bytes::Bytes;
use prost::Message as _;
use wa_binary::Jid;
use wa_history::{Item, Part};
use wa_protobuf::history::web_message_info::Status;
use wa_protobuf::history::{Conversation, InlineContact, Pushname, WebMessageInfo};
use wa_store::{ChatTimer, PeerData, PeerDataKey, PeerDataSort};

use crate::content::Content;
use crate::context::Context;
use crate::end::End;
use crate::event::{HistoryChat, HistoryContact, HistoryMessage, HistoryPart, HistoryStatus, MessageInfo};
use crate::lid_map;
use crate::message::MessageId;
use crate::server_clock::plausible;
use crate::standing;

/// The field of a chunk with the pairs of phone number and LID (PROTOCOL.md 20).
const LID_PAIRS: Part = Part::Field(15);
/// Longest name that is told, in bytes; longer ones are no names.
const LONGEST_NAME: usize = 1024;

/// Reads items for one part.
pub(super) struct Reading<'a, 'c> {
    context: &'a mut Context<'c>,
    /// Of the messages so far.
    pub(super) bytes: usize,
    /// The server's time, in Unix seconds.
    now: i64,
    /// Messages from before this time (Unix seconds) aren't told.
    since: Option<i64>,
}

impl<'a, 'c> Reading<'a, 'c> {
    pub(super) fn new(context: &'a mut Context<'c>) -> Self {
        let now = context.server_millis() / 1000;
        let since = context.shared.config.history.since(now);
        Self { context, bytes: 0, now, since }
    }

    /// Learns who is who.
    pub(super) async fn survey(&mut self, items: Vec<Item>) -> Result<(), End> {
        for item in items {
            let (pn, lid) = match item {
                Item::LidMapping(pair) => (pair.pn_jid, pair.lid_jid),
                Item::Contact(contact) => (contact.pn_jid, contact.lid_jid),
                Item::Chat(chat) => {
                    let lid = chat.lid_jid.or_else(|| chat.id.clone().filter(|id| id.ends_with("@lid")));
                    (chat.pn_jid, lid)
                }
                _ => continue,
            };
            self.same_person(user(pn.as_deref()), user(lid.as_deref())).await?;
        }
        Ok(())
    }

    /// Takes an item, which is at this place of its piece.
    pub(super) async fn take(
        &mut self,
        item: Item,
        place: (&PeerDataKey, u64),
        part: &mut HistoryPart,
        progress: &mut Option<u32>,
    ) -> Result<(), End> {
        match item {
            Item::Progress(percent) => *progress = Some(percent),
            Item::Message { chat, message } => {
                if let Some(info) = message.message {
                    part.messages.extend(self.message(chat.as_deref(), info).await?);
                }
            }
            Item::Status(info) => part.messages.extend(self.message(None, *info).await?),
            Item::Chat(chat) => part.chats.extend(self.chat(*chat).await?),
            Item::PushName(Pushname { id, pushname }) => {
                if let (Some(jid), Some(name)) = (user(id.as_deref()), named(pushname)) {
                    if self.context.mirror.is_own_user(&jid) {
                        self.context.mirror.learn_name(&name);
                    }
                    part.names.push((jid, name));
                }
            }
            Item::LidMapping(pair) => match lid_map::of_pair(&pair) {
                Some((pn, lid)) => self.context.learn_lid(&pn, &lid).await?,
                None => self.keep_pair(pair.encode_to_vec().into(), place, part),
            },
            Item::Refused { part: LID_PAIRS, raw, .. } => self.keep_pair(raw, place, part),
            Item::NctSalt(salt) => self.context.mirror.learn_salt(salt),
            Item::Contact(contact) => part.contacts.extend(self.contact(contact).await?),
            Item::Refused { part, why, .. } => {
                tracing::debug!(?part, %why, "an item of the history is left out")
            }
            _ => {}
        }
        Ok(())
    }

    /// Keeps a pair that can't be read, as it came.
    fn keep_pair(&mut self, raw: Bytes, (piece, number): (&PeerDataKey, u64), part: &mut HistoryPart) {
        tracing::warn!("a phone number and a LID in the history can't be read, and are kept as they came");
        let id = format!("{}#{number}", piece.id).into();
        let kept = PeerData { sort: PeerDataSort::LidPair, id, timestamp: piece.timestamp, raw };
        self.context.mirror.changes.peer_data.push(kept);
        part.unreadable += 1;
    }

    async fn same_person(&mut self, pn: Option<Jid>, lid: Option<Jid>) -> Result<(), End> {
        if let (Some(pn), Some(lid)) = (pn.filter(Jid::is_pn), lid.filter(Jid::is_lid)) {
            self.context.learn_lid(&pn, &lid).await?;
        }
        Ok(())
    }

    /// What a chat says besides its messages: who the other is, what they agreed upon (PROTOCOL.md 22).
    async fn chat(&mut self, chat: Conversation) -> Result<Option<HistoryChat>, End> {
        let Some(jid) = chat.id.as_deref().and_then(|id| id.parse::<Jid>().ok()) else { return Ok(None) };
        let id = jid.to_user();
        let lid = user(chat.lid_jid.as_deref()).or_else(|| id.is_lid().then(|| id.clone()));
        self.same_person(user(chat.pn_jid.as_deref()), lid.clone()).await?;
        self.tokens(&chat, lid.as_ref().unwrap_or(&id)).await?;
        let seconds = |at: Option<u64>| at.and_then(|at| i64::try_from(at).ok()).filter(|at| *at > 0);
        let last_activity = seconds(chat.conversation_timestamp).or(seconds(chat.last_msg_timestamp));
        if let Some(at) = last_activity {
            standing::on_written(self.context, &id, at).await?;
        }
        let store = &self.context.shared.store;
        if let Some(seconds) = chat.ephemeral_expiration.filter(|_| id.is_pn() || id.is_lid()) {
            let said = ChatTimer { seconds, set_at: chat.ephemeral_setting_timestamp.unwrap_or(0) };
            self.context.mirror.learn_timer(store, &id, said).await?;
        }
        let lids = &mut self.context.mirror.lids;
        Ok(Some(HistoryChat {
            chat_pn: lids.pn_of(store, &id).await?,
            chat_lid: lids.lid_of(store, &id).await?,
            name: named(chat.name).or_else(|| named(chat.display_name)),
            last_activity,
            unread: chat.unread_count.unwrap_or(0),
            archived: chat.archived.unwrap_or(false),
            pinned_at: chat.pinned.map(i64::from).filter(|at| *at > 0),
            muted_until: seconds(chat.mute_end_time),
            complete: chat.end_of_history_transfer.unwrap_or(false),
            ..HistoryChat::new(id)
        }))
    }

    async fn tokens(&mut self, chat: &Conversation, person: &Jid) -> Result<(), End> {
        let store = &self.context.shared.store;
        let mirror = &mut self.context.mirror;
        let Some(lid) = mirror.lids.lid_of(store, person).await? else { return Ok(()) };
        let seconds = |at: Option<u64>| at.and_then(|at| i64::try_from(at).ok()).unwrap_or(0);
        if let Some(token) = chat.tc_token.clone() {
            mirror.tokens.receive(store, &lid.user, token, seconds(chat.tc_token_timestamp)).await?;
        }
        if let Some(given) = chat.tc_token_sender_timestamp {
            mirror.tokens.gave(store, &lid.user, seconds(Some(given))).await?;
        }
        Ok(())
    }

    async fn contact(&mut self, contact: InlineContact) -> Result<Option<HistoryContact>, End> {
        let (pn, lid) = (user(contact.pn_jid.as_deref()), user(contact.lid_jid.as_deref()));
        self.same_person(pn.clone(), lid.clone()).await?;
        let (full_name, first_name) = (named(contact.full_name), named(contact.first_name));
        let is_known = pn.is_some() || lid.is_some();
        let is_named = full_name.is_some() || first_name.is_some();
        Ok((is_known && is_named).then_some(HistoryContact { pn, lid, full_name, first_name }))
    }

    /// A message for people; events of a chat, and what is too old, are none.
    async fn message(
        &mut self,
        chat: Option<&str>,
        stored: WebMessageInfo,
    ) -> Result<Option<HistoryMessage>, End> {
        let timestamp = stored.message_timestamp.and_then(|at| i64::try_from(at).ok());
        let timestamp = timestamp.and_then(|at| plausible(at, self.now)).unwrap_or(0);
        let status = stored.status.and_then(|status| Status::try_from(status).ok());
        let (starred, push_name) = (stored.starred.unwrap_or(false), named(stored.push_name));
        let (Some(key), Some(message)) = (stored.key, stored.message) else { return Ok(None) };
        let Some(id) = key.id.filter(|id| !id.is_empty()) else { return Ok(None) };
        let chat = key.remote_jid.as_deref().or(chat).and_then(|chat| chat.parse::<Jid>().ok());
        let Some(chat) = chat.map(|chat| chat.to_user()) else { return Ok(None) };
        if self.since.is_some_and(|since| timestamp < since) {
            return Ok(None);
        }
        let from_me = key.from_me.unwrap_or(false);
        let member = stored.participant.or(key.participant);
        let Some(sender) = self.sender(&chat, from_me, member.as_deref()) else { return Ok(None) };
        let raw = Bytes::from(message.encode_to_vec());
        self.bytes += raw.len();
        let content = Content::decode(raw.clone()).unwrap_or_else(|_| Content::unknown(raw));
        let store = &self.context.shared.store;
        let lids = &mut self.context.mirror.lids;
        let info = MessageInfo {
            chat_pn: lids.pn_of(store, &chat).await?,
            chat_lid: lids.lid_of(store, &chat).await?,
            sender_pn: lids.pn_of(store, &sender).await?,
            sender_lid: lids.lid_of(store, &sender).await?,
            chat,
            from_me,
            push_name,
            ..MessageInfo::new(MessageId::from(id), sender, timestamp)
        };
        Ok(Some(HistoryMessage { info, content, status: status.map(how_far), starred }))
    }

    /// Who wrote a message: the account itself by the kind of address that the chat has, a member, or the other.
    fn sender(&self, chat: &Jid, from_me: bool, member: Option<&str>) -> Option<Jid> {
        let device = &self.context.mirror.device;
        if from_me {
            let own =
                if chat.is_pn() { device.jid.as_ref() } else { device.lid.as_ref().or(device.jid.as_ref()) };
            return own.map(Jid::to_user);
        }
        match user(member) {
            Some(member) => Some(member),
            None if chat.is_pn() || chat.is_lid() => Some(chat.clone()),
            None => None,
        }
    }
}

fn how_far(status: Status) -> HistoryStatus {
    match status {
        Status::Error => HistoryStatus::Failed,
        Status::Pending => HistoryStatus::Pending,
        Status::ServerAck => HistoryStatus::Sent,
        Status::DeliveryAck => HistoryStatus::Delivered,
        Status::Read => HistoryStatus::Read,
        Status::Played => HistoryStatus::Played,
    }
}

fn user(text: Option<&str>) -> Option<Jid> {
    let jid = text?.parse::<Jid>().ok()?.to_user();
    (jid.is_pn() || jid.is_lid()).then_some(jid)
}

fn named(name: Option<String>) -> Option<String> {
    name.filter(|name| !name.trim().is_empty() && name.len() <= LONGEST_NAME)
}
