//! What has been achieved since the last commit.

use std::collections::{BTreeMap, HashSet};
use std::mem;

use storage::{Attempt, Consumer, Delivery, DeliveryState, Epoch, KEPT_ATTEMPTS, Settlement, Timestamp};

use crate::courier::Failure;
use crate::lanes::{Lane, Row};
use crate::progress::Progress;

/// Events that may be delivered while an earlier one isn't. Beyond, the slow ones become deliveries of their own, so that
/// the cursor can pass them.
const MAX_AHEAD: usize = 64;

/// Collects settled events and changed deliveries until they are committed together.
///
/// A delivery is written no earlier than the cursor passes its event: until then a crash brings the event back from the
/// log.
#[derive(Debug)]
pub(crate) struct Ledger {
    consumer: Consumer,
    epoch: Epoch,
    progress: Progress,
    committed: i64,
    put: BTreeMap<i64, Delivery>,
    done: Vec<i64>,
    /// What was tried; told with the next commit that is due anyway.
    attempts: Vec<Attempt>,
    /// Events that became deliveries of their own while they were on their way or waited for another one.
    detained: HashSet<i64>,
    /// Achievements that are in the commit under way.
    committing: usize,
}

/// Where a consumer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    /// Everything up to here is settled.
    pub(crate) cursor: i64,
    /// As far as the store knows.
    pub(crate) committed: i64,
}

impl Position {
    /// Positions of events that nobody wanted which may be uncommitted: after a crash they are read again, and cost no
    /// call.
    pub(crate) const MAX_LAG: i64 = 1024;

    /// Whether a commit is due for the sake of what nobody wanted.
    pub(crate) fn lags(self) -> bool {
        self.cursor - self.committed >= Self::MAX_LAG
    }
}

impl Ledger {
    pub(crate) fn new(consumer: Consumer, epoch: Epoch, position: Position) -> Self {
        Self {
            consumer,
            epoch,
            progress: Progress::new(position.cursor),
            committed: position.committed,
            put: BTreeMap::new(),
            done: Vec::new(),
            attempts: Vec::new(),
            detained: HashSet::new(),
            committing: 0,
        }
    }

    /// Notes an event of the log that is to be delivered.
    pub(crate) fn begin(&mut self, seq: i64, lane: Lane) {
        self.progress.begin(seq, lane);
    }

    /// Notes an event of the log that nobody wants.
    pub(crate) fn pass(&mut self, seq: i64) {
        self.progress.pass(seq);
    }

    /// The newest event that was read.
    pub(crate) fn read(&self) -> i64 {
        self.progress.read()
    }

    /// Events that were read and that the cursor hasn't passed.
    pub(crate) fn open(&self) -> usize {
        self.progress.len()
    }

    /// Achievements that a crash would undo.
    pub(crate) fn at_risk(&self) -> usize {
        self.progress.ahead() + self.progress.behind() + self.done.len() + self.committing
    }

    /// How far the log is settled, and how far that is committed or about to be.
    pub(crate) fn position(&self) -> Position {
        Position { cursor: self.progress.cursor(), committed: self.committed }
    }

    /// The event was delivered straight from the log.
    pub(crate) fn delivered(&mut self, seq: i64) {
        if self.detained.remove(&seq) {
            return self.removed(seq);
        }
        self.progress.settle(seq);
    }

    /// The stored delivery succeeded.
    pub(crate) fn removed(&mut self, seq: i64) {
        self.put.remove(&seq);
        self.done.push(seq);
    }

    /// An attempt has ended.
    pub(crate) fn tried(&mut self, attempt: Attempt) {
        if self.attempts.len() >= KEPT_ATTEMPTS {
            self.attempts.remove(0);
        }
        self.attempts.push(attempt.clipped());
    }

