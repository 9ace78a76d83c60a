#![doc = include_str!("../README.md")]
// The clock and the random generator enter the workspace here and above (see .clippy.toml).
#![allow(clippy::disallowed_methods)]

mod account;
mod backoff;
mod client;
mod clock;
mod config;
mod connection;
mod event;
mod handle;
mod handler;
mod instance;
mod iq;
mod lid;
mod look_up;
mod message;
mod online;
mod pairing;
mod prekeys;
mod queries;
mod receive;
mod requests;
mod retry;
mod send;
mod sent;
mod sessions;
mod state;
mod timers;
mod transport;

pub use client::{Client, ClientBuilder, Driver};
pub use clock::{Clock, SystemClock};
pub use config::{Companion, Config};
pub use event::{
    AppStateKey, Event, IncomingMessage, Notification, Paired, PeerMessage, QrCode, ReceiptKind,
    ReceiptUpdate, Undecryptable, UndecryptableReason,
};
pub use handle::{Handle, LogoutError, OnWhatsApp, Presence, RequestError};
pub use handler::{Handler, HandlerError};
pub use message::{Ack, MessageId, Outgoing, SendError};
pub use state::{Cause, PairingFailure, State};
pub use transport::{
    ConnectRequest, Connection, Connector, Inbound, Outbound, TransportError, memory, websocket,
};
