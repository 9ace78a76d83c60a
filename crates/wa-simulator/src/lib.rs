#![doc = include_str!("../README.md")]

mod account;
mod adv;
mod app_state;
mod behaviour;
mod certificate;
mod clock;
mod connection;
mod control;
mod error;
mod faults;
mod group;
mod handle;
mod impostor;
mod iq;
mod media;
mod newsletter;
mod novelties;
mod options;
mod pairing;
mod phone;
mod queue;
mod routing;
mod simulator;
mod stanza;
mod trace;
mod trust;
mod versions;
mod world;

pub use account::{Addressing, ChatCap, Restriction, StatusPrivacy, TimeLock};
pub use app_state::{StateChange, StateMessage, StateRecord};
pub use behaviour::{
    AppStateBlobs, Bans, Behaviour, KeySharing, PastSize, Profile, Quirk, RateLimit, UnknownProfile,
    UnknownQuirk, Unwanted, Wanted,
};
pub use clock::Clock;
pub use connection::Connection;
pub use error::ControlError;
pub use faults::{
    BundleFault, CertificateFault, Fault, FaultKind, InvalidFault, Moment, PairingFault, PairingStep,
    StateFault, Transfer,
};
pub use group::Rank;
pub use handle::{Device, GroupChange, GroupInfo, GroupMember, NewsletterPost, Outgoing, Phone};
pub use impostor::{Impostor, Stolen};
pub use options::{BootstrapStep, Limits, Options, References};
pub use pairing::WaitingClient;
pub use phone::{
    Card, Event, File, FileKind, Going, InboxEntry, KeyShare, OutboxEntry, Place, Poll, Press, Pressed,
    Receipt, ReceivedFile, Reuploads, Rich, Say,
};
pub use simulator::{Info, PlacedFault, Simulator, StartError};
pub use trace::{Direction, TraceEntry};
pub use world::CallInfo;
