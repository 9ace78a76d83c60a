//! The SQLite stores against the shared conformance suites, and what only this backend promises.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a failed test is a panic, and says what it saw"
)]

mod clocks;
mod conformance;
mod deleting;
mod durability;
mod first_version;
mod fixture;
mod modules;
mod opening;
mod reference;
mod sealing;
mod unreadable;
