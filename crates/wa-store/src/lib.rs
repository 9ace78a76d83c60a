#![doc = include_str!("../README.md")]

mod address;
mod alias;
mod app_state_key;
mod changes;
pub mod conformance;
mod device;
mod device_list;
mod error;
mod file;
mod identity_change;
mod key;
mod memory;
mod peer_data;
mod record;
mod records;
mod seal;
mod sent_message;
mod store;
mod table;

pub use address::{DeviceAddress, SenderKeyName};
pub use alias::Alias;
pub use app_state_key::AppStateKey;
pub use changes::Changes;
pub use device::{Ban, Device, LidMigration, SignedPreKeyRecord};
pub use device_list::{DeviceList, ListedDevice};
pub use error::StoreError;
pub use file::FileError;
pub use identity_change::{IdentityChange, IdentityChangeKind};
pub use key::{Key, Kind};
pub use memory::MemoryRecords;
pub use peer_data::{PeerData, PeerDataSort};
pub use record::RecordError;
pub use records::{Batch, Commit, Records, Step};
pub use seal::{Plain, Seal};
pub use sent_message::SentMessage;
pub use store::Store;
