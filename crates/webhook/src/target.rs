//! One webhook, ready to be called: everything that is the same for each of its deliveries is computed once.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::Utc;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use outbound::{AddressGuard, Destination};
use serde::Serialize;
use storage::{Event, EventFilter, EventId, InstanceId, Timestamp, UserId, Webhook};
use tokio::time::Instant;

use crate::courier::{Courier, Failure};
use crate::dialect::{Account, Attempt, Call, Dialect, Receipt, Telling, dialect};
use crate::gate::Route;
use crate::headers::saved_headers;
use crate::policy::RetryPolicy;
use crate::signature::Signers;

const ID: HeaderName = HeaderName::from_static("x-webhook-id");
const EVENT: HeaderName = HeaderName::from_static("x-webhook-event");
const ATTEMPT: HeaderName = HeaderName::from_static("x-webhook-attempt");
const TIMESTAMP: HeaderName = HeaderName::from_static("x-webhook-timestamp");
const REPLAYED: HeaderName = HeaderName::from_static("x-webhook-replayed");
const SIGNATURE: HeaderName = HeaderName::from_static("x-webhook-signature");
const SIGNATURE_NEXT: HeaderName = HeaderName::from_static("x-webhook-signature-next");
const SIGNATURE_V2: HeaderName = HeaderName::from_static("x-webhook-signature-v2");

/// A webhook's settings, as they were read.
pub(crate) struct Target {
    name: String,
    url: String,
    dialect: &'static dyn Dialect,
    filter: EventFilter,
    destination: Result<(Destination, Arc<Route>), Failure>,
    headers: HeaderMap,
    signers: Signers,
    policy: RetryPolicy,
}

