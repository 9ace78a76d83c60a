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
    /// What an instance is sorted by.
    Tags,
    /// Name of an instance in the phone's list of linked devices.
    DeviceName,
    /// Name that an account shows to others.
    PushName,
    /// Days that an instance's events are kept.
    EventRetention,
    /// Days that an instance's messages are kept.
    MessageRetention,
    /// Days that the files of an instance's messages are kept.
    MediaRetention,
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
    /// WhatsApp's id of a message that another is about.
    MessageId,
    /// The people whom a text names.
    Mentions,
    /// Contact cards.
    Contacts,
    /// A question with options.
    Poll,
    /// The options that are chosen in a poll.
    Options,
    /// The emoji of a reaction.
    Emoji,
    /// An answer to an invitation.
    Answer,
    /// How long something lasts.
    Seconds,
    /// Degrees north.
    Latitude,
    /// Degrees east.
    Longitude,
    /// What is asked of WhatsApp, where no more can be said.
    Value,
    /// A file to send.
    File,
    /// Address of a file to send.
    Url,
    /// The text under a file.
    Caption,
    /// The name of a file.
    FileName,
    /// The key under which a call can be repeated.
    IdempotencyKey,
    /// When a message is to be sent.
    SendAt,
    /// When it is not to be sent any more.
    ExpireAt,
    /// The chat whose messages are listed.
    Chat,
    /// The chat to which a list of messages is narrowed.
    ListedChat,
    /// What is looked for.
    Search,
    /// How many items a page has at most.
    Limit,
    /// What an instance may do in a period.
    Limits,
    /// How long to wait for something to list.
    Wait,
    /// Name of a contact.
    ContactName,
    /// Number of a contact.
    Number,
    /// Where a contact's picture is.
    Picture,
    /// What a contact says about themself.
    About,
    /// People in a group.
    Participants,
    /// How long messages are kept in a group.
    Expiration,
    /// Phone numbers to look for.
    Numbers,
    /// A profile picture.
    Jpeg,
    /// What others may see of the account.
    Privacy,
    /// WhatsApp's ids of messages.
    MessageIds,
    /// Password of a user.
    Password,
    /// E-mail address of a user.
    Email,
    /// Given name of a user.
    FirstName,
    /// Family name of a user.
    LastName,
    /// What a user may do.
    Role,
    /// Whether a user is shut out.
    Disabled,
    /// Networks in which a user's credentials are good.
    AllowedIps,
    /// What a scoped key is for.
    KeyName,
    /// What a scoped key opens.
    Scopes,
    /// The only instances that there are for a scoped key.
    KeyInstances,
    /// When a scoped key ends.
    ExpiresAt,
    /// Name of a consumer of the event log.
    ConsumerName,
    /// The kinds of events that a consumer wants.
    ConsumerKinds,
    /// Where a consumer goes on.
    ConsumerStart,
    /// A position in the event log.
    Position,
    /// Where a range of events begins.
    RangeFrom,
    /// Where a range of events ends.
    RangeTo,
    /// How long two secrets of a webhook sign.
    SecretOverlap,
}

impl Field {
    /// All fields, in the order of their declaration.
    pub const ALL: &[Self] = &[
        Self::Name,
        Self::Description,
        Self::Tags,
        Self::DeviceName,
        Self::PushName,
        Self::EventRetention,
        Self::MessageRetention,
        Self::MediaRetention,
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
        Self::MessageId,
        Self::Mentions,
        Self::Contacts,
        Self::Poll,
        Self::Options,
        Self::Emoji,
        Self::Answer,
        Self::Seconds,
        Self::Latitude,
        Self::Longitude,
        Self::Value,
        Self::File,
        Self::Url,
        Self::Caption,
        Self::FileName,
        Self::IdempotencyKey,
        Self::SendAt,
        Self::ExpireAt,
        Self::Chat,
        Self::ListedChat,
        Self::Search,
        Self::Limit,
        Self::Limits,
        Self::Wait,
        Self::ContactName,
        Self::Number,
        Self::Picture,
        Self::About,
        Self::Participants,
        Self::Expiration,
        Self::Numbers,
        Self::Jpeg,
        Self::Privacy,
        Self::MessageIds,
        Self::Password,
        Self::Email,
        Self::FirstName,
        Self::LastName,
        Self::Role,
        Self::Disabled,
        Self::AllowedIps,
        Self::KeyName,
        Self::Scopes,
        Self::KeyInstances,
        Self::ExpiresAt,
    ];

    /// A word for logs, snake case.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Description => "description",
            Self::Tags => "tags",
            Self::DeviceName => "device_name",
            Self::PushName => "push_name",
            Self::EventRetention => "event_retention",
            Self::MessageRetention => "message_retention",
            Self::MediaRetention => "media_retention",
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
            Self::MessageId => "message_id",
            Self::Mentions => "mentions",
            Self::Contacts => "contacts",
            Self::Poll => "poll",
            Self::Options => "options",
            Self::Emoji => "emoji",
            Self::Answer => "answer",
            Self::Seconds => "seconds",
            Self::Latitude => "latitude",
            Self::Longitude => "longitude",
            Self::Value => "value",
            Self::File => "file",
            Self::Url => "url",
            Self::Caption => "caption",
            Self::FileName => "file_name",
            Self::IdempotencyKey => "idempotency_key",
            Self::SendAt => "send_at",
            Self::ExpireAt => "expire_at",
            Self::Chat => "chat",
            Self::ListedChat => "listed_chat",
            Self::Search => "search",
            Self::Limit => "limit",
            Self::Limits => "limits",
            Self::Wait => "wait",
            Self::ContactName => "name of the contact",
            Self::Number => "number",
            Self::Picture => "picture",
            Self::About => "about text",
            Self::Participants => "participants",
            Self::Expiration => "expiration",
            Self::Numbers => "numbers",
            Self::Jpeg => "jpeg",
            Self::Privacy => "privacy",
            Self::MessageIds => "message_ids",
            Self::Password => "password",
            Self::Email => "email",
            Self::FirstName => "first_name",
            Self::LastName => "last_name",
            Self::Role => "role",
            Self::Disabled => "disabled",
            Self::AllowedIps => "allowed_ips",
            Self::KeyName => "key_name",
            Self::Scopes => "scopes",
            Self::KeyInstances => "key_instances",
            Self::ExpiresAt => "expires_at",
            Self::ConsumerName => "consumer_name",
            Self::ConsumerKinds => "consumer_kinds",
            Self::ConsumerStart => "consumer_start",
            Self::Position => "position",
            Self::RangeFrom => "range_from",
            Self::RangeTo => "range_to",
            Self::SecretOverlap => "secret_overlap",
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
