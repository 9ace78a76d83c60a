use std::fmt;

/// Why the demonstration stopped, for the person who watched it.
#[derive(Debug)]
pub(crate) struct DemoError(String);

impl DemoError {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

impl fmt::Display for DemoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for DemoError {}

impl From<std::io::Error> for DemoError {
    fn from(error: std::io::Error) -> Self {
        Self(format!("can't print: {error}"))
    }
}
