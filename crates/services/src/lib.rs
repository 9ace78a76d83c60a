#![doc = include_str!("../README.md")]
#![allow(
    clippy::disallowed_methods,
    reason = "the clock and the random generator enter the workspace here and above"
)]

// From top to bottom: a module uses those below it, never one above. A test holds this.
mod services;

mod event;
mod housekeeping;
mod instance;
mod messaging;

mod webhooks;

mod auth;
mod supervisor;

mod farewell;
mod node;
mod running;

mod recorder;

mod mapping;

mod bell;
mod companion;
mod pending;
mod people;
mod versions;

mod page;
mod recipient;

mod error;

mod status;

mod cause;
mod clock;
mod field;
mod text;

#[cfg(test)]
mod testing;

pub use auth::{
    AuthConfig, AuthService, Caller, FirstAdmin, Login, MAX_PASSWORD, MIN_PASSWORD, Renewed, Welcome,
};
pub use companion::{
    Companion, CompanionStores, Companions, ConfigureClient, NotRecorded, Recorder, Started, WhatsApp,
};
pub use error::{ConflictCause, ServiceError};
pub use event::{ChatQuery, EventService, MAX_WAIT, Owed, Replayed};
pub use field::Field;
pub use housekeeping::{IDEMPOTENCY_LIFETIME, KeepFor};
pub use instance::{
    CreateInstance, InstanceService, InstanceView, MAX_DESCRIPTION, MAX_DEVICE_NAME, MAX_INSTANCES, MAX_NAME,
    Qr, RETENTION_DAYS, ShownPasskey, UpdateInstance,
};
pub use messaging::{
    ACK_TIMEOUT, MAX_IDEMPOTENCY_KEY, MAX_TEXT, MessagingService, OnLimit, Progress, SendText, Sent,
};
pub use page::MAX_PAGE;
pub use recipient::{RecipientError, parse_chat, parse_recipient};
pub use services::{Dependencies, Services};
pub use status::{ConnectionStatus, Status};
pub use supervisor::Supervisor;
pub use versions::{VersionKeeper, VersionOrigin, VersionSource, VersionStatus};
/// What [`InstanceService::pairing_code`] and [`InstanceService::passkey`] answer.
pub use wa_client::{PairingCode, PasskeyStep};
pub use webhooks::{MAX_RETRIES, MAX_WEBHOOK_NAME, MAX_WEBHOOKS, RETRY_INTERVAL, SECRET, WebhookService};