    /// The event is, or stays, a delivery of its own.
    pub(crate) fn stored(
        &mut self,
        lane: &Lane,
        row: Row,
        state: DeliveryState,
        failure: Option<&Failure>,
        now: Timestamp,
    ) {
        let delivery = Delivery {
            consumer: self.consumer.clone(),
            seq: row.seq,
            chat: lane.as_deref().map(str::to_owned),
            state,
            attempts: row.attempts,
            next_attempt: row.due,
            last_error: failure.map(ToString::to_string),
            status_code: failure.and_then(Failure::status_code),
            replayed: row.replayed,
            created_at: row.created_at,
            updated_at: now,
        };
        self.put.insert(row.seq, delivery);
        self.detained.remove(&row.seq);
        self.progress.settle(row.seq);
    }

    /// Makes the open events that a settled one has overtaken deliveries of their own, so that the cursor can pass them.
    pub(crate) fn detain_overtaken(&mut self, now: Timestamp) {
        for (seq, lane) in self.progress.settle_overtaken() {
            self.stored(&lane, Row::behind(seq, now), DeliveryState::Pending, None, now);
            self.detained.insert(seq);
        }
    }

    /// Whether there is anything whose loss would repeat a call, or so much that nobody wanted that reading it again would
    /// take long.
    pub(crate) fn is_due(&self) -> bool {
        self.progress.behind() > 0
            || self.progress.ahead() >= MAX_AHEAD
            || !self.done.is_empty()
            || self.put.first_key_value().is_some_and(|(seq, _)| *seq <= self.progress.cursor())
            || self.position().lags()
    }

    /// What to commit now. If the commit fails, the ledger is of no use any more: start again from what is stored.
    pub(crate) fn take(&mut self, now: Timestamp) -> Option<Settlement> {
        if self.progress.ahead() >= MAX_AHEAD {
            self.detain_overtaken(now);
        }
        let cursor = self.progress.cursor();
        let ahead = self.put.split_off(&cursor.saturating_add(1));
        let put: Vec<_> = mem::replace(&mut self.put, ahead).into_values().collect();
        let done = mem::take(&mut self.done);
        let attempts = mem::take(&mut self.attempts);
        let moved = (cursor > self.committed).then_some(cursor);
        if moved.is_none() && put.is_empty() && done.is_empty() && attempts.is_empty() {
            return None;
        }
        self.committed = cursor;
        self.committing = self.progress.take_behind() + done.len();
        let settlement = Settlement::new(self.consumer.clone(), self.epoch);
        Some(Settlement { cursor: moved, put, done, attempts, ..settlement })
    }

    /// What was taken last is durable.
    pub(crate) fn committed(&mut self) {
        self.committing = 0;
    }
}

