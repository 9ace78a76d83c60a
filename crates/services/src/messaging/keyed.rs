//! Requests that come again under their idempotency key.

use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use storage::{Claim, InstanceId, Json, StoredClaim};
use tokio::time::Instant;
use wa_binary::Jid;

use super::{ACK_TIMEOUT, MAX_IDEMPOTENCY_KEY, MessagingService};
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
    /// The claim of a key for a text from this instance.
    pub(super) fn new(instance: InstanceId, key: String, to: &Jid, text: &str) -> Result<Self, ServiceError> {
        if key.is_empty() || key.len() > MAX_IDEMPOTENCY_KEY || !key.bytes().all(|b| b.is_ascii_graphic()) {
            let message = format!("must have 1 to {MAX_IDEMPOTENCY_KEY} visible ASCII characters");
            return Err(ServiceError::invalid(Field::IdempotencyKey, message));
        }
        let (scope, fingerprint) = (format!("send:{instance}"), fingerprint(to, text));
        let claim = Claim { scope, key, fingerprint, answer: Json::default(), at: now() };
        Ok(Self { claim, text: text.to_owned() })
    }
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
