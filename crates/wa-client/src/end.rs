use wa_binary::Node;
use wa_store::StoreError;

use crate::cause::Cause;
use crate::command::Reply;

/// Most that is kept of a stanza that ended a connection, in bytes: it is stored with the event.
const MAX_RAW: usize = 4 << 10;

/// How a connection ended.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) cause: Cause,
    /// The stanza that ended it, as XML text.
    pub(crate) raw: Option<String>,
    /// Who asked for it, to be told once it is done.
    pub(crate) replies: Vec<Reply<()>>,
}

impl End {
    pub(crate) fn of(cause: Cause) -> Self {
        Self { cause, raw: None, replies: Vec::new() }
    }

    /// The server said goodbye with this stanza.
    pub(crate) fn said(cause: Cause, stanza: &Node<'_>) -> Self {
        let mut raw = stanza.to_string();
        let end = raw.floor_char_boundary(MAX_RAW);
        raw.truncate(end);
        Self { raw: Some(raw), ..Self::of(cause) }
    }

    pub(crate) fn asked(cause: Cause, reply: Reply<()>) -> Self {
        Self { replies: vec![reply], ..Self::of(cause) }
    }

    /// Says that it is done.
    pub(crate) fn answer(self) {
        for reply in self.replies {
            let _ = reply.send(Ok(()));
        }
    }
}

impl From<Cause> for End {
    fn from(cause: Cause) -> Self {
        Self::of(cause)
    }
}

impl From<StoreError> for End {
    fn from(error: StoreError) -> Self {
        if matches!(error, StoreError::Fenced) {
            tracing::warn!("the companion has another owner by now");
            return Self::of(Cause::Fenced);
        }
        tracing::error!(%error, "the store failed");
        Self::of(Cause::StoreFailed)
    }
}
