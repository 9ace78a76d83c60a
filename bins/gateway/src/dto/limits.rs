//! What limits an instance: WhatsApp's own limits, and those that its owner sets.

use serde::{Deserialize, Serialize};
use serde_with::rust::double_option;
use storage::{LimitPeriod, LimitsPatch, UsageLimits};
use utoipa::ToSchema;

use super::connection::LimitsResponse;
use crate::forms::Limit;

/// The words of [`LimitPeriod`].
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[allow(dead_code, reason = "for the description alone")]
enum PeriodWord {
    Day,
    Month,
}

/// What the instance may do in a period: what isn't there stays as it is, `null` removes.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(clippy::option_option, reason = "absent, null and a value are three different wishes")]
pub(crate) struct LimitsRequest {
    #[serde(default, with = "double_option")]
    #[schema(value_type = Option<Limit>)]
    max_messages_sent: Option<Option<u64>>,
    /// More are stored and told all the same; that they are too many is told.
    #[serde(default, with = "double_option")]
    #[schema(value_type = Option<Limit>)]
    max_messages_received: Option<Option<u64>>,
    /// Bytes of files, both ways.
    #[serde(default, with = "double_option")]
    #[schema(value_type = Option<Limit>)]
    max_media_size: Option<Option<u64>>,
    /// Calls about the instance. It can always be shown, changed and deleted.
    #[serde(default, with = "double_option")]
    #[schema(value_type = Option<Limit>)]
    max_api_calls: Option<Option<u64>>,
    /// Calls of webhooks that are delivered; the others wait for the next period.
    #[serde(default, with = "double_option")]
    #[schema(value_type = Option<Limit>)]
    max_webhooks: Option<Option<u64>>,
    /// Of the calendar, in UTC; by default a month.
    #[schema(value_type = Option<PeriodWord>)]
    period: Option<LimitPeriod>,
}

impl From<LimitsRequest> for LimitsPatch {
    fn from(request: LimitsRequest) -> Self {
        Self {
            messages_sent: request.max_messages_sent,
            messages_received: request.max_messages_received,
            media_size: request.max_media_size,
            api_calls: request.max_api_calls,
            webhooks: request.max_webhooks,
            period: request.period,
        }
    }
}

impl LimitsRequest {
    /// The limits of a new instance.
    pub(crate) fn of_new(self) -> UsageLimits {
        let mut limits = UsageLimits::default();
        LimitsPatch::from(self).apply(&mut limits);
        limits
    }
}

/// WhatsApp's limits, and those that the owner has set. What doesn't hold is left out.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InstanceLimits {
    #[serde(flatten)]
    of_whatsapp: LimitsResponse,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_messages_sent: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_messages_received: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_media_size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_api_calls: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_webhooks: Option<u64>,
    /// For how long those hold that the owner has set.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<PeriodWord>)]
    period: Option<LimitPeriod>,
}

impl InstanceLimits {
    pub(crate) fn of(of_whatsapp: LimitsResponse, own: &UsageLimits) -> Self {
        Self {
            of_whatsapp,
            max_messages_sent: own.messages_sent,
            max_messages_received: own.messages_received,
            max_media_size: own.media_size,
            max_api_calls: own.api_calls,
            max_webhooks: own.webhooks,
            period: own.is_any().then_some(own.period),
        }
    }
}
