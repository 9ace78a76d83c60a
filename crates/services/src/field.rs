//! What a caller can get wrong.

use std::fmt;

/// A value that a caller gave and that can be refused. What it is called is for each API to say; the words here are for
/// logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Field {
    /// Name of an instance.
    Name,
    /// Description of an instance.
    Description,
    /// Name of an instance in the phone's list of linked devices.
    DeviceName,
    /// Name that an account shows to others.
    PushName,
    /// Days that an instance's events are kept.
    EventRetention,
    /// Days that an instance's messages are kept.
    MessageRetention,
    /// Proxy of an instance.
    Proxy,
    /// Name of a webhook.
    WebhookName,
    /// Target of a webhook.
    WebhookUrl,
    /// The kinds of events that a webhook is told of.
    WebhookKinds,
    /// Retries after the first attempt of a delivery.
    WebhookRetries,
    /// Milliseconds before the first retry of a delivery.
    WebhookInterval,
    /// Key of a webhook's signature.
    WebhookSecret,
    /// Custom request headers of a webhook.
    WebhookHeaders,
    /// What a passkey's authenticator answered.
    Passkey,
    /// Who a message is for.
    Recipient,
    /// The text of a message.
    Text,
    /// The key under which a call can be repeated.
    IdempotencyKey,
    /// The chat whose messages are listed.
    Chat,
    /// How many items a page has at most.
    Limit,
    /// How long to wait for something to list.
    Wait,
    /// Password of a user.
    Password,
}

impl Field {
    /// All fields, in the order of their declaration.
    pub const ALL: &[Self] = &[
        Self::Name,
        Self::Description,
        Self::DeviceName,
        Self::PushName,
        Self::EventRetention,
        Self::MessageRetention,
        Self::Proxy,
        Self::WebhookName,
        Self::WebhookUrl,
        Self::WebhookKinds,
        Self::WebhookRetries,
        Self::WebhookInterval,
        Self::WebhookSecret,
        Self::WebhookHeaders,
        Self::Passkey,
        Self::Recipient,
        Self::Text,
        Self::IdempotencyKey,
        Self::Chat,
        Self::Limit,
        Self::Wait,
        Self::Password,
    ];

    /// A word for logs, snake case.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Description => "description",
            Self::DeviceName => "device_name",
            Self::PushName => "push_name",
            Self::EventRetention => "event_retention",
            Self::MessageRetention => "message_retention",
            Self::Proxy => "proxy",
            Self::WebhookName => "webhook_name",
            Self::WebhookUrl => "webhook_url",
            Self::WebhookKinds => "webhook_kinds",
            Self::WebhookRetries => "webhook_retries",
            Self::WebhookInterval => "webhook_interval",
            Self::WebhookSecret => "webhook_secret",
            Self::WebhookHeaders => "webhook_headers",
            Self::Passkey => "passkey",
            Self::Recipient => "recipient",
            Self::Text => "text",
            Self::IdempotencyKey => "idempotency_key",
            Self::Chat => "chat",
            Self::Limit => "limit",
            Self::Wait => "wait",
            Self::Password => "password",
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
