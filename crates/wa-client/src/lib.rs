#![doc = include_str!("../README.md")]
// The clock and the random generator enter the workspace here and above (see .clippy.toml).
#![allow(clippy::disallowed_methods)]

// In this order: each module uses only those below it, so that a message can be followed from top to bottom.
// `tests/modules.rs` holds it.

// What an embedder holds.
mod builder;
mod client;

// The life of a companion: connect, serve, wait.
mod companion;

// The two kinds of connection.
mod online;
mod pairing;

// Messages in, messages out.
mod receive;
mod send;

// What goes on beside messages.
mod app_state;
mod history;
mod keeper;
mod query;
mod standing;

// Whose keys are believed.
mod trust;

// What all of these work with.
mod context;
mod locate;
mod look_up;
mod requests;

// What a companion knows.
mod mirror;

// Parts of that.
mod alias;
mod inbox;
mod letters;
mod lid;
mod lid_map;
mod missed;
mod pieces;
mod ratchets;
mod retry;
mod tokens;

// The wire.
mod adv;
mod connection;
mod iq;

// What a companion was built from.
mod shared;

// The embedder, as the driver sees it.
mod embedder;
mod end;

// Small things.
mod address_book;
mod backoff;
mod cache;
mod number;
mod received;
mod sent;
mod server_clock;
mod timers;

// Words between embedder and driver.
mod batch;
mod command;
mod state;

// Files.
mod media;

// What these are made of.
mod event;
mod group;
mod newsletter;

// What those are made of.
mod message;
mod people;
mod request;
mod status;

// The ground.
mod cause;
mod clock;
mod config;
pub mod content;
mod limit;
mod transport;
mod version;

// What takes the machine long.
mod computing;

#[cfg(test)]
mod vectors;

pub use bytes::Bytes;
/// Requests to media hosts and their answers.
pub use http;
/// The runtime that a client runs in, so that a program needs to name no other crate.
pub use tokio;
/// Settings and marks of the account.
pub use wa_appstate::{Action, Collection, MessageRef, Mute, Unknown as UnknownAction};
pub use wa_binary::Jid;
pub use wa_media::{self as media_files, DirectPath, MediaKey, MediaKind};
pub use wa_noise::TrustRoot;
pub use wa_protobuf::companion::device_props::PlatformType;
pub use wa_store::{AppStateKey, Limits, NewChats, PeerData, PeerDataSort, Store, StoreError, TimeLock};

pub use address_book::AddressBook;
pub use batch::{AcceptError, Batch, Events};
pub use builder::{ClientBuilder, Driver};
pub use cause::{Cause, PairingFailure};
pub use client::{
    Client, LastMessage, MAX_ABOUT, MAX_NEWSLETTER_DESCRIPTION, MAX_NEWSLETTER_NAME, MAX_NEWSLETTER_POSTS,
    MAX_PUSH_NAME,
};
pub use clock::{Clock, SystemClock};
pub use computing::Computing;
pub use config::{Appearance, Config, Delivery, HistoryDepth};
pub use event::{
    AppStateChange, Event, HistoryChat, HistoryContact, HistoryKind, HistoryMessage, HistoryPart,
    HistoryStatus, IncomingMessage, MessageInfo, Notification, Paired, PairingCode, PasskeyAssertion,
    PasskeyStep, PeerMessage, QrCode, ReceiptKind, ReceiptUpdate, Undecryptable, UndecryptableReason,
};
pub use group::{
    Description, Group, GroupAddressing, GroupChange, GroupKind, GroupNews, GroupUpdate, JoinRequest, Joined,
    Member, NotReached, Rank, Relation, SubGroup,
};
pub use limit::{Limit, LimitKind};
pub use media::{
    Attachment, DownloadError, Downloaded, MediaHost, MediaHttp, MediaOrigin, MediaSource, NoFile,
    PartialFile, Pieces, RemoteFile, RequestBody, Unanswered, UploadError, Uploaded, exchange,
};
pub use message::{Ack, DeviceCount, MessageId, Outgoing, SendError};
pub use newsletter::{
    Newsletter, NewsletterNews, NewsletterPost, NewsletterRole, NewsletterUpdate, Reactions,
};
pub use people::{
    BlockList, BusinessHours, BusinessProfile, CallUpdate, ChatState, ChatStateUpdate, Picture,
    PresenceUpdate, PrivacySettings,
};
pub use received::{ReceivedContent, ReceivedMessages};
pub use request::{LogoutError, OnWhatsApp, Person, Presence, RequestError};
pub use sent::{SentContent, SentMessages};
pub use state::State;
pub use status::StatusPrivacy;
pub use transport::{
    ConnectRequest, Connection, Connector, Inbound, Outbound, Traffic, TransportError, memory, websocket,
};
pub use version::{NotAVersion, Version, Versions};

/// The protobufs of message contents.
pub mod proto {
    pub use wa_protobuf::e2e::*;
}
