//! From a request to typed arguments; what doesn't fit becomes an [`crate::error::ApiError`].

mod base64;
mod body;
mod call;
mod caller;
mod client;
mod credential;
mod doubled;
mod file;
mod if_match;
mod last_event_id;
mod query;
mod room;
mod subject;

pub(crate) use base64::bytes_of;
pub(crate) use body::{JsonBody, LargeJsonBody, MAX_JSON_BODY, MAX_LARGE_BODY, OptionalJsonBody};
pub(crate) use call::{Call, InstanceCall};
pub(crate) use caller::{Authenticated, identify, identify_operator};
pub(crate) use client::ClientAddress;
pub(crate) use credential::Credential;
pub(crate) use file::{Form, FormFile};
pub(crate) use if_match::{IfMatch, check_heeded, tagged};
pub(crate) use last_event_id::LastEventId;
pub(crate) use query::{FromQuery, Parameters, Query};
pub(crate) use subject::{ChatOf, DeliveryOf, MessageById, MessageOf, NamedOf, Subject, WebhookOf};
