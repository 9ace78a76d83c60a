use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
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
}

/// What both ends of a link see.
#[derive(Debug, Default)]
struct Shared {
    /// Orders that were not taken yet.
    waiting: AtomicUsize,
    /// Nothing is written any more.
    is_silenced: AtomicBool,
}

/// The end of a logged-in connection that the rest of the server holds.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub(crate) connection: u64,
    sender: mpsc::UnboundedSender<Outgoing>,
    shared: Arc<Shared>,
}

/// The connection's own end.
pub(crate) struct Orders {
    receiver: mpsc::UnboundedReceiver<Outgoing>,
    shared: Arc<Shared>,
}

impl Link {
    pub(crate) fn new(connection: u64) -> (Self, Orders) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let shared = Arc::<Shared>::default();
        (Self { connection, sender, shared: shared.clone() }, Orders { receiver, shared })
    }

    /// Has a stanza written, after those of before.
    pub(crate) fn send(&self, bytes: Bytes, not_before: Option<Instant>) {
        if self.shared.waiting.load(Ordering::Relaxed) >= MOST_WAITING {
            self.close(None);
        } else {
            // A connection that is gone keeps nothing; its device's queue does.
            self.push(Outgoing::Stanza { bytes, not_before });
        }
    }

    /// Ends the connection, after a last stanza.
    pub(crate) fn close(&self, last: Option<Bytes>) {
        self.push(Outgoing::Close(last));
    }

    fn push(&self, order: Outgoing) {
        self.shared.waiting.fetch_add(1, Ordering::Relaxed);
        self.sender.send(order).ok();
    }

    /// From now on the connection takes, but writes nothing.
    pub(crate) fn silence(&self) {
        self.shared.is_silenced.store(true, Ordering::Release);
    }
}

impl Orders {
    /// The next order; `None` when the device was unlinked from the server's records.
    pub(crate) async fn next(&mut self) -> Option<Outgoing> {
        let order = self.receiver.recv().await?;
        self.shared.waiting.fetch_sub(1, Ordering::Relaxed);
        Some(order)
    }

    pub(crate) fn is_silenced(&self) -> bool {
        self.shared.is_silenced.load(Ordering::Acquire)
    }

    /// An order that is there already.
    pub(crate) fn try_next(&mut self) -> Option<Outgoing> {
        let order = self.receiver.try_recv().ok()?;
        self.shared.waiting.fetch_sub(1, Ordering::Relaxed);
        Some(order)
    }
}
