//! What a companion tells, in the words of the store: a batch of its events is one record.

mod connection;
mod contacts;
mod details;
mod happening;
mod history;
mod incoming;
mod media;
mod names;
mod outgoing;
mod receipt;
mod shown;

use storage::{
    Entry, EventData, ExpiryData, IdentityData, InstanceAction, InstanceId, LimitsData, NewChatsData,
    NewEvent, Outcome, StateChange, TimeLockData, Timestamp,
};
use wa_binary::Jid;
use wa_client::{Event, Limits, PeerMessage};

pub(crate) use connection::Facts;
pub(crate) use details::{chosen_text, one_line};
pub use details::{of_stored as details_of, quoted_by};
pub(crate) use media::{announced, came_to};
pub(crate) use names::{ChatNames, person_names};
pub(crate) use outgoing::{amends, failed, moved, pending, sent, unsent};
pub(crate) use receipt::read_by_us;

use crate::pending::{Fate, PendingMessages};
use crate::people::PushNames;
use incoming::Incoming;

/// What a batch amounts to. Nothing of it holds before it is durable.
pub(crate) struct Mapped {
    /// New state of the instance.
    pub(crate) state: Option<StateChange>,
    /// What happened, in order.
    pub(crate) entries: Vec<Entry>,
    /// What later events depend on.
    pub(crate) facts: Facts,
    /// Messages of ours whose way ends with this.
    pub(crate) finished: Vec<(String, Fate)>,
    /// Chats that turned out to be a person's who has another one: from, into.
    pub(crate) merged: Vec<(String, String)>,
    /// Names that people gave themselves, by JID.
    pub(crate) named: Vec<(String, String)>,
    /// Which entry stores the message of which event.
    messages: Vec<(usize, usize)>,
}

/// Maps a batch. `pending` are the messages of ours whose ack has not been seen; `now` is our clock.
pub(crate) fn map(
    instance: InstanceId,
    events: &[Event],
    facts: Facts,
    (pending, names): (&PendingMessages, &PushNames),
    now: Timestamp,
) -> Mapped {
    let mapped = Mapped {
        state: None,
        entries: Vec::with_capacity(events.len()),
        facts,
        finished: Vec::new(),
        merged: Vec::new(),
        named: Vec::new(),
        messages: Vec::new(),
    };
    let mut mapping = Mapping { instance, pending, names, now, mapped };
    for (number, event) in events.iter().enumerate() {
        mapping.add(number, event);
    }
    mapping.mapped
}

impl Mapped {
    /// What is left to do once the outcomes of [`Self::entries`] are known: a message that was stored already may
    /// have been stored as one that could not be read, and now it can.
    pub(crate) fn late(
        &self,
        instance: InstanceId,
        events: &[Event],
        outcomes: &[Outcome],
        now: Timestamp,
    ) -> Vec<Entry> {
        let mut late = Vec::new();
        for (entry, event) in &self.messages {
            if outcomes.get(*entry) == Some(&Outcome::Duplicate)
                && let Some(Event::Message(message)) = events.get(*event)
                && let Some(incoming) = Incoming::of(message)
            {
                late.extend(incoming.late(instance, &self.facts, now));
            }
        }
        late
    }
}

/// Limits as they are told.
fn limits_told(limits: &Limits) -> LimitsData {
    let lock = limits.time_lock.as_ref();
    let chats = limits.new_chats.as_ref();
    LimitsData {
        time_lock: lock.map(|lock| TimeLockData { until: lock.until, kind: lock.kind.clone() }),
        new_chats: chats.map(|chats| NewChatsData {
            total: chats.total,
            used: chats.used,
            until: chats.until,
            is_reached: chats.is_reached,
        }),
    }
}

/// A batch that is being mapped.
struct Mapping<'a> {
    instance: InstanceId,
    pending: &'a PendingMessages,
    names: &'a PushNames,
    now: Timestamp,
    mapped: Mapped,
}

