use bytes::Bytes;
use serde::Serialize;
use storage::{Event, EventKind, Json, Timestamp};

use super::seed1::{Data, json};
use super::{Attempt, Call, Dialect, JSON, Seed1, Telling};

/// Standard Webhooks 1.0: an envelope of `type`, `timestamp` and `data`, and the headers `webhook-id`, `webhook-timestamp`
/// and `webhook-signature`. What is in `data` is that of [`Seed1`].
#[derive(Clone, Copy, Debug)]
pub struct Standard;

impl Dialect for Standard {
    fn name(&self, kind: EventKind) -> &'static str {
        Seed1.name(kind)
    }

    fn webhook(&self, event: &Event, _to: &Telling<'_>) -> Call {
        let kind = self.name(event.kind());
        let body = serde_json::to_vec(&Envelope::of(event)).unwrap_or_default();
        Call { event: kind, content_type: JSON, body: Bytes::from(body) }
    }

    fn listed(&self, event: &Event) -> Json {
        json(&Envelope::of(event))
    }

    fn data(&self, event: &Event) -> Json {
        Seed1.data(event)
    }

    fn headers(&self, attempt: &Attempt<'_>) -> Vec<(&'static str, String)> {
        let (id, at) = (attempt.id.to_string(), attempt.at.seconds());
        // While a secret is rotated there are two signatures, and receivers take either.
        let signers = [attempt.signer, attempt.next].into_iter().flatten();
        let signatures: Vec<_> = signers.map(|signer| signer.sign_standard(&id, at, attempt.body)).collect();
        let mut headers = vec![("webhook-id", id), ("webhook-timestamp", at.to_string())];
        if !signatures.is_empty() {
            headers.push(("webhook-signature", signatures.join(" ")));
        }
        headers
    }
}

#[derive(Serialize)]
struct Envelope<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    timestamp: Timestamp,
    data: Data<'a>,
}

impl<'a> Envelope<'a> {
    fn of(event: &'a Event) -> Self {
        Self { kind: Seed1.name(event.kind()), timestamp: event.timestamp, data: Data::of(event) }
    }
}
