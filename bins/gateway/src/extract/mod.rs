//! From a request to typed arguments; what doesn't fit becomes an [`crate::ApiError`].

mod caller;
mod explain;
mod json;
mod path;
mod query;

pub(crate) use caller::{Authenticated, identify};
pub(crate) use json::Json;
pub(crate) use path::InstancePath;
pub(crate) use query::{FromQuery, Parameters, Query};
