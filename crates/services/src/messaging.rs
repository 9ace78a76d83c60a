//! Sending messages.

mod address;
mod compose;
mod due;
mod keyed;
mod later;
mod media;
mod mentions;
mod outcome;
mod repeats;
mod terms;
mod waiting;

use std::sync::Arc;
use std::time::Duration;

use storage::{Claim, InstanceId, Message, MessageStatus, Missing, Storage, StoredClaim};
use tokio::sync::OwnedMutexGuard;
use tokio::time::{Instant, timeout, timeout_at};
use tracing::Instrument as _;
use wa_binary::Jid;
use wa_client::Limit;

use crate::alarm::Alarm;
use crate::auth::Caller;
use crate::bell::Bell;
use crate::cause;
use crate::error::{ConflictCause, ServiceError};
use crate::mapping::{self, ChatNames};
use crate::media::{FetchUrl, MediaObjects, MediaRoom, Programs, Spool};
use crate::pending::{Answer, Condition, Full};
use crate::quota::Quotas;
use crate::running::RunningInstance;
use crate::supervisor::Supervisor;
use compose::Drafted;
use keyed::{Answered, Keyed, answered};
use later::{Planned, Scheduling};
use outcome::refused_by_limit;

pub use compose::{
    CHAT_TIMERS, Compose, ComposeEvent, ComposeLocation, ComposeText, EDIT_WINDOW, MAX_EMOJI, MAX_NAMED,
    card_of,
};
pub(crate) use due::Departure;
pub use later::{Later, MAX_AHEAD, MAX_SCHEDULED, MAX_SCHEDULED_FILES, Reschedule, ScheduledMessage};
pub use media::{MAX_FILE_NAME, MediaGiven, SendMedia};
pub use outcome::{Progress, Sent};
pub use terms::{ACK_TIMEOUT, MAX_SEND_WAIT, OnLimit, Repeats, SendTerms};
pub use waiting::{Reached, WaitFor};

/// Longest text, in characters: WhatsApp's own limit.
pub const MAX_TEXT: usize = 65_536;
/// Longest idempotency key, in bytes.
pub const MAX_IDEMPOTENCY_KEY: usize = 255;

/// A plain text to send.
#[derive(Clone)]
pub struct SendText {
    /// Phone number in any usual notation, or the JID of somebody or of a group.
    pub phone: String,
    /// The text to send.
    pub message: String,
    /// With a key, repeating the call sends nothing and gives the answer about the first message.
    pub idempotency_key: Option<String>,
    /// What to do if WhatsApp doesn't let the account write to the recipient at present.
    pub on_limit: OnLimit,
}

/// A message to send.
#[derive(Clone)]
pub struct SendMessage {
    /// Phone number in any usual notation, or the JID of somebody or of a group.
    pub phone: String,
    /// What to send.
    pub content: Compose,
    /// When and under which conditions it is sent, and how long the caller waits.
    pub terms: SendTerms,
}

impl std::fmt::Debug for SendMessage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SendMessage").field("terms", &self.terms).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for SendText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SendText").field("idempotency_key", &self.idempotency_key).finish_non_exhaustive()
    }
}

/// Use cases about sending. Clones are the same service.
#[derive(Clone)]
pub struct MessagingService {
    storage: Arc<dyn Storage>,
    supervisor: Supervisor,
    objects: Arc<dyn MediaObjects>,
    spool: Spool,
    room: MediaRoom,
    programs: Programs,
    fetch: FetchUrl,
    bell: Bell,
    quotas: Quotas,
    alarm: Alarm,
}

impl MessagingService {
    /// A service over these parts.
    pub(crate) fn new(
        storage: Arc<dyn Storage>,
        supervisor: Supervisor,
        (objects, spool, programs, room): (Arc<dyn MediaObjects>, Spool, Programs, MediaRoom),
        fetch: FetchUrl,
        quotas: Quotas,
        (bell, alarm): (Bell, Alarm),
    ) -> Self {
        Self { storage, supervisor, objects, spool, room, programs, fetch, bell, quotas, alarm }
    }

