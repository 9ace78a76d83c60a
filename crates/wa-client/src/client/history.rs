//! More of the past.

use super::Client;
use crate::command::{Command, OlderMessages};
use crate::event::MessageInfo;
use crate::request::RequestError;

/// Messages that are asked for at once; phones give about fifty, whatever they are asked for.
const MOST: u32 = 500;

impl Client {
    /// Asks the own phone for messages of a chat that are older than this one. What it gives comes as
    /// [`crate::Event::History`] of the kind [`crate::HistoryKind::OnDemand`], as soon as the phone is there to answer.
    ///
    /// # Errors
    /// `Invalid` for no messages, or more than 500.
    pub async fn request_history(&self, oldest: &MessageInfo, count: u32) -> Result<(), RequestError> {
        if !(1..=MOST).contains(&count) {
            return Err(RequestError::Invalid(format!("1 to {MOST} messages are asked for at once")));
        }
        let wanted = OlderMessages {
            chat: oldest.chat.clone(),
            id: oldest.id.clone(),
            from_me: oldest.from_me,
            timestamp: oldest.timestamp,
            count,
        };
        self.request(|reply| Command::OlderMessages(Box::new(wanted), reply)).await
    }
}
