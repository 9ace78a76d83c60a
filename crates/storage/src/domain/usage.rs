use std::ops::AddAssign;

use crate::{EventData, MessageData, Timestamp};

/// What an instance has done on a day, or on several.
///
/// A message is counted once, by the event that tells of it: when it came in readable form, or when WhatsApp has taken it
/// (be it written here or on another device of the account). Edits, reactions, revocations and the like, repeats, what the
/// phone tells of the past, and what was never sent don't count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Messages of the account.
    pub messages_sent: u64,
    /// Messages of others.
    pub messages_received: u64,
    /// Those of the account that have a file.
    pub media_sent: u64,
    /// Those of others that have a file.
    pub media_received: u64,
    /// Bytes of all these files, as the messages say.
    pub media_size: u64,
    /// Calls of the API about the instance.
    pub api_calls: u64,
    /// Calls of webhooks that were delivered.
    pub webhook_calls: u64,
}

impl Usage {
    /// What an event adds.
    pub fn of(event: &EventData) -> Self {
        match event {
            EventData::MessageSent(message) if is_counted(message) => Self {
                messages_sent: 1,
                media_sent: message.media.is_some().into(),
                media_size: size(message),
                ..Self::default()
            },
            EventData::MessageReceived(message) if is_counted(message) => Self {
                messages_received: 1,
                media_received: message.media.is_some().into(),
                media_size: size(message),
                ..Self::default()
            },
            _ => Self::default(),
        }
    }

    /// Whether nothing was done.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

fn is_counted(message: &MessageData) -> bool {
    !message.kind.amends() && !message.kind.is_unread()
}

fn size(message: &MessageData) -> u64 {
    // What a sender says may be anything; no file is larger than 2 GiB.
    message.media.as_ref().and_then(|media| media.size).unwrap_or(0).min(1 << 31)
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        let fields: [(&mut u64, u64); 7] = [
            (&mut self.messages_sent, other.messages_sent),
            (&mut self.messages_received, other.messages_received),
            (&mut self.media_sent, other.media_sent),
            (&mut self.media_received, other.media_received),
            (&mut self.media_size, other.media_size),
            (&mut self.api_calls, other.api_calls),
            (&mut self.webhook_calls, other.webhook_calls),
        ];
        for (field, more) in fields {
            *field = field.saturating_add(more);
        }
    }
}

impl std::iter::Sum for Usage {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |mut sum, one| {
            sum += one;
            sum
        })
    }
}

/// A day in UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Day(i64);

impl Day {
    const MILLIS: i64 = 24 * 60 * 60 * 1_000;

    /// The day that a time is in.
    pub const fn of(time: Timestamp) -> Self {
        Self(time.millis().div_euclid(Self::MILLIS))
    }

    /// The day with this number, counted from 1970-01-01, which is 0.
    pub const fn from_number(number: i64) -> Self {
        Self(number)
    }

    /// Its number.
    pub const fn number(self) -> i64 {
        self.0
    }

    /// Its first moment.
    pub const fn start(self) -> Timestamp {
        Timestamp::from_millis(self.0.saturating_mul(Self::MILLIS))
    }

    /// So many days earlier.
    #[must_use]
    pub const fn before(self, days: i64) -> Self {
        Self(self.0.saturating_sub(days))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::sample_event_data;
    use crate::{EventKind, MediaData, MessageKind};

    fn received(kind: MessageKind, media: Option<MediaData>) -> Usage {
        let EventData::MessageReceived(told) = sample_event_data(EventKind::MessageReceived) else {
            panic!()
        };
        Usage::of(&EventData::MessageReceived(MessageData { kind, media, ..told }))
    }

    #[test]
    fn messages_count_and_what_is_about_them_does_not() {
        let sent = Usage::of(&sample_event_data(EventKind::MessageSent));
        assert_eq!(sent, Usage { messages_sent: 1, ..Usage::default() });
        let file = MediaData { size: Some(7), ..MediaData::default() };
        let image = Usage { messages_received: 1, media_received: 1, media_size: 7, ..Usage::default() };
        assert_eq!(received(MessageKind::Image, Some(file)), image);
        for kind in [MessageKind::Edit, MessageKind::Reaction, MessageKind::Revoke, MessageKind::Unsupported]
        {
            assert!(received(kind, None).is_nothing(), "{kind}");
        }
        let others = [EventKind::MessageReceived, EventKind::MessageSent];
        for kind in EventKind::ALL.iter().filter(|kind| !others.contains(kind)) {
            assert!(Usage::of(&sample_event_data(*kind)).is_nothing(), "{kind}");
        }
    }

    #[test]
    fn days_begin_at_midnight() {
        let time: Timestamp = "2023-01-01T23:59:59.999Z".parse().unwrap();
        assert_eq!(Day::of(time).start().to_string(), "2023-01-01T00:00:00.000Z");
        assert_eq!(Day::of(time.plus_millis(1)).before(1), Day::of(time));
        assert_eq!(Day::of(Timestamp::from_millis(-1)).number(), -1);
    }
}
