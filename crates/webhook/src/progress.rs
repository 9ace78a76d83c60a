//! How far the cursor may move: past everything that is settled without a gap.

use std::collections::VecDeque;

/// The events between the stored cursor and the newest one read, settled or not, in log order.
#[derive(Debug)]
pub(crate) struct Progress {
    cursor: i64,
    open: VecDeque<(i64, bool)>,
}

impl Progress {
    /// Everything up to `cursor` is settled.
    pub(crate) fn new(cursor: i64) -> Self {
        Self { cursor, open: VecDeque::new() }
    }

    /// Notes an event that was read; `seq` is greater than all before.
    pub(crate) fn begin(&mut self, seq: i64) {
        self.open.push_back((seq, false));
    }

    /// Notes that an event needs no more attention: it was delivered, filtered out, or has a row of its own.
    pub(crate) fn settle(&mut self, seq: i64) {
        if let Ok(at) = self.open.binary_search_by_key(&seq, |(seq, _)| *seq)
            && let Some((_, settled)) = self.open.get_mut(at)
        {
            *settled = true;
        }
        while let Some((seq, true)) = self.open.front() {
            self.cursor = *seq;
            self.open.pop_front();
        }
    }

    /// The last event before which nothing is open.
    pub(crate) fn cursor(&self) -> i64 {
        self.cursor
    }

    /// The newest event that was read.
    pub(crate) fn read(&self) -> i64 {
        self.open.back().map_or(self.cursor, |(seq, _)| *seq)
    }

    /// True if a later event is settled already, so that a restart at the cursor would repeat it.
    pub(crate) fn is_overtaken(&self, seq: i64) -> bool {
        self.open.iter().rev().any(|(later, settled)| *settled && *later > seq)
    }

    /// How many events lie between the cursor and the newest one read.
    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_cursor_stops_before_the_first_open_event() {
        let mut progress = Progress::new(3);
        for seq in [5, 6, 9] {
            progress.begin(seq);
        }
        progress.settle(6);
        assert_eq!((progress.cursor(), progress.read(), progress.len()), (3, 9, 3));
        assert!(progress.is_overtaken(5) && !progress.is_overtaken(6) && !progress.is_overtaken(9));
        progress.settle(5);
        assert_eq!((progress.cursor(), progress.len()), (6, 1));
        progress.settle(9);
        assert_eq!((progress.cursor(), progress.read(), progress.len()), (9, 9, 0));
        progress.settle(77);
        assert_eq!(progress.cursor(), 9);
    }

    proptest! {
        #[test]
        fn any_order_of_settling_ends_at_the_last_event(order in Just((1..40i64).collect::<Vec<_>>()).prop_shuffle()) {
            let mut progress = Progress::new(0);
            (1..40).for_each(|seq| progress.begin(seq));
            let mut settled = std::collections::BTreeSet::new();
            for seq in order {
                progress.settle(seq);
                settled.insert(seq);
                let expected = (1..40).take_while(|seq| settled.contains(seq)).last().unwrap_or(0);
                prop_assert_eq!(progress.cursor(), expected);
            }
            prop_assert_eq!(progress.len(), 0);
        }
    }
}
