//! What a phone posts to the status, and who sees what its account posts.

use super::Phone;
use crate::{
    ControlError, Say, StatusPrivacy,
    handle::groups::accounts,
    phone::{Letter, message_id},
    world::Chat,
};

impl Phone {
    /// Posts something to the status, to be seen by these numbers and on the own devices; returns its id once the server
    /// has taken it.
    ///
    /// # Errors
    /// When there is no such phone, or nothing to say.
    pub async fn post(&self, audience: &[impl AsRef<str>], say: Say) -> Result<String, ControlError> {
        let mut audience = accounts(&self.world, audience)?;
        audience.retain(|account| *account != self.account);
        audience.push(self.account.clone());
        let id = message_id(&mut self.world.fork_rng());
        let letter =
            Letter { id: id.clone(), to: Chat::Status(audience), say, addressing: crate::Addressing::Lid };
        self.send_one(letter).await?;
        Ok(id.into_string())
    }

    /// Says who sees what the account posts to its status.
    pub fn show_status_to(&self, privacy: StatusPrivacy) {
        self.account.directory().status_privacy = Some(privacy);
    }
}
