use wa_store::StoreError;

use crate::cause::Cause;
use crate::command::Reply;

/// How a connection ended.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) cause: Cause,
    /// Who asked for it, to be told once it is done.
    pub(crate) replies: Vec<Reply<()>>,
}

impl End {
    pub(crate) fn of(cause: Cause) -> Self {
        Self { cause, replies: Vec::new() }
    }

    pub(crate) fn asked(cause: Cause, reply: Reply<()>) -> Self {
        Self { cause, replies: vec![reply] }
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
