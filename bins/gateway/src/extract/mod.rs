//! From a request to typed arguments; what doesn't fit becomes an [`crate::ApiError`].

mod call;
mod caller;
mod explain;
mod json;
mod query;
mod subject;

pub(crate) use call::{Call, InstanceCall};
pub(crate) use caller::{Authenticated, identify};
pub(crate) use json::Json;
pub(crate) use query::{FromQuery, Parameters, Query};
pub(crate) use subject::{Chat, Subject};
