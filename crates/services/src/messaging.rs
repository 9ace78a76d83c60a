//! Sending messages.

mod keyed;

use std::sync::Arc;
use std::time::Duration;

use storage::{
    Claim, Failure, FailureCause, InstanceId, Message, MessageStatus, Missing, Storage, StoredClaim,
    Timestamp,
};
use tokio::time::{Instant, timeout, timeout_at};
use wa_binary::Jid;
use wa_client::content::Draft;
use wa_client::{Limit, Person, SendError};

use crate::auth::Caller;
use crate::cause;
use crate::error::{ConflictCause, ServiceError};
use crate::field::Field;
use crate::mapping::{self, ChatNames};
use crate::pending::{Answer, Fate, Full};
use crate::recipient::parse_recipient;
use crate::running::RunningInstance;
use crate::status::ConnectionStatus;
use crate::supervisor::Supervisor;
use crate::text::is_blank;
use keyed::{Answered, Keyed, answered};

/// Longest text, in characters: WhatsApp's own limit.
pub const MAX_TEXT: usize = 65_536;
/// Longest idempotency key, in bytes.
pub const MAX_IDEMPOTENCY_KEY: usize = 255;
/// How long a send waits for WhatsApp's ack before it answers that the message is pending.
pub const ACK_TIMEOUT: Duration = Duration::from_secs(10);
/// How long of that WhatsApp may take to say who the recipient is: the rest is for storing the message.
const WHO_IS_TIMEOUT: Duration = Duration::from_secs(5);

/// A text to send.
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

/// What to do with a message that WhatsApp, as far as is known, would refuse because of a limit. It is not tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnLimit {
    /// Refuse it: nothing is stored.
    #[default]
    Refuse,
    /// Store it, and send it when the limit is over or the recipient has come to trust the account.
    Hold,
}

impl std::fmt::Debug for SendText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SendText").field("idempotency_key", &self.idempotency_key).finish_non_exhaustive()
    }
}

/// What became of a message as far as is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// WhatsApp's id of the message.
    pub id: String,
    /// The JID of the chat that it is in, once that is known: of the number that the recipient's account has, which may
    /// be another than the one that was given.
    pub chat: Option<String>,
    /// Whether WhatsApp has it.
    pub progress: Progress,
    /// True if the call repeated an earlier one under its idempotency key.
    pub replayed: bool,
}

/// How far a message has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// WhatsApp has acknowledged it.
    Sent,
    /// Stored or being stored, and not acknowledged yet. It goes on in the background, and after a restart.
    Pending,
    /// Stored; it leaves once WhatsApp lets the account write to the recipient.
    Held {
        /// When that is, where it is known.
        retry_at: Option<Timestamp>,
    },
}

/// Use cases about sending. Clones are the same service.
#[derive(Clone)]
pub struct MessagingService {
    storage: Arc<dyn Storage>,
    supervisor: Supervisor,
}

impl MessagingService {
    /// A service over these parts.
    pub(crate) fn new(storage: Arc<dyn Storage>, supervisor: Supervisor) -> Self {
        Self { storage, supervisor }
    }

    /// Sends a text.
    ///
    /// Its id is chosen and it is stored before anything leaves; whatever happens then, it is never sent
    /// under a second id. Answers when WhatsApp has acknowledged it, or after [`ACK_TIMEOUT`]. A caller who stops
    /// waiting stops nothing.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` for recipient, text or idempotency key; `NotConnected` with the cause, and
    /// nothing was stored; `Conflict` when the key was used for something else; `Limited` when WhatsApp doesn't let
    /// the account write to the recipient, be it known before or said by WhatsApp; `Forbidden` for a group that the account
    /// may not write to; `Refused` when WhatsApp won't have it.
    pub async fn send_text(
        &self,
        caller: &Caller,
        instance: InstanceId,
        send: SendText,
    ) -> Result<Sent, ServiceError> {
        let running = self.supervisor.find(caller.user, instance);
        if running.is_none() && self.storage.instance(caller.user, instance).await?.is_none() {
            return Err(ServiceError::NotFound { what: Missing::Instance });
        }
        let to = parse_recipient(&send.phone)
            .map_err(|error| ServiceError::invalid(Field::Recipient, error.to_string()))?;
        check_text(&send.message)?;
        let keyed =
            send.idempotency_key.map(|key| Keyed::new(instance, key, &to, &send.message)).transpose()?;
        if let Some(Keyed { claim, .. }) = &keyed
            && let Some(earlier) = self.storage.claim(&claim.scope, &claim.key).await?
        {
            return self.replay(caller, instance, &to, keyed.as_ref(), &earlier).await;
        }
        let running = self.online(caller, instance, running).await?;
        let limit = running.limit_on(&to).await;
        if let (Some(limit), OnLimit::Refuse) = (limit, send.on_limit) {
            return Err(refused_by_limit(cause::limited(limit, limit.to_string())));
        }
        self.send(caller, &running, &to, &Draft::text(send.message), keyed, limit).await
    }

