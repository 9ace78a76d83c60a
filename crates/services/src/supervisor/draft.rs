//! What a batch of a companion's events amounts to: one record, ready to be committed.

use prost::Message as _;
use storage::{
    Entry, EventId, EventKind, InstanceId, InstanceStatus, Json, Message, MessageStatus, NewEvent,
    NewMessage, PendingMessage, Record, StateChange, StatusUpdate, StoredMessageId, Timestamp,
};
use wa_client::{Cause, Event, Paired, QrCode};
use wa_protobuf::e2e;

use super::content::Content;
use super::data::{ConnectedData, DisconnectedData, MessageFacts, QrData, StatusData, json};
use super::incoming::{Incoming, Receipt};
use crate::instance::stored_status;

/// What later events depend on. Holds what has been committed, no more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Memory {
    /// Own JID by phone number, without device.
    pub(crate) own_jid: Option<String>,
    /// QR codes since the last connection.
    pub(crate) qr_codes: u32,
    /// Whether the last thing told was that it is connected.
    pub(crate) connected: bool,
}

/// A record in the making.
pub(crate) struct Draft {
    now: Timestamp,
    memory: Memory,
    record: Record,
    same_person: Vec<(String, String)>,
}

impl Draft {
    pub(crate) fn new(instance: InstanceId, memory: Memory, now: Timestamp) -> Self {
        Self { now, memory, record: Record::new(instance), same_person: Vec::new() }
    }

    /// What to commit, if anything, and what to remember once it is committed.
    pub(crate) fn finish(self) -> (Option<Record>, Memory) {
        let empty = self.record.entries.is_empty() && self.record.state.is_none();
        ((!empty).then_some(self.record), self.memory)
    }

    /// The LIDs and numbers that the messages so far show to be one person's.
    pub(crate) fn same_person(&mut self) -> Vec<(String, String)> {
        std::mem::take(&mut self.same_person)
    }

    pub(crate) fn add(&mut self, event: &Event) {
        match event {
            Event::Message(message) => self.message(&Incoming::of(message)),
            Event::Receipt(receipt) => {
                if let Some(receipt) = Receipt::of(receipt) {
                    self.receipt(&receipt);
                }
            }
            Event::Qr(code) => self.qr(code),
            Event::Paired(paired) => self.paired(paired),
            Event::Connected => self.connected(),
            Event::Disconnected { cause, will_reconnect } => self.disconnected(cause, *will_reconnect),
            _ => {}
        }
    }

    /// Messages that were never acknowledged belong to the account that was linked when they were written;
    /// another one must not send them.
    pub(crate) fn give_up(&mut self, pending: &[PendingMessage], cause: &str) {
        for pending in pending {
            let error = "the account was unlinked before it was sent";
            self.record.entries.push(Entry::Status(failure(&pending.message, cause, error, self.now)));
        }
    }

    /// Messages that a receipt proves to be sent: they are told as sent before the receipt itself is told.
    pub(crate) fn prove(&mut self, pending: &[PendingMessage], timestamp: i64) {
        for PendingMessage { message, payload } in pending {
            let content =
                e2e::Message::decode(payload.clone()).ok().and_then(|message| Content::of(&message));
            let update = success(message, &content.unwrap_or_default(), timestamp, self.now);
            self.record.entries.push(Entry::Status(update));
        }
    }

    fn message(&mut self, message: &Incoming<'_>) {
        let Some(content) = Content::of(message.message) else { return };
        let (status, kind) = match message.from_me {
            true => (MessageStatus::Sent, EventKind::MessageSent),
            false => (MessageStatus::Received, EventKind::MessageReceived),
        };
        let facts = MessageFacts {
            instance: self.record.instance,
            message_id: message.id,
            remote_jid: &message.chat.name,
            pn: message.chat.pn.as_deref(),
            lid: message.chat.lid.as_deref(),
            participant: message.participant.as_deref(),
            from_me: message.from_me,
            content: &content,
            timestamp: message.timestamp,
            push_name: message.push_name,
            status,
        };
        let event = self.event(kind, Some(&message.chat.name), facts.to_json());
        if let (Some(lid), Some(pn)) = (&message.chat.lid, &message.chat.pn) {
            self.same_person.push((lid.clone(), pn.clone()));
        }
        let message = self.stored(message, &content, json(&facts.metadata()), status);
        let new = NewMessage { message, payload: None, event: Some(event) };
        self.record.entries.push(Entry::Message(Box::new(new)));
    }

