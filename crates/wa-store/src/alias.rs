use std::fmt;

use compact_str::CompactString;

/// What the server said an account is called that was looked up by a number. `Debug` doesn't show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Alias {
    /// The account's own number, digits only: often the one that was asked, but not always.
    pub number: CompactString,
    /// When the server said so, in Unix seconds.
    pub found_at: i64,
}

impl fmt::Debug for Alias {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Alias").field("found_at", &self.found_at).finish_non_exhaustive()
    }
}
