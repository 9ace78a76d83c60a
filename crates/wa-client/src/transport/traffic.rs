use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::ready;
use futures_util::{SinkExt as _, TryStreamExt as _};

use super::{Connection, TransportError};

/// How many bytes a client has exchanged with WhatsApp since it was built: frames as they leave and come, without what
/// carries them. Clones count together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Meter(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    sent: AtomicU64,
    received: AtomicU64,
}

/// Bytes that a client has exchanged with WhatsApp since it was built: files of messages, which go to other hosts, don't
/// count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// To WhatsApp.
    pub sent: u64,
    /// From WhatsApp.
    pub received: u64,
}

impl Meter {
    pub(crate) fn read(&self) -> Traffic {
        let Counts { sent, received } = &*self.0;
        Traffic { sent: sent.load(Ordering::Relaxed), received: received.load(Ordering::Relaxed) }
    }

    /// The same connection, counted.
    pub(crate) fn counting(&self, connection: Connection) -> Connection {
        let (out, back) = (Arc::clone(&self.0), Arc::clone(&self.0));
        let outgoing = connection.outgoing.with(move |frame: bytes::Bytes| {
            out.sent.fetch_add(frame.len() as u64, Ordering::Relaxed);
            ready(Ok::<_, TransportError>(frame))
        });
        let incoming = connection.incoming.inspect_ok(move |frame| {
            back.received.fetch_add(frame.len() as u64, Ordering::Relaxed);
        });
        Connection { outgoing: Box::pin(outgoing), incoming: Box::pin(incoming) }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures_util::StreamExt as _;

    use super::super::memory::pair;
    use super::*;

    #[tokio::test]
    async fn both_directions_are_counted() {
        let (ours, mut theirs) = pair();
        let meter = Meter::default();
        let mut ours = meter.counting(ours);
        ours.outgoing.send(Bytes::from_static(b"hello")).await.unwrap();
        assert_eq!(theirs.incoming.next().await.unwrap().unwrap(), "hello");
        theirs.outgoing.send(Bytes::from_static(b"hi")).await.unwrap();
        assert_eq!(ours.incoming.next().await.unwrap().unwrap(), "hi");
        assert_eq!(meter.read(), Traffic { sent: 5, received: 2 });
    }
}
