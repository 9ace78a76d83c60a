#![doc = include_str!("../README.md")]

pub mod conformance;
mod domain;
mod memory;
mod stores;

pub use domain::claim::{Claim, StoredClaim};
pub use domain::delivery::{Consumer, ConsumerWork, Delivery, DeliveryState, Settlement};
pub use domain::event::{Event, EventId, EventKind, EventPage, EventQuery, EventStart, NewEvent};
pub use domain::id::InvalidId;
pub use domain::instance::{
    Instance, InstanceId, InstancePatch, InstanceStatus, StateChange, WebhookSettings,
};
pub use domain::json::Json;
pub use domain::message::{
    Message, MessageQuery, MessageStatus, NewMessage, PendingMessage, StatusUpdate, StoredMessageId,
};
pub use domain::page::Page;
pub use domain::record::{Entry, Outcome, Record, Recorded};
pub use domain::secret::{ApiKey, SecretText};
pub use domain::time::{InvalidTimestamp, Timestamp};
pub use domain::user::{Role, User, UserId, UserPatch};
pub use domain::word::UnknownWord;
pub use memory::MemoryStorage;
pub use stores::{
    ClaimStore, DeliveryStore, EventLog, Fleet, InstanceStore, MessageStore, SettingStore, Storage,
    StorageError, UserStore, Write,
};
