#![doc = include_str!("../README.md")]

mod conn;
mod decrypt;
mod direct_path;
mod encrypt;
pub mod file;
mod keys;
mod kind;
mod replay;
mod reupload;
mod sidecar;
mod unencrypted;
pub mod url;
mod verdict;

pub use conn::{Host, HostClass, MediaConn};
pub use decrypt::{DecryptError, Decryptor, Expected, Unverified, Verified, decrypt};
pub use direct_path::{DirectPath, DirectPathError};
pub use encrypt::{Encrypted, Encryptor, blob_length};
pub use kind::MediaKind;
pub use replay::Replay;
pub use reupload::{
    MessageRef, Refusal, Reupload, ReuploadAnswer, ReuploadError, ReuploadRequest, SealedAnswer,
};
pub use unencrypted::Unencrypted;
pub use verdict::{DownloadVerdict, UploadVerdict};

/// The secret of a file, from which all its keys follow: 32 random bytes, sent in the message.
pub type MediaKey = wa_crypto::Secret<32>;
