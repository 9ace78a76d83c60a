//! The PostgreSQL stores against the shared conformance suites, and what only this backend promises.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed test is a panic")]

mod clocks;
mod companion;
mod conformance;
mod deleting;
mod fixture;
mod modules;
mod opening;
mod outage;
mod tls;
