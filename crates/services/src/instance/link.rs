//! Following an instance from nothing to ready.

use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use storage::{CauseKind, ConnectionCause, InstanceId, Timestamp};
use tokio::sync::watch;
use tokio::time::sleep;
use wa_client::{Cause, PairingCode, PasskeyStep, State};

use super::InstanceService;
use super::linking::{answered, number_of};
use crate::auth::Caller;
use crate::clock::now;
use crate::error::{ConflictCause, ServiceError};
use crate::running::RunningInstance;
use crate::status::{ConnectionStatus, Status, resumes};

/// How often is looked for an instance whose turn to start comes, or whose companion starts anew.
const LOOK: Duration = Duration::from_millis(200);
/// No code is waited for longer without another look at the clock.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// How far an instance is on its way to an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkStep {
    /// On the way to WhatsApp; the cause says why the last try failed.
    Connecting {
        /// Why the last try failed, if one did.
        cause: Option<ConnectionCause>,
        /// When the next try is due.
        retry_at: Option<Timestamp>,
    },
    /// A phone is to scan this code.
    Qr {
        /// What WhatsApp Web shows today: an https link that carries the code.
        text: String,
        /// When the next code replaces it.
        expires_at: Timestamp,
    },
    /// The owner of the phone number is to enter this code.
    Code {
        /// The code.
        code: String,
        /// Until when the phone takes it; then another one follows.
        expires_at: Timestamp,
    },
    /// The account asks for a passkey.
    Passkey(PasskeyStep),
    /// A phone has linked it; it connects anew.
    Linked,
    /// It can send.
    Ready {
        /// Own JID by phone number.
        jid: Option<String>,
    },
}

/// The steps of an instance on its way to an account.
pub struct Linking {
    instances: InstanceService,
    caller: Caller,
    id: InstanceId,
    /// Digits of the phone that is to enter a code, if that is the way.
    number: Option<String>,
    /// Changes with the instance, while it runs.
    state: Option<watch::Receiver<State>>,
    code: Option<PairingCode>,
    asking: Option<Asking>,
    told: Option<LinkStep>,
}

type Asking = BoxFuture<'static, Result<Option<PairingCode>, ServiceError>>;

impl InstanceService {
    /// Follows the instance until it is ready. One that gave up waiting for a scan, or was unlinked, starts anew. With a
    /// phone number a code is asked for that is to be entered there; each such call makes a new one.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` for what is no phone number; `Unavailable` when another process carries the instance.
    pub async fn link(
        &self,
        caller: &Caller,
        id: InstanceId,
        phone: Option<&str>,
    ) -> Result<Linking, ServiceError> {
        let number = phone.map(number_of).transpose()?;
        match self.qr(caller, id).await {
            // What stands against a code is told as a step, or as its end.
            Ok(_)
            | Err(
                ServiceError::NotConnected { .. }
                | ServiceError::Conflict { cause: ConflictCause::AlreadyLinked, .. },
            ) => {}
            Err(error) => return Err(error),
        }
        Ok(Linking {
            instances: self.clone(),
            caller: *caller,
            id,
            number,
            state: None,
            code: None,
            asking: None,
            told: None,
        })
    }
}

impl Linking {
    /// The next step; `None` once it is ready. A call that is dropped loses nothing.
    ///
    /// # Errors
    /// `NotConnected` with the cause when it can't become ready by itself; `NotFound` when it is gone; what WhatsApp says
    /// against a pairing code.
    pub async fn next(&mut self) -> Result<Option<LinkStep>, ServiceError> {
        loop {
            if matches!(self.told, Some(LinkStep::Ready { .. })) {
                return Ok(None);
            }
            let step = self.look().await?;
            if self.told.as_ref() != Some(&step) {
                self.told = Some(step.clone());
                return Ok(Some(step));
            }
            self.changed().await;
        }
    }

