//! Threads for password hashes alone, and the line in front of them.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use thiserror::Error;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::throttle::Key;

/// Hashes computed at once. The threads do nothing else, so that who guesses passwords takes no thread from the database.
const THREADS: usize = 2;
/// Hashes that wait. At a quarter of a second each, the last one is answered after four seconds.
pub(super) const MOST_WAITING: usize = 32;

/// Nobody waits longer: where the machine has no time left, the caller hears so before the request's own minute is over,
/// and its place is free.
const PATIENCE: Duration = Duration::from_secs(30);

/// Too many wait already, or the line hardly moves.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("too many password hashes wait")]
pub(super) struct Busy;

type Job = Box<dyn FnOnce() + Send>;

/// How much these threads give way to all others (0 to 19): on a machine with few processors, who guesses passwords would
/// take half of it otherwise. A thread that has a processor to itself is as quick as ever.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

/// Computes hashes for one address after the other, however many each has sent.
#[derive(Clone, Default)]
pub(super) struct Hashing {
    line: Arc<Mutex<Line>>,
}

/// Who waits: in turn one job of each address. No address is here without a job.
#[derive(Default)]
struct Line {
    addresses: VecDeque<(Key, VecDeque<Job>)>,
    waiting: usize,
    threads: usize,
}

impl Hashing {
    /// Does `work` when it is its turn. Nothing is done if the caller has gone by then.
    ///
    /// # Errors
    /// [`Busy`] if too many wait, or others waited for fewer while `whose` had the most, or if its turn hasn't come and
    /// gone within [`PATIENCE`].
    pub(super) async fn run<T: Send + 'static>(
        &self,
        whose: Key,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Busy> {
        let (tell, done) = oneshot::channel();
        let job = move || {
            if !tell.is_closed() {
                // Nobody may want it any more.
                let _ = tell.send(work());
            }
        };
        self.put(whose, Box::new(job))?;
        timeout(PATIENCE, done).await.map_err(|_| Busy)?.map_err(|_| Busy)
    }

    fn put(&self, whose: Key, job: Job) -> Result<(), Busy> {
        let mut line = self.line.lock();
        line.put(whose, job)?;
        if line.threads < THREADS {
            let waiting = Arc::clone(&self.line);
            let started =
                std::thread::Builder::new().name("password".to_owned()).spawn(move || work(&waiting));
            if started.is_ok() {
                line.threads += 1;
            } else if line.threads == 0 {
                line.clear();
                return Err(Busy);
            }
        }
        Ok(())
    }
}

impl std::fmt::Debug for Hashing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hashing").field("waiting", &self.line.lock().waiting).finish_non_exhaustive()
    }
}

impl Line {
    /// Where the line is full, whoever has the most in it gives way to one who has fewer.
    fn put(&mut self, whose: Key, job: Job) -> Result<(), Busy> {
        if self.waiting >= MOST_WAITING {
            let own = self.of(whose).map_or(0, |(_, jobs)| jobs.len());
            let longest = self.addresses.iter_mut().max_by_key(|(_, jobs)| jobs.len()).ok_or(Busy)?;
            if longest.1.len() <= own + 1 {
                return Err(Busy);
            }
            longest.1.pop_back();
            self.waiting -= 1;
        }
        match self.of(whose) {
            Some((_, jobs)) => jobs.push_back(job),
            None => self.addresses.push_back((whose, VecDeque::from([job]))),
        }
        self.waiting += 1;
        Ok(())
    }

    fn of(&mut self, whose: Key) -> Option<&mut (Key, VecDeque<Job>)> {
        self.addresses.iter_mut().find(|(key, _)| *key == whose)
    }

    fn next(&mut self) -> Option<Job> {
        let (key, mut jobs) = self.addresses.pop_front()?;
        let job = jobs.pop_front()?;
        self.waiting -= 1;
        if !jobs.is_empty() {
            self.addresses.push_back((key, jobs));
        }
        Some(job)
    }

