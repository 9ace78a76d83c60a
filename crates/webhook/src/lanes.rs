//! Order per chat: one lane for each chat that has something under way, so that a failure blocks only its own
//! chat.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use storage::Timestamp;

/// What orders events: the chat they belong to; events without a chat share the lane `None`.
pub(crate) type Lane = Option<Arc<str>>;

/// All lanes that are not idle. Events of other chats may be sent at once.
#[derive(Debug)]
pub(crate) struct Lanes<E> {
    lanes: HashMap<Lane, State<E>>,
    due: BTreeSet<(Timestamp, Lane)>,
    stored: usize,
}

/// What a lane is doing.
#[derive(Debug)]
enum State<E> {
    /// An event straight from the log is being sent; the later ones wait here.
    Live { waiting: VecDeque<E> },
    /// The first of these stored deliveries is to be tried when it is due; the others stand behind it.
    Blocked { rows: VecDeque<Row> },
    /// The first of these stored deliveries is being tried.
    Retrying { rows: VecDeque<Row> },
}

/// A stored delivery, without its event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) seq: i64,
    pub(crate) attempts: u32,
    pub(crate) due: Timestamp,
    pub(crate) created_at: Timestamp,
    /// Whether somebody has asked for it again.
    pub(crate) replayed: bool,
}

impl Row {
    /// A delivery that waits behind another one of its chat.
    pub(crate) fn behind(seq: i64, now: Timestamp) -> Self {
        Self { seq, attempts: 0, due: now, created_at: now, replayed: false }
    }
}

/// What becomes of an event read from the log.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Admission<E> {
    /// Nothing is before it: send it.
    Send(E),
    /// It waits in its lane.
    Queued,
    /// Stored deliveries are before it: store it behind them.
    Store(E),
}

impl<E> Lanes<E> {
    pub(crate) fn new() -> Self {
        Self { lanes: HashMap::new(), due: BTreeSet::new(), stored: 0 }
    }

    /// True if no lane is under way or blocked.
    pub(crate) fn is_empty(&self) -> bool {
        self.lanes.is_empty()
    }

    /// How many stored deliveries there are.
    pub(crate) fn stored(&self) -> usize {
        self.stored
    }

    /// Takes a stored delivery, in the order of `seq`. Only before the first event is admitted.
    pub(crate) fn restore(&mut self, lane: Lane, row: Row) {
        self.stored += 1;
        match self.lanes.get_mut(&lane) {
            Some(State::Blocked { rows } | State::Retrying { rows }) => rows.push_back(row),
            _ => self.block(lane, VecDeque::from([row])),
        }
    }

    /// Takes an event in log order.
    pub(crate) fn admit(&mut self, lane: &Lane, seq: i64, now: Timestamp, event: E) -> Admission<E> {
        match self.lanes.get_mut(lane) {
            None => {
                self.lanes.insert(lane.clone(), State::Live { waiting: VecDeque::new() });
                Admission::Send(event)
            }
            Some(State::Live { waiting }) => {
                waiting.push_back(event);
                Admission::Queued
            }
            Some(State::Blocked { rows } | State::Retrying { rows }) => {
                rows.push_back(Row::behind(seq, now));
                self.stored += 1;
                Admission::Store(event)
            }
        }
    }

    /// The lane's live event is settled; the next one to send, if any waits.
    pub(crate) fn proceed(&mut self, lane: &Lane) -> Option<E> {
        let Some(State::Live { waiting }) = self.lanes.get_mut(lane) else { return None };
        let next = waiting.pop_front();
        if next.is_none() {
            self.lanes.remove(lane);
        }
        next
    }

    /// The lane's live event has failed and becomes a stored delivery, `row`. Returns the events that waited
    /// for it: they must be stored behind it, and are noted as such by their `seq`.
    pub(crate) fn fail(&mut self, lane: Lane, row: Row, seq: impl Fn(&E) -> i64) -> VecDeque<E> {
        let waiting = match self.lanes.remove(&lane) {
            Some(State::Live { waiting }) => waiting,
            _ => VecDeque::new(),
        };
        let behind = waiting.iter().map(|event| Row::behind(seq(event), row.created_at));
        let rows: VecDeque<Row> = std::iter::once(row).chain(behind).collect();
        self.stored += rows.len();
        self.block(lane, rows);
        waiting
    }

