//! One webhook, ready to be called: everything that is the same for each of its deliveries is computed once.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::Utc;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use outbound::{AddressGuard, Destination};
use storage::{Event, EventData, EventFilter, UserId, Webhook};

use crate::courier::{Courier, Failure};
use crate::dialect::{Call, Dialect, dialect};
use crate::gate::Route;
use crate::headers::saved_headers;
use crate::policy::RetryPolicy;
use crate::signature::Signer;

const ID: HeaderName = HeaderName::from_static("x-webhook-id");
const EVENT: HeaderName = HeaderName::from_static("x-webhook-event");
const ATTEMPT: HeaderName = HeaderName::from_static("x-webhook-attempt");
const TIMESTAMP: HeaderName = HeaderName::from_static("x-webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("x-webhook-signature");
const SIGNATURE_V2: HeaderName = HeaderName::from_static("x-webhook-signature-v2");

/// A webhook's settings, as they were read.
pub(crate) struct Target {
    dialect: &'static dyn Dialect,
    filter: EventFilter,
    destination: Result<(Destination, Arc<Route>), Failure>,
    headers: HeaderMap,
    signer: Option<Signer>,
    policy: RetryPolicy,
}

impl Target {
    /// `None` when the webhook is off, or can't be called as its owner wants it: without a signature or a header, or with
    /// what isn't for it. What happens meanwhile waits in the log.
    pub(crate) fn new(webhook: &Webhook, owner: UserId, guard: &AddressGuard) -> Option<Self> {
        let url = webhook.url.as_deref().filter(|_| webhook.enabled && webhook.unreadable.is_empty())?;
        let mut headers =
            saved_headers(webhook.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let destination = guard.check(url).map(|destination| {
            let route = Arc::new(route(owner, &destination));
            (destination, route)
        });
        Some(Self {
            dialect: dialect(webhook.format),
            filter: webhook.filter.clone(),
            destination: destination.map_err(Failure::Refused),
            headers,
            signer: webhook.secret.as_ref().map(|secret| Signer::new(secret.expose())),
            policy: RetryPolicy {
                max_retries: webhook.max_retries,
                interval: Duration::from_millis(webhook.retry_interval),
            },
        })
    }

    /// Where the calls go; `None` when they may go nowhere.
    pub(crate) fn route(&self) -> Option<&Arc<Route>> {
        self.destination.as_ref().ok().map(|(_, route)| route)
    }

    pub(crate) fn wants(&self, event: &Event) -> bool {
        let status = match &event.data {
            EventData::MessageStatus(data) => Some(data.status),
            _ => None,
        };
        self.filter.wants(event.kind(), status)
    }

    pub(crate) fn policy(&self) -> &RetryPolicy {
        &self.policy
    }

    /// Makes attempt number `attempt` (from 1) to deliver the event.
    pub(crate) async fn deliver(
        &self,
        courier: &Courier,
        event: &Event,
        attempt: u32,
    ) -> Result<(), Failure> {
        let (destination, _) = self.destination.as_ref().map_err(Clone::clone)?;
        let call = self.dialect.webhook(event);
        let headers = self.request_headers(event, attempt, &call);
        courier.post(destination, headers, call.body).await
    }

    fn request_headers(&self, event: &Event, attempt: u32, call: &Call) -> HeaderMap {
        let mut headers = self.headers.clone();
        headers.insert(EVENT, HeaderValue::from_static(call.event));
        headers.insert(ATTEMPT, attempt.into());
        let texts = [
            (ID, Some(event.id.to_string())),
            (TIMESTAMP, Some(event.timestamp.to_string())),
            (SIGNATURE, self.signer.as_ref().map(|signer| signer.sign(&call.body))),
            (
                SIGNATURE_V2,
                self.signer.as_ref().map(|signer| signer.sign_at(&call.body, Utc::now().timestamp())),
            ),
        ];
        for (name, text) in texts {
            if let Some(value) = text.and_then(|text| HeaderValue::from_maybe_shared(Bytes::from(text)).ok())
            {
                headers.insert(name, value);
            }
        }
        headers
    }
}

/// The scheme is part of it: what fails on a port with TLS may work without.
pub(crate) fn route(owner: UserId, destination: &Destination) -> Route {
    Route { owner, origin: destination.url().origin().ascii_serialization() }
}
