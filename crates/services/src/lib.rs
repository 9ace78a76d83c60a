#![doc = include_str!("../README.md")]
// The clock and the random generator enter the workspace here and above (see .clippy.toml).
#![allow(clippy::disallowed_methods)]

mod auth;
mod clock;
mod companion;
mod error;
mod event;
mod housekeeping;
mod instance;
mod messaging;
mod services;
mod supervisor;
#[cfg(test)]
mod testing;

pub use auth::{AuthConfig, AuthService, Caller, FirstAdmin, Login, MAX_PASSWORD, MIN_PASSWORD, Welcome};
pub use companion::{Companion, CompanionStores, Companions, ConfigureClient, WhatsApp};
pub use error::ServiceError;
pub use event::{ChatQuery, DeadLetter, EventService, MAX_PAGE};
pub use housekeeping::IDEMPOTENCY_LIFETIME;
pub use instance::{
    ChangeWebhook, ConnectionStatus, CreateInstance, InstanceService, InstanceView, MAX_DESCRIPTION,
    MAX_INSTANCES, MAX_NAME, MAX_RETRIES, MAX_SECRET, Qr, RETRY_INTERVAL, Status, UpdateInstance,
};
pub use messaging::{
    ACK_TIMEOUT, MAX_IDEMPOTENCY_KEY, MAX_TEXT, MessagingService, Progress, RecipientError, SendText, Sent,
    parse_chat, parse_recipient,
};
pub use services::{Dependencies, Services};
pub use supervisor::Supervisor;