    fn clear(&mut self) {
        self.addresses.clear();
        self.waiting = 0;
    }
}

/// A thread, until nobody waits any more.
fn work(line: &Mutex<Line>) {
    give_way();
    loop {
        let job = {
            let mut line = line.lock();
            let Some(job) = line.next() else {
                line.threads -= 1;
                return;
            };
            job
        };
        // Whoever waits for it hears that it is gone.
        let _ = std::panic::catch_unwind(AssertUnwindSafe(job));
    }
}

/// Linux has a priority for each thread; elsewhere it is the process's.
#[cfg(target_os = "linux")]
fn give_way() {
    let thread = rustix::thread::gettid();
    if let Err(error) = rustix::process::setpriority_process(Some(thread), NICENESS) {
        tracing::debug!(%error, "password hashes have the priority of everything else");
    }
}

#[cfg(not(target_os = "linux"))]
fn give_way() {}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::sync::mpsc;

    use super::super::throttle::Keys;
    use super::*;

    fn names() -> impl Fn(u32) -> Key {
        let keys = Keys::new();
        move |n| keys.address(IpAddr::V4(Ipv4Addr::from_bits(n)))
    }

    #[test]
    fn the_line_is_bounded_and_in_turn() {
        let key = names();
        let mut line = Line::default();
        let (tell, told) = mpsc::channel();
        let job = |name: u32| -> Job {
            let tell = tell.clone();
            Box::new(move || tell.send(name).unwrap())
        };
        for _ in 0..MOST_WAITING {
            line.put(key(1), job(1)).unwrap();
        }
        assert_eq!(line.put(key(1), job(1)), Err(Busy), "full, and nobody has more");
        line.put(key(2), job(2)).unwrap();
        line.put(key(2), job(2)).unwrap();
        assert_eq!(line.waiting, MOST_WAITING, "who had the most has given way");
        while let Some(job) = line.next() {
            job();
        }
        drop((tell, line));
        let order: Vec<u32> = told.iter().collect();
        assert_eq!(order.len(), MOST_WAITING);
        assert_eq!(order[..6], [1, 2, 1, 2, 1, 1]);
    }

    #[tokio::test]
    async fn work_is_done_and_threads_end() {
        let (hashing, key) = (Hashing::default(), names());
        for n in 0..3 {
            assert_eq!(hashing.run(key(n), move || n * 2).await, Ok(n * 2));
        }
        assert_eq!(hashing.run(key(1), || panic!("a defect")).await, Err::<(), _>(Busy));
        assert_eq!(hashing.run(key(1), || 1).await, Ok(1));
        crate::testing::until("the threads end", || async {
            (hashing.line.lock().threads == 0).then_some(())
        })
        .await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_line_that_hardly_moves_is_left() {
        let (hashing, key) = (Hashing::default(), names());
        let (go_on, gone_on) = mpsc::channel::<()>();
        let gone_on = Arc::new(Mutex::new(gone_on));
        for n in 0..THREADS {
            let gone_on = Arc::clone(&gone_on);
            let stuck = Box::new(move || {
                let _ = gone_on.lock().recv();
            });
            hashing.put(key(u32::try_from(n).unwrap()), stuck).unwrap();
        }
        let begun = tokio::time::Instant::now();
        assert_eq!(hashing.run(key(9), || 1).await, Err(Busy));
        assert_eq!(begun.elapsed().as_secs(), PATIENCE.as_secs());
        drop(go_on);
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn hashes_give_way_to_everything_else() {
        let niceness = || rustix::process::getpriority_process(Some(rustix::thread::gettid())).unwrap();
        let own = niceness();
        assert_eq!(Hashing::default().run(names()(1), niceness).await, Ok(NICENESS.max(own)));
        assert_eq!(niceness(), own, "other threads stay as they are");
    }
}
