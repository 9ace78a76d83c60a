//! What the API calls the values that a service refuses.

use services::Field;
use storage::Part;

/// How a request names its fields.
pub(crate) type Names = fn(Field) -> &'static str;

/// The names that stand in queries, headers and flat bodies.
pub(crate) fn flat(field: Field) -> &'static str {
    match field {
        Field::Name => "name",
        Field::Description => "description",
        Field::DeviceName => "deviceName",
        Field::PushName => "pushName",
        Field::EventRetention => "eventRetentionDays",
        Field::MessageRetention => "messageRetentionDays",
        Field::Proxy => "proxy",
        Field::WebhookName => "webhookName",
        Field::WebhookUrl => "webhookUrl",
        Field::WebhookKinds => "events",
        Field::WebhookRetries => "maxRetries",
        Field::WebhookInterval => "retryInterval",
        Field::WebhookSecret => "webhookSecret",
        Field::WebhookHeaders => "headers",
        Field::Passkey => "credential",
        Field::Recipient => "phone",
        Field::Text => "message",
        Field::IdempotencyKey => "Idempotency-Key",
        Field::Chat => "chatId",
        Field::Limit => "limit",
        Field::Wait => "wait",
        Field::Password => "password",
    }
}

/// The names of an update of an instance, where what concerns deliveries is an object of its own.
pub(crate) fn nested(field: Field) -> &'static str {
    match field {
        Field::WebhookRetries => "webhookSettings.maxRetries",
        Field::WebhookInterval => "webhookSettings.retryInterval",
        Field::WebhookSecret => "webhookSettings.secret",
        Field::WebhookHeaders => "webhookSettings.headers",
        other => flat(other),
    }
}

/// What an unreadable part of an instance, or of a webhook by itself, is called: as the field that sets it anew.
pub(crate) fn part(part: Part) -> &'static str {
    match part {
        Part::State => "status",
        Part::Proxy => "proxy",
        Part::DeviceIcon => "deviceIcon",
        Part::Format => "format",
        Part::Kinds => "events",
        Part::Secret => "secret",
        Part::Headers => "headers",
    }
}

/// The same of the webhook that is a part of its instance.
pub(crate) fn nested_part(unreadable: Part) -> &'static str {
    match unreadable {
        Part::Secret => "webhookSettings.secret",
        Part::Headers => "webhookSettings.headers",
        Part::Format => "webhooks.default.format",
        Part::Kinds => "webhooks.default.events",
        other => part(other),
    }
}

/// The names of a webhook by itself.
pub(crate) fn of_webhook(field: Field) -> &'static str {
    match field {
        Field::WebhookName => "name",
        Field::WebhookUrl => "url",
        Field::WebhookSecret => "secret",
        other => flat(other),
    }
}
