use std::fmt;
use std::str::FromStr;

use super::{Behaviour, KeySharing, PastSize};

/// One point of a [`Behaviour`], by the name of its field: what command lines leave out, or add ([`Wanted`](super::Wanted)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the field of `Behaviour` with its name, and documented there")]
pub enum Quirk {
    AnswerWithin,
    BacklogOnRequest,
    Novelties,
    Overlaps,
    Tokens,
    KeyShare,
    RateLimit,
    Bans,
    BusyPairing,
    KeyErrors,
    VersionLifetime,
    DevicesByLidOnly,
    ContactsWithoutLid,
    StaleLids,
    EmptyMessages,
    ReusedCounters,
    ResentTwice,
    Past,
    IdentityChanges,
    HistoryBlobs,
    AppStateBlobs,
    ClockOffset,
}

impl Quirk {
    /// All of them.
    pub const ALL: [Self; 22] = [
        Self::AnswerWithin,
        Self::BacklogOnRequest,
        Self::Novelties,
        Self::Overlaps,
        Self::Tokens,
        Self::KeyShare,
        Self::RateLimit,
        Self::Bans,
        Self::BusyPairing,
        Self::KeyErrors,
        Self::VersionLifetime,
        Self::DevicesByLidOnly,
        Self::ContactsWithoutLid,
        Self::StaleLids,
        Self::EmptyMessages,
        Self::ReusedCounters,
        Self::ResentTwice,
        Self::Past,
        Self::IdentityChanges,
        Self::HistoryBlobs,
        Self::AppStateBlobs,
        Self::ClockOffset,
    ];

    /// The environment variable that names what to leave out, separated by commas.
    pub const VARIABLE: &str = "SIMULATOR_WITHOUT";

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::AnswerWithin => "answer_within",
            Self::BacklogOnRequest => "backlog_on_request",
            Self::Novelties => "novelties",
            Self::Overlaps => "overlaps",
            Self::Tokens => "tokens",
            Self::KeyShare => "key_share",
            Self::RateLimit => "rate_limit",
            Self::Bans => "bans",
            Self::BusyPairing => "busy_pairing",
            Self::KeyErrors => "key_errors",
            Self::VersionLifetime => "version_lifetime",
            Self::DevicesByLidOnly => "devices_by_lid_only",
            Self::ContactsWithoutLid => "contacts_without_lid",
            Self::StaleLids => "stale_lids",
            Self::EmptyMessages => "empty_messages",
            Self::ReusedCounters => "reused_counters",
            Self::ResentTwice => "resent_twice",
            Self::Past => "past",
            Self::IdentityChanges => "identity_changes",
            Self::HistoryBlobs => "history_blobs",
            Self::AppStateBlobs => "app_state_blobs",
            Self::ClockOffset => "clock_offset",
        }
    }
}

impl Behaviour {
    /// The same, but in this point as on the first day.
    #[must_use]
    pub fn without(mut self, quirk: Quirk) -> Self {
        match quirk {
            Quirk::AnswerWithin => self.answer_within = None,
            Quirk::BacklogOnRequest => self.backlog_on_request = false,
            Quirk::Novelties => self.novelties = false,
            Quirk::Overlaps => self.overlaps = false,
            Quirk::Tokens => self.tokens = false,
            Quirk::KeyShare => self.key_share = KeySharing::default(),
            Quirk::RateLimit => self.rate_limit = None,
            Quirk::Bans => self.bans = None,
            Quirk::BusyPairing => self.busy_pairing = false,
            Quirk::KeyErrors => self.key_errors = false,
            Quirk::VersionLifetime => self.version_lifetime = None,
            Quirk::DevicesByLidOnly => self.devices_by_lid_only = false,
            Quirk::ContactsWithoutLid => self.contacts_without_lid = false,
            Quirk::StaleLids => self.stale_lids = None,
            Quirk::EmptyMessages => self.empty_messages = None,
            Quirk::ReusedCounters => self.reused_counters = None,
            Quirk::ResentTwice => self.resent_twice = false,
            Quirk::Past => self.past = PastSize::default(),
            Quirk::IdentityChanges => self.identity_changes = None,
            Quirk::HistoryBlobs => self.history_blobs = None,
            Quirk::AppStateBlobs => self.app_state_blobs = None,
            Quirk::ClockOffset => self.clock_offset = 0,
        }
        self
    }
}

impl FromStr for Quirk {
    type Err = UnknownQuirk;

    fn from_str(name: &str) -> Result<Self, UnknownQuirk> {
        let found = Self::ALL.into_iter().find(|quirk| quirk.name() == name);
        found.ok_or_else(|| UnknownQuirk(name.to_owned()))
    }
}

impl fmt::Display for Quirk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// No point of a behaviour has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no behaviour {0:?}; there are {names}", names = Quirk::ALL.map(Quirk::name).join(", "))]
pub struct UnknownQuirk(pub String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for quirk in Quirk::ALL {
            assert_eq!(quirk.to_string().parse(), Ok(quirk));
        }
        assert_eq!("gravity".parse::<Quirk>(), Err(UnknownQuirk("gravity".to_owned())));
    }

    #[test]
    fn each_can_be_left_out_and_nothing_is_left_without_all_of_them() {
        let hostile = format!("{:?}", Behaviour::hostile());
        for quirk in Quirk::ALL {
            assert_ne!(format!("{:?}", Behaviour::hostile().without(quirk)), hostile, "{quirk}");
        }
        let nothing = Quirk::ALL.into_iter().fold(Behaviour::hostile(), Behaviour::without);
        assert_eq!(format!("{nothing:?}"), format!("{:?}", Behaviour::default()));
    }
}
