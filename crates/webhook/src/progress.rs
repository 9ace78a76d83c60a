//! How far the cursor may move: past everything that is settled without a gap.

use std::collections::VecDeque;
use std::mem;

use crate::lanes::Lane;

/// The events between the stored cursor and the newest one read, in log order.
#[derive(Debug)]
pub(crate) struct Progress {
    cursor: i64,
    open: VecDeque<Read>,
    /// How many of `open` are settled.
    ahead: usize,
    /// How many settled events the cursor has passed since [`Progress::take_behind`].
    behind: usize,
}

/// An event that was read.
#[derive(Debug)]
struct Read {
    seq: i64,
    lane: Lane,
    mark: Mark,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    /// A delivery that isn't done with yet.
    Open,
    /// Nobody wants it: reading it again would do no harm.
    Passed,
    /// Delivered, or a delivery of its own: reading it again would repeat it.
    Settled,
}

impl Progress {
    /// Everything up to `cursor` is settled.
    pub(crate) fn new(cursor: i64) -> Self {
        Self { cursor, open: VecDeque::new(), ahead: 0, behind: 0 }
    }

    /// Notes an event that was read; `seq` is greater than all before.
    pub(crate) fn begin(&mut self, seq: i64, lane: Lane) {
        self.open.push_back(Read { seq, lane, mark: Mark::Open });
    }

    /// Notes an event that was read and that nobody wants.
    pub(crate) fn pass(&mut self, seq: i64) {
        self.open.push_back(Read { seq, lane: None, mark: Mark::Passed });
        self.advance();
    }

    /// Notes that an event was delivered, or has a delivery of its own.
    pub(crate) fn settle(&mut self, seq: i64) {
        if let Ok(at) = self.open.binary_search_by_key(&seq, |read| read.seq)
            && let Some(read) = self.open.get_mut(at)
            && read.mark == Mark::Open
        {
            read.mark = Mark::Settled;
            self.ahead += 1;
        }
        self.advance();
    }

    /// Settles the open events before the last settled one, and tells which they are: from now on they are the caller's.
    pub(crate) fn settle_overtaken(&mut self) -> Vec<(i64, Lane)> {
        let end = self.open.iter().rposition(|read| read.mark == Mark::Settled).unwrap_or(0);
        let open = self.open.iter_mut().take(end).filter(|read| read.mark == Mark::Open);
        let overtaken: Vec<_> = open
            .map(|read| {
                read.mark = Mark::Settled;
                (read.seq, read.lane.take())
            })
            .collect();
        self.ahead += overtaken.len();
        self.advance();
        overtaken
    }

    /// The last event before which nothing is open.
    pub(crate) fn cursor(&self) -> i64 {
        self.cursor
    }

    /// The newest event that was read.
    pub(crate) fn read(&self) -> i64 {
        self.open.back().map_or(self.cursor, |read| read.seq)
    }

    /// How many events beyond the cursor are settled, so that a restart at the cursor would repeat them.
    pub(crate) fn ahead(&self) -> usize {
        self.ahead
    }

    /// How many settled events the cursor has passed since the last commit was made up.
    pub(crate) fn behind(&self) -> usize {
        self.behind
    }

    /// The same, and counts from 0 again.
    pub(crate) fn take_behind(&mut self) -> usize {
        mem::take(&mut self.behind)
    }

    /// How many events lie between the cursor and the newest one read.
    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    fn advance(&mut self) {
        while let Some(Read { seq, mark: mark @ (Mark::Passed | Mark::Settled), .. }) = self.open.front() {
            self.cursor = *seq;
            if *mark == Mark::Settled {
                self.ahead -= 1;
                self.behind += 1;
            }
            self.open.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_cursor_stops_before_the_first_open_event() {
        let mut progress = Progress::new(3);
        for seq in [5, 6, 9] {
            progress.begin(seq, None);
        }
        progress.settle(6);
        assert_eq!((progress.cursor(), progress.read(), progress.len(), progress.ahead()), (3, 9, 3, 1));
        progress.settle(6);
        assert_eq!(progress.ahead(), 1);
        progress.settle(5);
        assert_eq!((progress.cursor(), progress.len(), progress.ahead()), (6, 1, 0));
        progress.pass(12);
        assert_eq!((progress.cursor(), progress.read(), progress.ahead()), (6, 12, 0));
        progress.settle(9);
        assert_eq!((progress.cursor(), progress.read(), progress.len()), (12, 12, 0));
        progress.settle(77);
        assert_eq!(progress.cursor(), 12);
        assert_eq!((progress.take_behind(), progress.behind()), (3, 0), "three were settled, one passed");
    }

    #[test]
    fn what_is_overtaken_is_handed_over_once() {
        let mut progress = Progress::new(0);
        (1..=5).for_each(|seq| progress.begin(seq, Some("a".into())));
        assert!(progress.settle_overtaken().is_empty());
        progress.settle(2);
        progress.settle(4);
        assert_eq!(progress.settle_overtaken(), [(1, Some("a".into())), (3, Some("a".into()))]);
        assert_eq!((progress.cursor(), progress.ahead(), progress.len()), (4, 0, 1));
        assert!(progress.settle_overtaken().is_empty());
    }

    proptest! {
        #[test]
        fn any_order_of_settling_ends_at_the_last_event(order in Just((1..40i64).collect::<Vec<_>>()).prop_shuffle()) {
            let mut progress = Progress::new(0);
            (1..40).for_each(|seq| progress.begin(seq, None));
            let mut settled = BTreeSet::new();
            for seq in order {
                progress.settle(seq);
                settled.insert(seq);
                let expected = (1..40).take_while(|seq| settled.contains(seq)).last().unwrap_or(0);
                prop_assert_eq!(progress.cursor(), expected);
                prop_assert_eq!(progress.ahead(), settled.iter().filter(|seq| **seq > expected).count());
            }
            prop_assert_eq!(progress.len(), 0);
        }
    }
}
