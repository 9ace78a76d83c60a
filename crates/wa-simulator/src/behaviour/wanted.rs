use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::{AppStateBlobs, Bans, Behaviour, KeySharing, PastSize, Quirk, RateLimit, UnknownQuirk};

/// Messages of a made-up chat, where only the number of all messages is said.
const MESSAGES_OF_A_CHAT: u32 = 10;

/// A point of a behaviour on top of a profile, as command lines name it: `NAME` as the hostile profile has it, or
/// `NAME=NUMBER`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    quirk: Quirk,
    /// In the unit of the point: [`Quirk::unit`].
    number: Option<u32>,
}

impl Wanted {
    /// The environment variable that names what is added, separated by commas.
    pub const VARIABLE: &str = "SIMULATOR_WITH";
}

impl Quirk {
    /// In what its number counts; `None` where it is on or off.
    pub fn unit(self) -> Option<&'static str> {
        Some(match self {
            Self::AnswerWithin | Self::VersionLifetime => "seconds",
            Self::KeyShare => "seconds of delay",
            Self::RateLimit => "requests a minute",
            Self::Bans => "refusals",
            Self::StaleLids
            | Self::EmptyMessages
            | Self::ReusedCounters
            | Self::IdentityChanges
            | Self::Past => "messages",
            Self::HistoryBlobs => "bytes",
            Self::AppStateBlobs => "patches",
            Self::ClockOffset => "milliseconds ahead",
            Self::BacklogOnRequest
            | Self::Novelties
            | Self::Overlaps
            | Self::Tokens
            | Self::BusyPairing
            | Self::KeyErrors
            | Self::DevicesByLidOnly
            | Self::ContactsWithoutLid
            | Self::ResentTwice => return None,
        })
    }
}

impl Behaviour {
    /// The same, and in this point as wanted.
    #[must_use]
    pub fn with(self, wanted: Wanted) -> Self {
        let behaviour = self.like_hostile(wanted.quirk);
        match wanted.number {
            Some(number) => behaviour.measured(wanted.quirk, number),
            None => behaviour,
        }
    }

    /// The same, and in this point as [`hostile`](Self::hostile).
    fn like_hostile(mut self, quirk: Quirk) -> Self {
        let hostile = Self::hostile();
        match quirk {
            Quirk::AnswerWithin => self.answer_within = hostile.answer_within,
            Quirk::BacklogOnRequest => self.backlog_on_request = hostile.backlog_on_request,
            Quirk::Novelties => self.novelties = hostile.novelties,
            Quirk::Overlaps => self.overlaps = hostile.overlaps,
            Quirk::Tokens => self.tokens = hostile.tokens,
            Quirk::KeyShare => self.key_share = hostile.key_share,
            Quirk::RateLimit => self.rate_limit = hostile.rate_limit,
            Quirk::Bans => self.bans = hostile.bans,
            Quirk::BusyPairing => self.busy_pairing = hostile.busy_pairing,
            Quirk::KeyErrors => self.key_errors = hostile.key_errors,
            Quirk::VersionLifetime => self.version_lifetime = hostile.version_lifetime,
            Quirk::DevicesByLidOnly => self.devices_by_lid_only = hostile.devices_by_lid_only,
            Quirk::ContactsWithoutLid => self.contacts_without_lid = hostile.contacts_without_lid,
            Quirk::StaleLids => self.stale_lids = hostile.stale_lids,
            Quirk::EmptyMessages => self.empty_messages = hostile.empty_messages,
            Quirk::ReusedCounters => self.reused_counters = hostile.reused_counters,
            Quirk::ResentTwice => self.resent_twice = hostile.resent_twice,
            Quirk::Past => self.past = hostile.past,
            Quirk::IdentityChanges => self.identity_changes = hostile.identity_changes,
            Quirk::HistoryBlobs => self.history_blobs = hostile.history_blobs,
            Quirk::AppStateBlobs => self.app_state_blobs = hostile.app_state_blobs,
            Quirk::ClockOffset => self.clock_offset = hostile.clock_offset,
        }
        self
    }

