//! Whose file is fetched next. Pure bookkeeping.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use storage::{InstanceId, UserId};
use tokio::time::Instant;

/// Files that are fetched at once, whoever they belong to.
const AT_ONCE: usize = 8;
/// Files of one owner among them: who has many leaves room for others.
const AT_ONCE_EACH: usize = 4;
/// Files of one owner that are remembered; the rest is found in the store once these are done.
const MOST_EACH: usize = 10_000;

/// A file to fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Job {
    pub(super) owner: UserId,
    pub(super) instance: InstanceId,
    /// WhatsApp's id of its message.
    pub(super) message_id: String,
    /// How often it was tried.
    pub(super) attempts: u32,
}

type Key = (InstanceId, String);

/// The files that wait, by their owners, who take turns.
#[derive(Debug, Default)]
pub(super) struct Queue {
    turns: VecDeque<UserId>,
    owners: HashMap<UserId, Owner>,
    /// All that wait, are delayed or are being fetched.
    known: HashSet<Key>,
    delayed: Vec<(Instant, Job)>,
    running: usize,
    /// Whose files did not all fit.
    overflowed: HashSet<InstanceId>,
}

#[derive(Debug, Default)]
struct Owner {
    waiting: VecDeque<Job>,
    running: usize,
}

impl Queue {
    /// Takes a file, unless it is known.
    pub(super) fn add(&mut self, job: Job) {
        let owner = self.owners.entry(job.owner).or_default();
        if owner.waiting.len() >= MOST_EACH {
            self.overflowed.insert(job.instance);
            return;
        }
        if self.known.insert((job.instance, job.message_id.clone())) {
            self.wait(job);
        }
    }

    /// The next file, if one may be fetched now.
    pub(super) fn take(&mut self, now: Instant) -> Option<Job> {
        for (_, job) in self.delayed.extract_if(.., |(due, _)| *due <= now).collect::<Vec<_>>() {
            self.wait(job);
        }
        if self.running >= AT_ONCE {
            return None;
        }
        for _ in 0..self.turns.len() {
            let turn = self.turns.pop_front()?;
            let owner = self.owners.get_mut(&turn)?;
            if owner.running >= AT_ONCE_EACH {
                self.turns.push_back(turn);
                continue;
            }
            let job = owner.waiting.pop_front();
            if !owner.waiting.is_empty() {
                self.turns.push_back(turn);
            }
            if let Some(job) = job {
                owner.running += 1;
                self.running += 1;
                return Some(job);
            }
        }
        None
    }

    /// A file is done with, one way or the other. Names an instance whose other files are to be looked for.
    pub(super) fn done(&mut self, job: &Job) -> Option<InstanceId> {
        self.leave(job);
        self.known.remove(&(job.instance, job.message_id.clone()));
        let is_drained = self.owners.get(&job.owner).is_none_or(|owner| owner.waiting.is_empty());
        (is_drained && self.overflowed.remove(&job.instance)).then_some(job.instance)
    }

    /// A file is to be tried again after a pause.
    pub(super) fn delay(&mut self, job: Job, until: Instant) {
        self.leave(&job);
        self.delayed.push((until, Job { attempts: job.attempts + 1, ..job }));
    }

    /// When the next delayed file is due.
    pub(super) fn due(&self) -> Option<Instant> {
        self.delayed.iter().map(|(due, _)| *due).min()
    }

    fn wait(&mut self, job: Job) {
        let owner = self.owners.entry(job.owner).or_default();
        if !self.turns.contains(&job.owner) {
            self.turns.push_back(job.owner);
        }
        owner.waiting.push_back(job);
    }

    fn leave(&mut self, job: &Job) {
        self.running = self.running.saturating_sub(1);
        if let Some(owner) = self.owners.get_mut(&job.owner) {
            owner.running = owner.running.saturating_sub(1);
            if owner.running == 0 && owner.waiting.is_empty() {
                self.owners.remove(&job.owner);
            }
        }
    }
}

/// How long to wait after so many vain tries: hosts and phones come back within minutes or hours.
pub(super) fn pause(attempts: u32) -> Duration {
    const FIRST: Duration = Duration::from_secs(30);
    FIRST * 4_u32.saturating_pow(attempts.min(6))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(owner: UserId, number: usize) -> Job {
        let instance = InstanceId::from_bytes([1; 16]);
        Job { owner, instance, message_id: format!("{number}"), attempts: 0 }
    }

    #[tokio::test(start_paused = true)]
    async fn owners_take_turns_and_leave_each_other_room() {
        let (many, few) = (UserId::from_bytes([1; 16]), UserId::from_bytes([2; 16]));
        let mut queue = Queue::default();
        (0..100).for_each(|number| queue.add(job(many, number)));
        queue.add(job(few, 1_000));
        let now = Instant::now();
        let taken: Vec<_> = std::iter::from_fn(|| queue.take(now)).collect();
        assert_eq!(taken.len(), AT_ONCE_EACH + 1);
        assert_eq!(taken[1].owner, few);
        assert_eq!(queue.done(&taken[0]), None);
        assert_eq!(queue.take(now).map(|job| job.owner), Some(many));
        assert_eq!(queue.take(now), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_is_fetched_once_and_again_after_a_pause() {
        let owner = UserId::from_bytes([1; 16]);
        let mut queue = Queue::default();
        queue.add(job(owner, 1));
        queue.add(job(owner, 1));
        let now = Instant::now();
        let first = queue.take(now).unwrap();
        assert_eq!(queue.take(now), None);
        queue.delay(first, now + pause(0));
        queue.add(job(owner, 1));
        assert_eq!((queue.take(now), queue.due()), (None, Some(now + pause(0))));
        let again = queue.take(now + pause(0)).unwrap();
        assert_eq!(again.attempts, 1);
        queue.done(&again);
        queue.add(job(owner, 1));
        assert!(queue.take(now).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_fit_is_looked_for_later() {
        let owner = UserId::from_bytes([1; 16]);
        let mut queue = Queue::default();
        (0..=MOST_EACH).for_each(|number| queue.add(job(owner, number)));
        let now = Instant::now();
        let mut looked = None;
        while let Some(job) = queue.take(now) {
            looked = looked.or(queue.done(&job));
        }
        assert_eq!(looked, Some(InstanceId::from_bytes([1; 16])));
    }
}
