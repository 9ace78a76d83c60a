use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use tokio::{sync::mpsc, time::Instant};

/// A live connection that has more stanzas waiting than this is too slow, and is dropped.
const MOST_WAITING: usize = 50_000;

/// What a connection is told to do.
#[derive(Debug)]
pub(crate) enum Outgoing {
    /// Write an encoded stanza, but not before the instant.
    Stanza { bytes: Bytes, not_before: Option<Instant> },
    /// Write a last stanza, if any, and close.
    Close(Option<Bytes>),
    /// Go on, but never write again.
    Silence,
}

/// The end of a logged-in connection that the rest of the server holds.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub(crate) connection: u64,
    sender: mpsc::UnboundedSender<Outgoing>,
    waiting: Arc<AtomicUsize>,
}

/// The connection's own end.
pub(crate) struct Orders {
    receiver: mpsc::UnboundedReceiver<Outgoing>,
    waiting: Arc<AtomicUsize>,
}

impl Link {
    pub(crate) fn new(connection: u64) -> (Self, Orders) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        (Self { connection, sender, waiting: waiting.clone() }, Orders { receiver, waiting })
    }

    /// Has a stanza written, after those of before.
    pub(crate) fn send(&self, bytes: Bytes, not_before: Option<Instant>) {
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= MOST_WAITING {
            self.close(None);
        } else {
            // A connection that is gone keeps nothing; its device's queue does.
            self.sender.send(Outgoing::Stanza { bytes, not_before }).ok();
        }
    }

    /// Ends the connection, after a last stanza.
    pub(crate) fn close(&self, last: Option<Bytes>) {
        self.sender.send(Outgoing::Close(last)).ok();
    }

    pub(crate) fn silence(&self) {
        self.sender.send(Outgoing::Silence).ok();
    }
}

impl Orders {
    /// The next order; `None` when the device was unlinked from the server's records.
    pub(crate) async fn next(&mut self) -> Option<Outgoing> {
        let order = self.receiver.recv().await;
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        order
    }

    /// An order that is there already.
    pub(crate) fn try_next(&mut self) -> Option<Outgoing> {
        let order = self.receiver.try_recv().ok()?;
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        Some(order)
    }
}
