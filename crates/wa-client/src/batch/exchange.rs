//! Where batches change hands.

use crate::event::Event;
use parking_lot::Mutex;
use std::task::{Context, Poll, Waker};

use super::AcceptError;

/// What the embedder makes of the batch that it was handed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is recorded.
    Accepted,
    /// It is not, and won't be.
    Dropped,
    /// Something about a batch that was given up; the next one can be handed out.
    Void,
    /// Nobody takes batches any more.
    Gone,
}

/// One batch at a time changes hands here, and its verdict the other way. A cell and a few wakers: handing over
/// costs no allocation and, where both ends run in one task, no thread is woken.
#[derive(Default)]
pub(super) struct Exchange(pub(super) Mutex<Inner>);

#[derive(Default)]
pub(super) struct Inner {
    pub(super) slot: Slot,
    /// Of the batch that was handed out last.
    pub(super) number: u64,
    /// Who waits for what became of an accepted batch: one, unless batches are taken and accepted by several tasks.
    pub(super) acceptors: Vec<Acceptor>,
    pub(super) driver: Option<Waker>,
    pub(super) reader: Option<Waker>,
    pub(super) reader_gone: bool,
    pub(super) ended: bool,
}

pub(super) struct Acceptor {
    /// Of the batch that was accepted.
    pub(super) number: u64,
    outcome: Option<Result<(), AcceptError>>,
    pub(super) waker: Option<Waker>,
}

impl Inner {
    /// Says what became of the batch that was handed out last, if anybody waits for it.
    pub(super) fn outcome(&mut self, outcome: Result<(), AcceptError>) {
        let number = self.number;
        if let Some(acceptor) = self.acceptors.iter_mut().find(|acceptor| acceptor.number == number) {
            acceptor.outcome = Some(outcome);
            wake(&mut acceptor.waker);
        }
    }
}

#[derive(Default)]
pub(super) enum Slot {
    #[default]
    Free,
    Offered(Vec<Event>),
    /// With the embedder.
    Held,
    /// Recorded; what follows from it is being stored.
    Accepted,
    /// Given back unrecorded.
    Dropped,
    /// The client has ended; these are its last words.
    Last(Vec<Event>),
    /// The last words are with the embedder.
    LastHeld,
}

impl Exchange {
    pub(super) fn poll_next(&self, cx: &Context<'_>) -> Poll<Option<(u64, Vec<Event>)>> {
        let mut inner = self.0.lock();
        let (next, taken) = match std::mem::take(&mut inner.slot) {
            Slot::Offered(events) if !inner.ended => (Slot::Held, Some(events)),
            Slot::Last(events) => (Slot::LastHeld, Some(events)),
            other => (other, None),
        };
        inner.slot = next;
        if taken.is_some() || inner.ended {
            return Poll::Ready(taken.map(|events| (inner.number, events)));
        }
        register(&mut inner.reader, cx);
        Poll::Pending
    }

    /// The batch comes back recorded, and somebody wants to know what becomes of it.
    pub(super) fn accept(&self, number: u64) {
        let mut inner = self.0.lock();
        inner.acceptors.push(Acceptor { number, outcome: None, waker: None });
        match inner.slot {
            Slot::Held => {
                inner.slot = Slot::Accepted;
                wake(&mut inner.driver);
            }
            Slot::LastHeld => inner.outcome(Ok(())),
            _ => {}
        }
    }

    /// The batch comes back unrecorded.
    pub(super) fn refuse(&self) {
        let mut inner = self.0.lock();
        if matches!(inner.slot, Slot::Held) {
            inner.slot = Slot::Dropped;
            wake(&mut inner.driver);
        }
    }

    pub(super) fn poll_verdict(&self, cx: &Context<'_>) -> Poll<Verdict> {
        let mut inner = self.0.lock();
        match inner.slot {
            Slot::Accepted => Poll::Ready(Verdict::Accepted),
            Slot::Dropped => {
                inner.slot = Slot::Free;
                wake(&mut inner.reader);
                Poll::Ready(Verdict::Dropped)
            }
            Slot::Free | Slot::Offered(_) if inner.reader_gone => Poll::Ready(Verdict::Gone),
            _ => {
                register(&mut inner.driver, cx);
                Poll::Pending
            }
        }
    }

    pub(super) fn poll_stored(&self, number: u64, cx: &Context<'_>) -> Poll<Result<(), AcceptError>> {
        let mut inner = self.0.lock();
        let ended = inner.ended;
        let Some(acceptor) = inner.acceptors.iter_mut().find(|acceptor| acceptor.number == number) else {
            return Poll::Ready(Err(AcceptError::Stopped));
        };
        match acceptor.outcome {
            Some(outcome) => Poll::Ready(outcome),
            None if ended => Poll::Ready(Err(AcceptError::Stopped)),
            None => {
                register(&mut acceptor.waker, cx);
                Poll::Pending
            }
        }
    }
}

fn register(slot: &mut Option<Waker>, cx: &Context<'_>) {
    match slot {
        Some(waker) => waker.clone_from(cx.waker()),
        None => *slot = Some(cx.waker().clone()),
    }
}

pub(super) fn wake(slot: &mut Option<Waker>) {
    if let Some(waker) = slot.take() {
        waker.wake();
    }
}
