#![doc = include_str!("../README.md")]

mod address;
mod changes;
pub mod conformance;
mod device;
mod device_list;
mod memory;
mod record;
mod store;

pub use address::{DeviceAddress, SenderKeyName};
pub use changes::{Changes, SentMessage};
pub use device::{Device, SignedPreKeyRecord};
pub use device_list::{DeviceList, ListedDevice};
pub use memory::MemoryStore;
pub use record::RecordError;
pub use store::{AddressBook, Commit, SignalStore, Store, StoreError};
