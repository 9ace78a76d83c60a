//! Where an instance stands with WhatsApp.

use super::time::Time;
use serde::Serialize;
use services::{ConnectionStatus, InstanceView};
use storage::{CauseKind, Timestamp};
use utoipa::ToSchema;
use wa_client::Limits;

/// `GET /api/instances/{id}/status`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StatusResponse {
    instance_id: String,
    status: &'static str,
    ready: bool,
    has_qr: bool,
    last_activity: Option<Time>,
    connection_details: ConnectionResponse,
    limits: LimitsResponse,
}

impl From<InstanceView> for StatusResponse {
    fn from(InstanceView { instance, connection, limits, .. }: InstanceView) -> Self {
        Self {
            instance_id: instance.id.to_string(),
            status: connection.status.as_str(),
            ready: connection.ready(),
            has_qr: connection.has_qr,
            last_activity: instance.last_activity.map(Time::from),
            connection_details: connection.into(),
            limits: limits.into(),
        }
    }
}

/// Where a connection stands. What isn't known or doesn't apply is left out.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ConnectionResponse {
    ready: bool,
    status: &'static str,
    has_qr: bool,
    /// Why it isn't connected, for programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    cause: Option<CauseKind>,
    /// When the next try is due.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_at: Option<Time>,
    /// When a temporary ban ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    banned_until: Option<Time>,
}

impl From<ConnectionStatus> for ConnectionResponse {
    fn from(connection: ConnectionStatus) -> Self {
        Self {
            ready: connection.ready(),
            status: connection.status.as_str(),
            has_qr: connection.has_qr,
            cause: connection.cause.map(|cause| cause.kind),
            retry_at: connection.retry_at.map(Time::from),
            banned_until: connection.cause.and_then(|cause| cause.until).map(Time::from),
        }
    }
}

/// Whom WhatsApp lets the account write to, as far as it said. What doesn't hold is left out.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LimitsResponse {
    /// Only people who trust the account may be written to.
    #[serde(skip_serializing_if = "Option::is_none")]
    time_lock: Option<TimeLockResponse>,
    /// So many people may be written to for the first time.
    #[serde(skip_serializing_if = "Option::is_none")]
    new_chats: Option<NewChatsResponse>,
}

#[derive(Serialize, ToSchema)]
struct TimeLockResponse {
    /// WhatsApp's name for it.
    kind: String,
    /// When it ends; `null` if WhatsApp doesn't say.
    until: Option<Time>,
}

#[derive(Serialize, ToSchema)]
struct NewChatsResponse {
    total: Option<u32>,
    used: Option<u32>,
    /// When they are counted anew; `null` if WhatsApp doesn't say.
    until: Option<Time>,
    /// Whether there may be no more.
    reached: bool,
}

impl From<Limits> for LimitsResponse {
    fn from(limits: Limits) -> Self {
        let time = |millis: Option<i64>| millis.map(|millis| Time::from(Timestamp::from_millis(millis)));
        Self {
            time_lock: limits
                .time_lock
                .map(|lock| TimeLockResponse { kind: lock.kind, until: time(lock.until) }),
            new_chats: limits.new_chats.map(|chats| NewChatsResponse {
                total: chats.total,
                used: chats.used,
                until: time(chats.until),
                reached: chats.is_reached,
            }),
        }
    }
}
