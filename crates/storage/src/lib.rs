#![doc = include_str!("../README.md")]

mod backoff;
mod clock;
pub mod conformance;
mod domain;
mod journal;
mod memory;
mod stores;

pub use backoff::Backoff;
pub use clock::Clock;
pub use domain::amendment::{AmendTarget, Amendment, Change};
pub use domain::cause::{CauseKind, ConnectionCause, FailureCause};
pub use domain::claim::{Claim, StoredClaim};
pub use domain::delivery::{Consumer, ConsumerWork, Delivery, DeliveryQuery, DeliveryState, Settlement};
pub use domain::device_look::{DeviceIcon, DeviceLook};
pub use domain::edit::{Edit, Edited, Version};
pub use domain::event::{Chat, Event, EventId, EventKind, EventPage, EventQuery, EventStart, NewEvent};
pub use domain::event_data::{
    ConnectedData, DisconnectedData, EventData, ExpiryData, Failure, IdentityData, InvalidEventData,
    LimitData, LimitsData, MediaData, MessageData, NewChatsData, QrData, StatusData, TimeLockData,
    UndecryptableData, UndecryptableReason, UnreadableData, WebhookData,
};
pub use domain::id::InvalidId;
pub use domain::instance::{
    ConnectionSettings, Instance, InstanceId, InstancePatch, InstanceStatus, Retention, StateChange,
};
pub use domain::json::Json;
pub use domain::lease::{Epoch, Leased, NodeId};
pub use domain::message::{Message, MessageQuery, MessageStatus, NewMessage, StatusUpdate, StoredMessageId};
pub use domain::message_kind::MessageKind;
pub use domain::missing::Missing;
pub use domain::page::{Budget, Cursor, PAGE_BYTES, Page};
pub use domain::part::Part;
pub use domain::record::{Entry, Outcome, Record, Recorded, Urgency};
pub use domain::secret::{ApiKey, SecretText};
pub use domain::time::{InvalidTimestamp, Timestamp};
pub use domain::user::{Role, User, UserId, UserPatch};
pub use domain::webhook::{EventFilter, Webhook, WebhookFormat, WebhookPatch};
pub use domain::word::UnknownWord;
pub use journal::{Journal, Listener};
pub use memory::MemoryStorage;
pub use stores::{
    ClaimStore, DeliveryStore, EventLog, Fleet, InstanceCounts, InstanceStore, LeaseStore, MAX_EVENT_LEAD,
    MAX_LEASE, MessageStore, SettingStore, Storage, StorageError, UserStore, WebhookStore, Write,
};