    /// Sends a text: see [`Self::send_message`].
    ///
    /// # Errors
    /// As there.
    pub async fn send_text(
        &self,
        caller: &Caller,
        instance: InstanceId,
        send: SendText,
    ) -> Result<Sent, ServiceError> {
        let SendText { phone, message, idempotency_key, on_limit } = send;
        let content = Compose::text(message);
        let terms = SendTerms { idempotency_key, on_limit, ..SendTerms::default() };
        self.send_message(caller, instance, SendMessage { phone, content, terms }).await
    }

    /// Sends a message.
    ///
    /// Its id is chosen and it is stored before anything leaves; whatever happens then, it is never sent
    /// under a second id. Answers when WhatsApp has acknowledged it, or when the caller's patience is over. A caller who
    /// stops waiting stops nothing.
    ///
    /// # Errors
    /// `NotFound` for the instance, or for the message that it is about; `Invalid` for recipient, content or idempotency key; `NotConnected` with the cause, and
    /// nothing was stored; `Conflict` when the key was used for something else; `Limited` when WhatsApp doesn't let
    /// the account write to the recipient, be it known before or said by WhatsApp; `Forbidden` for a group that the account
    /// may not write to; `LimitExceeded` when the instance has sent as much as its owner lets it; `Refused` when WhatsApp
    /// won't have it.
    pub async fn send_message(
        &self,
        caller: &Caller,
        instance: InstanceId,
        send: SendMessage,
    ) -> Result<Sent, ServiceError> {
        let SendMessage { phone, content, terms } = send;
        let (running, to) = self.addressed(caller, instance, &phone).await?;
        content.check()?;
        content.check_for(&to)?;
        let keyed = Keyed::of(instance, &terms, &to, || content.fingerprint())?;
        if let Some(earlier) = self.earlier(caller, instance, &to, keyed.as_ref(), &terms).await? {
            return Ok(earlier);
        }
        if let Some(later) = terms.later {
            let scheduling = Scheduling { to: &to, what: Planned::Message(content), file: None, later };
            return self.schedule(caller, instance, scheduling, keyed, &terms).await;
        }
        let running = self.online(caller, instance, running).await?;
        let limit = limit(&running, &to, terms.on_limit).await?;
        self.send(caller, &running, &to, content, keyed, limit, &terms).await
    }

    /// The answer about the message that was sent under the same key, if one was.
    async fn earlier(
        &self,
        caller: &Caller,
        instance: InstanceId,
        to: &Jid,
        keyed: Option<&Keyed>,
        terms: &SendTerms,
    ) -> Result<Option<Sent>, ServiceError> {
        let Some(Keyed { claim, .. }) = keyed else { return Ok(None) };
        match self.storage.claim(&claim.scope, &claim.key).await? {
            Some(earlier) => {
                self.replay(caller, instance, to, keyed, &earlier, terms.patience).await.map(Some)
            }
            None => Ok(None),
        }
    }

    /// Hands a message to the instance, which stores and sends it, and waits for the end of its way. Under a limit it is
    /// stored only.
    #[allow(clippy::too_many_arguments, reason = "a message and all that is known of the call")]
    async fn send(
        &self,
        caller: &Caller,
        running: &RunningInstance,
        to: &Jid,
        content: Compose,
        keyed: Option<Keyed>,
        limit: Option<Limit>,
        terms: &SendTerms,
    ) -> Result<Sent, ServiceError> {
        let deadline = Instant::now() + terms.patience;
        let names = self.names_to_write_to(running, to, limit).await?;
        let drafted = self.draft(caller.user, running, &names, content).await?;
        let message = pending(running, &names, drafted);
        if let Some(first) = self.left_before(caller, running, &message, terms).await? {
            return Ok(first);
        }
        self.hand_in(caller, running, to, message, keyed, limit, (deadline, terms.queued)).await
    }

