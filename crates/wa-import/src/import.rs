use std::fmt;

use wa_binary::Jid;
use wa_store::Changes;

use crate::Problem;

/// What was read from another client's store.
#[derive(Clone)]
pub struct Import {
    /// Everything that the companion keeps, to be stored in one commit. The device is there.
    pub changes: Changes,
    /// Who is known, where the store keeps that.
    pub contacts: Vec<Contact>,
    /// What could not be read, at most [`Self::MOST_LEFT_OUT`] of it.
    pub left_out: Vec<LeftOut>,
    /// How much of everything there is.
    pub counts: Counts,
}

/// Something of a store that could not be read. The rest doesn't depend on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// The file, or the table and its row. It may hold phone numbers.
    pub place: String,
    /// What is wrong there.
    pub problem: Problem,
}

/// How much there is in an [`Import`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Signal sessions.
    pub sessions: usize,
    /// Identity keys of other devices.
    pub identities: usize,
    /// One-time prekeys.
    pub prekeys: usize,
    /// Sender keys, of us and of others.
    pub sender_keys: usize,
    /// Keys of the app state.
    pub app_state_keys: usize,
    /// Collections of the app state whose version is known.
    pub app_states: usize,
    /// Pairs of phone number and LID.
    pub lid_mappings: usize,
    /// Privacy tokens.
    pub privacy_tokens: usize,
    /// Contacts.
    pub contacts: usize,
    /// What could not be read.
    pub left_out: usize,
    /// What is of no use here.
    pub passed_over: usize,
}

/// Somebody, or a group, and the chat with them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Contact {
    /// By phone number, where that is known; or a group.
    pub jid: String,
    /// By LID, where `jid` is a number and it is known.
    pub lid: Option<String>,
    /// The name in the address book.
    pub saved_name: Option<String>,
    /// The name that they gave themselves.
    pub push_name: Option<String>,
    /// The name that WhatsApp has verified.
    pub business_name: Option<String>,
    /// Whether the chat is put away.
    pub archived: bool,
    /// Whether the chat is kept on top.
    pub pinned: bool,
    /// Until when the chat makes no noise, in Unix seconds; negative for good.
    pub muted_until: Option<i64>,
}

impl Import {
    /// This much of what could not be read is told; a store that is damaged throughout has no more to say.
    pub const MOST_LEFT_OUT: usize = 1_000;

    /// The account that the device is linked to, by number.
    pub fn account(&self) -> Option<Jid> {
        let device = self.changes.device.as_ref()?;
        device.jid.as_ref().map(Jid::to_user)
    }

    /// The same without how far the app state is known: all of it is fetched again, with the names and marks that the old
    /// store didn't keep.
    #[must_use]
    pub fn without_app_state(mut self) -> Self {
        self.changes.app_states.clear();
        self.changes.app_state_records.clear();
        self.counts.app_states = 0;
        self
    }
}

impl fmt::Debug for Import {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Import").field("counts", &self.counts).finish_non_exhaustive()
    }
}

impl fmt::Debug for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contact").finish_non_exhaustive()
    }
}
