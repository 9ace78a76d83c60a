//! What the tests of several crates share.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a failed test is a panic"
)]

mod modules;
pub mod postgres;
mod until;

pub use modules::assert_modules_in_order;
pub use until::{until, until_within};
