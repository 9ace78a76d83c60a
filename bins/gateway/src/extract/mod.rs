//! From a request to typed arguments; what doesn't fit becomes an [`crate::error::ApiError`].

mod body;
mod call;
mod caller;
mod client;
mod doubled;
mod if_match;
mod query;
mod subject;

pub(crate) use body::{JsonBody, MAX_JSON_BODY};
pub(crate) use call::{Call, InstanceCall};
pub(crate) use caller::{Authenticated, identify};
pub(crate) use client::ClientAddress;
pub(crate) use if_match::{IfMatch, tagged};
pub(crate) use query::{FromQuery, Parameters, Query};
pub(crate) use subject::{ChatOf, Subject, WebhookOf};
