//! Sending messages.

mod recipient;

use std::sync::Arc;
use std::time::Duration;

use prost::Message as _;
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use storage::{
    Claim, InstanceId, Json, Message, MessageStatus, NewMessage, Record, Storage, StoredClaim,
    StoredMessageId,
};
use tokio::sync::oneshot;
use tokio::time::timeout;
use wa_binary::Jid;
use wa_client::{MessageId, State};
use wa_protobuf::e2e;

pub use recipient::{RecipientError, parse_chat, parse_recipient};

use crate::clock::now;
use crate::instance::{ConnectionStatus, not_connected};
use crate::supervisor::{Content, Failure, Fate, Line, Supervisor};
use crate::{Caller, ServiceError};

/// Longest text, in characters: WhatsApp's own limit.
pub const MAX_TEXT: usize = 65_536;
/// Longest idempotency key, in bytes.
pub const MAX_IDEMPOTENCY_KEY: usize = 255;
/// How long a send waits for WhatsApp's ack before it answers that the message is pending.
pub const ACK_TIMEOUT: Duration = Duration::from_secs(10);

/// A text to send.
#[derive(Clone)]
pub struct SendText {
    /// Phone number in any usual notation, or JID.
    pub phone: String,
    /// The text.
    pub message: String,
    /// With a key, repeating the call sends nothing and gives the answer about the first message.
    pub idempotency_key: Option<String>,
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
    /// Whether WhatsApp has it.
    pub progress: Progress,
    /// True if the call repeated an earlier one under its idempotency key.
    pub replayed: bool,
}

/// How far a message has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Acknowledged by WhatsApp.
    Sent,
    /// Stored, and not acknowledged yet. It goes on in the background, and after a restart.
    Pending,
}

/// Use cases about sending. Clones are the same service.
#[derive(Clone)]
pub struct MessagingService {
    storage: Arc<dyn Storage>,
    supervisor: Supervisor,
}

/// What is stored with an idempotency key. The status is not: it is that of the message.
#[derive(Serialize, Deserialize)]
struct Answer {
    id: String,
}

impl MessagingService {
    /// A service over these parts.
    pub fn new(storage: Arc<dyn Storage>, supervisor: Supervisor) -> Self {
        Self { storage, supervisor }
    }

    /// Sends a text.
    ///
    /// Its id is chosen and it is stored before anything leaves; whatever happens then, it is never sent
    /// under a second id. Answers when WhatsApp has acknowledged it, or after [`ACK_TIMEOUT`].
    ///
    /// # Errors
    /// `NotFound`; `Invalid` for `phone`, `message` or `Idempotency-Key`; `NotConnected` with the cause, and
    /// nothing was stored; `Conflict` when the key was used for something else; `Refused` when WhatsApp won't
    /// have it.
    pub async fn send_text(
        &self,
        caller: &Caller,
        instance: InstanceId,
        send: SendText,
    ) -> Result<Sent, ServiceError> {
        let line = self.supervisor.line(caller.user, instance);
        if line.is_none() && self.storage.instance(caller.user, instance).await?.is_none() {
            return Err(ServiceError::NotFound { what: "instance" });
        }
        let to = parse_recipient(&send.phone)
            .map_err(|error| ServiceError::invalid("phone", error.to_string()))?;
        check_text(&send.message)?;
        let claim = self.claim(instance, &to, &send)?;
        if let Some(claim) = &claim
            && let Some(earlier) = self.storage.claim(&claim.scope, &claim.key).await?
        {
            return self.replay(caller, instance, claim, &earlier).await;
        }
        let line = self.online(caller, instance, line).await?;
        let content = e2e::Message { conversation: Some(send.message), ..Default::default() };
        self.send(caller, &line, to, content, claim).await
    }

    async fn send(
        &self,
        caller: &Caller,
        line: &Arc<Line>,
        to: Jid,
        content: e2e::Message,
        claim: Option<Claim>,
    ) -> Result<Sent, ServiceError> {
        if !line.has_room() {
            return Err(ServiceError::Unavailable {
                message: "too many messages wait for WhatsApp's answer",
            });
        }
        let message = self.pending(line, &to, &content).await;
        let id = message.message_id.clone();
        let claim = claim.map(|claim| Claim { answer: answer(&id), ..claim });
        let new = NewMessage {
            message: message.clone(),
            payload: Some(content.encode_to_vec().into()),
            event: None,
        };
        let record = Record::new(line.instance).claim(claim.clone()).message(new);
        let recorded = self.storage.record(record).await?;
        if let (Some(claim), Some(earlier)) = (&claim, &recorded.taken) {
            return self.replay(caller, line.instance, claim, earlier).await;
        }
        let fate = line.submit(message, content);
        self.outcome(caller, line.instance, id, fate, false).await
    }

    /// The message as it is stored first.
    async fn pending(&self, line: &Line, to: &Jid, content: &e2e::Message) -> Message {
        let wire_chat = to.to_string();
        let known = if to.is_lid() { self.supervisor.number_of(line.instance, &to.user).await } else { None };
        let now = now();
        let shown = Content::of(content).unwrap_or_default();
        Message {
            id: StoredMessageId::generate(),
            instance: line.instance,
            chat: known.map_or_else(|| wire_chat.clone(), |number| Jid::pn(number).to_string()),
            wire_chat,
            sender: line.recorder.own_jid().unwrap_or_default(),
            from_me: true,
            message_type: shown.message_type.to_owned(),
            content: shown.text,
            message_id: MessageId::generate().to_string(),
            has_media: false,
            media_url: None,
            caption: None,
            mime_type: None,
            file_name: None,
            status: MessageStatus::Pending,
            metadata: Json::from(serde_json::json!({ "timestamp": now.seconds() })),
            created_at: now,
            updated_at: now,
            status_updated_at: None,
        }
    }

