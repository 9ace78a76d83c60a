#![doc = include_str!("../README.md")]
#![allow(
    clippy::disallowed_methods,
    reason = "the clock and the random generator enter the workspace here and above"
)]

mod dispatcher;

mod roster;

mod worker;

mod post;

mod lanes;
mod ledger;
mod progress;

mod context;

mod courier;
mod gate;
mod jumps;
mod perishable;
mod target;

mod dialect;
mod headers;
mod policy;
mod signature;

pub use courier::ATTEMPT_TIMEOUT;
pub use dialect::{Call, Dialect, Seed0, Seed1, dialect};
pub use dispatcher::{CALLS_GRACE, Dispatcher, Options};
pub use gate::Reachability;
pub use headers::{HeaderError, MAX_HEADER_VALUE, MAX_HEADERS, custom_headers};
pub use policy::{MAX_DELAY, MAX_RETRY_AFTER, RetryPolicy, Verdict};
pub use signature::Signer;
