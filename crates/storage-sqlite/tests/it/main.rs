//! The SQLite stores against the shared conformance suites, and what only this backend promises.

// Tests: a failure is a panic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod conformance;
mod deleting;
mod durability;
mod fixture;
mod opening;
mod reference;
mod sealing;
