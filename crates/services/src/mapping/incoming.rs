//! Messages that come in, and those of our own other devices.

use bytes::Bytes;
use storage::{
    AmendTarget, Amendment, Change, Entry, EventData, InstanceId, Message, MessageData, MessageKind,
    MessageStatus, NewEvent, NewMessage, StoredMedia, StoredMessageId, Timestamp, UndecryptableData,
    UndecryptableReason,
};
use wa_client::content::Target;
use wa_client::{IncomingMessage, MessageInfo, Undecryptable};

use super::connection::Facts;
use super::names::{ChatNames, person_names};
use super::shown::Shown;
use crate::recipient::is_shared;

/// A message that can be read and is for people.
pub(super) struct Incoming<'a> {
    message: &'a IncomingMessage,
    envelope: Envelope<'a>,
    shown: Shown<'a>,
}

/// Who wrote a message, where and when, under the names that are stored and told.
struct Envelope<'a> {
    info: &'a MessageInfo,
    names: ChatNames,
    /// The writer under all names.
    writer: Vec<String>,
}

impl<'a> Incoming<'a> {
    /// `None` for what only devices are concerned with.
    pub(super) fn of(message: &'a IncomingMessage) -> Option<Self> {
        let shown = Shown::of(message.content.view())?.with(message.opened.as_ref());
        Some(Self { message, envelope: Envelope::of(&message.info), shown })
    }

    /// What is to be stored: the message, and what it changes in another one.
    pub(super) fn entry(&self, instance: InstanceId, facts: &Facts, now: Timestamp) -> Entry {
        let new = NewMessage { message: self.stored(instance, now), event: Some(self.event()) };
        match self.amends(facts) {
            Some((target, change)) => Entry::Amend(Box::new(Amendment {
                target,
                change,
                at: self.at(),
                carrier: Some(Box::new(new)),
                event: None,
            })),
            None => Entry::Message(Box::new(new)),
        }
    }

    /// What is to be stored if the message is there already: perhaps as one that could not be read.
    pub(super) fn late(&self, instance: InstanceId, facts: &Facts, now: Timestamp) -> Vec<Entry> {
        let Message { kind, text, target, media, raw, .. } = self.stored(instance, now);
        let at = self.at();
        let unread = AmendTarget {
            message_id: self.envelope.info.id.to_string(),
            chats: self.envelope.names.all(),
            from_me: self.envelope.info.from_me,
            authors: self.envelope.authors(),
        };
        let change = Change::Read { kind, text, target, media: media.map(Box::new), raw };
        let read = Amendment { target: unread, change, at, carrier: None, event: Some(self.event()) };
        let amended = self.amends(facts).map(|(target, change)| Amendment {
            target,
            change,
            at,
            carrier: None,
            event: None,
        });
        [Some(read), amended]
            .into_iter()
            .flatten()
            .map(|amendment| Entry::Amend(Box::new(amendment)))
            .collect()
    }

    /// What is to be stored of a message from before: nothing tells of it, and it changes no other, since the phone has
    /// done that already.
    pub(super) fn past(
        &self,
        instance: InstanceId,
        status: Option<MessageStatus>,
        now: Timestamp,
    ) -> NewMessage {
        let stored = self.stored(instance, now);
        let status = status.filter(|_| stored.from_me).unwrap_or(stored.status);
        NewMessage { message: Message { history: true, status, ..stored }, event: None }
    }

    fn stored(&self, instance: InstanceId, now: Timestamp) -> Message {
        Message {
            target: self.shown.target.map(str::to_owned),
            kind: self.shown.kind,
            text: self.shown.full_text(),
            media: self.media(),
            raw: self.message.content.raw().clone(),
            ..self.envelope.stored(instance, now)
        }
    }

    fn event(&self) -> NewEvent {
        let Envelope { info, names, .. } = &self.envelope;
        let participant = self.envelope.participant();
        let told = self.shown.told(
            info.id.as_str(),
            participant.as_deref(),
            info.push_name.as_deref(),
            info.timestamp,
            status(info.from_me),
            self.media().as_ref(),
        );
        NewEvent::new(Some(names.chat.clone()), message_event(info, told))
    }

    fn media(&self) -> Option<StoredMedia> {
        super::announced(self.shown.view()).filter(|_| self.shown.kind.has_media())
    }

    fn at(&self) -> Timestamp {
        Timestamp::from_seconds(self.envelope.info.timestamp)
    }

