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
mod observer;
mod perishable;
mod replay;
mod standing;
mod target;

mod dialect;
mod headers;
mod policy;
mod signature;

pub use courier::ATTEMPT_TIMEOUT;
pub use dialect::{
    Account, Attempt, Call, Dialect, Evolution, Pace, Receipt, Seed0, Seed1, Standard, Telling, Waha,
    Whatsgate, Witi, dialect, media_path, message_key, session_webhook,
};
pub use dispatcher::{CALLS_GRACE, Dispatcher, Options, PATIENCE};
pub use gate::Reachability;
pub use headers::{HeaderError, MAX_HEADER_VALUE, MAX_HEADERS, custom_headers};
pub use observer::{ASK_AGAIN, CallOutcome, Observer};
pub use policy::{MAX_DELAY, MAX_RETRY_AFTER, MAX_WAIT, RetryPolicy, Verdict};
pub use replay::{MAX_REPLAY, Replay};
pub use signature::Signer;
pub use target::Tested;
