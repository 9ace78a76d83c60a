//! Connections inside one process, for tests and for simulators that live next to the client.

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{SinkExt, stream};
use tokio::sync::mpsc;
use tokio_util::sync::PollSender;

use super::{ConnectRequest, Connection, Connector, TransportError};

/// Messages that one side may be ahead of the other before it has to wait.
const DEPTH: usize = 1024;

/// The two ends of one connection.
pub fn pair() -> (Connection, Connection) {
    let (left_tx, right_rx) = mpsc::channel(DEPTH);
    let (right_tx, left_rx) = mpsc::channel(DEPTH);
    (end(left_tx, left_rx), end(right_tx, right_rx))
}

/// A connector and the place where its connections arrive.
pub fn listen() -> (MemoryConnector, MemoryListener) {
    let (tx, rx) = mpsc::unbounded_channel();
    (MemoryConnector { arrivals: tx }, MemoryListener { arrivals: rx })
}

/// Connects to the [`MemoryListener`] made with it.
#[derive(Debug, Clone)]
pub struct MemoryConnector {
    arrivals: mpsc::UnboundedSender<Connection>,
}

#[async_trait]
impl Connector for MemoryConnector {
    async fn connect(&self, _request: ConnectRequest) -> Result<Connection, TransportError> {
        let (ours, theirs) = pair();
        self.arrivals.send(theirs).map_err(|_| TransportError::Refused(503))?;
        Ok(ours)
    }
}

/// Where the connections of a [`MemoryConnector`] arrive.
#[derive(Debug)]
pub struct MemoryListener {
    arrivals: mpsc::UnboundedReceiver<Connection>,
}

impl MemoryListener {
    /// The next connection; `None` once every connector is gone.
    pub async fn accept(&mut self) -> Option<Connection> {
        self.arrivals.recv().await
    }
}

fn end(tx: mpsc::Sender<Bytes>, mut rx: mpsc::Receiver<Bytes>) -> Connection {
    Connection {
        outgoing: Box::pin(PollSender::new(tx).sink_map_err(|_| TransportError::Closed)),
        incoming: Box::pin(stream::poll_fn(move |cx| rx.poll_recv(cx).map(|item| item.map(Ok)))),
    }
}
