//! The services with real companions, against the simulator, on paused time and without a socket.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

mod addresses;
mod identities;
mod limits;
mod looks;
mod messages;
mod modules;
mod pairing;
mod postgres;
mod reading;
mod restart;
mod stage;
mod unlinking;
