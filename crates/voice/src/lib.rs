//! Voice notes: sounds become Ogg with Opus, mono, 48 kHz, as phones record and play them, and it is told how long they
//! play and how loud they are.
//!
//! Everything is read and written in pieces, in time and memory that have their bounds, and whatever a file holds: nothing of
//! it makes these functions panic. They compute for seconds: run them where that is allowed.
#![allow(clippy::disallowed_methods, reason = "the time that work may take is measured by the real clock")]

mod error;
mod note;
mod opus;
mod resample;
mod sound;
mod volume;
mod wav;

use std::io::{Read, Seek};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

pub use error::{FORMATS, VoiceError};

use note::NoteWriter;
use opus::OpusSound;
use resample::Resampler;
use sound::Sound;
use volume::{VOLUMES, Volumes};

/// Samples in a second of a voice note.
pub(crate) const RATE: u32 = 48_000;

/// What a sound may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Longest sound, in seconds.
    pub seconds: u32,
    /// When the work is given up.
    pub until: Instant,
}

/// What a message says of a voice note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Voice {
    /// How long it plays, in whole seconds, at least 1.
    pub seconds: u32,
    /// How loud it is, from part to part: 0 to 100, of the loudest part.
    pub waveform: [u8; VOLUMES],
}

/// A voice note that was made of another sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VoiceNote {
    /// Ogg with Opus.
    pub file: Vec<u8>,
    /// What to say of it.
    pub voice: Voice,
}

/// Makes a voice note of a sound: WAV, FLAC or MP3, whatever its rate and its channels.
///
/// # Errors
/// [`VoiceError`].
pub fn convert(file: impl Read + Seek, limits: &Limits) -> Result<VoiceNote, VoiceError> {
    guarded(|| {
        let mut sound = Sound::open(file)?;
        let mut resampler = Resampler::new(sound.rate())?;
        let mut pace = Pace::new(limits, sound.rate());
        let (mut note, mut volumes) = (NoteWriter::new()?, Volumes::new(RATE));
        let (mut heard, mut steady) = (Vec::new(), Vec::new());
        loop {
            heard.clear();
            let goes_on = sound.next(&mut heard)?;
            pace.advance(heard.len())?;
            steady.clear();
            match goes_on {
                true => resampler.push(&heard, &mut steady),
                false => resampler.finish(&mut steady),
            }
            volumes.hear(&steady);
            note.write(&steady)?;
            if !goes_on {
                break;
            }
        }
        let seconds = note.seconds()?;
        Ok(VoiceNote { file: note.finish()?, voice: Voice { seconds, waveform: volumes.finish() } })
    })
}

/// Tells what there is to say of a file that is Ogg with Opus already.
///
/// # Errors
/// [`VoiceError`].
pub fn measure(file: impl Read, limits: &Limits) -> Result<Voice, VoiceError> {
    guarded(|| {
        let mut sound = OpusSound::open(file)?;
        let mut pace = Pace::new(limits, OpusSound::<&[u8]>::RATE);
        let mut volumes = Volumes::new(OpusSound::<&[u8]>::RATE);
        let mut heard = Vec::new();
        while sound.next(&mut heard)? {
            pace.advance(heard.len())?;
            volumes.hear(&heard);
            heard.clear();
        }
        Ok(Voice { seconds: pace.seconds()?, waveform: volumes.finish() })
    })
}

/// What a file of a stranger leads a decoder to stays here: one that panics has met a damaged file.
fn guarded<T>(work: impl FnOnce() -> Result<T, VoiceError>) -> Result<T, VoiceError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(VoiceError::Damaged))
}

/// How far a sound has come, and whether it may go on.
struct Pace {
    limits: Limits,
    rate: u32,
    samples: u64,
}

impl Pace {
    fn new(limits: &Limits, rate: u32) -> Self {
        Self { limits: *limits, rate, samples: 0 }
    }

    fn advance(&mut self, samples: usize) -> Result<(), VoiceError> {
        self.samples += samples as u64;
        let Limits { seconds, until } = self.limits;
        if self.samples > u64::from(seconds) * u64::from(self.rate) {
            return Err(VoiceError::TooLong { seconds });
        }
        if Instant::now() > until {
            return Err(VoiceError::TooSlow);
        }
        Ok(())
    }

    fn seconds(&self) -> Result<u32, VoiceError> {
        whole_seconds(self.samples, self.rate)
    }
}

/// The length of so many samples, rounded up.
fn whole_seconds(samples: u64, rate: u32) -> Result<u32, VoiceError> {
    match u32::try_from(samples.div_ceil(u64::from(rate))) {
        Ok(0) | Err(_) => Err(VoiceError::Damaged),
        Ok(seconds) => Ok(seconds),
    }
}
