use std::io;

use thiserror::Error;

/// The formats that are taken, for people.
pub const FORMATS: &str = "WAV, FLAC and MP3 are converted, Ogg with Opus is taken as it is";

/// Why a sound can't become a voice note.
#[derive(Debug, Error)]
pub enum VoiceError {
    /// Nothing here reads it.
    #[error("is of no format that can become a voice note: {FORMATS}")]
    Unknown,
    /// It isn't what it begins like, or holds no sound.
    #[error("is damaged, or holds no sound")]
    Damaged,
    /// It plays longer than is taken.
    #[error("plays longer than {seconds} seconds, which is too long for a voice note")]
    TooLong {
        /// What is allowed.
        seconds: u32,
    },
    /// It took longer than there was time for.
    #[error("takes too long to become a voice note")]
    TooSlow,
    /// It can't be read.
    #[error("can't be read: {0}")]
    Io(io::Error),
}

impl From<io::Error> for VoiceError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData => Self::Damaged,
            _ => Self::Io(error),
        }
    }
}

impl From<opus_pure::Error> for VoiceError {
    fn from(error: opus_pure::Error) -> Self {
        match error {
            opus_pure::Error::Io(error) => error.into(),
            _ => Self::Damaged,
        }
    }
}

impl From<claxon::Error> for VoiceError {
    fn from(error: claxon::Error) -> Self {
        match error {
            claxon::Error::IoError(error) => error.into(),
            _ => Self::Damaged,
        }
    }
}

impl From<nanomp3::Error> for VoiceError {
    fn from(error: nanomp3::Error) -> Self {
        match error {
            nanomp3::Error::Io(error) => error.into(),
            _ => Self::Damaged,
        }
    }
}