    /// Has a message stored and sent, and waits for the end of its way.
    #[allow(clippy::too_many_arguments, reason = "a message and all that is known of the call")]
    async fn hand_in(
        &self,
        caller: &Caller,
        running: &RunningInstance,
        to: &Jid,
        mut message: Message,
        keyed: Option<Keyed>,
        limit: Option<Limit>,
        (deadline, queued): (Instant, bool),
    ) -> Result<Sent, ServiceError> {
        if limit.is_some() {
            message.status = MessageStatus::Held;
        }
        let (id, chat) = (message.message_id.clone(), Some(message.chat.clone()));
        let answer = answered(&id, to, chat.as_deref());
        let claim = keyed.as_ref().map(|keyed| Claim { answer, ..keyed.claim.clone() });
        let admitted = self.admit(running, &message).await?;
        let (instance, kind) = (running.instance, message.kind.as_str());
        let span = tracing::debug_span!("send", %instance, kind);
        let answer =
            running.recorder.submit(message, claim.map(Condition::Claim), queued).map_err(|Full| {
                ServiceError::Unavailable { message: "too many messages wait for WhatsApp's answer" }
            })?;
        drop(admitted);
        match timeout_at(deadline, answer).instrument(span).await {
            Ok(Ok(Answer::Taken(earlier))) => {
                let patience = deadline.saturating_duration_since(Instant::now());
                self.replay(caller, running.instance, to, keyed.as_ref(), &earlier, patience).await
            }
            Ok(Ok(Answer::NotStored(error))) => Err(ServiceError::not_stored(error)),
            Ok(Ok(Answer::Settled(fate))) => Sent::settled(id, chat, fate, false),
            Ok(Ok(Answer::Held)) => Ok(Sent::held(id, chat, limit, false)),
            // The run has ended: what is not stored by now never will be.
            Ok(Err(_)) => self.so_far(caller, running.instance, id, false).await,
            Err(_) => self.in_time(caller, running, id).await,
        }
    }

    /// Lets the message leave as far as the owner's limits go. What is only about another message isn't limited.
    async fn admit(
        &self,
        running: &RunningInstance,
        message: &Message,
    ) -> Result<Option<OwnedMutexGuard<()>>, ServiceError> {
        if message.kind.amends() {
            return Ok(None);
        }
        let bytes = message.media.as_ref().and_then(|media| media.size).unwrap_or(0);
        self.quotas.admit(running, bytes).await
    }

    /// The answer when the wait is over and the instance still runs. A message is given up only if nobody has begun to
    /// store it: then it is surely never sent.
    async fn in_time(
        &self,
        caller: &Caller,
        running: &RunningInstance,
        id: String,
    ) -> Result<Sent, ServiceError> {
        let withdrawn = running.recorder.withdraw(&id);
        let is_on_its_way = running.recorder.holds(&id);
        match self.so_far(caller, running.instance, id.clone(), false).await {
            Err(ServiceError::Unavailable { .. }) if !withdrawn && is_on_its_way => {
                Ok(Sent::so_far(id, None, Progress::Pending, false))
            }
            answer => answer,
        }
    }

    /// The answer about the message that was sent under the key first, with its present status.
    async fn replay(
        &self,
        caller: &Caller,
        instance: InstanceId,
        to: &Jid,
        keyed: Option<&Keyed>,
        earlier: &StoredClaim,
        patience: Duration,
    ) -> Result<Sent, ServiceError> {
        let keyed = keyed.ok_or_else(|| ServiceError::internal("a key was taken that nobody gave"))?;
        let running = self.supervisor.find(caller.user, instance);
        if !self.is_repeated(running.as_deref(), to, keyed, earlier).await {
            let message = "this idempotency key was used for another recipient or content".to_owned();
            return Err(ServiceError::Conflict { cause: ConflictCause::IdempotencyKeyReused, message });
        }
        let Answered { id, chat, .. } = earlier.answer.parse().map_err(ServiceError::internal)?;
        self.awaited(caller, instance, running.as_deref(), (id, chat), patience).await
    }

