//! One running instance: its companion, and the messages on their way through it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use prost::Message as _;
use storage::{InstanceId, Message, Record, StatusUpdate, Storage, StorageError, UserId};
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::task::TaskTracker;
use wa_binary::Jid;
use wa_client::{Cause, MessageId, Outgoing, SendError, State};
use wa_protobuf::e2e;
use webhook::Dispatcher;

use super::content::Content;
use super::draft;
use super::outbox::{Failure, Fate, Outbox, Submission};
use super::recorder::Recorder;
use crate::clock::now;
use crate::companion::Companion;

/// Pending messages that are read from the store at once.
const BATCH: usize = 256;
/// A message whose look-ups fail this often is given up.
const MAX_LOOK_UPS: u32 = 5;
/// Least time between two looks at the pending messages.
const BREATH: Duration = Duration::from_millis(100);
/// What failed although the instance is online is tried again this much later, then ever later.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// A running instance.
pub(crate) struct Line {
    pub(crate) instance: InstanceId,
    pub(crate) owner: UserId,
    pub(crate) companion: Arc<dyn Companion>,
    pub(crate) recorder: Arc<Recorder>,
    state: watch::Receiver<State>,
    services: LineServices,
    outbox: Mutex<Outbox>,
    wake: Notify,
}

/// What a line uses of the rest.
#[derive(Clone)]
pub(crate) struct LineServices {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) dispatcher: Dispatcher,
    pub(crate) tasks: TaskTracker,
}

/// Why a line is no longer served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LineEnd {
    /// The companion stopped by itself and says why.
    Stopped(Cause),
    /// The companion's task is gone: it was told to stop, or it panicked.
    Vanished,
}

impl Line {
    pub(crate) fn new(
        instance: InstanceId,
        owner: UserId,
        companion: Arc<dyn Companion>,
        recorder: Arc<Recorder>,
        services: LineServices,
    ) -> Self {
        let state = companion.watch();
        let outbox = Mutex::new(Outbox::new());
        Self { instance, owner, companion, recorder, state, services, outbox, wake: Notify::new() }
    }

    /// Where the companion stands now. One whose task is gone is about to be started again.
    pub(crate) fn state(&self) -> State {
        match self.state.has_changed() {
            Ok(_) => self.state.borrow().clone(),
            Err(_) => State::Idle,
        }
    }

    /// Whether one more message can be taken.
    pub(crate) fn has_room(&self) -> bool {
        self.outbox().has_room()
    }

    /// Sends a message that has been stored as pending. The receiver is told its fate; the message goes on
    /// without it.
    pub(crate) fn submit(
        self: &Arc<Self>,
        message: Message,
        content: e2e::Message,
    ) -> oneshot::Receiver<Fate> {
        self.recorder.expect_ack(&message.message_id);
        let (submission, fate) = self.outbox().submit(&message.message_id);
        match submission {
            Submission::Send => self.launch(message, content),
            Submission::Deferred => self.wake.notify_one(),
        }
        fate
    }

    /// Waits for a message that was submitted earlier. If it turns out to be settled already, see
    /// [`Self::stop_waiting`].
    pub(crate) fn wait_for(&self, message_id: &str) -> oneshot::Receiver<Fate> {
        self.outbox().wait(message_id)
    }

    /// Forgets those who have stopped waiting for this message.
    pub(crate) fn stop_waiting(&self, message_id: &str) {
        self.outbox().forget_closed(message_id);
    }

    /// Lets go of everybody who waits: nothing goes through this line any more.
    pub(crate) fn abandon(&self) {
        self.outbox().abandon();
    }

