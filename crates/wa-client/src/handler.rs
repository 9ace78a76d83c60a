use async_trait::async_trait;

use crate::event::Event;

/// The embedder's side of a client.
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    /// Records what happened.
    ///
    /// `Ok` means durably recorded: only then are ratchets stored and receipts and acks sent. After `Err`
    /// nothing is acknowledged; the client drops the connection, comes back with back-off, and the server
    /// delivers the same messages again. After a crash between `Ok` and the acknowledgement a message comes
    /// again too, so recording must be idempotent by (chat, sender, id).
    ///
    /// Calls for one client never overlap. While one runs, this client neither sends nor receives: do not await
    /// [`crate::Handle::send`] or another call of the same client in here (it is refused); spawn a task instead.
    async fn handle(&self, events: Vec<Event>) -> Result<(), HandlerError>;
}

/// The handler could not record a batch.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct HandlerError(String);

impl HandlerError {
    /// An error with a message for the log.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

tokio::task_local! {
    /// The client whose handler runs in this task.
    static HANDLING: u64;
}

/// Calls the handler, marking the call so that it can't wait for its own client.
pub(crate) async fn call(handler: &dyn Handler, client: u64, events: Vec<Event>) -> Result<(), HandlerError> {
    HANDLING.scope(client, handler.handle(events)).await
}

/// Whether the caller runs inside the handler of this client.
pub(crate) fn is_inside(client: u64) -> bool {
    HANDLING.try_with(|handling| *handling == client).unwrap_or(false)
}