#[cfg(test)]
mod tests {
    use storage::InstanceId;

    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1);

    fn ledger(cursor: i64) -> Ledger {
        let consumer = Consumer::webhook(InstanceId::generate(), "default");
        Ledger::new(consumer, Epoch::new(3), Position { cursor, committed: cursor })
    }

    fn begin(ledger: &mut Ledger, seqs: std::ops::RangeInclusive<i64>) {
        seqs.for_each(|seq| ledger.begin(seq, Some("a".into())));
    }

    fn store(ledger: &mut Ledger, seq: i64) {
        ledger.stored(&None, Row::behind(seq, NOW), DeliveryState::Pending, Some(&Failure::TimedOut), NOW);
    }

    fn seqs(settlement: &Settlement) -> Vec<i64> {
        settlement.put.iter().map(|delivery| delivery.seq).collect()
    }

    #[test]
    fn delivered_events_move_the_cursor_and_leave_no_row() {
        let mut ledger = ledger(0);
        assert!(!ledger.is_due() && ledger.take(NOW).is_none());
        begin(&mut ledger, 1..=3);
        (1..=3).for_each(|seq| ledger.delivered(seq));
        assert!(ledger.is_due());
        assert_eq!(ledger.at_risk(), 3);
        let settlement = ledger.take(NOW).unwrap();
        assert_eq!((settlement.cursor, settlement.put.len(), settlement.done.len()), (Some(3), 0, 0));
        assert_eq!(settlement.epoch, Epoch::new(3));
        assert_eq!(ledger.at_risk(), 3, "until it is durable");
        ledger.committed();
        assert_eq!(ledger.at_risk(), 0);
        assert!(!ledger.is_due() && ledger.take(NOW).is_none());
    }

    #[test]
    fn a_delivery_is_written_when_the_cursor_passes_it() {
        let mut ledger = ledger(0);
        begin(&mut ledger, 1..=3);
        store(&mut ledger, 2);
        assert!(!ledger.is_due() && ledger.take(NOW).is_none(), "event 1 is still open");
        ledger.delivered(1);
        let settlement = ledger.take(NOW).unwrap();
        assert_eq!((settlement.cursor, seqs(&settlement)), (Some(2), vec![2]));
        assert_eq!(settlement.put[0].last_error.as_deref(), Some("no answer within 10 s"));
    }

    #[test]
    fn a_delivery_that_succeeds_before_it_was_written_is_not_written() {
        let mut ledger = ledger(0);
        begin(&mut ledger, 1..=1);
        store(&mut ledger, 1);
        ledger.removed(1);
        let settlement = ledger.take(NOW).unwrap();
        assert_eq!((settlement.cursor, settlement.put, settlement.done), (Some(1), vec![], vec![1]));
    }

    #[test]
    fn a_stored_delivery_that_fails_again_is_replaced() {
        let mut ledger = ledger(9);
        store(&mut ledger, 4);
        assert!(ledger.is_due());
        let settlement = ledger.take(NOW).unwrap();
        assert_eq!((settlement.cursor, settlement.put.len()), (None, 1));
    }

    #[test]
    fn a_slow_event_holds_the_cursor_back_only_so_far() {
        let mut ledger = ledger(0);
        let last = i64::try_from(MAX_AHEAD).unwrap() + 1;
        begin(&mut ledger, 1..=last + 1);
        (2..last).for_each(|seq| ledger.delivered(seq));
        assert!(!ledger.is_due());
        ledger.delivered(last);
        assert!(ledger.is_due());
        let settlement = ledger.take(NOW).unwrap();
        assert_eq!((settlement.cursor, seqs(&settlement)), (Some(last), vec![1]));
        assert_eq!((settlement.put[0].attempts, settlement.put[0].chat.as_deref()), (0, Some("a")));
        assert_eq!(ledger.at_risk(), MAX_AHEAD + 1);

        ledger.delivered(1);
        let settlement = ledger.take(NOW).unwrap();
        assert_eq!((settlement.cursor, settlement.done), (None, vec![1]), "its row goes");
    }

    #[test]
    fn a_detained_event_that_fails_keeps_its_row() {
        let mut ledger = ledger(0);
        begin(&mut ledger, 1..=2);
        ledger.delivered(2);
        ledger.detain_overtaken(NOW);
        assert_eq!(seqs(&ledger.take(NOW).unwrap()), [1]);
        ledger.stored(&None, Row { attempts: 1, ..Row::behind(1, NOW) }, DeliveryState::Dead, None, NOW);
        let settlement = ledger.take(NOW).unwrap();
        assert_eq!((settlement.put[0].attempts, settlement.put[0].state), (1, DeliveryState::Dead));
    }

    #[test]
    fn what_nobody_wants_is_committed_with_something_else_or_when_it_is_much() {
        let mut ledger = ledger(0);
        ledger.pass(1);
        assert!(!ledger.is_due());
        begin(&mut ledger, 2..=2);
        ledger.delivered(2);
        assert_eq!(ledger.take(NOW).unwrap().cursor, Some(2));
        (3..=2 + Position::MAX_LAG).for_each(|seq| ledger.pass(seq));
        assert!(ledger.is_due());
    }
}
