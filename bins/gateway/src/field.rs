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
        Field::Tags => "tags",
        Field::DeviceName => "deviceName",
        Field::PushName => "pushName",
        Field::EventRetention => "eventRetentionDays",
        Field::MessageRetention => "messageRetentionDays",
        Field::MediaRetention => "mediaRetentionDays",
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
        Field::MessageId => "messageId",
        Field::Mentions => "mentions",
        Field::Contacts => "contacts",
        Field::Poll => "options",
        Field::Options => "options",
        Field::Emoji => "emoji",
        Field::Answer => "answer",
        Field::Seconds => "seconds",
        Field::Latitude => "latitude",
        Field::Longitude => "longitude",
        Field::Value => "value",
        Field::File => "file",
        Field::Url => "url",
        Field::Caption => "caption",
        Field::FileName => "filename",
        Field::IdempotencyKey => "Idempotency-Key",
        Field::SendAt => "sendAt",
        Field::ExpireAt => "expireAt",
        Field::Chat => "chatId",
        Field::ListedChat => "chat",
        Field::Search => "q",
        Field::Limit => "limit",
        Field::Limits => "limits",
        Field::Wait => "wait",
        Field::ContactName => "name",
        Field::Number => "number",
        Field::Picture => "profilePicture",
        Field::About => "about",
        Field::Participants => "participants",
        Field::Expiration => "expiration",
        Field::Numbers => "numbers",
        Field::Jpeg => "picture",
        Field::Privacy => "settings",
        Field::MessageIds => "messageIds",
        Field::Password => "password",
        Field::Email => "email",
        Field::FirstName => "firstName",
        Field::LastName => "lastName",
        Field::Role => "role",
        Field::Disabled => "disabled",
        Field::AllowedIps => "allowedIps",
        Field::KeyName => "name",
        Field::Scopes => "scopes",
        Field::KeyInstances => "instances",
        Field::ExpiresAt => "expiresAt",
        Field::ConsumerName => "name",
        Field::ConsumerKinds => "types",
        Field::ConsumerStart => "from",
        Field::Position => "position",
        Field::RangeFrom => "from",
        Field::RangeTo => "to",
        Field::SecretOverlap => "overlap",
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
        Part::Limits => "limits",
        Part::MediaDownload => "mediaDownload",
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

/// The names of a change of one's own password.
pub(crate) fn of_password(field: Field) -> &'static str {
    match field {
        Field::Password => "new",
        other => flat(other),
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
