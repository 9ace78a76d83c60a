use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

use crate::event::Event;

/// Events about the client itself that wait for an embedder who drops every batch; the oldest make room.
const MOST_WAITING: usize = 64;

/// What happens to a client, in batches. Dropping it stops the client: nobody is left who could record anything.
pub struct Events(Arc<Exchange>);

impl Events {
    /// The next batch, once the one before has been accepted or dropped; `None` after the client has ended.
    pub async fn next(&mut self) -> Option<Batch> {
        let (number, events) = poll_fn(|cx| self.0.poll_next(cx)).await?;
        Some(Batch { number, events, exchange: Some(self.0.clone()) })
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        let mut inner = self.0.0.lock();
        inner.reader_gone = true;
        wake(&mut inner.driver);
    }
}

/// Events that are told, recorded and acknowledged together.
///
/// Accept it once everything in it is durable: only then does WhatsApp hear that the messages arrived. A batch that
/// is dropped instead counts as not recorded: nothing is acknowledged, the connection is dropped and comes back
/// with back-off, and the same messages come again. After a crash they come again too, so recording must be
/// idempotent by (chat, sender, id): one that can't be read ([`Event::Undecryptable`]) replaces nothing.
///
/// All calls of [`crate::Client`] work while a batch is held. Further messages wait until it is settled.
#[must_use = "a batch that is dropped is delivered again"]
pub struct Batch {
    /// Which one it is.
    number: u64,
    events: Vec<Event>,
    /// `None` once accepted.
    exchange: Option<Arc<Exchange>>,
}

impl Batch {
    /// What happened, in its order.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// What happened, to be kept; [`Self::events`] is empty afterwards.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// Says that everything is recorded. Resolves once the companion has stored what follows from it, so that a
    /// restart doesn't bring the batch again, and lets the acknowledgements leave.
    pub async fn accept(mut self) -> Result<(), AcceptError> {
        let Some(exchange) = self.exchange.take() else { return Ok(()) };
        let accepting = Accepting { number: self.number, exchange };
        accepting.exchange.accept(accepting.number);
        poll_fn(|cx| accepting.exchange.poll_stored(accepting.number, cx)).await
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        if let Some(exchange) = self.exchange.take() {
            exchange.refuse();
        }
    }
}

/// The wait for the outcome of an acceptance; nobody keeps an outcome once it is dropped.
struct Accepting {
    number: u64,
    exchange: Arc<Exchange>,
}

impl Drop for Accepting {
    fn drop(&mut self) {
        self.exchange.0.lock().acceptors.retain(|acceptor| acceptor.number != self.number);
    }
}

/// An accepted batch comes again all the same; recording it twice must do no harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AcceptError {
    /// The companion's store failed, so nothing was acknowledged.
    #[error("the companion could not store what follows from the batch")]
    NotStored,
    /// The client ended before it could acknowledge.
    #[error("the client has ended")]
    Stopped,
}

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
    waiting: Vec<Event>,
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

/// One batch at a time changes hands here, and its verdict the other way. A cell and a few wakers: handing over
/// costs no allocation and, where both ends run in one task, no thread is woken.
#[derive(Default)]
struct Exchange(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    slot: Slot,
    /// Of the batch that was handed out last.
    number: u64,
    /// Who waits for what became of an accepted batch: one, unless batches are taken and accepted by several tasks.
    acceptors: Vec<Acceptor>,
    driver: Option<Waker>,
    reader: Option<Waker>,
    reader_gone: bool,
    ended: bool,
}

struct Acceptor {
    /// Of the batch that was accepted.
    number: u64,
    outcome: Option<Result<(), AcceptError>>,
    waker: Option<Waker>,
}

impl Inner {
    /// Says what became of the batch that was handed out last, if anybody waits for it.
    fn outcome(&mut self, outcome: Result<(), AcceptError>) {
        let number = self.number;
        if let Some(acceptor) = self.acceptors.iter_mut().find(|acceptor| acceptor.number == number) {
            acceptor.outcome = Some(outcome);
            wake(&mut acceptor.waker);
        }
    }
}

