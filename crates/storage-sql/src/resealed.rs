use std::ops::AddAssign;

/// What became of sealed values when they were to be sealed with another master key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resealed {
    /// Those that are sealed with the present key now.
    pub anew: u64,
    /// Those that neither key opens; they stay as they are.
    pub unreadable: u64,
}

impl AddAssign for Resealed {
    fn add_assign(&mut self, more: Self) {
        self.anew += more.anew;
        self.unreadable += more.unreadable;
    }
}
