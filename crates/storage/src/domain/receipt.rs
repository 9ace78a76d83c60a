use crate::{MessageStatus, Timestamp};

/// Members of a group of whom is kept that they have a message: as many as WhatsApp lets into one, and some that have left.
pub const MAX_RECEIPTS: u64 = 2_048;

/// What one member of a group has told of a message of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Who: a JID without device.
    pub member: String,
    /// Since when one of their devices has it.
    pub delivered_at: Option<Timestamp>,
    /// When they have seen it.
    pub read_at: Option<Timestamp>,
    /// When they have played it.
    pub played_at: Option<Timestamp>,
}

impl Receipt {
    /// Nothing is known of this member yet.
    pub fn of(member: impl Into<String>) -> Self {
        Self { member: member.into(), delivered_at: None, read_at: None, played_at: None }
    }

    /// Takes in what the member has told. The first time counts. Tells whether that is something new.
    pub fn learn(&mut self, status: MessageStatus, at: Timestamp) -> bool {
        let place = match status {
            MessageStatus::Delivered => &mut self.delivered_at,
            MessageStatus::Read => &mut self.read_at,
            MessageStatus::Played => &mut self.played_at,
            _ => return false,
        };
        let is_new = place.is_none();
        *place = place.or(Some(at));
        is_new
    }
}
