//! Deliveries from a memory store to a receiver on loopback.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

mod again;
mod bounds;
mod contract;
mod cursor;
mod dead_host;
mod failure;
mod fixture;
mod guard;
mod order;
mod ours;
mod paused;
mod perishable;
mod receiver;
mod restart;
mod several;
mod store;
mod tls;
