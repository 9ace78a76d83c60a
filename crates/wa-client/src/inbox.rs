use bytes::Bytes;
use compact_str::CompactString;
use wa_appstate::Collection;
use wa_binary::Jid;
use wa_store::PeerDataKey;

use crate::event::Event;

/// What happened and is not known to be recorded by the embedder.
///
/// The next batch is made of it. If something else has to be stored before that batch is accepted, then with it go
/// the sources of what the stored sessions can't decrypt a second time: after a crash they are handed out again.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    /// For the next batch, in their order.
    events: Vec<Event>,
    /// What stands for those events that could not be had again; those of the batch under way come first.
    entries: Vec<Entry>,
    /// How many entries belong to the batch under way.
    handed_out: usize,
    /// The number of the next entry that is stored.
    next: u64,
    /// How far pieces of the history will have been told with the next batch, and with the one under way.
    marks: Vec<HistoryMark>,
    handed_out_marks: Vec<HistoryMark>,
}

/// How many items of a piece of the history have been told; `None` is all of them.
pub(crate) type HistoryMark = (PeerDataKey, Option<u64>);

#[derive(Debug)]
struct Entry {
    source: EventSource,
    /// Under which it is stored, if it is.
    number: Option<u64>,
}

impl Inbox {
    /// Adds an event that comes again if nobody records it.
    pub(crate) fn push(&mut self, event: Event) {
        self.events.push(event);
    }

    /// Adds an event (none if there is nothing to tell) that will not come again once what follows from it is
    /// stored.
    pub(crate) fn push_once(&mut self, event: Option<Event>, source: EventSource) {
        if let Some(event) = event {
            self.events.push(event);
            self.entries.push(Entry { source, number: None });
        }
    }

    /// Adds a part of the history, which comes again unless it is accepted.
    pub(crate) fn push_history(&mut self, part: Event, mark: HistoryMark) {
        self.events.push(part);
        self.marks.push(mark);
    }

    /// Adds what an earlier life of this companion has stored.
    pub(crate) fn push_stored(&mut self, event: Event, number: u64, source: EventSource) {
        self.events.push(event);
        self.entries.push(Entry { source, number: Some(number) });
        self.next = self.next.max(number + 1);
    }

    /// Whether there is something to hand out.
    pub(crate) fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// The events of the next batch.
    pub(crate) fn take_batch(&mut self) -> Vec<Event> {
        self.handed_out = self.entries.len();
        self.handed_out_marks.append(&mut self.marks);
        std::mem::take(&mut self.events)
    }

    /// What has to be stored together with the sessions as they are.
    pub(crate) fn unstored(&mut self) -> Vec<(u64, Option<Bytes>)> {
        let mut unstored = Vec::new();
        for entry in self.entries.iter_mut().filter(|entry| entry.number.is_none()) {
            unstored.push((self.next, Some(entry.source.encode())));
            entry.number = Some(self.next);
            self.next += 1;
        }
        unstored
    }

    /// The batch under way is recorded: how far the history has been told.
    pub(crate) fn accepted_marks(&mut self) -> Vec<HistoryMark> {
        std::mem::take(&mut self.handed_out_marks)
    }

    /// The batch under way is recorded: what need not be stored any more.
    pub(crate) fn accepted(&mut self) -> Vec<(u64, Option<Bytes>)> {
        let recorded = self.entries.drain(..std::mem::take(&mut self.handed_out));
        recorded.filter_map(|entry| Some((entry.number?, None))).collect()
    }
}

/// What an event that would be lost with the process is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum EventSource {
    /// A message: its frame as it came, and what one `<enc>` of it decrypted to.
    Message { frame: Bytes, plain: Bytes },
    /// A phone number and a LID are the same person (users without server).
    SamePerson { pn: CompactString, lid: CompactString },
    /// Somebody's identity has changed (users without server, one of them may be empty).
    IdentityChanged { pn: CompactString, lid: CompactString },
    /// The account's own name.
    OwnName(String),
    /// Limits on whom the account may write to, as the store keeps them.
    Limits(Bytes),
    /// A record of the app state, an encoded `SyncActionData`, that holds or doesn't any more.
    AppState { collection: Collection, removed: bool, initial: bool, raw: Bytes },
}

const MESSAGE: u8 = 1;
const SAME_PERSON: u8 = 2;
const IDENTITY_CHANGED: u8 = 3;
const OWN_NAME: u8 = 10;
const LIMITS: u8 = 11;
const APP_STATE: u8 = 12;
/// Added to a collection's number.
const REMOVED: u8 = 0x40;
const INITIAL: u8 = 0x80;

impl EventSource {
    /// A tag, the length of the first part in four big-endian bytes, and the two parts.
    fn encode(&self) -> Bytes {
        let head;
        let (tag, first, second): (_, &[u8], &[u8]) = match self {
            Self::Message { frame, plain } => (MESSAGE, frame, plain),
            Self::SamePerson { pn, lid } => (SAME_PERSON, pn.as_bytes(), lid.as_bytes()),
            Self::IdentityChanged { pn, lid } => (IDENTITY_CHANGED, pn.as_bytes(), lid.as_bytes()),
            Self::OwnName(name) => (OWN_NAME, name.as_bytes(), b""),
            Self::Limits(limits) => (LIMITS, limits, b""),
            Self::AppState { collection, removed, initial, raw } => {
                head = [number_of(*collection) | flag(*removed, REMOVED) | flag(*initial, INITIAL)];
                (APP_STATE, &head, raw)
            }
        };
        let length = u32::try_from(first.len()).unwrap_or(u32::MAX);
        let mut bytes = Vec::with_capacity(5 + first.len() + second.len());
        bytes.push(tag);
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(first);
        bytes.extend_from_slice(second);
        bytes.into()
    }

