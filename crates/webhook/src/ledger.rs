//! What has been achieved since the last commit.

use std::collections::BTreeMap;
use std::mem;
use std::time::Duration;

use storage::{Consumer, Delivery, DeliveryState, InstanceId, Settlement, Timestamp};
use tokio::time::Instant;

use crate::courier::Failure;
use crate::lanes::{Lane, Row};
use crate::progress::Progress;

/// How long an achievement may stay uncommitted. After a crash that much is delivered again.
const COMMIT_INTERVAL: Duration = Duration::from_millis(200);

/// Collects settled events and changed deliveries until they are committed together.
///
/// A delivery is written no earlier than the cursor passes its event: until then a crash brings the event
/// back from the log.
#[derive(Debug)]
pub(crate) struct Ledger {
    consumer: Consumer,
    progress: Progress,
    committed: i64,
    put: BTreeMap<i64, Delivery>,
    done: Vec<i64>,
    due: Option<Instant>,
}

impl Ledger {
    pub(crate) fn new(instance: InstanceId, cursor: i64) -> Self {
        Self {
            consumer: Consumer::webhook(instance),
            progress: Progress::new(cursor),
            committed: cursor,
            put: BTreeMap::new(),
            done: Vec::new(),
            due: None,
        }
    }

    /// Notes an event read from the log.
    pub(crate) fn begin(&mut self, seq: i64) {
        self.progress.begin(seq);
    }

    /// The newest event that was read.
    pub(crate) fn read(&self) -> i64 {
        self.progress.read()
    }

    /// Events that were read and are neither settled nor stored.
    pub(crate) fn open(&self) -> usize {
        self.progress.len()
    }

    /// True if a later event is settled already, so that a restart would repeat it.
    pub(crate) fn is_overtaken(&self, seq: i64) -> bool {
        self.progress.is_overtaken(seq)
    }

    /// The event was delivered, or nobody wants it.
    pub(crate) fn settled(&mut self, seq: i64) {
        self.progress.settle(seq);
        self.touch();
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
            chat: lane.clone(),
            state,
            attempts: row.attempts,
            next_attempt: row.due,
            last_error: failure.map(ToString::to_string),
            status_code: failure.and_then(Failure::status_code),
            created_at: row.created_at,
            updated_at: now,
        };
        self.put.insert(row.seq, delivery);
        self.settled(row.seq);
    }

    /// The stored delivery succeeded.
    pub(crate) fn removed(&mut self, seq: i64) {
        self.put.remove(&seq);
        self.done.push(seq);
        self.touch();
    }

    /// When the next commit is due, if there is anything to commit.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// What to commit now. If the commit fails, the ledger is of no use any more: start again from what is
    /// stored.
    pub(crate) fn take(&mut self) -> Option<Settlement> {
        self.due = None;
        let cursor = self.progress.cursor();
        let ahead = self.put.split_off(&(cursor + 1));
        let put: Vec<_> = mem::replace(&mut self.put, ahead).into_values().collect();
        let done = mem::take(&mut self.done);
        let moved = (cursor > self.committed).then_some(cursor);
        if moved.is_none() && put.is_empty() && done.is_empty() {
            return None;
        }
        self.committed = cursor;
        Some(Settlement { consumer: self.consumer.clone(), cursor: moved, put, done })
    }

    fn touch(&mut self) {
        self.due.get_or_insert_with(|| Instant::now() + COMMIT_INTERVAL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1);

    fn store(ledger: &mut Ledger, seq: i64) {
        ledger.stored(&None, Row::behind(seq, NOW), DeliveryState::Pending, Some(&Failure::TimedOut), NOW);
    }

    #[tokio::test]
    async fn delivered_events_move_the_cursor_and_leave_no_row() {
        let mut ledger = Ledger::new(InstanceId::generate(), 0);
        assert!(ledger.take().is_none() && ledger.due().is_none());
        (1..=3).for_each(|seq| ledger.begin(seq));
        (1..=3).for_each(|seq| ledger.settled(seq));
        assert!(ledger.due().is_some());
        let settlement = ledger.take().unwrap();
        assert_eq!((settlement.cursor, settlement.put.len(), settlement.done.len()), (Some(3), 0, 0));
        assert!(ledger.take().is_none() && ledger.due().is_none());
    }

    #[tokio::test]
    async fn a_delivery_is_written_when_the_cursor_passes_it() {
        let mut ledger = Ledger::new(InstanceId::generate(), 0);
        (1..=3).for_each(|seq| ledger.begin(seq));
        store(&mut ledger, 2);
        assert!(ledger.take().is_none(), "event 1 is still open");
        ledger.settled(1);
        let settlement = ledger.take().unwrap();
        assert_eq!(settlement.cursor, Some(2));
        assert_eq!(settlement.put.iter().map(|d| d.seq).collect::<Vec<_>>(), [2]);
        assert_eq!(settlement.put[0].last_error.as_deref(), Some("no answer within 10 s"));
    }

    #[tokio::test]
    async fn a_delivery_that_succeeds_before_it_was_written_is_not_written() {
        let mut ledger = Ledger::new(InstanceId::generate(), 0);
        ledger.begin(1);
        store(&mut ledger, 1);
        ledger.removed(1);
        let settlement = ledger.take().unwrap();
        assert_eq!((settlement.cursor, settlement.put, settlement.done), (Some(1), vec![], vec![1]));
    }

    #[tokio::test]
    async fn a_stored_delivery_that_fails_again_is_replaced() {
        let mut ledger = Ledger::new(InstanceId::generate(), 9);
        store(&mut ledger, 4);
        let settlement = ledger.take().unwrap();
        assert_eq!((settlement.cursor, settlement.put.len()), (None, 1));
    }
}
