#![doc = include_str!("../README.md")]

mod baileys;
mod error;
mod gathering;
mod import;
mod json;
#[cfg(test)]
mod sample;
mod whatsmeow;

pub use baileys::Baileys;
pub use error::{ImportError, Problem};
pub use import::{Contact, Counts, Import, LeftOut};
pub use whatsmeow::{
    AppStateKeyRow, AppStateMacRow, AppStateVersionRow, ChatSettingsRow, ContactRow, DeviceRow, PreKeyRow,
    SenderKeyRow, TokenRow, Whatsmeow,
};

/// Most bytes of one file or value. A session of 41 ratchets with 2,000 keys of messages that have not come has some 200 KB as JSON;
/// a collection of the app state with 50,000 records some 8 MB.
pub const MAX_VALUE: usize = 32 << 20;

/// Most bytes of a store. One with 20,000 sessions has some 40 MB.
pub const MAX_TOTAL: usize = 512 << 20;
