//! The phone's settings and marks.

use wa_binary::Jid;

use crate::{
    ControlError, StateChange, StateRecord,
    app_state::Named,
    phone::{KeyShare, Task},
    simulator::canonical,
};

use super::Phone;

/// Most changes of one call.
const MAX_CHANGES: usize = 10_000;

impl Phone {
    /// Does on the phone what all devices are to know: one patch for each collection that it concerns. Companions are told.
    ///
    /// # Errors
    /// For chats that there aren't, and for what can't be written.
    pub fn change_state(&self, changes: &[StateChange]) -> Result<(), ControlError> {
        if changes.len() > MAX_CHANGES {
            return Err(ControlError::InvalidRequest(format!("at most {MAX_CHANGES} changes at once")));
        }
        let name = |chat: &str| self.name_in_state(chat);
        let now = self.world.millis();
        let written = changes
            .iter()
            .flat_map(|change| std::iter::once(change.clone()).chain(change.implied()))
            .map(|change| change.written(now, &name))
            .collect::<Result<Vec<_>, _>>()?;
        for change in changes {
            if let StateChange::PushName { name } = change {
                self.account.directory().name.clone_from(name);
            }
        }
        self.world.write_app_state(&self.account, &written);
        Ok(())
    }

    /// What the app state holds now, whoever wrote it; by collection and index.
    pub fn state_records(&self) -> Vec<StateRecord> {
        self.world.app_state(&self.account).records()
    }

    /// How many patches a collection has had.
    pub fn state_version(&self, collection: &str) -> usize {
        self.world.app_state(&self.account).version(collection)
    }

    /// Writes the app state with another key from now on, and shares it with the companions, if `shares`.
    pub fn rotate_state_key(&self, shares: bool) {
        self.world.rotate_app_state_key(&self.account);
        let devices: Vec<u16> = self.account.directory().companions.keys().copied().collect();
        for device in devices.into_iter().filter(|_| shares) {
            self.account.phone.order(Task::ShareKeys { device, share: KeyShare::Right });
        }
    }

    /// What somebody is called in the app state: a JID stays, a number is by LID once chats are keyed by that, and nobody
    /// has to be on WhatsApp to be in the address book.
    fn name_in_state(&self, chat: &str) -> Result<Named, ControlError> {
        if chat.contains('@') {
            return Ok(Named::only(chat));
        }
        let is_migrated = self.account.directory().lid_migrated;
        match self.recipient(chat) {
            Ok(account) => {
                let (pn, lid) = (account.pn().to_string(), account.lid().to_string());
                let chat = if is_migrated { lid.clone() } else { pn.clone() };
                Ok(Named { chat, pn, lid: Some(lid) })
            }
            Err(ControlError::UnknownRecipient(_)) => Ok(Named::only(&Jid::pn(canonical(chat)?).to_string())),
            Err(error) => Err(error),
        }
    }
}
