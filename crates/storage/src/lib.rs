#![doc = include_str!("../README.md")]

mod backoff;
mod clock;
pub mod conformance;
mod domain;
mod histogram;
mod journal;
mod memory;
mod stores;

pub use backoff::Backoff;
pub use clock::Clock;
pub use domain::activity::{ActivityFilter, ActivityQuery, InstanceAction, InstanceData};
pub use domain::amendment::{AmendTarget, Amendment, Change};
pub use domain::attempt::{Attempt, AttemptOutcome, AttemptQuery, KEPT_ATTEMPTS};
pub use domain::audit::{Actor, AuditAction, AuditEntry, AuditPage, AuditQuery};
pub use domain::cause::{CauseKind, ConnectionCause, FailureCause};
pub use domain::claim::{Claim, StoredClaim};
pub use domain::contact::{Contact, ContactChange, ContactId, ContactQuery};
pub use domain::delivery::{Consumer, ConsumerWork, Delivery, DeliveryQuery, DeliveryState, Settlement};
pub use domain::device_look::{DeviceIcon, DeviceLook};
pub use domain::dialect_access::DialectAccess;
pub use domain::edit::{Edit, Edited, Version};
pub use domain::event::{Chat, Event, EventId, EventKind, EventPage, EventQuery, EventStart, NewEvent};
pub use domain::event_data::{
    ConnectedData, DisconnectedData, EventData, ExpiryData, Failure, HistoryData, IdentityData,
    InvalidEventData, LimitData, LimitsData, MediaData, MessageData, MessageMediaData, NewChatsData, QrData,
    StatusData, TimeLockData, UndecryptableData, UndecryptableReason, UnreadableData, WebhookData,
    WebhookPausedData,
};
pub use domain::happening_data::{
    CallData, ChannelData, ChatStateData, GroupData, PersonData, PostFigures, PresenceData,
};
pub use domain::id::InvalidId;
pub use domain::instance::{
    ConnectionSettings, Instance, InstanceId, InstancePatch, InstanceStatus, Retention, StateChange,
};
pub use domain::json::Json;
pub use domain::lease::{Epoch, Leased, NodeId};
pub use domain::limits::{LimitName, LimitPeriod, LimitSpan, LimitsPatch, UsageLimits};
pub use domain::media::{MediaDownload, MediaFault, MediaState, MediaUpdate, StoredMedia};
pub use domain::message::{Message, MessageQuery, MessageStatus, NewMessage, StatusUpdate, StoredMessageId};
pub use domain::message_details::{
    ContactDetails, Degrees, LinkDetails, LocationDetails, MeetingDetails, MessageDetails, PollDetails,
};
pub use domain::message_kind::MessageKind;
pub use domain::missing::Missing;
pub use domain::named_consumer::{CONSUMER_PATIENCE, ConsumerChange, ConsumerStart, NamedConsumer};
pub use domain::page::{Budget, Cursor, PAGE_BYTES, Page};
pub use domain::part::Part;
pub use domain::receipt::{MAX_RECEIPTS, Receipt};
pub use domain::record::{Entry, Outcome, Record, Recorded, Urgency};
pub use domain::scheduled::{Due, ScheduleLimits, Scheduled, ScheduledPatch};
pub use domain::scoped_key::{KeyId, Scope, ScopedKey};
pub use domain::search::{
    ChatSummary, InvalidSearch, ListFrom, MAX_SEARCH_WORDS, MAX_UNREAD, MessageFilter, Phrase, SearchTerms,
    Slice, words,
};
pub use domain::secret::{ApiKey, SecretText};
pub use domain::time::{InvalidTimestamp, Timestamp};
pub use domain::usage::{Day, Usage};
pub use domain::user::{Role, User, UserId, UserPatch};
pub use domain::webhook::{
    EventFilter, NextSecret, OnGiveUp, Rotation, Webhook, WebhookFormat, WebhookMark, WebhookPatch,
};
pub use domain::word::UnknownWord;
pub use histogram::{Distribution, Histogram};
pub use journal::{Journal, Listener};
pub use memory::MemoryStorage;
pub use stores::{
    AttemptStore, AuditStore, ClaimStore, ConsumerStore, ContactStore, DeliveryStore, DialectStore, EventLog,
    Fleet, InstanceCounts, InstanceStore, KeyStore, LeaseStore, MAX_EVENT_LEAD, MAX_LEASE, MessageStore,
    ScheduleStore, SettingStore, Storage, StorageError, UsageStore, UserStore, WebhookStore, Write,
};