    fn stored(
        &self,
        message: &Incoming<'_>,
        content: &Content,
        metadata: Json,
        status: MessageStatus,
    ) -> Message {
        let media = content.media.as_ref();
        Message {
            id: StoredMessageId::generate(),
            instance: self.record.instance,
            chat: message.chat.name.clone(),
            wire_chat: message.chat.wire.clone(),
            sender: message.sender.clone(),
            from_me: message.from_me,
            message_type: content.message_type.to_owned(),
            content: content.body().map(str::to_owned),
            message_id: message.id.to_owned(),
            has_media: media.is_some(),
            media_url: None,
            caption: content.caption().map(str::to_owned),
            mime_type: media.and_then(|media| media.mime_type.clone()),
            file_name: media.and_then(|media| media.file_name.clone()),
            status,
            metadata,
            created_at: within_second(message.timestamp, self.now),
            updated_at: self.now,
            status_updated_at: None,
        }
    }

    fn receipt(&mut self, receipt: &Receipt<'_>) {
        let chat = &receipt.chat;
        for id in &receipt.ids {
            let data = StatusData {
                instance_id: self.record.instance,
                message_id: id,
                status: receipt.status,
                from: &chat.name,
                remote_jid: &chat.name,
                from_me: receipt.ours,
                timestamp: receipt.timestamp,
                cause: None,
                error: None,
            };
            let update = StatusUpdate {
                message_id: (*id).to_owned(),
                chats: chat.names(),
                from_me: receipt.ours,
                status: receipt.status,
                at: Timestamp::from_seconds(receipt.timestamp),
                event: Some(self.event(EventKind::MessageStatus, Some(&chat.name), json(&data))),
            };
            self.record.entries.push(Entry::Status(update));
        }
    }

    fn qr(&mut self, code: &QrCode) {
        self.memory.qr_codes += 1;
        let data =
            QrData { instance_id: self.record.instance, qr_code: &code.text, attempt: self.memory.qr_codes };
        let data = json(&data);
        self.state(StateChange::status(InstanceStatus::Pairing, None));
        self.tell(EventKind::QrReceived, data);
    }

    fn paired(&mut self, paired: &Paired) {
        let jid = paired.jid.to_user();
        self.memory.own_jid = Some(jid.to_string());
        self.state(StateChange {
            phone: Some(Some(jid.user.to_string())),
            lid: Some(paired.lid.as_ref().map(|lid| lid.to_user().to_string())),
            jid: Some(Some(jid.to_string())),
            ..StateChange::status(InstanceStatus::Connecting, None)
        });
    }

    fn connected(&mut self) {
        self.memory.qr_codes = 0;
        self.memory.connected = true;
        let jid = self.memory.own_jid.as_deref();
        let data = json(&ConnectedData { instance_id: self.record.instance, jid });
        self.state(StateChange::status(InstanceStatus::Connected, None));
        self.tell(EventKind::Connected, data);
    }

    /// Tells that a connection ended, or that no further one is tried. A failed try after the first says
    /// nothing new: a day without network must not fill the log.
    fn disconnected(&mut self, cause: &Cause, will_reconnect: bool) {
        let was_connected = std::mem::take(&mut self.memory.connected);
        if *cause == Cause::Shutdown && !was_connected {
            // Put away without a connection: how the last one ended is what stands.
            return;
        }
        // A stop of the gateway ends the connection, but not the instance's wish to be connected.
        let will_reconnect = will_reconnect || *cause == Cause::Shutdown;
        let cause_name = (*cause != Cause::Shutdown).then(|| cause.name().to_owned());
        let mut change = StateChange::status(stored_status(cause, will_reconnect), cause_name);
        if cause.wipes_credentials() {
            change = StateChange { jid: Some(None), lid: Some(None), phone: Some(None), ..change };
            self.memory.own_jid = None;
        }
        self.state(change);
        if was_connected || !will_reconnect {
            let instance_id = self.record.instance;
            let reason = if *cause == Cause::LoggedOut { "logout" } else { cause.name() };
            let data = DisconnectedData { instance_id, reason, cause: cause.name(), will_reconnect };
            self.tell(EventKind::Disconnected, json(&data));
        }
    }