    /// Where it stands now.
    async fn look(&mut self) -> Result<LinkStep, ServiceError> {
        let supervisor = &self.instances.inner.supervisor;
        let Some(running) = supervisor.find(self.caller.user, self.id) else {
            (self.state, self.code) = (None, None);
            let instance = self.instances.stored(&self.caller, self.id).await?;
            let connection = supervisor.status(&instance);
            let is_here = connection.cause.is_none_or(|cause| cause.kind != CauseKind::Fenced);
            if is_here && resumes(&instance) {
                // Its companion starts anew, or it is about to be gone.
                return Ok(LinkStep::Connecting { cause: None, retry_at: None });
            }
            return unless_hopeless(&connection);
        };
        let mut watch = running.watch();
        let state = watch.borrow_and_update().clone();
        let is_over = watch.has_changed().is_err();
        self.state = Some(watch);
        if is_over {
            return Ok(LinkStep::Connecting { cause: None, retry_at: None });
        }
        if !matches!(state, State::Pairing { .. }) {
            (self.code, self.asking) = (None, None);
        }
        let jid = running.recorder.own_jid();
        match state {
            State::Online => Ok(LinkStep::Ready { jid }),
            // It starts anew, or is about to be gone.
            State::Stopped(Cause::Shutdown) => Ok(LinkStep::Connecting { cause: None, retry_at: None }),
            State::Passkey(step) => Ok(LinkStep::Passkey(step)),
            State::Pairing { qr: Some(_) } if self.number.is_some() => self.code(&running).await,
            State::Pairing { qr: Some(code) } => {
                Ok(LinkStep::Qr { text: code.text, expires_at: Timestamp::from_millis(code.expires_at) })
            }
            State::Idle | State::Connecting { .. } if jid.is_some() => Ok(LinkStep::Linked),
            state => unless_hopeless(&ConnectionStatus::of_state(&state)),
        }
    }

    /// The code to enter: the present one, or a new one once that has run out.
    async fn code(&mut self, running: &RunningInstance) -> Result<LinkStep, ServiceError> {
        if self.code.as_ref().is_none_or(|code| code.expires_at <= now().millis()) {
            let asking = self.asking.get_or_insert_with(|| ask(running, self.number.clone()));
            let answer = asking.await;
            self.asking = None;
            self.code = answer?;
        }
        Ok(match &self.code {
            Some(code) => LinkStep::Code {
                code: code.code.clone(),
                expires_at: Timestamp::from_millis(code.expires_at),
            },
            None => LinkStep::Connecting { cause: None, retry_at: None },
        })
    }

    /// Waits until it may stand elsewhere.
    async fn changed(&mut self) {
        let rest = self.code.as_ref().map(|code| code.expires_at.saturating_sub(now().millis()));
        let rest = rest.map(|millis| Duration::from_millis(millis.try_into().unwrap_or(0)));
        let asks_again = self.number.is_some() && self.code.is_none();
        let look_again = if asks_again { LOOK } else { rest.unwrap_or(LOOK_AGAIN).min(LOOK_AGAIN) };
        match &mut self.state {
            Some(state) => tokio::select! {
                changed = state.changed() => if changed.is_err() {
                    sleep(LOOK).await;
                },
                () = sleep(look_again) => {}
            },
            None => sleep(LOOK).await,
        }
    }
}

fn ask(running: &RunningInstance, number: Option<String>) -> Asking {
    let companion = running.companion.clone();
    async move { answered(companion.pairing_code(&number.unwrap_or_default()).await) }.boxed()
}

/// What it waits for, as long as it goes on by itself.
fn unless_hopeless(connection: &ConnectionStatus) -> Result<LinkStep, ServiceError> {
    let goes_on = connection.status == Status::Connecting || connection.retry_at.is_some();
    let ConnectionStatus { cause, retry_at, .. } = *connection;
    if goes_on {
        Ok(LinkStep::Connecting { cause, retry_at })
    } else {
        Err(ServiceError::not_connected(connection))
    }
}

impl std::fmt::Debug for Linking {
    /// Without codes.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Linking").field("instance", &self.id).finish_non_exhaustive()
    }
}
