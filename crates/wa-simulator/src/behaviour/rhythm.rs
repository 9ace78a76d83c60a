/// Counts towards something that happens every so many times.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rhythm {
    count: u32,
}

impl Rhythm {
    /// Once more; whether it is the time at which it happens. `None` is never.
    pub(crate) fn beats(&mut self, every: Option<u32>) -> bool {
        let Some(every) = every else { return false };
        self.count = self.count.wrapping_add(1);
        self.count.checked_rem(every) == Some(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_beats_every_so_many_times() {
        let mut rhythm = Rhythm::default();
        assert_eq!([(); 7].map(|()| rhythm.beats(Some(3))), [false, false, true, false, false, true, false]);
        assert!(!rhythm.beats(None));
        assert!(!rhythm.beats(Some(0)));
    }
}
