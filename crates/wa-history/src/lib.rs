#![doc = include_str!("../README.md")]

mod fields;
mod inflate;
mod item;
mod stream;

pub use inflate::{MAX_INFLATED, MAX_RATIO, RATIO_FREE};
pub use item::{Item, Part, Refusal};
pub use stream::{History, HistoryError, MAX_PART, MAX_TINY};