    /// The answer about a message that is there already: one that is on its way is waited for; the store knows of every
    /// other one.
    async fn awaited(
        &self,
        caller: &Caller,
        instance: InstanceId,
        running: Option<&RunningInstance>,
        (id, chat): (String, Option<String>),
        patience: Duration,
    ) -> Result<Sent, ServiceError> {
        match running.and_then(|running| running.recorder.wait_for(&id)) {
            Some(waiting) => match timeout(patience, waiting).await {
                Ok(Ok(Answer::Settled(fate))) => Sent::settled(id, chat, fate, true),
                Ok(Ok(Answer::Held)) => Ok(Sent::held(id, chat, None, true)),
                _ => self.so_far(caller, instance, id, true).await,
            },
            None => self.so_far(caller, instance, id, true).await,
        }
    }

    /// The answer when the wait is over: the message is stored and goes on. Or the instance has ended, and with an
    /// unlinked account its messages.
    async fn so_far(
        &self,
        caller: &Caller,
        instance: InstanceId,
        id: String,
        replayed: bool,
    ) -> Result<Sent, ServiceError> {
        let messages = self.storage.messages_by_id(caller.user, instance, &id).await?;
        let ours = messages.into_iter().find(|message| message.from_me);
        let chat = ours.as_ref().map(|message| message.chat.clone());
        match ours.map(|message| message.status) {
            Some(MessageStatus::Held) => Ok(Sent::held(id, chat, None, replayed)),
            Some(MessageStatus::Pending) => Ok(Sent::so_far(id, chat, Progress::Pending, replayed)),
            Some(MessageStatus::Failed) => Err(ServiceError::failed_earlier()),
            Some(_) => Ok(Sent::so_far(id, chat, Progress::Sent, replayed)),
            // Not sent yet, kept shorter than its key, or not stored within the wait.
            None if replayed => self.still_scheduled(caller, instance, id).await,
            None => Err(ServiceError::Unavailable { message: "the message could not be stored in time" }),
        }
    }
}

impl MessagingService {
    /// The answer about a message that was scheduled under a key and has not left yet.
    async fn still_scheduled(
        &self,
        caller: &Caller,
        instance: InstanceId,
        id: String,
    ) -> Result<Sent, ServiceError> {
        let found = self.storage.scheduled_message(caller.user, instance, &id).await?;
        let found = found.ok_or(ServiceError::NotFound { what: Missing::Message })?;
        let progress = Progress::Scheduled { send_at: found.send_at };
        Ok(Sent::so_far(id, Some(found.recipient), progress, true))
    }
}

impl std::fmt::Debug for MessagingService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MessagingService").finish_non_exhaustive()
    }
}

/// The message as it is stored first.
fn pending(running: &RunningInstance, names: &ChatNames, Drafted { draft, text }: Drafted) -> Message {
    let own_jid = running.recorder.own_jid().unwrap_or_default();
    mapping::pending(running.instance, own_jid, names, (&draft, text), running.recorder.server_now())
}

/// The limit that keeps the account from writing to the recipient, where the caller lets the message be held for it.
async fn limit(
    running: &RunningInstance,
    to: &Jid,
    on_limit: OnLimit,
) -> Result<Option<Limit>, ServiceError> {
    match (running.limit_on(to).await, on_limit) {
        (Some(limit), OnLimit::Refuse) => Err(refused_by_limit(cause::limited(limit, limit.to_string()))),
        (limit, _) => Ok(limit),
    }
}

#[cfg(test)]
mod late_tests;
#[cfg(test)]
mod limit_tests;
#[cfg(test)]
mod tests;
