//! What stands in a path, for the description of the API. Requests are read by `extract::Subject`.
#![allow(dead_code, reason = "only described")]

use utoipa::IntoParams;

#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct InstancePath {
    /// The instance's id.
    id: String,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct ChatPath {
    /// The instance's id.
    id: String,
    /// A phone number, or the JID of a person, group, channel or list.
    chat: String,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct WebhookPath {
    /// The instance's id.
    id: String,
    /// The webhook's name; `default` is the one that the instance's own fields address.
    name: String,
}
