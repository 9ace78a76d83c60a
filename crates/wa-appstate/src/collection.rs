use std::fmt;
use std::str::FromStr;

/// The five collections that the app state is divided into; each has its own versions (protocol facts, section 18).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Collection {
    /// What a client wants to know before it shows anything: push name, locale.
    CriticalBlock,
    /// The address book.
    CriticalUnblockLow,
    /// Mute, star, what was deleted.
    RegularHigh,
    /// Labels, quick replies.
    Regular,
    /// Archive, pin, read marks.
    RegularLow,
}

/// The name is of no collection that there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such collection")]
pub struct NoSuchCollection;

impl Collection {
    /// All of them, in the order in which they are fetched.
    pub const ALL: [Self; 5] =
        [Self::CriticalBlock, Self::CriticalUnblockLow, Self::RegularHigh, Self::Regular, Self::RegularLow];

    /// The name in stanzas, which MACs cover, too.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CriticalBlock => "critical_block",
            Self::CriticalUnblockLow => "critical_unblock_low",
            Self::RegularHigh => "regular_high",
            Self::Regular => "regular",
            Self::RegularLow => "regular_low",
        }
    }
}

impl fmt::Display for Collection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Collection {
    type Err = NoSuchCollection;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|collection| collection.name() == name).ok_or(NoSuchCollection)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_its_own_collection() {
        for collection in Collection::ALL {
            assert_eq!(collection.to_string().parse(), Ok(collection));
        }
        assert_eq!("regular_".parse::<Collection>(), Err(NoSuchCollection));
    }
}
