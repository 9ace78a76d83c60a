//! Requests that come again under their idempotency key.

use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use storage::{Claim, InstanceId, Json, StoredClaim};
use tokio::time::Instant;
use wa_binary::Jid;

use super::{ACK_TIMEOUT, Later, MAX_IDEMPOTENCY_KEY, MessagingService, SendTerms};
use crate::clock::now;
use crate::error::ServiceError;
use crate::field::Field;
use crate::running::RunningInstance;

/// A request under an idempotency key.
pub(super) struct Keyed {
    pub(super) claim: Claim,
    text: String,
}

/// What is stored with an idempotency key. The status is not: it is that of the message.
#[derive(Serialize, Deserialize)]
pub(super) struct Answered {
    pub(super) id: String,
    /// The recipient as the caller wrote it, which the fingerprint is made with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) chat: Option<String>,
}

impl Keyed {
    /// The claim of the key under which something is sent from this instance, if the call has one. `text` tells one content
    /// from another.
    pub(super) fn of(
        instance: InstanceId,
        terms: &SendTerms,
        to: &Jid,
        text: impl FnOnce() -> String,
    ) -> Result<Option<Self>, ServiceError> {
        let Some(key) = &terms.idempotency_key else { return Ok(None) };
        check_key(key)?;
        let text = match &terms.later {
            None => text(),
            // No text begins like this.
            Some(Later { send_at, expire_at }) => format!("\0later\n{send_at}\n{expire_at:?}\n{}", text()),
        };
        let key = key.clone();
        let (scope, fingerprint) = (scope(instance), fingerprint(to, &text));
        let claim = Claim { scope, key, fingerprint, answer: Json::default(), at: now() };
        Ok(Some(Self { claim, text }))
    }
}

/// What keys of an instance are kept under.
pub(super) fn scope(instance: InstanceId) -> String {
    format!("send:{instance}")
}

pub(super) fn check_key(key: &str) -> Result<(), ServiceError> {
    if key.is_empty() || key.len() > MAX_IDEMPOTENCY_KEY || !key.bytes().all(|b| b.is_ascii_graphic()) {
        let message = format!("must have 1 to {MAX_IDEMPOTENCY_KEY} visible ASCII characters");
        return Err(ServiceError::invalid(Field::IdempotencyKey, message));
    }
    Ok(())
}

impl MessagingService {
    /// Whether a request is the one that was made under its key first: the same text to the same recipient, be it in
    /// another spelling of the number. Who that is, an instance knows that has run with it.
    pub(super) async fn is_repeated(
        &self,
        running: Option<&RunningInstance>,
        to: &Jid,
        keyed: &Keyed,
        earlier: &StoredClaim,
    ) -> bool {
        if keyed.claim.fingerprint == earlier.fingerprint {
            return true;
        }
        let first =
            earlier.answer.parse::<Answered>().ok().and_then(|answered| answered.to?.parse::<Jid>().ok());
        let (Some(first), Some(running)) = (first, running) else { return false };
        if fingerprint(&first, &keyed.text) != earlier.fingerprint {
            return false;
        }
        let deadline = Instant::now() + ACK_TIMEOUT;
        match (self.names(running, to, deadline).await, self.names(running, &first, deadline).await) {
            (Ok(now), Ok(then)) => now.chat == then.chat,
            _ => false,
        }
    }
}

/// What is stored about the answer.
pub(super) fn answered(id: &str, to: &Jid, chat: Option<&str>) -> Json {
    let (id, to, chat) = (id.to_owned(), Some(to.to_string()), chat.map(str::to_owned));
    Json::of(&Answered { id, to, chat }).unwrap_or_default()
}

/// What tells one request under a key from another.
fn fingerprint(to: &Jid, text: &str) -> [u8; 32] {
    let mut fingerprint = [0; 32];
    fingerprint.copy_from_slice(digest(&SHA256, format!("text\n{to}\n{text}").as_bytes()).as_ref());
    fingerprint
}