#[derive(Default)]
enum Slot {
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
    fn poll_next(&self, cx: &Context<'_>) -> Poll<Option<(u64, Vec<Event>)>> {
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
    fn accept(&self, number: u64) {
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
    fn refuse(&self) {
        let mut inner = self.0.lock();
        if matches!(inner.slot, Slot::Held) {
            inner.slot = Slot::Dropped;
            wake(&mut inner.driver);
        }
    }

    fn poll_verdict(&self, cx: &Context<'_>) -> Poll<Verdict> {
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

    fn poll_stored(&self, number: u64, cx: &Context<'_>) -> Poll<Result<(), AcceptError>> {
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

fn wake(slot: &mut Option<Waker>) {
    if let Some(waker) = slot.take() {
        waker.wake();
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Events")
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch").field("events", &self.events.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    /// A batch under way: handed out and taken.
    async fn held() -> (Outlet, Events, Batch) {
        let (mut outlet, mut events) = exchange();
        outlet.push(Event::Connected);
        outlet.hand_out([Event::OfflineDone { count: 1 }]);
        let batch = events.next().await.unwrap();
        assert!(matches!(batch.events(), [Event::Connected, Event::OfflineDone { count: 1 }]));
        (outlet, events, batch)
    }

    #[tokio::test]
    async fn accepting_resolves_once_everything_is_stored() {
        let (mut outlet, mut events, batch) = held().await;
        assert!(outlet.verdict().now_or_never().is_none());
        let mut accepting = Box::pin(batch.accept());
        assert!(accepting.as_mut().now_or_never().is_none());
        assert_eq!(outlet.verdict().await, Verdict::Accepted);
        assert!(!outlet.is_free() && events.next().now_or_never().is_none());
        outlet.stored(Ok(()));
        assert_eq!(accepting.await, Ok(()));
        assert!(outlet.is_free());
    }

    #[tokio::test]
    async fn an_acceptance_stands_though_nobody_waits_for_its_outcome() {
        let (mut outlet, mut events, batch) = held().await;
        assert!(batch.accept().now_or_never().is_none());
        assert_eq!(outlet.verdict().await, Verdict::Accepted);
        outlet.stored(Err(AcceptError::NotStored));
        outlet.push(Event::Connected);
        outlet.hand_out([]);
        let next = events.next().await.unwrap();
        let mut accepting = Box::pin(next.accept());
        assert!(accepting.as_mut().now_or_never().is_none(), "the outcome is not that of the one before");
        assert_eq!(outlet.verdict().await, Verdict::Accepted);
        outlet.stored(Ok(()));
        assert_eq!(accepting.await, Ok(()));
    }

    #[tokio::test]
    async fn each_acceptance_hears_of_its_own_batch() {
        let (mut outlet, mut events, first) = held().await;
        let mut first = Box::pin(first.accept());
        let mut next = Box::pin(events.next());
        assert!(first.as_mut().now_or_never().is_none() && next.as_mut().now_or_never().is_none());
        assert_eq!(outlet.verdict().await, Verdict::Accepted);
        outlet.stored(Err(AcceptError::NotStored));
        outlet.hand_out([Event::OfflineDone { count: 2 }]);
        let mut second = Box::pin(next.await.unwrap().accept());
        assert!(second.as_mut().now_or_never().is_none());
        assert_eq!(outlet.verdict().await, Verdict::Accepted);
        outlet.stored(Ok(()));
        assert_eq!(first.await, Err(AcceptError::NotStored));
        assert_eq!(second.await, Ok(()));
    }

    #[tokio::test]
    async fn a_batch_that_is_dropped_is_refused() {
        let (mut outlet, _events, batch) = held().await;
        drop(batch);
        assert_eq!(outlet.verdict().await, Verdict::Dropped);
        assert!(outlet.is_free());
    }

    #[tokio::test]
    async fn what_the_client_tells_of_itself_comes_again_after_a_drop() {
        let (mut outlet, mut events, batch) = held().await;
        outlet.push(Event::PairingFailed(crate::cause::PairingFailure::Malformed));
        drop(batch);
        assert_eq!(outlet.verdict().await, Verdict::Dropped);
        outlet.hand_out([]);
        let again = events.next().await.unwrap();
        assert!(
            matches!(again.events(), [Event::Connected, Event::PairingFailed(_)]),
            "{:?}",
            again.events()
        );
        let accepting = again.accept();
        tokio::pin!(accepting);
        assert!(accepting.as_mut().now_or_never().is_none());
        assert_eq!(outlet.verdict().await, Verdict::Accepted);
        outlet.stored(Ok(()));
        assert!(!outlet.has_waiting());
    }

    #[tokio::test]
    async fn what_the_client_tells_of_itself_comes_again_after_a_batch_that_was_given_up() {
        let (mut outlet, _events, batch) = held().await;
        outlet.void();
        drop(batch);
        assert_eq!(outlet.verdict().await, Verdict::Void);
        assert!(outlet.has_waiting());
    }

    #[tokio::test]
    async fn an_embedder_that_drops_every_batch_costs_no_memory() {
        let (mut outlet, mut events) = exchange();
        for _ in 0..2 * MOST_WAITING {
            outlet.push(Event::Connected);
            outlet.hand_out([]);
            drop(events.next().await.unwrap());
            assert_eq!(outlet.verdict().await, Verdict::Dropped);
        }
        assert_eq!(outlet.waiting.len(), MOST_WAITING);
    }

    #[tokio::test]
    async fn what_nobody_has_taken_is_among_the_last_words() {
        let (mut outlet, mut events) = exchange();
        outlet.push(Event::Connected);
        outlet.hand_out([Event::OfflineDone { count: 1 }]);
        drop(outlet);
        assert!(matches!(events.next().await.unwrap().events(), [Event::Connected]));
    }

    #[tokio::test]
    async fn a_batch_that_was_given_up_cannot_be_accepted_and_makes_room() {
        let (mut outlet, _events, batch) = held().await;
        outlet.void();
        let mut accepting = Box::pin(batch.accept());
        assert!(accepting.as_mut().now_or_never().is_none());
        assert_eq!(outlet.verdict().await, Verdict::Void);
        assert_eq!(accepting.await, Err(AcceptError::NotStored));
        assert!(outlet.is_free());
    }

    #[tokio::test]
    async fn nothing_to_tell_is_no_batch() {
        let (mut outlet, mut events) = exchange();
        outlet.hand_out([]);
        assert!(outlet.is_free() && events.next().now_or_never().is_none());
    }

    #[tokio::test]
    async fn last_words_are_heard_and_then_nothing() {
        let (mut outlet, mut events) = exchange();
        outlet.push(Event::Connected);
        drop(outlet);
        let batch = events.next().await.unwrap();
        assert_eq!(batch.accept().await, Ok(()));
        assert!(events.next().await.is_none());
    }

    #[tokio::test]
    async fn what_the_client_did_not_live_to_acknowledge_is_not_accepted() {
        let (outlet, mut events, batch) = held().await;
        drop(outlet);
        assert_eq!(batch.accept().await, Err(AcceptError::Stopped));
        assert!(events.next().await.is_none());
    }

    #[tokio::test]
    async fn without_a_reader_there_is_no_verdict() {
        let (mut outlet, events) = exchange();
        drop(events);
        assert_eq!(outlet.verdict().await, Verdict::Gone);
        let (mut outlet, events, batch) = held().await;
        drop(events);
        assert!(outlet.verdict().now_or_never().is_none(), "the batch itself is still there");
        drop(batch);
        assert_eq!(outlet.verdict().await, Verdict::Dropped);
        assert_eq!(outlet.verdict().await, Verdict::Gone);
    }
}