    /// What it does to which message, if it is about another one.
    fn amends(&self, facts: &Facts) -> Option<(AmendTarget, Change)> {
        let about = self.shown.view().target().filter(|_| self.shown.kind.amends())?;
        let Envelope { info, names, .. } = &self.envelope;
        let change = match self.shown.kind {
            MessageKind::Edit => self.shown.view().edited().map_or(Change::Refer, |edited| Change::Edit {
                text: edited.text_or_caption().map(str::to_owned),
                raw: edited.to_raw(),
            }),
            MessageKind::Revoke => Change::Revoke,
            _ => Change::Refer,
        };
        let (from_me, authors) = match (&change, about.participant) {
            // Only its writer can change a message, whatever the reference says …
            (Change::Edit { .. }, _) => (info.from_me, self.envelope.authors()),
            // … except that an administrator takes back what others wrote: the stanza says so, and the server has checked it.
            (Change::Revoke, Some(participant)) if self.envelope.is_of_administrator() => {
                let ours = facts.names(participant);
                (ours, if ours { Vec::new() } else { vec![participant.to_owned()] })
            }
            (Change::Revoke, _) => (info.from_me, self.envelope.authors()),
            _ => (self.is_ours(&about, facts), Vec::new()),
        };
        let target = AmendTarget { message_id: about.id.to_owned(), chats: names.all(), from_me, authors };
        Some((target, change))
    }

    /// Whether we wrote what this message refers to.
    fn is_ours(&self, about: &Target<'_>, facts: &Facts) -> bool {
        match about.participant {
            Some(participant) if is_shared(&self.envelope.info.chat) => facts.names(participant),
            _ => about.from_me == self.envelope.info.from_me,
        }
    }
}

impl<'a> Envelope<'a> {
    fn of(info: &'a MessageInfo) -> Self {
        let names = ChatNames::new(&info.chat, info.chat_pn.as_ref(), info.chat_lid.as_ref());
        let writer = person_names(&info.sender, info.sender_pn.as_ref(), info.sender_lid.as_ref());
        Self { info, names, writer }
    }

    /// The message without its content.
    fn stored(&self, instance: InstanceId, now: Timestamp) -> Message {
        Message {
            id: StoredMessageId::generate(),
            instance,
            chat: self.names.chat.jid.clone(),
            wire_chat: self.names.wire.clone(),
            sender: self.info.sender.to_user().to_string(),
            participant: self.participant(),
            from_me: self.info.from_me,
            message_id: self.info.id.to_string(),
            target: None,
            kind: MessageKind::Unknown,
            text: None,
            push_name: self.info.push_name.clone(),
            status: status(self.info.from_me),
            created_at: within_second(self.info.timestamp, now),
            updated_at: now,
            status_updated_at: None,
            edited_at: None,
            history: false,
            revoked_at: None,
            media: None,
            raw: Bytes::new(),
        }
    }

    /// Who wrote it, in a group or the status.
    fn participant(&self) -> Option<String> {
        self.writer.first().filter(|_| is_shared(&self.info.chat)).cloned()
    }

    /// Whether an administrator of the group takes something back with it (PROTOCOL.md 11.4).
    fn is_of_administrator(&self) -> bool {
        self.info.chat.is_group() && self.info.edit.as_deref() == Some(BY_ADMINISTRATOR)
    }

    /// By whose name a message of the same writer is found.
    fn authors(&self) -> Vec<String> {
        if self.info.from_me { Vec::new() } else { self.writer.clone() }
    }
}

/// Whether it is new content of a post in a channel, or takes one back: it comes under the id of the post.
pub(super) fn changes_post(info: &MessageInfo) -> bool {
    info.chat.is_newsletter() && matches!(info.edit.as_deref(), Some(NEW_CONTENT | BY_ADMINISTRATOR))
}

/// The post with its new content, or as taken back.
pub(super) fn changed_post(message: &IncomingMessage) -> Entry {
    let envelope = Envelope::of(&message.info);
    let view = message.content.view();
    let text = view.text_or_caption().map(str::to_owned);
    let is_edit = message.info.edit.as_deref() == Some(NEW_CONTENT);
    let (kind, change) = if is_edit {
        let raw = message.content.raw().clone();
        (MessageKind::Edit, Change::Edit { text: text.clone(), raw })
    } else {
        (MessageKind::Revoke, Change::Revoke)
    };
    let id = message.info.id.to_string();
    let target = AmendTarget {
        message_id: id.clone(),
        chats: envelope.names.all(),
        from_me: message.info.from_me,
        authors: envelope.authors(),
    };
    let told = MessageData { text: text.filter(|_| is_edit), target: Some(id), ..bare(&envelope, kind) };
    let event = Some(NewEvent::new(Some(envelope.names.chat.clone()), message_event(&message.info, told)));
    let at = Timestamp::from_seconds(message.info.timestamp);
    Entry::Amend(Box::new(Amendment { target, change, at, carrier: None, event }))
}