impl Mapping<'_> {
    fn add(&mut self, number: usize, event: &Event) {
        match event {
            Event::Message(message) if incoming::changes_post(&message.info) => {
                self.mapped.entries.push(incoming::changed_post(message));
            }
            Event::Message(message) => {
                if let Some(incoming) = Incoming::of(message) {
                    self.mapped.messages.push((self.mapped.entries.len(), number));
                    let entry = incoming.entry(self.instance, &self.mapped.facts, self.now);
                    self.mapped.entries.push(entry);
                    self.push_name(&message.info);
                }
            }
            Event::History(part) => self.history(part),
            Event::AppState(change) => self.app_state(change),
            Event::Undecryptable(unread) => {
                self.mapped.entries.push(incoming::unread(self.instance, unread, self.now));
            }
            Event::SamePerson { pn, lid } => {
                self.same_person(&lid.to_user().to_string(), &pn.to_user().to_string())
            }
            Event::OwnName { name } => {
                let named = StateChange { push_name: Some(Some(name.clone())), ..StateChange::default() };
                self.change((named, None));
            }
            Event::Limits(limits) => {
                let told = EventData::LimitsChanged(limits_told(limits));
                self.mapped.entries.push(Entry::Event(NewEvent::new(None, told)));
            }
            Event::IdentityChanged { pn, lid } => self.identity_changed(pn.as_ref(), lid.as_ref()),
            Event::Group(update) => {
                let told = happening::group(update, &self.mapped.facts);
                self.mapped.entries.push(Entry::Event(told));
            }
            Event::Newsletter(update) => self.mapped.entries.push(Entry::Event(happening::channel(update))),
            Event::Presence(update) => self.mapped.entries.push(Entry::Event(happening::presence(update))),
            Event::ChatState(update) => self.mapped.entries.push(Entry::Event(happening::chat_state(update))),
            Event::Call(update) => self.mapped.entries.push(Entry::Event(happening::call(update))),
            Event::Peer(PeerMessage::Unreadable(_)) => {
                self.mapped.entries.push(Entry::Event(InstanceAction::Unreadable.told_of(&["lidMap"])));
            }
            Event::Receipt(receipt) => receipt::add(receipt, self.pending, &mut self.mapped),
            Event::Qr(code) => {
                let change = self.mapped.facts.qr(code);
                self.change(change);
            }
            Event::Paired(paired) => {
                self.give_up(storage::FailureCause::PairedAnew);
                let change = self.mapped.facts.paired(paired);
                self.change(change);
                self.mapped.entries.push(Entry::Event(InstanceAction::Paired.told()));
            }
            Event::Connected => {
                let change = self.mapped.facts.connected();
                self.change(change);
            }
            Event::Disconnected { cause, will_reconnect, raw } => {
                if cause.wipes_credentials() {
                    self.give_up(storage::FailureCause::Unlinked);
                }
                if let Some(change) = self.mapped.facts.disconnected(cause, *will_reconnect, raw.as_deref()) {
                    self.change(change);
                }
                if cause.wipes_credentials() {
                    self.mapped.entries.push(Entry::Event(InstanceAction::LoggedOut.told()));
                }
            }
            Event::ClientExpires { version, at } => {
                let told = ExpiryData { version: version.to_string(), expires_at: *at };
                self.tell(EventData::ClientExpiring(told));
            }
            _ => {}
        }
    }

    /// What was stored under the LID before the number was known belongs to the number's chat, and what follows finds
    /// it there.
    fn same_person(&mut self, lid: &str, pn: &str) {
        self.mapped.entries.push(Entry::MergeChats { from: lid.to_owned(), into: pn.to_owned() });
        self.mapped.merged.push((lid.to_owned(), pn.to_owned()));
    }

    fn identity_changed(&mut self, pn: Option<&Jid>, lid: Option<&Jid>) {
        let Some(chat) = lid.or(pn) else { return };
        let names = ChatNames::new(chat, pn, lid);
        let told = EventData::IdentityChanged(IdentityData::default());
        self.mapped.entries.push(Entry::Event(NewEvent::new(Some(names.chat), told)));
    }

    /// Messages that were never acknowledged belong to the account that was linked when they were written; another one
    /// must not send them.
    fn give_up(&mut self, cause: storage::FailureCause) {
        let message = "the account was unlinked before it was sent".to_owned();
        let failure = storage::Failure { cause, code: None, message, until: None };
        for message in self.pending.open() {
            if self.mapped.finished.iter().any(|(id, _)| *id == message.message_id) {
                continue;
            }
            self.mapped.entries.push(Entry::Status(failed(message, &failure, self.now)));
            self.mapped.finished.push((message.message_id.clone(), Fate::Failed(failure.clone())));
        }
    }

    fn change(&mut self, (change, told): (StateChange, Option<EventData>)) {
        let earlier = self.mapped.state.take().unwrap_or_default();
        self.mapped.state = Some(connection::joined(earlier, change));
        if let Some(told) = told {
            self.tell(told);
        }
    }

    fn tell(&mut self, told: EventData) {
        self.mapped.entries.push(Entry::Event(NewEvent::new(None, told)));
    }
}

#[cfg(test)]
mod tests;
