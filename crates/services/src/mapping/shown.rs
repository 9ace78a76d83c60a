//! What people see in a message, as it is stored and told.

use storage::{MediaData, MessageData, MessageDetails, MessageKind, MessageStatus, StoredMedia};
use wa_client::content::{Kind, Opened, View};

use super::details;

/// The visible side of a message.
pub(crate) struct Shown<'a> {
    view: View<'a>,
    opened: Option<&'a Opened>,
    pub(crate) kind: MessageKind,
    pub(crate) text: Option<&'a str>,
    /// WhatsApp's id of the message that it is about.
    pub(crate) target: Option<&'a str>,
}

impl<'a> Shown<'a> {
    /// `None` for what only devices are concerned with: keys, settings, synchronisation.
    pub(crate) fn of(view: View<'a>) -> Option<Self> {
        let kind = message_kind(view.kind())?;
        let target = view.target().map(|target| target.id);
        Some(Self { view, opened: None, kind, text: view.text_or_caption(), target })
    }

    /// The same with what was encrypted in it.
    pub(super) fn with(self, opened: Option<&'a Opened>) -> Self {
        Self { opened, ..self }
    }

    /// Its text, that which was encrypted in it included.
    pub(crate) fn full_text(&self) -> Option<String> {
        self.text.map(str::to_owned).or_else(|| self.opened.and_then(details::opened_text))
    }

    /// The message as an event tells it.
    pub(crate) fn told(
        &self,
        message_id: &str,
        participant: Option<&str>,
        push_name: Option<&str>,
        timestamp: i64,
        status: MessageStatus,
        media: Option<&StoredMedia>,
    ) -> MessageData {
        let details = details::of(&self.view, self.opened);
        MessageData {
            message_id: message_id.to_owned(),
            participant: participant.map(str::to_owned),
            kind: self.kind,
            text: self.full_text(),
            target: self.target.map(str::to_owned),
            quoted: self.view.quote().map(|quote| quote.id.to_owned()),
            timestamp,
            push_name: push_name.map(str::to_owned),
            media: media.map(MediaData::from),
            details: (details != MessageDetails::default()).then(|| Box::new(details)),
            status,
            by_us: false,
            queued: false,
        }
    }

    pub(crate) fn view(&self) -> &View<'a> {
        &self.view
    }
}

/// Protocol and store have the same words for what a message is, except for what is never stored.
pub(crate) fn message_kind(kind: Kind) -> Option<MessageKind> {
    kind.as_str().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_but_machinery_can_be_stored() {
        for kind in Kind::ALL {
            let stored = message_kind(*kind);
            assert_eq!(stored.is_none(), *kind == Kind::Machinery, "{kind}");
            assert!(stored.is_none_or(|stored| stored.as_str() == kind.as_str()));
        }
    }
}