    /// `None` if the bytes are no source that this version knows.
    pub(crate) fn decode(bytes: &Bytes) -> Option<Self> {
        let (tag, rest) = bytes.split_first()?;
        let (length, rest) = rest.split_first_chunk()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (first, second) = rest.split_at_checked(length)?;
        let text = |bytes| std::str::from_utf8(bytes).ok().map(CompactString::from);
        match *tag {
            MESSAGE => Some(Self::Message { frame: bytes.slice_ref(first), plain: bytes.slice_ref(second) }),
            SAME_PERSON => Some(Self::SamePerson { pn: text(first)?, lid: text(second)? }),
            IDENTITY_CHANGED => Some(Self::IdentityChanged { pn: text(first)?, lid: text(second)? }),
            OWN_NAME if second.is_empty() => Some(Self::OwnName(text(first)?.into())),
            LIMITS if second.is_empty() => Some(Self::Limits(bytes.slice_ref(first))),
            APP_STATE => {
                let [head] = *first else { return None };
                Some(Self::AppState {
                    collection: collection_of(head & !(REMOVED | INITIAL))?,
                    removed: head & REMOVED != 0,
                    initial: head & INITIAL != 0,
                    raw: bytes.slice_ref(second),
                })
            }
            _ => None,
        }
    }
}

fn flag(is_set: bool, bit: u8) -> u8 {
    if is_set { bit } else { 0 }
}

/// What stands for a collection; never for another.
fn number_of(collection: Collection) -> u8 {
    match collection {
        Collection::CriticalBlock => 1,
        Collection::CriticalUnblockLow => 2,
        Collection::RegularHigh => 3,
        Collection::Regular => 4,
        Collection::RegularLow => 5,
    }
}

fn collection_of(number: u8) -> Option<Collection> {
    Collection::ALL.into_iter().find(|collection| number_of(*collection) == number)
}

/// Tells that two addresses are the same person.
pub(crate) fn same_person(pn: &str, lid: &str) -> Event {
    Event::SamePerson { pn: Jid::pn(pn), lid: Jid::lid(lid) }
}

/// Tells that the identity of somebody has changed.
pub(crate) fn identity_changed(pn: &str, lid: &str) -> Event {
    Event::IdentityChanged {
        pn: (!pn.is_empty()).then(|| Jid::pn(pn)),
        lid: (!lid.is_empty()).then(|| Jid::lid(lid)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pair(number: u64) -> (Event, EventSource) {
        let (pn, lid) = (format!("1555{number}"), number.to_string());
        (same_person(&pn, &lid), EventSource::SamePerson { pn: pn.into(), lid: lid.into() })
    }

    fn push(inbox: &mut Inbox, number: u64) {
        let (event, source) = pair(number);
        inbox.push_once(Some(event), source);
    }

    #[test]
    fn what_is_accepted_before_anything_is_stored_is_never_stored() {
        let mut inbox = Inbox::default();
        push(&mut inbox, 1);
        assert!(inbox.has_events());
        assert_eq!(inbox.take_batch().len(), 1);
        assert_eq!(inbox.accepted(), []);
        assert_eq!(inbox.unstored(), []);
    }

    #[test]
    fn what_is_stored_goes_once_its_own_batch_is_accepted() {
        let mut inbox = Inbox::default();
        push(&mut inbox, 1);
        inbox.take_batch();
        push(&mut inbox, 2);
        let stored: Vec<_> = inbox.unstored().into_iter().map(|(number, _)| number).collect();
        assert_eq!(stored, [0, 1]);
        assert_eq!(inbox.unstored(), []);
        assert_eq!(inbox.accepted(), [(0, None)]);
        assert_eq!(inbox.take_batch().len(), 1);
        assert_eq!(inbox.accepted(), [(1, None)]);
    }

    #[test]
    fn numbers_go_on_behind_those_of_an_earlier_life() {
        let mut inbox = Inbox::default();
        let (event, source) = pair(1);
        inbox.push_stored(event, 7, source);
        push(&mut inbox, 2);
        assert_eq!(inbox.unstored()[0].0, 8);
    }

    #[test]
    fn what_tells_nothing_needs_no_source() {
        let mut inbox = Inbox::default();
        inbox.push_once(None, pair(1).1);
        assert_eq!(inbox.unstored(), []);
    }

    fn source() -> impl Strategy<Value = EventSource> {
        let bytes = || prop::collection::vec(any::<u8>(), 0..50);
        prop_oneof![
            (bytes(), bytes())
                .prop_map(|(frame, plain)| EventSource::Message { frame: frame.into(), plain: plain.into() }),
            (".*", ".*").prop_map(|(pn, lid)| EventSource::SamePerson { pn: pn.into(), lid: lid.into() }),
            (".*", ".*")
                .prop_map(|(pn, lid)| EventSource::IdentityChanged { pn: pn.into(), lid: lid.into() }),
            ".*".prop_map(EventSource::OwnName),
            bytes().prop_map(|limits| EventSource::Limits(limits.into())),
            (prop::sample::select(&Collection::ALL), any::<bool>(), any::<bool>(), bytes()).prop_map(
                |(collection, removed, initial, raw)| EventSource::AppState {
                    collection,
                    removed,
                    initial,
                    raw: raw.into()
                }
            ),
        ]
    }

    proptest! {
        #[test]
        fn sources_come_back_as_they_were(source in source()) {
            prop_assert_eq!(EventSource::decode(&source.encode()), Some(source));
        }

        #[test]
        fn other_bytes_are_refused_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let bytes = Bytes::from(bytes);
            if let Some(source) = EventSource::decode(&bytes) {
                prop_assert_eq!(source.encode(), bytes);
            }
        }
    }
}
