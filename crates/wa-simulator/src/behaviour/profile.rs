use std::fmt;
use std::str::FromStr;

use super::Behaviour;

/// A [`Behaviour`] by its name, as command lines and test runs choose it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// `plain`: the server of the first day.
    #[default]
    Plain,
    /// `hostile`: everything that real servers and phones do later, at once.
    Hostile,
}

impl Profile {
    /// The environment variable that names the profile of a whole test run.
    pub const VARIABLE: &str = "SIMULATOR_PROFILE";

    /// The profile that [`VARIABLE`](Self::VARIABLE) names; `plain` where it isn't set.
    ///
    /// # Errors
    /// When it names none.
    pub fn from_environment() -> Result<Self, UnknownProfile> {
        std::env::var(Self::VARIABLE).map_or(Ok(Self::default()), |name| name.parse())
    }

    /// What it stands for.
    pub fn behaviour(self) -> Behaviour {
        match self {
            Self::Plain => Behaviour::default(),
            Self::Hostile => Behaviour::hostile(),
        }
    }
}

impl FromStr for Profile {
    type Err = UnknownProfile;

    fn from_str(name: &str) -> Result<Self, UnknownProfile> {
        match name {
            "plain" => Ok(Self::Plain),
            "hostile" => Ok(Self::Hostile),
            _ => Err(UnknownProfile(name.to_owned())),
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "plain",
            Self::Hostile => "hostile",
        })
    }
}

/// No profile has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no profile {0:?}; there are \"plain\" and \"hostile\"")]
pub struct UnknownProfile(pub String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_are_read_as_they_are_written() {
        for profile in [Profile::Plain, Profile::Hostile] {
            assert_eq!(profile.to_string().parse(), Ok(profile));
        }
        assert_eq!("worse".parse::<Profile>(), Err(UnknownProfile("worse".to_owned())));
    }
}