    async fn online(
        &self,
        caller: &Caller,
        instance: InstanceId,
        line: Option<Arc<Line>>,
    ) -> Result<Arc<Line>, ServiceError> {
        match line {
            Some(line) if line.state() == State::Online => Ok(line),
            Some(line) => Err(not_connected(ConnectionStatus::of_state(&line.state()))),
            None => {
                let stored = self.storage.instance(caller.user, instance).await?;
                let stored = stored.ok_or(ServiceError::NotFound { what: "instance" })?;
                Err(not_connected(self.supervisor.status(&stored)))
            }
        }
    }

    fn claim(&self, instance: InstanceId, to: &Jid, send: &SendText) -> Result<Option<Claim>, ServiceError> {
        let Some(key) = &send.idempotency_key else { return Ok(None) };
        if key.is_empty() || key.len() > MAX_IDEMPOTENCY_KEY || !key.bytes().all(|b| b.is_ascii_graphic()) {
            let message = format!("must have 1 to {MAX_IDEMPOTENCY_KEY} visible ASCII characters");
            return Err(ServiceError::invalid("Idempotency-Key", message));
        }
        let request = format!("text\n{to}\n{}", send.message);
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(digest(&SHA256, request.as_bytes()).as_ref());
        let scope = format!("send:{instance}");
        Ok(Some(Claim { scope, key: key.clone(), fingerprint, answer: Json::default(), at: now() }))
    }

    /// The answer about the message that was sent under the key first, with its present status.
    async fn replay(
        &self,
        caller: &Caller,
        instance: InstanceId,
        claim: &Claim,
        earlier: &StoredClaim,
    ) -> Result<Sent, ServiceError> {
        if claim.fingerprint != earlier.fingerprint {
            let message = "this Idempotency-Key was used for another recipient or text".to_owned();
            return Err(ServiceError::Conflict { cause: "idempotency_key_reused", message });
        }
        let Answer { id } = earlier.answer.parse().map_err(ServiceError::internal)?;
        let line = self.supervisor.line(caller.user, instance);
        // Before the look at the store, so that a fate that is settled in between isn't missed.
        let waiting = line.as_ref().map(|line| line.wait_for(&id));
        let status = self.status(caller, instance, &id).await?;
        if let (MessageStatus::Pending, Some(fate)) = (status, waiting) {
            return self.outcome(caller, instance, id, fate, true).await;
        }
        if let Some(line) = line {
            line.stop_waiting(&id);
        }
        answer_of(id, status, true)
    }

    /// Waits for a message's fate as long as a caller waits.
    async fn outcome(
        &self,
        caller: &Caller,
        instance: InstanceId,
        id: String,
        fate: oneshot::Receiver<Fate>,
        replayed: bool,
    ) -> Result<Sent, ServiceError> {
        match timeout(ACK_TIMEOUT, fate).await {
            Ok(Ok(Fate::Sent)) => Ok(Sent { id, progress: Progress::Sent, replayed }),
            Ok(Ok(Fate::Failed(failure))) => Err(refused(failure)),
            // Too late: the message is stored and goes on. Or the instance ended, and with an unlinked
            // account its messages.
            Ok(Err(_)) | Err(_) => {
                let status = self.status(caller, instance, &id).await?;
                answer_of(id, status, replayed)
            }
        }
    }

    async fn status(
        &self,
        caller: &Caller,
        instance: InstanceId,
        id: &str,
    ) -> Result<MessageStatus, ServiceError> {
        let messages = self.storage.messages_by_id(caller.user, instance, id).await?;
        let ours = messages.into_iter().find(|message| message.from_me);
        ours.map(|message| message.status).ok_or(ServiceError::NotFound { what: "message" })
    }
}

impl std::fmt::Debug for MessagingService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MessagingService").finish_non_exhaustive()
    }
}

fn answer_of(id: String, status: MessageStatus, replayed: bool) -> Result<Sent, ServiceError> {
    match status {
        MessageStatus::Pending => Ok(Sent { id, progress: Progress::Pending, replayed }),
        MessageStatus::Failed => Err(ServiceError::Refused {
            cause: "failed",
            code: None,
            message: "the message has failed; its message_status event says why".to_owned(),
        }),
        _ => Ok(Sent { id, progress: Progress::Sent, replayed }),
    }
}

fn refused(failure: Failure) -> ServiceError {
    let Failure { cause, code, message } = failure;
    match cause {
        "not_on_whatsapp" => ServiceError::invalid("phone", "is not on WhatsApp"),
        "too_large" => ServiceError::invalid("message", "is too large"),
        _ => ServiceError::Refused { cause, code, message },
    }
}

fn check_text(text: &str) -> Result<(), ServiceError> {
    let problem = match () {
        () if text.trim().is_empty() => "must not be empty".to_owned(),
        () if text.len() > MAX_TEXT && text.chars().count() > MAX_TEXT => {
            format!("must have at most {MAX_TEXT} characters")
        }
        () => return Ok(()),
    };
    Err(ServiceError::invalid("message", problem))
}

fn answer(id: &str) -> Json {
    Json::of(&Answer { id: id.to_owned() }).unwrap_or_default()
}

#[cfg(test)]
mod tests;
