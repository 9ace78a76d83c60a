//! How a client becomes a companion of an account.

mod code;
mod link;
mod pairings;
mod passkey;
mod qr;
mod registration;
mod renew;
mod scan;

pub(crate) use code::{CodeFinish, CodeRequest};
pub use pairings::WaitingClient;
pub(crate) use pairings::{Approach, Offer, Pairings, Waiting};
pub(crate) use passkey::{PATIENCE as PASSKEY_PATIENCE, PasskeyDemand, assertion};
pub(crate) use qr::QrCode;
pub(crate) use registration::{Registration, check_user_agent};
