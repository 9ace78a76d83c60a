//! Acceptance tests of the workspace, as one binary.
#![allow(
    missing_docs,
    clippy::disallowed_methods,
    reason = "nobody links a test, and the whole process runs on real time"
)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a failed test is a panic, and says what it saw"
)]

mod abuse;
mod documents;
mod examples;
mod files;
mod hostile;
mod kill;
mod layering;
mod outage;
mod readme;
mod traffic;

mod program;
