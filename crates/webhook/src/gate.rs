//! Permits for attempts: a bounded number, shared fairly, and none for a destination that is paused.

mod circuit;
mod shares;

use std::sync::Arc;

use chrono::Utc;
use parking_lot::Mutex;
use storage::Timestamp;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

use self::circuit::{Circuit, Standing};
use self::shares::{Grant, Shares, Waits};

pub(crate) use self::shares::{Route, Shown};

/// Hands out permits. Clones are the same gate.
#[derive(Clone)]
pub(crate) struct Gate {
    shares: Arc<Mutex<Shares<Waiter>>>,
}

/// The right to make one attempt. Dropped, it says nothing of the destination.
pub(crate) struct Permit {
    gate: Gate,
    route: Arc<Route>,
    standing: Standing,
    is_spent: bool,
}

/// What is known of a destination, as far as this process has tried it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reachability {
    /// Whether only one attempt at a time is made, because too many in a row were not answered.
    pub is_paused: bool,
    /// How many attempts in a row were not answered.
    pub failures: u32,
    /// When the next attempt may be made, unless it may now.
    pub next_attempt: Option<Timestamp>,
    /// How many attempts wait for their turn.
    pub waiting: usize,
}

type Waiter = oneshot::Sender<Permit>;

impl Waits for Waiter {
    fn is_gone(&self) -> bool {
        self.is_closed()
    }
}

impl Gate {
    /// A gate for at most so many attempts at once.
    pub(crate) fn new(at_once: usize) -> Self {
        Self { shares: Arc::new(Mutex::new(Shares::new(at_once))) }
    }

    /// Waits for a permit; `failed_before` says that what is to be delivered has failed before. Whoever drops the wait
    /// loses nothing but the place.
    pub(crate) async fn admit(&self, route: &Arc<Route>, failed_before: bool) -> Permit {
        loop {
            let (tell, told) = oneshot::channel();
            self.change(route, |shares, now| shares.enter(route, tell, failed_before, now));
            if let Ok(permit) = told.await {
                return permit;
            }
        }
    }

    /// Whether only one attempt at a time is made to the destination.
    pub(crate) fn is_paused(&self, route: &Route) -> bool {
        self.shares.lock().circuit(route).is_some_and(Circuit::is_open)
    }

    /// What is known of the destination, once it was tried.
    pub(crate) fn reachability(&self, route: &Route) -> Option<Reachability> {
        let (shares, now) = (self.shares.lock(), Instant::now());
        let circuit = shares.circuit(route)?;
        Some(Reachability {
            is_paused: circuit.is_open(),
            failures: circuit.failures(),
            next_attempt: circuit.pause_ends(now).map(|ends| Timestamp::from(Utc::now() + (ends - now))),
            waiting: shares.waiting(route),
        })
    }

    /// Changes the shares, and hands out what has become free.
    fn change(
        &self,
        route: &Arc<Route>,
        change: impl FnOnce(&mut Shares<Waiter>, Instant) -> Option<Instant>,
    ) {
        let now = Instant::now();
        let mut shares = self.shares.lock();
        let mut watches: Vec<_> =
            change(&mut shares, now).map(|at| (Arc::clone(route), at)).into_iter().collect();
        while let Some(Grant { to, route: granted, standing }) = shares.next(now) {
            let permit =
                Permit { gate: self.clone(), route: Arc::clone(&granted), standing, is_spent: false };
            // Who went away in this very moment gives it back, and not by the permit's end: that would wait for us.
            if let Err(mut permit) = to.send(permit) {
                permit.is_spent = true;
                let watch = shares.leave(&granted, standing, Shown::Nothing, now);
                watches.extend(watch.map(|at| (granted, at)));
            }
        }
        drop(shares);
        watches.into_iter().for_each(|(route, at)| self.watch(route, at));
    }

    /// Looks again when a pause has ended.
    fn watch(&self, route: Arc<Route>, at: Instant) {
        // Without a runtime, nobody waits any more either.
        let Ok(runtime) = Handle::try_current() else { return };
        let shares = Arc::downgrade(&self.shares);
        runtime.spawn(async move {
            sleep_until(at).await;
            if let Some(shares) = shares.upgrade() {
                Gate { shares }.change(&route, |shares, now| shares.look_again(&route, now));
            }
        });
    }
}

impl Permit {
    /// The attempt has ended.
    pub(crate) fn finish(mut self, shown: Shown) {
        self.give_back(shown);
    }

    fn give_back(&mut self, shown: Shown) {
        if !std::mem::replace(&mut self.is_spent, true) {
            let (route, standing) = (&self.route, self.standing);
            self.gate.change(route, |shares, now| shares.leave(route, standing, shown, now));
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.give_back(Shown::Nothing);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt as _;
    use storage::UserId;
    use tokio::time::timeout;

    use super::*;

    fn route(origin: &str) -> Arc<Route> {
        Arc::new(Route { owner: UserId::generate(), origin: origin.to_owned() })
    }

    #[tokio::test(start_paused = true)]
    async fn a_permit_that_nobody_takes_goes_to_the_next_one() {
        let gate = Gate::new(1);
        let (a, b) = (route("a"), route("b"));
        let first = gate.admit(&a, false).await;
        let mut gone = Box::pin(gate.admit(&b, false));
        assert!(gone.as_mut().now_or_never().is_none());
        let mut next = Box::pin(gate.admit(&a, false));
        assert!(next.as_mut().now_or_never().is_none());
        // Granted, but never looked at.
        drop(first);
        drop(gone);
        assert!(next.now_or_never().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_paused_destination_is_tried_by_itself_when_the_pause_ends() {
        let gate = Gate::new(4);
        let dead = route("dead");
        for _ in 0..circuit::PATIENCE {
            gate.admit(&dead, false).await.finish(Shown::Silence);
        }
        let known = gate.reachability(&dead).unwrap();
        assert!(
            known.is_paused && known.failures == circuit::PATIENCE && known.next_attempt.is_some(),
            "{known:?}"
        );
        assert!(timeout(Duration::from_millis(900), gate.admit(&dead, false)).await.is_err());
        let probe = timeout(Duration::from_millis(200), gate.admit(&dead, false)).await.expect("its turn");
        assert!(timeout(Duration::from_secs(60), gate.admit(&dead, false)).await.is_err(), "one at a time");
        probe.finish(Shown::Answer);
        assert!(!gate.is_paused(&dead));
        let _both = (gate.admit(&dead, false).await, gate.admit(&dead, false).await);
    }
}
