use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

/// Work of one kind that is done at once, however many companions want some: it leaves a processor to others wherever there
/// are more than two, and where there are fewer the system shares them out.
const AT_ONCE: usize = 2;

/// Takes turns with work that keeps a processor busy for a tenth of a second and more: prekeys, the keys of codes to
/// link with, thousands of records of the app state. It is done on the blocking threads of tokio, a few at a time.
///
/// Clones take turns with each other. An embedder of many companions gives all of them the same, so that whoever links a
/// thousand at once takes neither every thread nor every processor from the others.
#[derive(Debug, Clone, Default)]
pub struct Computing {
    pub(crate) prekeys: Turns,
    /// Apart, so that who asks for many codes holds up nobody who has scanned one.
    pub(crate) codes: Turns,
    /// Apart for the same reason: phones have large address books.
    pub(crate) app_state: Turns,
}

/// Turns at one kind of work.
#[derive(Debug, Clone)]
pub(crate) struct Turns(Arc<Semaphore>);

impl Turns {
    /// Does the work when it is its turn; none if it panics. What has begun goes on, and keeps its turn, when nobody waits
    /// for it any more.
    pub(crate) async fn take<T: Send + 'static>(
        self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let turn = self.0.acquire_owned().await.ok()?;
        let done = spawn_blocking(move || {
            let done = work();
            drop(turn);
            done
        });
        done.await.ok()
    }
}

impl Default for Turns {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use parking_lot::Mutex;
    use test_support::until;

    use super::*;

    #[tokio::test]
    async fn only_so_much_is_done_at_once_even_of_what_nobody_waits_for() {
        let computing = Computing::default();
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (release, held) = mpsc::channel::<()>();
        let held = Arc::new(Mutex::new(held));
        let mut waiting = tokio::task::JoinSet::new();
        for n in 0..5 {
            let (running, most, held) = (Arc::clone(&running), Arc::clone(&most), Arc::clone(&held));
            waiting.spawn(computing.clone().codes.take(move || {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                let _ = held.lock().recv();
                running.fetch_sub(1, Ordering::SeqCst);
                n
            }));
        }
        until("as many as may", || async { (running.load(Ordering::SeqCst) == AT_ONCE).then_some(()) }).await;
        assert_eq!(computing.prekeys.clone().take(|| 7).await, Some(7), "another kind doesn't wait");
        waiting.abort_all();
        while waiting.join_next().await.is_some() {}
        let last = tokio::spawn(computing.codes.clone().take(|| 8));
        tokio::task::yield_now().await;
        assert!(!last.is_finished(), "what was given up still has its turn");
        drop(release);
        assert_eq!(last.await.unwrap(), Some(8));
        assert_eq!(most.load(Ordering::SeqCst), AT_ONCE);
    }

    #[tokio::test]
    async fn a_defect_costs_no_turn() {
        let turns = Turns::default();
        for _ in 0..=AT_ONCE {
            assert_eq!(turns.clone().take::<()>(|| panic!("a defect")).await, None);
        }
        assert_eq!(turns.take(|| 1).await, Some(1));
    }
}
