use serde::Serialize;
use storage::Timestamp;
use utoipa::ToSchema;

/// ISO 8601 in UTC with milliseconds, such as `2023-01-01T12:00:00.000Z`.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[schema(value_type = String, format = DateTime, example = "2023-01-01T12:00:00.000Z")]
pub(crate) struct Time(Timestamp);

impl From<Timestamp> for Time {
    fn from(timestamp: Timestamp) -> Self {
        Self(timestamp)
    }
}
