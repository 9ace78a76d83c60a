//! Unlinks the companions of instances that were deleted.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join;
use storage::{Backoff, ConnectionSettings, DeviceLook, Epoch, InstanceId, Storage, StorageError, Timestamp};
use tokio::time::{sleep, timeout};
use wa_binary::Jid;
use wa_client::{AddressBook, Cause, Event, MessageInfo, ReceivedMessages, SentContent, SentMessages, State};

use crate::clock::now;
use crate::companion::{Companion, Companions, NotRecorded, Recorder, Started};
use crate::running::STOP_TIMEOUT;

/// When an unlinking is given up. WhatsApp itself drops companions that have not been there for about as long.
const GIVE_UP_AFTER: Duration = Duration::from_secs(14 * 24 * 3600);
/// How long one try may take, reconnections included.
const TRY: Duration = Duration::from_secs(600);
/// Pauses between tries: the first, and the longest that doubling leads to.
const PAUSES: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(3600));

/// A deleted instance whose companion may still be in its phone's list of linked devices.
#[derive(Clone, Debug)]
pub(crate) struct Buried {
    pub(crate) instance: InstanceId,
    /// How it connects, if that can be read: otherwise nothing goes around its proxy, and it can't be unlinked.
    pub(crate) connection: Option<ConnectionSettings>,
    pub(crate) epoch: Epoch,
    pub(crate) since: Timestamp,
}

/// How a try ended.
#[derive(Debug)]
enum Attempted {
    /// No phone lists the companion.
    Unlinked,
    /// Another process has taken it over.
    Fenced,
    /// WhatsApp could not be asked, or did not say so: the companion may still be listed.
    NotYet,
}

impl Buried {
    /// Tries until WhatsApp has confirmed that the companion is unlinked, or until it is no use any more; then nothing is
    /// left of the instance. Its credentials are kept until then, also over restarts.
    pub(crate) async fn unlink(self, companions: &dyn Companions, storage: &dyn Storage) {
        let instance = self.instance;
        let mut backoff = Backoff::new(PAUSES.0, PAUSES.1);
        let Some(connection) = &self.connection else {
            tracing::warn!(%instance, "a deleted instance whose proxy is unreadable isn't unlinked; its device may be left on the phone");
            return self.forget(storage).await;
        };
        loop {
            if now().millis() >= self.since.after(GIVE_UP_AFTER).millis() {
                tracing::warn!(%instance, "a deleted instance could not be unlinked in two weeks; its device may be left on the phone");
                break;
            }
            match self.attempt(companions, connection).await {
                Attempted::Unlinked => break,
                Attempted::Fenced => return,
                Attempted::NotYet => sleep(backoff.pause()).await,
            }
        }
        self.forget(storage).await;
    }

    async fn attempt(&self, companions: &dyn Companions, connection: &ConnectionSettings) -> Attempted {
        if !companions.is_linked(self.instance, self.epoch).await {
            return Attempted::Unlinked;
        }
        let Started { companion, run } =
            companions.start(self.instance, connection, &DeviceLook::default(), self.epoch, Arc::new(Nobody));
        let mut run = pin!(run);
        let outcome = tokio::select! {
            outcome = timeout(TRY, log_out(&*companion)) => outcome.unwrap_or(Attempted::NotYet),
            () = &mut run => Attempted::NotYet,
        };
        // What hangs is dropped, as in a crash.
        let _ = timeout(STOP_TIMEOUT, join(companion.stop(), run)).await;
        tracing::info!(instance = %self.instance, ?outcome, "tried to unlink a deleted instance");
        outcome
    }

    async fn forget(&self, storage: &dyn Storage) {
        let mut backoff = Backoff::default();
        loop {
            match storage.forget_buried(self.instance, self.epoch).await {
                Ok(()) | Err(StorageError::NotFound { .. } | StorageError::Fenced | StorageError::Closed) => {
                    return;
                }
                Err(error) => {
                    tracing::warn!(instance = %self.instance, %error, "what is left of a deleted instance stays for now");
                    sleep(backoff.pause()).await;
                }
            }
        }
    }
}

/// Waits for the connection, and logs out.
async fn log_out(companion: &dyn Companion) -> Attempted {
    let mut state = companion.watch();
    let is_over = |state: &State| matches!(state, State::Online | State::Stopped(_));
    let ended = match state.wait_for(is_over).await {
        Ok(state) => match &*state {
            State::Stopped(cause) => Some(cause.clone()),
            _ => None,
        },
        Err(_) => return Attempted::NotYet,
    };
    match ended {
        Some(Cause::Fenced) => Attempted::Fenced,
        Some(cause) if cause.wipes_credentials() => Attempted::Unlinked,
        Some(_) => Attempted::NotYet,
        None => match companion.logout().await {
            Ok(()) => Attempted::Unlinked,
            Err(error) => {
                tracing::debug!(%error, "a logout was not confirmed");
                Attempted::NotYet
            }
        },
    }
}

/// Listens to what nobody wants to know any more. What came for a deleted instance was received by nobody, so nobody says
/// that it was: it is held until the logout, which ends its way to this companion. Everything else goes on meanwhile.
struct Nobody;

#[async_trait]
impl Recorder for Nobody {
    async fn record(&self, events: &[Event]) -> Result<(), NotRecorded> {
        let has_come = |event: &Event| matches!(event, Event::Message(_) | Event::Undecryptable(_));
        if events.iter().any(has_come) {
            std::future::pending::<()>().await;
        }
        Ok(())
    }
}

#[async_trait]
impl ReceivedMessages for Nobody {
    async fn is_recorded(&self, _: &MessageInfo) -> bool {
        // Nothing is to be asked for again.
        true
    }
}

#[async_trait]
impl SentMessages for Nobody {
    async fn sent(&self, _: &Jid, _: &str) -> Option<SentContent> {
        None
    }
}

#[async_trait]
impl AddressBook for Nobody {
    async fn contacts(&self) -> Vec<Jid> {
        Vec::new()
    }
}
