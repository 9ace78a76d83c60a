use bytes::Bytes;
use futures_util::SinkExt;

use crate::transport::{Outbound, TransportError};

/// Where frames leave, until that fails once: a sink that has failed need not bear to be asked again, not even to be
/// closed.
pub(super) struct Outgoing(Option<Outbound>);

impl Outgoing {
    pub(super) fn new(sink: Outbound) -> Self {
        Self(Some(sink))
    }

    /// Queues a frame until [`Self::flush`].
    pub(super) async fn feed(&mut self, frame: Bytes) -> Result<(), TransportError> {
        let sink = self.0.as_mut().ok_or(TransportError::Closed)?;
        let fed = sink.feed(frame).await;
        self.gone_unless(fed)
    }

    /// Lets everything that was queued leave.
    pub(super) async fn flush(&mut self) -> Result<(), TransportError> {
        let sink = self.0.as_mut().ok_or(TransportError::Closed)?;
        let flushed = sink.flush().await;
        self.gone_unless(flushed)
    }

    /// Says that nothing more comes, where anybody can still hear it.
    pub(super) async fn close(self) {
        if let Some(mut sink) = self.0 {
            // It is over either way.
            let _ = sink.close().await;
        }
    }

    fn gone_unless(&mut self, written: Result<(), TransportError>) -> Result<(), TransportError> {
        if written.is_err() {
            self.0 = None;
        }
        written
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;
    use tokio_util::sync::PollSender;

    use super::*;

    /// A sink of futures that panics when it fails a second time.
    fn broken() -> Outgoing {
        let (sender, _) = mpsc::channel::<Bytes>(1);
        Outgoing::new(Box::pin(PollSender::new(sender).sink_map_err(|_| TransportError::Closed)))
    }

    #[tokio::test]
    async fn a_sink_that_failed_is_not_asked_again() {
        let mut outgoing = broken();
        for _ in 0..2 {
            assert!(outgoing.feed(Bytes::from_static(b"frame")).await.is_err());
            assert!(outgoing.flush().await.is_err());
        }
        outgoing.close().await;
    }
}
