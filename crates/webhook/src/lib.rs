#![doc = include_str!("../README.md")]
// The clock and the random generator enter the workspace here and above (see .clippy.toml).
#![allow(clippy::disallowed_methods)]

mod courier;
mod dispatcher;
mod envelope;
mod filter;
mod guard;
mod headers;
mod lanes;
mod ledger;
mod policy;
mod progress;
mod session;
mod signature;
mod target;

pub use courier::{ATTEMPT_TIMEOUT, SetupError};
pub use dispatcher::{Dispatcher, Options};
pub use guard::{AddressGuard, AllowError, Destination, MAX_URL_LENGTH, OutboundAllow, Range, Refused};
pub use headers::{HeaderError, MAX_HEADER_VALUE, MAX_HEADERS, custom_headers};
pub use policy::{MAX_DELAY, RetryPolicy, Verdict};
pub use signature::Signer;