    /// Adds to what earlier events of this batch changed.
    fn state(&mut self, change: StateChange) {
        let earlier = self.record.state.take().unwrap_or_default();
        self.record.state = Some(StateChange {
            status: change.status.or(earlier.status),
            status_cause: change.status_cause.or(earlier.status_cause),
            jid: change.jid.or(earlier.jid),
            lid: change.lid.or(earlier.lid),
            phone: change.phone.or(earlier.phone),
            push_name: change.push_name.or(earlier.push_name),
        });
    }

    fn tell(&mut self, kind: EventKind, data: Json) {
        let event = self.event(kind, None, data);
        self.record.entries.push(Entry::Event(event));
    }

    fn event(&self, kind: EventKind, chat: Option<&str>, data: Json) -> NewEvent {
        let chat = chat.map(str::to_owned);
        NewEvent { id: EventId::generate(), kind, chat, timestamp: self.now, data }
    }
}

/// When a message was written. WhatsApp tells only the second, while our own messages have milliseconds: one that comes live is
/// put as late within its second as may be, so that an answer sorts after what it answers.
fn within_second(seconds: i64, now: Timestamp) -> Timestamp {
    const LIVE: i64 = 5_000;
    let start = Timestamp::from_seconds(seconds);
    if (start..=start.plus_millis(LIVE)).contains(&now) { now.min(start.plus_millis(999)) } else { start }
}

/// The update that tells of a message of ours that WhatsApp has, with its event. `timestamp` is WhatsApp's,
/// Unix seconds.
pub(crate) fn success(message: &Message, content: &Content, timestamp: i64, now: Timestamp) -> StatusUpdate {
    let facts = MessageFacts {
        instance: message.instance,
        message_id: &message.message_id,
        remote_jid: &message.chat,
        pn: Some(message.chat.as_str()).filter(|chat| chat.ends_with("@s.whatsapp.net")),
        lid: Some(message.wire_chat.as_str()).filter(|chat| chat.ends_with("@lid")),
        participant: None,
        from_me: true,
        content,
        timestamp,
        push_name: None,
        status: MessageStatus::Sent,
    };
    let event = NewEvent {
        id: EventId::generate(),
        kind: EventKind::MessageSent,
        chat: Some(message.chat.clone()),
        timestamp: now,
        data: facts.to_json(),
    };
    StatusUpdate {
        message_id: message.message_id.clone(),
        chats: vec![message.chat.clone()],
        from_me: true,
        status: MessageStatus::Sent,
        at: Timestamp::from_seconds(timestamp),
        event: Some(event),
    }
}

/// The update that gives a message of ours up, with its event.
pub(crate) fn failure(message: &Message, cause: &str, error: &str, now: Timestamp) -> StatusUpdate {
    let data = StatusData {
        instance_id: message.instance,
        message_id: &message.message_id,
        status: MessageStatus::Failed,
        from: &message.chat,
        remote_jid: &message.chat,
        from_me: true,
        timestamp: now.seconds(),
        cause: Some(cause),
        error: Some(error),
    };
    let event = NewEvent {
        id: EventId::generate(),
        kind: EventKind::MessageStatus,
        chat: Some(message.chat.clone()),
        timestamp: now,
        data: json(&data),
    };
    StatusUpdate {
        message_id: message.message_id.clone(),
        chats: vec![message.chat.clone()],
        from_me: true,
        status: MessageStatus::Failed,
        at: now,
        event: Some(event),
    }
}

#[cfg(test)]
mod tests;
