use std::time::Duration;

use bytes::Bytes;
use prost::Message as _;
use wa_binary::Jid;

/// How long after a failure the phone is asked, and how long after each question once more, since it may be switched
/// off. After the last one the message is given up.
const PAUSES: [Duration; 6] = [
    Duration::from_secs(5),
    Duration::from_secs(60),
    Duration::from_secs(600),
    Duration::from_secs(3600),
    Duration::from_secs(6 * 3600),
    Duration::from_secs(24 * 3600),
];
/// Messages that are waited for at most; the oldest makes room.
const MOST: usize = 256;

/// Messages that could not be read and that the own phone is asked for (PROTOCOL.md 11.7), until they arrive in
/// whichever way.
#[derive(Debug, Default)]
pub(crate) struct Missed {
    /// With the numbers under which they are stored, the oldest first.
    entries: Vec<(u64, MissedMessage)>,
    next: u64,
    changes: Vec<(u64, Option<Bytes>)>,
}

/// Such a message, as it is stored: protobuf.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct MissedMessage {
    /// The chat as it stood on the wire, without device.
    #[prost(string, tag = "1")]
    pub(crate) chat: String,
    /// The sending device as it stood on the wire.
    #[prost(string, tag = "2")]
    pub(crate) sender: String,
    #[prost(string, tag = "3")]
    pub(crate) id: String,
    #[prost(bool, tag = "4")]
    pub(crate) from_me: bool,
    /// A frame with the stanza, without its ciphertext.
    #[prost(bytes = "bytes", tag = "5")]
    pub(crate) frame: Bytes,
    /// How often the phone was asked.
    #[prost(uint32, tag = "6")]
    asked: u32,
    /// When it is asked next: Unix milliseconds.
    #[prost(int64, tag = "7")]
    due: i64,
}

impl MissedMessage {
    pub(crate) fn new(chat: &Jid, sender: &Jid, id: &str, from_me: bool, frame: Bytes) -> Self {
        let (chat, sender) = (chat.to_string(), sender.to_string());
        Self { chat, sender, id: id.to_owned(), from_me, frame, asked: 0, due: 0 }
    }

    /// Who else wrote it, without device, where the chat doesn't say so.
    pub(crate) fn member(&self) -> Option<String> {
        if self.from_me || self.chat.parse::<Jid>().is_ok_and(|chat| chat.is_user()) {
            return None;
        }
        Some(self.sender.parse::<Jid>().ok()?.to_user().to_string())
    }

    fn is(&self, chat: &Jid, sender: &Jid, id: &str) -> bool {
        self.id == id && self.chat == chat.to_string() && self.sender == sender.to_string()
    }
}

impl Missed {
    /// Takes in what an earlier life of the companion waited for.
    pub(crate) fn load(&mut self, stored: Vec<(u64, Bytes)>) {
        for (number, record) in stored {
            self.next = self.next.max(number + 1);
            match MissedMessage::decode(record) {
                Ok(message) => self.entries.push((number, message)),
                Err(_) => self.changes.push((number, None)),
            }
        }
    }

    /// Waits for a message: it is asked for at once, or where it may still come from its sender a little later. One that
    /// is waited for already keeps its turn. Returns how long it is until then.
    pub(crate) fn add(&mut self, mut message: MissedMessage, at_once: bool, now: i64) -> Duration {
        let pause = if at_once { Duration::ZERO } else { PAUSES[0] };
        let is_known = |(_, known): &(u64, MissedMessage)| {
            known.id == message.id && known.chat == message.chat && known.sender == message.sender
        };
        if self.entries.iter().any(is_known) {
            return pause;
        }
        if self.entries.len() >= MOST {
            let (oldest, _) = self.entries.remove(0);
            self.changes.push((oldest, None));
        }
        message.due = after(now, pause);
        self.changes.push((self.next, Some(message.encode_to_vec().into())));
        self.entries.push((self.next, message));
        self.next += 1;
        pause
    }

    /// A message could be read after all.
    pub(crate) fn arrived(&mut self, chat: &Jid, sender: &Jid, id: &str) {
        if let Some(index) = self.entries.iter().position(|(_, message)| message.is(chat, sender, id)) {
            self.remove(index);
        }
    }

    /// The message with this id that the phone answers with.
    pub(crate) fn take(&mut self, id: &str, from_me: bool) -> Option<MissedMessage> {
        let is_it = |(_, message): &(u64, MissedMessage)| message.id == id && message.from_me == from_me;
        let index = self.entries.iter().position(is_it)?;
        Some(self.remove(index))
    }

    /// Turns that lie further away than a message's pause is long were given by a clock that was ahead: they come after
    /// that pause.
    pub(crate) fn hasten(&mut self, now: i64) {
        for (_, message) in &mut self.entries {
            let pause = usize::try_from(message.asked).ok().and_then(|asked| PAUSES.get(asked));
            message.due = message.due.min(after(now, *pause.unwrap_or(&PAUSES[0])));
        }
    }

