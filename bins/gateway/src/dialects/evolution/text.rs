//! How this API writes states and messages.

use serde::{Deserialize, Serialize};
use services::{InstanceView, Status};
use storage::InstanceId;
use utoipa::ToSchema;

use super::access::{EvoCall, Reach};
use crate::error::ApiError;

/// Under which name the store knows this API.
pub(super) const DIALECT: &str = "evolution";

/// Where an instance stands: `open`, `connecting` or `close`.
pub(super) fn state(view: &InstanceView) -> &'static str {
    match view.connection.status {
        Status::Connected => "open",
        Status::Connecting | Status::Qr | Status::Passkey => "connecting",
        Status::Disconnected if view.connection.retry_at.is_some() => "connecting",
        Status::Disconnected | Status::LoggedOut | Status::Paused => "close",
    }
}

/// The caller's instance of this name. For the token of an instance there is no other one.
pub(super) async fn instance_of(call: &EvoCall, name: &str) -> Result<InstanceId, ApiError> {
    let unknown = || ApiError::not_found(format!("The \"{name}\" instance does not exist"));
    if let Reach::One(id) = call.subject {
        let view = call.services().instances.find(&call.caller, id).await?;
        return if view.instance.name == name { Ok(id) } else { Err(unknown()) };
    }
    let found = call.services().dialects.named(&call.caller, DIALECT, name).await;
    found.map_err(|error| match ApiError::from(error) {
        error if error.code() == "not_found" => unknown(),
        error => error,
    })
}

/// Which message it is.
#[derive(Clone, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct EvoKey {
    #[schema(example = "553198296801@s.whatsapp.net")]
    pub(super) remote_jid: String,
    #[serde(default)]
    pub(super) from_me: bool,
    pub(super) id: String,
}