    /// The earliest time at which a blocked lane is to be tried again.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.due.first().map(|(due, _)| *due)
    }

    /// The clock has jumped by so many milliseconds: what is due stays as far away as it was.
    pub(crate) fn move_due(&mut self, by: i64) {
        let moved = |due: Timestamp| Timestamp::from_millis(due.millis().saturating_add(by));
        for state in self.lanes.values_mut() {
            if let State::Blocked { rows } = state
                && let Some(first) = rows.front_mut()
            {
                first.due = moved(first.due);
            }
        }
        self.due = std::mem::take(&mut self.due).into_iter().map(|(due, lane)| (moved(due), lane)).collect();
    }

    /// Nothing is due later than this.
    pub(crate) fn pull_in(&mut self, latest: Timestamp) {
        while self.due.last().is_some_and(|(due, _)| *due > latest) {
            let Some((_, lane)) = self.due.pop_last() else { return };
            if let Some(State::Blocked { rows }) = self.lanes.get_mut(&lane)
                && let Some(first) = rows.front_mut()
            {
                first.due = latest;
            }
            self.due.insert((latest, lane));
        }
    }

    /// Makes the first delivery of every blocked lane due now.
    pub(crate) fn hasten_all(&mut self, now: Timestamp) {
        self.pull_in(now);
    }

    /// Takes the first delivery of a lane whose time has come; it is retrying from now on.
    pub(crate) fn take_due(&mut self, now: Timestamp) -> Option<(Lane, Row)> {
        if self.next_due()? > now {
            return None;
        }
        let (_, lane) = self.due.pop_first()?;
        let Some(State::Blocked { rows }) = self.lanes.remove(&lane) else { return None };
        let first = rows.front().copied();
        self.lanes.insert(lane.clone(), State::Retrying { rows });
        first.map(|row| (lane, row))
    }

    /// Makes the first delivery of a blocked lane due now, if it is such a one.
    pub(crate) fn hasten(&mut self, lane: &Lane, now: Timestamp, is_meant: impl Fn(i64) -> bool) {
        let Some(State::Blocked { rows }) = self.lanes.get_mut(lane) else { return };
        if let Some(first) = rows.front_mut().filter(|first| first.due > now && is_meant(first.seq)) {
            self.due.remove(&(first.due, lane.clone()));
            first.due = now;
            self.due.insert((now, lane.clone()));
        }
    }

    /// The delivery that was tried is settled: the next one of the lane becomes due.
    pub(crate) fn retried(&mut self, lane: Lane) {
        let Some(State::Retrying { mut rows }) = self.lanes.remove(&lane) else { return };
        rows.pop_front();
        self.stored -= 1;
        self.block(lane, rows);
    }

    /// The delivery that was tried has failed again and waits as `row` says.
    pub(crate) fn retry_again(&mut self, lane: Lane, row: Row) {
        let Some(State::Retrying { mut rows }) = self.lanes.remove(&lane) else { return };
        if let Some(first) = rows.front_mut() {
            *first = row;
        }
        self.block(lane, rows);
    }

    fn block(&mut self, lane: Lane, rows: VecDeque<Row>) {
        if let Some(first) = rows.front() {
            self.due.insert((first.due, lane.clone()));
            self.lanes.insert(lane, State::Blocked { rows });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(0);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn row(seq: i64, attempts: u32, due: i64) -> Row {
        Row { seq, attempts, due: at(due), created_at: NOW, replayed: false }
    }

    fn lane(name: &str) -> Lane {
        Some(name.into())
    }

    fn admit(lanes: &mut Lanes<i64>, name: &str, seq: i64) -> Admission<i64> {
        lanes.admit(&lane(name), seq, NOW, seq)
    }

    #[test]
    fn one_event_of_a_chat_is_sent_at_a_time_and_chats_do_not_wait_for_each_other() {
        let mut lanes = Lanes::new();
        assert_eq!(admit(&mut lanes, "a", 1), Admission::Send(1));
        assert_eq!(admit(&mut lanes, "a", 2), Admission::Queued);
        assert_eq!(admit(&mut lanes, "b", 3), Admission::Send(3));
        assert_eq!(lanes.admit(&None, 4, NOW, 4), Admission::Send(4));
        assert_eq!(lanes.proceed(&lane("b")), None);
        assert_eq!(lanes.proceed(&None), None);
        assert_eq!(lanes.proceed(&lane("a")), Some(2));
        assert!(!lanes.is_empty());
        assert_eq!(lanes.proceed(&lane("a")), None);
        assert!(lanes.is_empty());
    }

    #[test]
    fn a_blocked_chat_stores_what_comes_and_goes_through_it_in_order() {
        let mut lanes = Lanes::new();
        admit(&mut lanes, "a", 1);
        admit(&mut lanes, "a", 2);
        assert_eq!(lanes.fail(lane("a"), row(1, 1, 10), |seq| *seq), [2]);
        assert_eq!(admit(&mut lanes, "a", 3), Admission::Store(3));
        assert_eq!(admit(&mut lanes, "b", 4), Admission::Send(4));
        assert_eq!((lanes.stored(), lanes.next_due()), (3, Some(at(10))));
        assert_eq!(lanes.take_due(at(9)), None);
        assert_eq!(lanes.take_due(at(10)), Some((lane("a"), row(1, 1, 10))));
        assert_eq!(lanes.take_due(at(10)), None, "one delivery of a lane at a time");
        assert_eq!(admit(&mut lanes, "a", 5), Admission::Store(5));
        lanes.retry_again(lane("a"), row(1, 2, 30));
        assert_eq!(lanes.take_due(at(29)), None);
        for (seq, attempts, due) in [(1, 2, 30), (2, 0, 0), (3, 0, 0), (5, 0, 0)] {
            assert_eq!(lanes.take_due(at(30)), Some((lane("a"), row(seq, attempts, due))));
            lanes.retried(lane("a"));
        }
        assert_eq!((lanes.stored(), lanes.take_due(at(99))), (0, None));
        assert_eq!(admit(&mut lanes, "a", 6), Admission::Send(6));
    }

    #[test]
    fn the_first_delivery_of_a_lane_can_be_hastened() {
        let mut lanes = Lanes::new();
        admit(&mut lanes, "a", 1);
        admit(&mut lanes, "a", 2);
        lanes.fail(lane("a"), row(1, 1, 60), |seq| *seq);
        lanes.hasten(&lane("a"), at(5), |seq| seq == 2);
        lanes.hasten(&lane("b"), at(5), |_| true);
        assert_eq!(lanes.take_due(at(5)), None);
        lanes.hasten(&lane("a"), at(5), |seq| seq == 1);
        assert_eq!(lanes.take_due(at(5)), Some((lane("a"), row(1, 1, 5))));
        assert_eq!((lanes.take_due(at(99)), lanes.next_due()), (None, None), "once");
    }

    #[test]
    fn restored_deliveries_block_their_chats() {
        let mut lanes = Lanes::new();
        lanes.restore(lane("a"), row(3, 2, 60));
        lanes.restore(lane("b"), row(4, 1, 20));
        lanes.restore(lane("a"), row(5, 0, 0));
        assert_eq!(admit(&mut lanes, "a", 6), Admission::Store(6));
        assert_eq!(admit(&mut lanes, "c", 7), Admission::Send(7));
        assert_eq!(lanes.stored(), 4);
        assert_eq!(lanes.take_due(at(99)), Some((lane("b"), row(4, 1, 20))));
        assert_eq!(lanes.take_due(at(99)), Some((lane("a"), row(3, 2, 60))));
    }

    #[test]
    fn deliveries_are_restored_behind_one_that_is_being_tried() {
        let mut lanes = Lanes::<i64>::new();
        lanes.restore(lane("a"), row(1, 1, 0));
        assert_eq!(lanes.take_due(at(0)), Some((lane("a"), row(1, 1, 0))));
        lanes.restore(lane("a"), row(2, 0, 0));
        assert_eq!(lanes.take_due(at(9)), None, "one at a time");
        lanes.retried(lane("a"));
        assert_eq!(lanes.take_due(at(9)), Some((lane("a"), row(2, 0, 0))));
        lanes.retried(lane("a"));
        assert!(lanes.is_empty() && lanes.stored() == 0);
    }

    #[test]
    fn what_a_wrong_clock_has_put_off_is_pulled_in() {
        let mut lanes = Lanes::<i64>::new();
        let row =
            |seq, due| Row { due: Timestamp::from_millis(due), ..Row::behind(seq, Timestamp::default()) };
        lanes.restore(Some("late".into()), row(1, 9_000_000));
        lanes.restore(Some("soon".into()), row(2, 10));
        lanes.pull_in(Timestamp::from_millis(500));
        assert_eq!(lanes.next_due(), Some(Timestamp::from_millis(10)));
        assert_eq!(lanes.take_due(Timestamp::from_millis(500)).unwrap().1.seq, 2);
        let (lane, hastened) = lanes.take_due(Timestamp::from_millis(500)).unwrap();
        assert_eq!((lane.as_deref(), hastened.due), (Some("late"), Timestamp::from_millis(500)));
        lanes.retried(lane);
        assert_eq!(lanes.stored(), 1);
    }

    #[test]
    fn what_is_due_moves_with_the_clock() {
        let mut lanes = Lanes::<i64>::new();
        lanes.restore(lane("a"), row(1, 1, 10));
        lanes.restore(lane("b"), row(2, 1, 20));
        lanes.move_due(-1_000_000);
        assert_eq!(lanes.take_due(at(-991)), None);
        assert_eq!(lanes.take_due(at(-990)), Some((lane("a"), row(1, 1, -990))));
        lanes.move_due(5_000_000);
        assert_eq!(lanes.next_due(), Some(at(4_020)));
        lanes.move_due(i64::MAX);
        assert_eq!(lanes.next_due(), Some(Timestamp::from_millis(i64::MAX)));
    }
}
