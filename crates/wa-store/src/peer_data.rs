use std::fmt;

use bytes::Bytes;
use compact_str::CompactString;

/// Something that the phone told its companions and that is kept as it came, until there is code that reads it.
/// `Debug` doesn't show what it says.
#[derive(Clone, PartialEq, Eq)]
pub struct PeerData {
    /// The kind of data.
    pub sort: PeerDataSort,
    /// Id of the message that brought it; the same message again replaces it.
    pub id: CompactString,
    /// When the message was sent, in Unix milliseconds.
    pub timestamp: i64,
    /// The protobuf that [`sort`](Self::sort) names.
    pub raw: Bytes,
}

impl PeerData {
    /// This many of the newest are kept. A full history comes in a few hundred pieces.
    pub const KEPT: usize = 2_048;

    /// What names it among others.
    pub fn key(&self) -> PeerDataKey {
        PeerDataKey { timestamp: self.timestamp, sort: self.sort, id: self.id.clone() }
    }
}

/// Names a [`PeerData`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PeerDataKey {
    /// When its message was sent, in Unix milliseconds.
    pub timestamp: i64,
    /// The kind of data.
    pub sort: PeerDataSort,
    /// Id of the message that brought it.
    pub id: CompactString,
}

impl fmt::Debug for PeerData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerData")
            .field("sort", &self.sort)
            .field("timestamp", &self.timestamp)
            .field("bytes", &self.raw.len())
            .finish_non_exhaustive()
    }
}

/// What a [`PeerData`] holds. Numbers are stored and never change their meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PeerDataSort {
    /// 1: a `HistorySyncNotification`, which says where a piece of the history lies or holds it.
    History,
    /// 2: a `LIDMigrationMappingSyncMessage`, the phone's map of phone numbers to LIDs.
    LidMap,
    /// 3: a `PhoneNumberToLidMapping`, a pair in a piece of the history that could not be read.
    LidPair,
}

impl PeerDataSort {
    /// The number that stands for it in a record; never used for another sort.
    pub const fn number(self) -> u32 {
        match self {
            Self::History => 1,
            Self::LidMap => 2,
            Self::LidPair => 3,
        }
    }

    /// The sort with this number.
    pub const fn from_number(number: u32) -> Option<Self> {
        match number {
            1 => Some(Self::History),
            2 => Some(Self::LidMap),
            3 => Some(Self::LidPair),
            _ => None,
        }
    }
}
