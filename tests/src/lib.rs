#![doc = include_str!("../README.md")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "test support: a failed expectation is the report, and real time is what is tested"
)]

pub mod bench;
mod files;
mod process;
mod receiver;
mod rest;
pub mod soak;
mod usage;

pub use files::FileTraffic;
pub use process::{Trunkline, example};
pub use receiver::{Hook, WebhookReceiver, events_by_message, message_id};
pub use rest::{Gateway, GatewayOptions, Simulator, call};