    /// Follows the companion until it ends; after each connection, sends what is still pending.
    pub(crate) async fn run(self: &Arc<Self>) -> LineEnd {
        let mut state = self.state.clone();
        let mut pause = FIRST_PAUSE;
        let mut next = Instant::now();
        loop {
            let online = match &*state.borrow_and_update() {
                State::Stopped(cause) => return LineEnd::Stopped(cause.clone()),
                state => *state == State::Online,
            };
            if !online {
                self.outbox().fall_behind();
            } else if self.outbox().is_behind() && next <= Instant::now() {
                match self.catch_up().await {
                    Ok(()) => (next, pause) = (Instant::now() + BREATH, FIRST_PAUSE),
                    Err(error) => {
                        tracing::warn!(instance = %self.instance, %error, "pending messages can't be read");
                        (next, pause) = (Instant::now() + pause, longer(pause));
                    }
                }
            }
            let waiting = online && self.outbox().is_behind();
            tokio::select! {
                changed = state.changed() => if changed.is_err() { return LineEnd::Vanished },
                () = self.wake.notified() => {}
                () = sleep_until(next), if waiting => {}
            }
        }
    }

    /// Sends what the store has pending, oldest first, until new messages need not wait any more.
    async fn catch_up(self: &Arc<Self>) -> Result<(), StorageError> {
        loop {
            let limit = BATCH + self.outbox().look();
            let pending = self.services.storage.pending_messages(self.instance, limit as u64).await?;
            let mut found = false;
            for pending in pending {
                if !self.outbox().take(&pending.message.message_id) {
                    continue;
                }
                found = true;
                self.relaunch(pending.message, &pending.payload);
            }
            if !found && self.outbox().caught_up() {
                return Ok(());
            }
        }
    }

    fn relaunch(self: &Arc<Self>, message: Message, payload: &Bytes) {
        match e2e::Message::decode(payload.clone()) {
            Ok(content) => self.launch(message, content),
            Err(_) => {
                let line = Arc::clone(self);
                let failure = Failure {
                    cause: "unreadable",
                    code: None,
                    message: "what was stored can't be read".to_owned(),
                };
                self.services.tasks.spawn(async move { line.fail(&message, failure).await });
            }
        }
    }

    /// Hands a message to the companion at once, so that messages leave in the order of these calls, and lets
    /// the rest go on by itself.
    fn launch(self: &Arc<Self>, message: Message, content: e2e::Message) {
        let mut delivery = Box::pin(Arc::clone(self).deliver(message, content));
        if (&mut delivery).now_or_never().is_none() {
            self.services.tasks.spawn(delivery);
        }
    }

    async fn deliver(self: Arc<Self>, message: Message, content: e2e::Message) {
        let Ok(to) = message.wire_chat.parse::<Jid>() else {
            let failure = Failure {
                cause: "unreadable",
                code: None,
                message: "the stored recipient can't be read".to_owned(),
            };
            return self.fail(&message, failure).await;
        };
        let shown = Content::of(&content).unwrap_or_default();
        let mut pause = FIRST_PAUSE;
        let mut look_ups = 0;
        loop {
            let id = MessageId::from(message.message_id.as_str());
            let error =
                match self.companion.send(Outgoing { id, to: to.clone(), content: content.clone() }).await {
                    Ok(timestamp) => {
                        let update = draft::success(&message, &shown, timestamp, now());
                        return self.settle(&message, update, Fate::Sent).await;
                    }
                    Err(error) => error,
                };
            look_ups += u32::from(matches!(error, SendError::LookUp(_)));
            match judge(&error, look_ups) {
                Next::Fail(failure) => return self.fail(&message, failure).await,
                Next::Again if self.is_online_after(pause).await => pause = longer(pause),
                Next::Again | Next::WhenOnline => {
                    tracing::debug!(instance = %self.instance, %error, "a message stays pending");
                    self.outbox().postpone(&message.message_id);
                    return self.wake.notify_one();
                }
            }
        }
    }

    /// Waits this long, or until the instance is no longer online. Returns whether it still is.
    async fn is_online_after(&self, pause: Duration) -> bool {
        let mut state = self.state.clone();
        let offline = state.wait_for(|state| *state != State::Online);
        timeout(pause, offline).await.is_err()
    }

    async fn fail(&self, message: &Message, failure: Failure) {
        let update = draft::failure(message, failure.cause, &failure.message, now());
        self.settle(message, update, Fate::Failed(failure)).await;
    }

