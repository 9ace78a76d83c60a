mod exchange;
mod outlet;

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;

use crate::event::Event;

pub(crate) use exchange::Verdict;
use exchange::{Exchange, wake};
pub(crate) use outlet::{Outlet, exchange};

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
/// All calls of [`crate::Client`] work while a batch is held. Further messages wait until it is accepted or dropped.
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
mod tests;