impl Target {
    /// `None` when the webhook is off, or can't be called as its owner wants it: without a signature or a header, or with
    /// what isn't for it. What happens meanwhile waits in the log.
    pub(crate) fn new(webhook: &Webhook, owner: UserId, guard: &AddressGuard) -> Option<Self> {
        let url = webhook.url.as_deref().filter(|_| webhook.enabled && webhook.unreadable.is_empty())?;
        let headers =
            saved_headers(webhook.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let destination = guard.check(url).map(|destination| {
            let route = Arc::new(route(owner, &destination));
            (destination, route)
        });
        let dialect = dialect(webhook.format);
        Some(Self {
            name: webhook.name.clone(),
            url: url.to_owned(),
            dialect,
            filter: webhook.filter.clone(),
            destination: destination.map_err(Failure::Refused),
            headers,
            signers: Signers::of(webhook),
            policy: RetryPolicy {
                max_retries: webhook.max_retries,
                interval: Duration::from_millis(webhook.retry_interval),
                pace: dialect.pace(),
                on_give_up: webhook.on_give_up,
            },
        })
    }

    /// Where the calls go; `None` when they may go nowhere.
    pub(crate) fn route(&self) -> Option<&Arc<Route>> {
        self.destination.as_ref().ok().map(|(_, route)| route)
    }

    pub(crate) fn wants(&self, event: &Event) -> bool {
        self.filter.wants_event(event) && self.dialect.tells(event)
    }

    /// Whether the account is to be looked up for each call.
    pub(crate) fn tells_account(&self) -> bool {
        self.dialect.tells_account()
    }

    pub(crate) fn policy(&self) -> &RetryPolicy {
        &self.policy
    }

    /// Makes attempt `number` (from 1) to deliver the event; answers the status of success.
    pub(crate) async fn deliver(
        &self,
        courier: &Courier,
        event: &Event,
        (number, replayed): (u32, bool),
        (account, public_url): (Option<&Account>, &str),
    ) -> Result<u16, Failure> {
        let (destination, _) = self.destination.as_ref().map_err(Clone::clone)?;
        let to = Telling { webhook: &self.name, url: &self.url, account, public_url };
        let call = self.dialect.webhook(event, &to);
        let mut headers = self.request_headers(event.id, event.timestamp, number, &call);
        if replayed {
            headers.insert(REPLAYED, HeaderValue::from_static("true"));
        }
        match self.dialect.receipt() {
            Receipt::Status => courier.post(destination, headers, call.body, None).await,
            Receipt::Body(is_receipt) => {
                let is_receipt = |answer: &[u8]| is_receipt(event, answer);
                courier.post(destination, headers, call.body, Some(&is_receipt)).await
            }
        }
    }

    /// Makes a call that tells of nothing but itself.
    pub(crate) async fn test(&self, courier: &Courier, webhook: &Webhook) -> Tested {
        let began = Instant::now();
        let answer = async {
            let (destination, _) = self.destination.as_ref().map_err(Clone::clone)?;
            let (id, timestamp) = (EventId::generate(), Utc::now().into());
            let call = TestCall::new(id, timestamp, webhook).call();
            let headers = self.request_headers(id, timestamp, 1, &call);
            courier.ask(destination, headers, call.body).await
        };
        let answer = answer.await;
        Tested { took: began.elapsed(), answer: answer.map_err(|failure| failure.to_string()) }
    }

    fn request_headers(&self, id: EventId, timestamp: Timestamp, number: u32, call: &Call) -> HeaderMap {
        let mut headers = self.headers.clone();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(call.content_type));
        headers.insert(EVENT, HeaderValue::from_static(call.event));
        headers.insert(ATTEMPT, number.into());
        let now = Utc::now();
        let (signer, next) = self.signers.at(now.into());
        let texts = [
            (ID, Some(id.to_string())),
            (TIMESTAMP, Some(timestamp.to_string())),
            (SIGNATURE, signer.map(|signer| signer.sign(&call.body))),
            (SIGNATURE_NEXT, next.map(|next| next.sign(&call.body))),
            (SIGNATURE_V2, signer.map(|signer| signer.sign_at(&call.body, now.timestamp(), next))),
        ];
        for (name, text) in texts {
            if let Some(value) = text.and_then(header) {
                headers.insert(name, value);
            }
        }
        let attempt = Attempt { id, at: now.into(), body: &call.body, signer, next };
        for (name, text) in self.dialect.headers(&attempt) {
            if let Some(value) = header(text) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        headers
    }
}

fn header(text: String) -> Option<HeaderValue> {
    HeaderValue::from_maybe_shared(Bytes::from(text)).ok()
}

/// What came of a test call.
#[derive(Clone, PartialEq, Eq)]
pub struct Tested {
    /// How long it took, the beginning of the answer's body included.
    pub took: Duration,
    /// The status, whatever it is, and the beginning of the body; or why there was no answer, as a sentence in English.
    pub answer: Result<(u16, Bytes), String>,
}

impl std::fmt::Debug for Tested {
    /// Without the body: it is for whoever asked.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tested").field("took", &self.took).finish_non_exhaustive()
    }
}

/// The body of a test call: the envelope of an event.
#[derive(Serialize)]
struct TestCall<'a> {
    id: EventId,
    event: &'static str,
    data: TestData<'a>,
    timestamp: Timestamp,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TestData<'a> {
    instance_id: InstanceId,
    webhook: &'a str,
}

impl<'a> TestCall<'a> {
    fn new(id: EventId, timestamp: Timestamp, webhook: &'a Webhook) -> Self {
        let data = TestData { instance_id: webhook.instance, webhook: &webhook.name };
        Self { id, event: "webhook_test", data, timestamp }
    }

    /// Strings always have a JSON form.
    fn call(&self) -> Call {
        let body = serde_json::to_vec(self).unwrap_or_default().into();
        Call { event: self.event, content_type: "application/json", body }
    }
}

/// The scheme is part of it: what fails on a port with TLS may work without.
pub(crate) fn route(owner: UserId, destination: &Destination) -> Route {
    Route { owner, origin: destination.url().origin().ascii_serialization() }
}
