//! What requests pass through before they reach a route.

mod authenticate;
mod edge;
mod headers;
mod request_id;

pub(crate) use authenticate::authenticate;
pub(crate) use edge::{dress, edge};
pub(crate) use request_id::RequestId;