    /// Hands a message to the instance, which stores and sends it, and waits for the end of its way. Under a limit it is
    /// stored only.
    async fn send(
        &self,
        caller: &Caller,
        running: &RunningInstance,
        to: &Jid,
        draft: &Draft,
        keyed: Option<Keyed>,
        limit: Option<Limit>,
    ) -> Result<Sent, ServiceError> {
        let begin = Instant::now();
        let deadline = begin + ACK_TIMEOUT;
        let names = match limit {
            // Nobody is even asked who that is.
            Some(_) => ChatNames::new(to, to.is_pn().then_some(to), to.is_lid().then_some(to)),
            None => self.names(running, to, begin + WHO_IS_TIMEOUT).await?,
        };
        let mut message = pending(running, &names, draft);
        if limit.is_some() {
            message.status = MessageStatus::Held;
        }
        let (id, chat) = (message.message_id.clone(), Some(message.chat.clone()));
        let answer = answered(&id, to, chat.as_deref());
        let claim = keyed.as_ref().map(|keyed| Claim { answer, ..keyed.claim.clone() });
        let answer = running.recorder.submit(message, claim).map_err(|Full| ServiceError::Unavailable {
            message: "too many messages wait for WhatsApp's answer",
        })?;
        match timeout_at(deadline, answer).await {
            Ok(Ok(Answer::Taken(earlier))) => {
                self.replay(caller, running.instance, to, keyed.as_ref(), &earlier).await
            }
            Ok(Ok(Answer::NotStored(error))) => Err(ServiceError::not_stored(error)),
            Ok(Ok(Answer::Settled(fate))) => sent(id, chat, fate, false),
            Ok(Ok(Answer::Held)) => Ok(held(id, chat, limit, false)),
            // The run has ended: what is not stored by now never will be.
            Ok(Err(_)) => self.so_far(caller, running.instance, id, false).await,
            Err(_) => self.in_time(caller, running, id).await,
        }
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
                Ok(Sent { id, chat: None, progress: Progress::Pending, replayed: false })
            }
            answer => answer,
        }
    }

    /// The chat with a user under all its names: what the account is called is WhatsApp's to say, not the caller's. If
    /// it doesn't say so in time, the message goes on under the name that was given.
    async fn names(
        &self,
        running: &RunningInstance,
        to: &Jid,
        deadline: Instant,
    ) -> Result<ChatNames, ServiceError> {
        if to.is_group() {
            return Ok(ChatNames::new(to, None, None));
        }
        let person = match running.recorder.person(to) {
            Some(person) => person,
            None => match timeout_at(deadline, running.companion.who_is(to)).await {
                Ok(Ok(person)) => {
                    running.recorder.met(to, &person);
                    person
                }
                Ok(Err(SendError::NotOnWhatsApp)) => {
                    return Err(ServiceError::invalid(Field::Recipient, "is not on WhatsApp"));
                }
                Ok(Err(_)) | Err(_) => Person::default(),
            },
        };
        let known = match (&person.pn, to.is_lid()) {
            (None, true) => self.supervisor.number_of(running.instance, &to.user).await.map(Jid::pn),
            _ => None,
        };
        let pn = person.pn.or(known);
        let wire = person.lid.as_ref().or(pn.as_ref()).unwrap_or(to);
        Ok(ChatNames::new(wire, pn.as_ref(), person.lid.as_ref()))
    }

    async fn online(
        &self,
        caller: &Caller,
        instance: InstanceId,
        running: Option<Arc<RunningInstance>>,
    ) -> Result<Arc<RunningInstance>, ServiceError> {
        let connection = match running {
            Some(running) if running.is_online() => return Ok(running),
            Some(running) => ConnectionStatus::of_state(&running.state()),
            None => {
                let stored = self.storage.instance(caller.user, instance).await?;
                self.supervisor.status(&stored.ok_or(ServiceError::NotFound { what: Missing::Instance })?)
            }
        };
        Err(ServiceError::not_connected(&connection))
    }

    /// The answer about the message that was sent under the key first, with its present status.
    async fn replay(
        &self,
        caller: &Caller,
        instance: InstanceId,
        to: &Jid,
        keyed: Option<&Keyed>,
        earlier: &StoredClaim,
    ) -> Result<Sent, ServiceError> {
        let keyed = keyed.ok_or_else(|| ServiceError::internal("a key was taken that nobody gave"))?;
        let running = self.supervisor.find(caller.user, instance);
        if !self.is_repeated(running.as_deref(), to, keyed, earlier).await {
            let message = "this idempotency key was used for another recipient or text".to_owned();
            return Err(ServiceError::Conflict { cause: ConflictCause::IdempotencyKeyReused, message });
        }
        let Answered { id, chat, .. } = earlier.answer.parse().map_err(ServiceError::internal)?;
        // A message that is on its way is waited for; the store knows of every other one.
        let waiting = running.and_then(|running| running.recorder.wait_for(&id));
        match waiting {
            Some(waiting) => match timeout(ACK_TIMEOUT, waiting).await {
                Ok(Ok(Answer::Settled(fate))) => sent(id, chat, fate, true),
                Ok(Ok(Answer::Held)) => Ok(held(id, chat, None, true)),
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
            Some(MessageStatus::Held) => Ok(held(id, chat, None, replayed)),
            Some(MessageStatus::Pending) => Ok(Sent { id, chat, progress: Progress::Pending, replayed }),
            Some(MessageStatus::Failed) => Err(ServiceError::Refused {
                cause: None,
                code: None,
                message: "the message has failed; its message_status event says why".to_owned(),
            }),
            Some(_) => Ok(Sent { id, chat, progress: Progress::Sent, replayed }),
            // Kept shorter than its key, or not stored within the wait.
            None if replayed => Err(ServiceError::NotFound { what: Missing::Message }),
            None => Err(ServiceError::Unavailable { message: "the message could not be stored in time" }),
        }
    }
}

