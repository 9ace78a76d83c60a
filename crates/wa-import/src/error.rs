use thiserror::Error;

/// Why a store can't be taken over.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ImportError {
    /// What the device can't do without is missing or damaged.
    #[error("{place}: {problem}")]
    Unreadable {
        /// The file, or the table and its row.
        place: String,
        /// What is wrong there.
        problem: Problem,
    },
    /// There are no credentials.
    #[error("there is no {0}")]
    NoCredentials(&'static str),
    /// The device that these are the credentials of has not been linked.
    #[error("{0}: the device isn't linked to an account")]
    NotLinked(&'static str),
    /// It holds more than a store has.
    #[error("the store has more than {most} bytes")]
    TooLarge {
        /// How many it may have.
        most: usize,
    },
}

/// What is wrong with a value.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Problem {
    /// It is no JSON.
    #[error("is no JSON, or cut off")]
    NotJson,
    /// A field isn't there.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A field holds something else.
    #[error("{field} is {expected}")]
    Wrong {
        /// Which one.
        field: &'static str,
        /// What it should be, as in "not 32 bytes".
        expected: &'static str,
    },
    /// The name under which it is kept has another form.
    #[error("has a name of an unknown form")]
    Name,
    /// It is too large.
    #[error("has more than {most} bytes")]
    TooLarge {
        /// How many it may have.
        most: usize,
    },
}

impl Problem {
    pub(crate) fn at(self, place: impl Into<String>) -> ImportError {
        ImportError::Unreadable { place: place.into(), problem: self }
    }
}
