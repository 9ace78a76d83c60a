//! What devices send to devices.

mod admission;
mod group;
mod letter;
mod message;
mod newsletter;
mod presence;
mod receipt;
mod stale;
mod status;

use std::sync::Arc;

pub(crate) use message::message;
pub(crate) use presence::{announce_presence, chatstate, presence};
pub(crate) use receipt::receipt;
pub(crate) use stale::acknowledged;

use crate::account::Account;

/// The device that sends a stanza; device 0 is the phone.
#[derive(Clone, Copy)]
pub(crate) struct Sender<'a> {
    pub(crate) account: &'a Arc<Account>,
    pub(crate) device: u16,
}
