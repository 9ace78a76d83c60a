#![doc = include_str!("../README.md")]

mod attrs;
mod decode;
mod display;
mod encode;
mod jid;
mod limits;
mod node;
mod packed;
mod phash;
mod shape;
mod tag;
mod token;
mod unpack;

pub use attrs::{Attrs, Value};
pub use decode::{DecodeError, decode, decode_with};
pub use encode::{EncodeError, encode, encode_compressed, encode_into};
pub use jid::{Jid, JidError, Server};
pub use limits::{Limits, MAX_ATTRIBUTES, MAX_DEPTH, MAX_INFLATED, MAX_LIST};
pub use node::{Content, Node};
pub use phash::phash;
pub use shape::{Problem, ShapeError};
pub use unpack::{unpack, unpack_with};