/// A message whose content isn't known: it is stored and told all the same, and amended when a resend can be read.
pub(super) fn unread(instance: InstanceId, unread: &Undecryptable, now: Timestamp) -> Entry {
    let envelope = Envelope::of(&unread.info);
    let (kind, told) = match reason(unread.reason) {
        None => {
            let kind = MessageKind::Unsupported;
            (kind, message_event(&unread.info, bare(&envelope, kind)))
        }
        Some(_) if is_post(&unread.info) => {
            let kind = MessageKind::Undecryptable;
            (kind, EventData::PostReceived(bare(&envelope, kind)))
        }
        Some(reason) => {
            let told = undecryptable(unread, reason, &envelope);
            (MessageKind::Undecryptable, EventData::MessageUndecryptable(told))
        }
    };
    let message = Message { kind, ..envelope.stored(instance, now) };
    let event = Some(NewEvent::new(Some(envelope.names.chat), told));
    Entry::Message(Box::new(NewMessage { message, event }))
}

/// `None` for what this version doesn't support, whether or not it could be decrypted.
fn reason(reason: wa_client::UndecryptableReason) -> Option<UndecryptableReason> {
    use wa_client::UndecryptableReason as Client;
    match reason {
        Client::NoSession => Some(UndecryptableReason::NoSession),
        Client::UnknownPreKey => Some(UndecryptableReason::UnknownPreKey),
        Client::BadCiphertext => Some(UndecryptableReason::BadCiphertext),
        Client::BadContent => Some(UndecryptableReason::BadContent),
        Client::Repeated => Some(UndecryptableReason::Repeated),
        Client::Untrusted => Some(UndecryptableReason::Untrusted),
        Client::Unavailable => Some(UndecryptableReason::Unavailable),
        Client::Empty => Some(UndecryptableReason::Empty),
        Client::Malformed => Some(UndecryptableReason::Malformed),
        Client::Broadcast | Client::Newsletter | Client::Bot | Client::Unknown => None,
        // The client may learn of more.
        _ => None,
    }
}

fn undecryptable(
    unread: &Undecryptable,
    reason: UndecryptableReason,
    envelope: &Envelope<'_>,
) -> UndecryptableData {
    UndecryptableData {
        message_id: unread.info.id.to_string(),
        participant: envelope.participant(),
        from_me: unread.info.from_me,
        timestamp: unread.info.timestamp,
        push_name: unread.info.push_name.clone(),
        reason,
        retries: unread.retries,
    }
}

fn bare(envelope: &Envelope<'_>, kind: MessageKind) -> MessageData {
    MessageData {
        message_id: envelope.info.id.to_string(),
        participant: envelope.participant(),
        kind,
        text: None,
        target: None,
        quoted: None,
        timestamp: envelope.info.timestamp,
        push_name: envelope.info.push_name.clone(),
        media: None,
        details: None,
        status: status(envelope.info.from_me),
        by_us: false,
        queued: false,
    }
}

fn message_event(info: &MessageInfo, told: MessageData) -> EventData {
    match () {
        () if is_post(info) => EventData::PostReceived(told),
        () if info.from_me => EventData::MessageSent(told),
        () => EventData::MessageReceived(told),
    }
}

/// Whether it is for everybody who may see it, and for nobody to answer.
fn is_post(info: &MessageInfo) -> bool {
    (info.chat.is_status() || info.chat.is_newsletter()) && !info.from_me
}

fn status(from_me: bool) -> MessageStatus {
    if from_me { MessageStatus::Sent } else { MessageStatus::Received }
}

/// `edit` of a stanza with new content for a post in a channel.
const NEW_CONTENT: &str = "3";
/// `edit` of a stanza with which an administrator takes back what somebody else wrote.
const BY_ADMINISTRATOR: &str = "8";

/// When a message was written. WhatsApp tells only the second, while our own messages have milliseconds: one that comes
/// live is put as late within its second as may be, so that an answer sorts after what it answers.
fn within_second(seconds: i64, now: Timestamp) -> Timestamp {
    const LIVE: i64 = 5_000;
    let start = Timestamp::from_seconds(seconds);
    if (start..=start.plus_millis(LIVE)).contains(&now) { now.min(start.plus_millis(999)) } else { start }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_live_message_is_dated_as_late_within_its_second_as_may_be() {
        let at = |millis| within_second(100, Timestamp::from_millis(millis)).millis();
        assert_eq!((at(100_250), at(101_000)), (100_250, 100_999));
        assert_eq!((at(99_000), at(200_000)), (100_000, 100_000), "another clock, or a backlog");
    }
}
