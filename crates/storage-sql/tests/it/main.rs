//! The SQLite stores against the shared conformance suites, and what only this backend promises.

// Tests: a failure is a panic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod conformance;
mod fixture;
mod opening;
mod sealing;