    /// Records the end of a message's way, then tells whoever waits. While the store fails, only the record
    /// is tried again; if the instance ends first, the message is still pending and goes out again under the
    /// same id.
    async fn settle(&self, message: &Message, update: StatusUpdate, fate: Fate) {
        let mut pause = FIRST_PAUSE;
        loop {
            let record = Record::new(self.instance).status(update.clone());
            let recording = self.services.storage.record(record);
            self.recorder.settled(&message.message_id);
            match recording.await {
                Ok(recorded) => {
                    self.outbox().finish(&message.message_id, &fate);
                    if recorded.last_seq.is_some() {
                        self.services.dispatcher.notify(self.instance);
                    }
                    return;
                }
                Err(StorageError::Closed | StorageError::NotFound { .. }) => return,
                Err(error) => {
                    tracing::warn!(instance = %self.instance, %error, "the fate of a message could not be stored");
                    self.recorder.expect_ack(&message.message_id);
                }
            }
            if self.has_ended_after(pause).await {
                return;
            }
            pause = longer(pause);
        }
    }

    /// Waits this long, or until the companion's task is gone. Returns whether it is.
    async fn has_ended_after(&self, pause: Duration) -> bool {
        let mut state = self.state.clone();
        let ended = async { while state.changed().await.is_ok() {} };
        timeout(pause, ended).await.is_ok()
    }

    fn outbox(&self) -> MutexGuard<'_, Outbox> {
        // No call into the outbox panics half-way.
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What follows a failed send.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    /// Another try, under the same id, after a pause.
    Again,
    /// Another try, under the same id, after the next connection.
    WhenOnline,
    /// Nothing helps.
    Fail(Failure),
}

fn judge(error: &SendError, look_ups: u32) -> Next {
    let (cause, code) = match error {
        SendError::NotConnected { .. } | SendError::Stopped => return Next::WhenOnline,
        SendError::Unacknowledged | SendError::Store(_) => return Next::Again,
        SendError::LookUp(_) if look_ups < MAX_LOOK_UPS => return Next::Again,
        SendError::LookUp(_) => ("look_up_failed", None),
        SendError::NotOnWhatsApp => ("not_on_whatsapp", None),
        SendError::UnsupportedRecipient { .. } => ("unsupported_recipient", None),
        SendError::NoLid => ("no_lid", None),
        SendError::NoDevice => ("no_device", None),
        SendError::TooLarge { .. } => ("too_large", None),
        // WhatsApp's limit on writing to people who never wrote back.
        SendError::Refused { code: 463 } => ("reachout_timelock", Some(463)),
        SendError::Refused { code } => ("refused", Some(*code)),
        _ => ("send_failed", None),
    };
    Next::Fail(Failure { cause, code, message: error.to_string() })
}

fn longer(pause: Duration) -> Duration {
    (pause * 2).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_judged_by_what_helps_against_them() {
        let offline = SendError::NotConnected { cause: Cause::Network };
        let table = [
            (offline, 0, Next::WhenOnline),
            (SendError::Stopped, 0, Next::WhenOnline),
            (SendError::Unacknowledged, 0, Next::Again),
            (SendError::Store("disk".into()), 0, Next::Again),
            (SendError::LookUp("time-out".into()), MAX_LOOK_UPS - 1, Next::Again),
        ];
        for (error, look_ups, next) in table {
            assert_eq!(judge(&error, look_ups), next, "{error}");
        }
        let table = [
            (SendError::LookUp("time-out".into()), "look_up_failed", None),
            (SendError::NotOnWhatsApp, "not_on_whatsapp", None),
            (SendError::NoDevice, "no_device", None),
            (SendError::TooLarge { size: 9 }, "too_large", None),
            (SendError::Refused { code: 463 }, "reachout_timelock", Some(463)),
            (SendError::Refused { code: 479 }, "refused", Some(479)),
        ];
        for (error, cause, code) in table {
            let message = error.to_string();
            assert_eq!(judge(&error, MAX_LOOK_UPS), Next::Fail(Failure { cause, code, message }));
        }
    }
}
