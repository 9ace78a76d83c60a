//! One webhook, ready to be called: everything that is the same for each of its deliveries is computed once.

use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use storage::{Event, WebhookSettings};

use crate::courier::{Courier, Failure};
use crate::guard::{AddressGuard, Destination};
use crate::headers::custom_headers;
use crate::policy::RetryPolicy;
use crate::signature::Signer;
use crate::{envelope, filter};

const ID: HeaderName = HeaderName::from_static("x-webhook-id");
const EVENT: HeaderName = HeaderName::from_static("x-webhook-event");
const ATTEMPT: HeaderName = HeaderName::from_static("x-webhook-attempt");
const TIMESTAMP: HeaderName = HeaderName::from_static("x-webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("x-webhook-signature");

/// The present settings of an instance's webhook.
pub(crate) struct Target {
    settings: WebhookSettings,
    destination: Result<Destination, Failure>,
    headers: HeaderMap,
    signer: Option<Signer>,
    policy: RetryPolicy,
}

impl Target {
    /// `None` when the webhook is off.
    pub(crate) fn new(settings: WebhookSettings, guard: &AddressGuard) -> Option<Self> {
        let url = settings.url.as_deref().filter(|_| settings.enabled)?;
        let custom =
            custom_headers(settings.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let destination = guard.check(url).map_err(Failure::Refused);
        let (destination, mut headers) = match custom {
            Ok(headers) => (destination, headers),
            Err(error) => (Err(Failure::Headers(error)), HeaderMap::new()),
        };
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Some(Self {
            destination,
            headers,
            signer: settings.secret.as_ref().map(|secret| Signer::new(secret.expose())),
            policy: RetryPolicy {
                max_retries: settings.max_retries,
                interval: Duration::from_millis(settings.retry_interval),
            },
            settings,
        })
    }

    pub(crate) fn wants(&self, event: &Event) -> bool {
        filter::is_wanted(&self.settings, event)
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
        let destination = self.destination.as_ref().map_err(Clone::clone)?;
        let body = envelope::body(event);
        courier.post(destination, self.request_headers(event, attempt, &body), body).await
    }

    fn request_headers(&self, event: &Event, attempt: u32, body: &Bytes) -> HeaderMap {
        let mut headers = self.headers.clone();
        headers.insert(EVENT, HeaderValue::from_static(event.kind.as_str()));
        headers.insert(ATTEMPT, attempt.into());
        let texts = [
            (ID, Some(event.id.to_string())),
            (TIMESTAMP, Some(event.timestamp.to_string())),
            (SIGNATURE, self.signer.as_ref().map(|signer| signer.sign(body))),
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
