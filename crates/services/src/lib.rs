#![doc = include_str!("../README.md")]
#![allow(
    clippy::disallowed_methods,
    reason = "the clock and the random generator enter the workspace here and above"
)]

// From top to bottom: a module uses those below it, never one above. A test holds this.
mod services;

mod scheduler;

mod keys;
mod users;

mod channels;
mod communities;
mod consumers;
mod contacting;
mod contacts;
mod dialects;
mod event;
mod groups;
mod housekeeping;
mod qr_page;

mod instance;
mod messaging;

mod media;

mod webhooks;

mod reach;

mod usage;

mod auth;
mod supervisor;

mod audit;

mod farewell;
mod node;
mod quota;

mod running;

mod recorder;

mod mapping;

mod alarm;
mod bell;
mod companion;
mod feed;
mod meter;
mod pending;
mod people;
mod versions;

mod page;
mod recipient;

mod error;

mod shares;
mod status;
mod turns;

mod cause;
mod clock;
mod field;
mod text;

#[cfg(test)]
mod testing;

pub use auth::{
    AuthConfig, AuthService, Caller, FirstAdmin, Identity, Login, MAX_EMAIL, MAX_PASSWORD, MIN_PASSWORD,
    Renewed, Welcome,
};
pub use channels::{ChannelService, MAX_CHANNEL_DESCRIPTION, MAX_CHANNEL_NAME, MAX_CHANNEL_POSTS};
pub use communities::{CommunityService, LinkAction};
pub use companion::{
    Acked, Companion, CompanionStores, Companions, ConfigureClient, NotRecorded, Recorder, Started, WhatsApp,
};
pub use consumers::{ConsumerService, MAX_CONSUMER_NAME, MAX_CONSUMERS, Pulled};
pub use contacting::{ChatMarks, MAX_NUMBERS, MAX_READ, PeopleService, Profile};
pub use contacts::{ContactService, KnownContact, MAX_CONTACT_NAME, MAX_CONTACT_TEXT, SaveContact};
pub use dialects::DialectService;
pub use error::{ConflictCause, Exceeded, ServiceError};
pub use event::{
    Activity, ActivityWish, ActivityWord, ChatQuery, EventService, EventStream, Found, MAX_FOUND, MAX_SEARCH,
    MAX_WAIT, MemberReceipt, MessageView, Overview, Owed, PollResult, Replayed,
};
pub use field::Field;
pub use groups::{
    GroupService, GroupSettings, MAX_GROUP_DESCRIPTION, MAX_GROUP_NAME, MAX_MEMBERS, MadeGroup, MemberAction,
    NewGroup,
};
pub use housekeeping::{IDEMPOTENCY_LIFETIME, KeepFor};
pub use instance::{
    CreateInstance, InstanceService, InstanceView, LinkStep, Linking, MAX_DESCRIPTION, MAX_DEVICE_NAME,
    MAX_INSTANCES, MAX_LIMIT, MAX_NAME, MAX_PASSKEY_PART, MAX_TAG, MAX_TAGS, Qr, RETENTION_DAYS,
    ShownPasskey, UpdateInstance, import_offline,
};
pub use keys::{KeyService, MAX_KEY_INSTANCES, MAX_KEY_NAME, MAX_KEYS, NewKey};
pub use mapping::{details_of, quoted_by};
pub use media::{
    BucketObjects, FileOf, GivenFile, LONGEST_SENT, LocalObjects, MediaLink, MediaObjects, MediaOptions,
    MediaService, OpenFile, Opened, Programs, SeenFile, SpoolError, SpooledFile, Usage,
};
pub use messaging::{
    ACK_TIMEOUT, CHAT_TIMERS, Compose, ComposeEvent, ComposeLocation, ComposeText, EDIT_WINDOW, Later,
    MAX_AHEAD, MAX_EMOJI, MAX_FILE_NAME, MAX_IDEMPOTENCY_KEY, MAX_NAMED, MAX_SCHEDULED, MAX_SCHEDULED_FILES,
    MAX_SEND_WAIT, MAX_TEXT, MediaGiven, MessagingService, OnLimit, Progress, Reached, Repeats, Reschedule,
    ScheduledMessage, SendMedia, SendMessage, SendTerms, SendText, Sent, WaitFor, card_of,
};
pub use meter::{Meter, Traffic};
pub use page::MAX_PAGE;
pub use qr_page::{LONGEST_LINK, PageState, QrLink, QrPage, QrPageService, Visit};
pub use quota::Quotas;
pub use recipient::{RecipientError, parse_chat, parse_recipient};
pub use services::{Dependencies, Services};
pub use status::{ConnectionStatus, Status};
pub use supervisor::{Supervisor, Waiting};
pub use usage::{InstanceUsage, Period, SystemUsage, UsageService};
pub use users::{Belongings, MAX_ALLOWED_IPS, MAX_USER_NAME, NewUser, UserChange, UserService};
pub use versions::{VersionKeeper, VersionOrigin, VersionSource, VersionStatus};
/// What [`PeopleService::set_chat_state`] shows.
pub use wa_client::ChatState;
/// As what a file is sent.
pub use wa_client::MediaKind;
/// What a member of a group may do.
pub use wa_client::Rank;
/// What [`InstanceService::pairing_code`] and [`InstanceService::passkey`] answer.
pub use wa_client::{PairingCode, PasskeyStep};
pub use webhooks::{
    LogPlace, MAX_OVERLAP, MAX_RETRIES, MAX_WEBHOOK_NAME, MAX_WEBHOOKS, RETRY_INTERVAL, Redeliver, SECRET,
    WebhookService,
};