    /// When the phone is to be asked next: Unix milliseconds.
    pub(crate) fn next_due(&self) -> Option<i64> {
        self.entries.iter().map(|(_, message)| message.due).min()
    }

    /// The messages that the phone is asked for now. Of those that have been asked for often enough it is the last time.
    pub(crate) fn ask(&mut self, now: i64) -> Vec<MissedMessage> {
        let mut asked = Vec::new();
        let mut index = 0;
        while let Some((number, message)) = self.entries.get_mut(index) {
            if message.due > now {
                index += 1;
                continue;
            }
            asked.push(message.clone());
            message.asked += 1;
            match usize::try_from(message.asked).ok().and_then(|asked| PAUSES.get(asked)) {
                Some(pause) => {
                    message.due = after(now, *pause);
                    self.changes.push((*number, Some(message.encode_to_vec().into())));
                    index += 1;
                }
                None => drop(self.remove(index)),
            }
        }
        asked
    }

    /// What is not stored yet.
    pub(crate) fn take_changes(&mut self) -> Vec<(u64, Option<Bytes>)> {
        std::mem::take(&mut self.changes)
    }

    pub(crate) fn has_changes(&self) -> bool {
        !self.changes.is_empty()
    }

    fn remove(&mut self, index: usize) -> MissedMessage {
        let (number, message) = self.entries.remove(index);
        self.changes.push((number, None));
        message
    }
}

fn after(now: i64, pause: Duration) -> i64 {
    now.saturating_add(i64::try_from(pause.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(id: &str) -> MissedMessage {
        let frame = Bytes::from_static(b"frame");
        MissedMessage::new(&Jid::lid("1"), &Jid::lid("1").with_device(2), id, false, frame)
    }

    fn ids(messages: &[MissedMessage]) -> Vec<&str> {
        messages.iter().map(|message| message.id.as_str()).collect()
    }

    #[test]
    fn a_message_is_asked_for_six_times_within_a_day_and_a_half() {
        let mut missed = Missed::default();
        assert_eq!(missed.add(message("A"), false, 1_000), PAUSES[0]);
        let mut times = Vec::new();
        while let Some(due) = missed.next_due() {
            assert!(missed.ask(due - 1).is_empty());
            assert_eq!(ids(&missed.ask(due)), ["A"]);
            times.push((due - 1_000) / 1000);
        }
        assert_eq!(times, [5, 65, 665, 4265, 25_865, 112_265]);
        assert_eq!(missed.take_changes().last(), Some(&(0, None)));
    }

    #[test]
    fn what_arrives_is_not_asked_for() {
        let mut missed = Missed::default();
        missed.add(message("A"), false, 0);
        assert_eq!(missed.add(message("B"), true, 0), Duration::ZERO);
        missed.add(message("B"), false, 0);
        missed.arrived(&Jid::lid("1"), &Jid::lid("1"), "A");
        assert_eq!(ids(&missed.ask(10_000)), ["A", "B"], "another device wrote it");
        missed.arrived(&Jid::lid("1"), &Jid::lid("1").with_device(2), "A");
        assert_eq!(missed.take("B", true), None);
        assert_eq!(missed.take("B", false).map(|message| message.id), Some("B".to_owned()));
        assert_eq!(missed.next_due(), None);
    }

    #[test]
    fn what_is_stored_is_waited_for_in_the_next_life() {
        let mut missed = Missed::default();
        missed.add(message("A"), false, 0);
        missed.ask(5_000);
        let mut stored: Vec<_> = missed.take_changes().into_iter().collect();
        let last = stored.pop().unwrap();
        let mut next = Missed::default();
        next.load(vec![(last.0, last.1.unwrap()), (7, Bytes::from_static(b"\xff"))]);
        assert_eq!(next.next_due(), Some(65_000));
        assert_eq!(next.take_changes(), [(7, None)]);
        next.add(message("B"), true, 0);
        assert_eq!(next.take_changes()[0].0, 8);
    }

    #[test]
    fn the_oldest_makes_room() {
        let mut missed = Missed::default();
        for n in 0..=MOST {
            missed.add(message(&n.to_string()), true, 0);
        }
        let asked = missed.ask(0);
        assert_eq!((asked.len(), asked[0].id.as_str()), (MOST, "1"));
    }

    #[test]
    fn a_clock_that_was_ahead_puts_nothing_off() {
        const YEAR: i64 = 365 * 24 * 3600 * 1000;
        let mut missed = Missed::default();
        let user = Jid::pn("15550000001");
        missed.add(MissedMessage::new(&user, &user, "A", false, Bytes::new()), false, YEAR);
        assert_eq!(missed.next_due(), Some(YEAR + 5_000));
        missed.hasten(1_000);
        assert_eq!(missed.next_due(), Some(6_000));
        missed.ask(6_000);
        missed.hasten(6_000);
        assert_eq!(missed.next_due(), Some(66_000), "the pause that it is in stays");
    }
}
