//! Codes that link a phone, where events tell of them: whoever sees one may link a phone of their own.

use std::borrow::Cow;

use storage::{Event, EventData};

/// Whether somebody is shown codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Codes {
    /// They may link the instance anyway.
    Shown,
    /// They may look, and no more.
    Hidden,
}

impl Codes {
    /// The event as it is shown to them.
    pub(crate) fn of(self, event: &Event) -> Cow<'_, Event> {
        match &event.data {
            EventData::QrReceived(told) if self == Self::Hidden && !told.code.is_empty() => {
                let mut without = told.clone();
                without.code.clear();
                Cow::Owned(Event { data: EventData::QrReceived(without), ..event.clone() })
            }
            _ => Cow::Borrowed(event),
        }
    }
}