    /// The same, with this number in a point that is on and has one.
    fn measured(mut self, quirk: Quirk, number: u32) -> Self {
        let seconds = Duration::from_secs(number.into());
        let amount = usize::try_from(number).unwrap_or(usize::MAX);
        match quirk {
            Quirk::AnswerWithin => self.answer_within = Some(seconds),
            Quirk::VersionLifetime => self.version_lifetime = Some(seconds),
            Quirk::KeyShare => self.key_share = KeySharing { late: seconds, ..self.key_share },
            Quirk::RateLimit => {
                self.rate_limit = self.rate_limit.map(|limit| RateLimit { requests: number, ..limit });
            }
            Quirk::Bans => self.bans = self.bans.map(|bans| Bans { refusals: number, ..bans }),
            Quirk::StaleLids => self.stale_lids = Some(number),
            Quirk::EmptyMessages => self.empty_messages = Some(number),
            Quirk::ReusedCounters => self.reused_counters = Some(number),
            Quirk::IdentityChanges => self.identity_changes = Some(number),
            Quirk::Past => {
                let chats = number.div_ceil(MESSAGES_OF_A_CHAT).try_into().unwrap_or(usize::MAX);
                self.past = PastSize { chats, messages: amount, ..self.past };
            }
            Quirk::HistoryBlobs => self.history_blobs = Some(amount),
            Quirk::AppStateBlobs => {
                self.app_state_blobs =
                    self.app_state_blobs.map(|blobs| AppStateBlobs { snapshot_every: amount, ..blobs });
            }
            Quirk::ClockOffset => self.clock_offset = number.into(),
            Quirk::BacklogOnRequest
            | Quirk::Novelties
            | Quirk::Overlaps
            | Quirk::Tokens
            | Quirk::BusyPairing
            | Quirk::KeyErrors
            | Quirk::DevicesByLidOnly
            | Quirk::ContactsWithoutLid
            | Quirk::ResentTwice => {}
        }
        self
    }
}

impl FromStr for Wanted {
    type Err = Unwanted;

    fn from_str(text: &str) -> Result<Self, Unwanted> {
        let Some((name, number)) = text.split_once('=') else {
            return Ok(Self { quirk: text.parse()?, number: None });
        };
        let quirk: Quirk = name.parse()?;
        let unit = quirk.unit().ok_or(Unwanted::Switch(quirk))?;
        let number = number.parse().ok().filter(|number| *number > 0);
        Ok(Self { quirk, number: Some(number.ok_or(Unwanted::Number { quirk, unit })?) })
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.number {
            Some(number) => write!(f, "{}={number}", self.quirk),
            None => write!(f, "{}", self.quirk),
        }
    }
}

/// What can't be added to a behaviour.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unwanted {
    /// There is no such point.
    #[error(transparent)]
    Unknown(#[from] UnknownQuirk),
    /// The point is on or off.
    #[error("{0} takes no number")]
    Switch(Quirk),
    /// It is no number, or 0.
    #[error("{quirk} takes a number of {unit}, from 1")]
    Number {
        /// The point.
        quirk: Quirk,
        /// In what it counts.
        unit: &'static str,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain_with(text: &str) -> String {
        format!("{:?}", Behaviour::default().with(text.parse().unwrap()))
    }

    #[test]
    fn all_of_them_together_are_hostile() {
        let with = |behaviour: Behaviour, quirk: Quirk| behaviour.with(quirk.name().parse().unwrap());
        let all = Quirk::ALL.into_iter().fold(Behaviour::default(), with);
        assert_eq!(format!("{all:?}"), format!("{:?}", Behaviour::hostile()));
    }

    #[test]
    fn a_number_counts_where_there_is_a_unit_and_is_refused_elsewhere() {
        for quirk in Quirk::ALL {
            let text = format!("{quirk}=7");
            match quirk.unit() {
                Some(unit) => {
                    assert_ne!(plain_with(&text), plain_with(quirk.name()), "{text}");
                    assert_eq!(text.parse::<Wanted>().unwrap().to_string(), text);
                    for wrong in ["", "0", "-1", "4294967296", "many"] {
                        let refused = format!("{quirk}={wrong}").parse::<Wanted>();
                        assert_eq!(refused, Err(Unwanted::Number { quirk, unit }), "{quirk}={wrong}");
                    }
                }
                None => assert_eq!(text.parse::<Wanted>(), Err(Unwanted::Switch(quirk))),
            }
        }
        let unknown = Unwanted::Unknown(UnknownQuirk("gravity".to_owned()));
        assert_eq!("gravity=9".parse::<Wanted>(), Err(unknown));
    }

    #[test]
    fn numbers_are_in_their_unit() {
        let behaviour = Behaviour::default().with("answer_within=30".parse().unwrap());
        assert_eq!(behaviour.answer_within, Some(Duration::from_secs(30)));
        let behaviour = behaviour.with("past=25".parse().unwrap());
        assert_eq!((behaviour.past.chats, behaviour.past.messages), (3, 25));
        assert_eq!(behaviour.answer_within, Some(Duration::from_secs(30)));
    }
}
