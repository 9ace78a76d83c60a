//! What requests pass through before they reach a route.

mod authenticate;
mod cors;
mod edge;
mod headers;
mod request_id;
mod scope;

pub(crate) use authenticate::authenticate;
pub(crate) use edge::{dress, edge};
pub(crate) use request_id::RequestId;
#[cfg(test)]
pub(crate) use scope::{LINKING, Need, need};