impl std::fmt::Debug for MessagingService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MessagingService").finish_non_exhaustive()
    }
}

fn sent(id: String, chat: Option<String>, fate: Fate, replayed: bool) -> Result<Sent, ServiceError> {
    match fate {
        Fate::Sent => Ok(Sent { id, chat, progress: Progress::Sent, replayed }),
        Fate::Failed(Failure { cause: FailureCause::NotOnWhatsApp, .. }) => {
            Err(ServiceError::invalid(Field::Recipient, "is not on WhatsApp"))
        }
        Fate::Failed(Failure { cause: FailureCause::NotInGroup, .. }) => {
            Err(ServiceError::Forbidden { message: "the account is not in this group" })
        }
        Fate::Failed(Failure { cause: FailureCause::NotAdmin, .. }) => {
            Err(ServiceError::Forbidden { message: "only administrators write to this group" })
        }
        Fate::Failed(Failure { cause: FailureCause::TooLarge, .. }) => {
            Err(ServiceError::invalid(Field::Text, "is too large"))
        }
        Fate::Failed(
            failure @ Failure { cause: FailureCause::ReachoutTimelock | FailureCause::NewChatCap, .. },
        ) => Err(refused_by_limit(failure)),
        Fate::Failed(Failure { cause, code, message, .. }) => {
            Err(ServiceError::Refused { cause: Some(cause), code, message })
        }
    }
}

/// The message as it is stored first.
fn pending(running: &RunningInstance, names: &ChatNames, draft: &Draft) -> Message {
    let own_jid = running.recorder.own_jid().unwrap_or_default();
    mapping::pending(running.instance, own_jid, names, draft, running.recorder.server_now())
}

fn held(id: String, chat: Option<String>, limit: Option<Limit>, replayed: bool) -> Sent {
    let retry_at = limit.and_then(|limit| limit.until).map(Timestamp::from_millis);
    Sent { id, chat, progress: Progress::Held { retry_at }, replayed }
}

fn refused_by_limit(Failure { cause, message, until, .. }: Failure) -> ServiceError {
    ServiceError::Limited { cause, until: until.map(Timestamp::from_millis), message }
}

fn check_text(text: &str) -> Result<(), ServiceError> {
    let problem = match () {
        () if is_blank(text) => "must not be empty".to_owned(),
        () if text.len() > MAX_TEXT && text.chars().count() > MAX_TEXT => {
            format!("must have at most {MAX_TEXT} characters")
        }
        () => return Ok(()),
    };
    Err(ServiceError::invalid(Field::Text, problem))
}

#[cfg(test)]
mod late_tests;
#[cfg(test)]
mod limit_tests;
#[cfg(test)]
mod tests;
