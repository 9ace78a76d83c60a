use std::fmt;
use std::str::FromStr;

use async_trait::async_trait;

/// A version of WhatsApp Web, such as `2.3000.1045649367`. Its last part, the revision, ages (PROTOCOL.md 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// The first number: 2 so far.
    pub primary: u32,
    /// The second number: 3000 so far.
    pub secondary: u32,
    /// The revision: newer ones are greater.
    pub tertiary: u32,
}

impl Version {
    /// The one that was current when this client was made.
    pub const COMPILED: Self = Self::of_revision(1_045_649_367);

    /// The version with this revision.
    pub const fn of_revision(revision: u32) -> Self {
        Self { primary: 2, secondary: 3000, tertiary: revision }
    }
}

/// Knows which version to announce. A [`Version`] itself is one that never learns of a newer one.
///
/// One value may serve all companions of a process, so that what one of them is told holds for the others.
#[async_trait]
pub trait Versions: Send + Sync + 'static {
    /// What the next connection announces.
    fn current(&self) -> Version;

    /// WhatsApp has refused this version as outdated: looks for a newer one, and answers it if there is one. The
    /// companion then tries once more.
    async fn newer_than(&self, refused: Version) -> Option<Version>;

    /// WhatsApp said that it accepts this version until then, in Unix milliseconds.
    fn expires(&self, version: Version, at: i64) {
        let _ = (version, at);
    }
}

#[async_trait]
impl Versions for Version {
    fn current(&self) -> Version {
        *self
    }

    async fn newer_than(&self, _refused: Version) -> Option<Version> {
        None
    }
}

/// A text that is no version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a version is three numbers with dots between, such as 2.3000.1045649367")]
pub struct NotAVersion;

impl FromStr for Version {
    type Err = NotAVersion;

    fn from_str(text: &str) -> Result<Self, NotAVersion> {
        let number = |part: &str| part.parse::<u32>().map_err(|_| NotAVersion);
        let parts: Vec<u32> = text.split('.').map(number).collect::<Result<_, _>>()?;
        let [primary, secondary, tertiary] = parts.try_into().map_err(|_| NotAVersion)?;
        Ok(Self { primary, secondary, tertiary })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.primary, self.secondary, self.tertiary)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_they_are_written_and_ordered_by_age() {
        let compiled = Version::COMPILED;
        assert_eq!(compiled.to_string().parse(), Ok(compiled));
        assert!(Version::of_revision(compiled.tertiary + 1) > compiled);
        for wrong in ["", "2.3000", "2.3000.1.1", "2.3000.x", "2..1", "-2.3000.1"] {
            assert_eq!(wrong.parse::<Version>(), Err(NotAVersion), "{wrong}");
        }
    }
}
