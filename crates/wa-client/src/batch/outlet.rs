//! The driver's end.

use crate::event::Event;
use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;

use super::exchange::{Exchange, Slot, Verdict, wake};
use super::{AcceptError, Events};

/// Events about the client itself that wait for an embedder who drops every batch; the oldest make room.
pub(super) const MOST_WAITING: usize = 64;

/// The two ends of the place where batches change hands.
pub(crate) fn exchange() -> (Outlet, Events) {
    let exchange = Arc::new(Exchange::default());
    let outlet = Outlet {
        exchange: exchange.clone(),
        waiting: Vec::new(),
        untold: Vec::new(),
        state: Handed::Nothing,
        is_paused: false,
    };
    (outlet, Events(exchange))
}

/// The driver's end: hands out one batch after the other.
pub(crate) struct Outlet {
    exchange: Arc<Exchange>,
    /// Events that come with the next batch.
    pub(super) waiting: Vec<Event>,
    /// Those of the batch under way that nobody would tell again if it were dropped.
    untold: Vec<Event>,
    state: Handed,
    /// Whether nothing is handed out for now.
    is_paused: bool,
}

/// Whether the embedder has a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Handed {
    Nothing,
    /// Handed out, and no verdict yet.
    Batch,
    /// Accepted, and what follows from it is not stored yet.
    Accepted,
    /// Handed out and given up: what was to follow from it is not to be had any more.
    Void,
}

impl Outlet {
    /// Adds an event to the next batch.
    pub(crate) fn push(&mut self, event: Event) {
        self.waiting.push(event);
    }

    /// Whether events wait for the next batch.
    pub(crate) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Whether the next batch can be handed out: none is under way, and nothing was dropped that would only be dropped
    /// again.
    pub(crate) fn is_free(&self) -> bool {
        self.state == Handed::Nothing && !self.is_paused
    }

    /// Hands out nothing more until [`Self::resume`].
    pub(crate) fn pause(&mut self) {
        self.is_paused = true;
    }

    /// Hands out again.
    pub(crate) fn resume(&mut self) {
        self.is_paused = false;
    }

    /// Hands out what waits, followed by `events`, as one batch; nothing if there is nothing. Must be free.
    pub(crate) fn hand_out(&mut self, events: impl IntoIterator<Item = Event>) {
        let untold: Vec<_> = self.waiting.iter().filter(|event| outlives_batch(event)).cloned().collect();
        self.waiting.extend(events);
        if self.waiting.is_empty() {
            return;
        }
        self.untold = untold;
        self.state = Handed::Batch;
        let mut inner = self.exchange.0.lock();
        inner.number += 1;
        inner.slot = Slot::Offered(std::mem::take(&mut self.waiting));
        wake(&mut inner.reader);
    }

    /// The verdict on the batch that is under way; waits while there is none. Can be dropped at any time.
    pub(crate) async fn verdict(&mut self) -> Verdict {
        let verdict = poll_fn(|cx| self.exchange.poll_verdict(cx)).await;
        let was_void = std::mem::replace(&mut self.state, Handed::Nothing) == Handed::Void;
        if verdict == Verdict::Accepted {
            self.untold.clear();
            self.state = Handed::Accepted;
            if was_void {
                self.stored(Err(AcceptError::NotStored));
            }
        } else {
            self.tell_again();
        }
        if was_void && verdict != Verdict::Gone { Verdict::Void } else { verdict }
    }

    /// Gives up the batch that is under way: it can't be accepted any more.
    pub(crate) fn void(&mut self) {
        if self.state == Handed::Batch {
            self.state = Handed::Void;
        }
    }

    /// What was not recorded comes first in the next batch.
    fn tell_again(&mut self) {
        self.untold.append(&mut self.waiting);
        std::mem::swap(&mut self.untold, &mut self.waiting);
        let excess = self.waiting.len().saturating_sub(MOST_WAITING);
        self.waiting.drain(..excess);
    }

    /// Says that what follows from the accepted batch is stored, or that it could not be.
    pub(crate) fn stored(&mut self, outcome: Result<(), AcceptError>) {
        self.state = Handed::Nothing;
        let mut inner = self.exchange.0.lock();
        inner.slot = Slot::Free;
        inner.outcome(outcome);
        wake(&mut inner.reader);
    }
}

/// Whether an event is about the client itself and stays true though its batch was dropped. A code is replaced by the
/// next one, and a pairing that was not recorded has not come about.
fn outlives_batch(event: &Event) -> bool {
    !matches!(event, Event::Qr(_) | Event::Paired(_))
}

impl Drop for Outlet {
    /// What waits becomes the last batch, of which nothing follows.
    fn drop(&mut self) {
        self.tell_again();
        let mut inner = self.exchange.0.lock();
        inner.ended = true;
        let is_with_nobody = matches!(inner.slot, Slot::Free | Slot::Offered(_) | Slot::Dropped);
        if is_with_nobody && !self.waiting.is_empty() {
            inner.number += 1;
            inner.slot = Slot::Last(std::mem::take(&mut self.waiting));
        }
        wake(&mut inner.reader);
        inner.acceptors.iter_mut().for_each(|acceptor| wake(&mut acceptor.waker));
    }
}

impl fmt::Debug for Outlet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outlet").field("state", &self.state).finish_non_exhaustive()
    }
}
