//! Sounds as they come, one sample for all channels.

use std::io::{Read, Seek, SeekFrom};

use claxon::{FlacReader, FlacReaderOptions};

use crate::VoiceError;
use crate::wav::WavSound;

/// Bytes from which a format is told.
const HEAD: usize = 16 << 10;
/// Sample rates that are believed.
const RATES: std::ops::RangeInclusive<u32> = 4_000..=384_000;

/// A sound that is being read.
pub(crate) struct Sound<R: Read + Seek> {
    format: Format<R>,
    rate: u32,
}

enum Format<R: Read + Seek> {
    Wav(WavSound<R>),
    Flac(Box<FlacReader<R>>),
    Mp3(Box<nanomp3::Reader<R, f32>>),
}

impl<R: Read + Seek> Sound<R> {
    /// What the file is, by what it begins with.
    pub(crate) fn open(mut file: R) -> Result<Self, VoiceError> {
        let mut head = Vec::with_capacity(HEAD);
        (&mut file).take(HEAD as u64).read_to_end(&mut head)?;
        file.seek(SeekFrom::Start(0))?;
        let (format, rate) = if WavSound::<R>::is_one(&head) {
            let reader = WavSound::open(file)?;
            let rate = reader.rate();
            (Format::Wav(reader), rate)
        } else if head.starts_with(b"fLaC") {
            let options = FlacReaderOptions { metadata_only: false, read_vorbis_comment: false };
            let reader = FlacReader::new_ext(file, options)?;
            let rate = reader.streaminfo().sample_rate;
            (Format::Flac(Box::new(reader)), rate)
        } else if nanomp3::detect(&head) {
            let options = nanomp3::Options::default().skip_scan(true);
            let reader = nanomp3::Reader::with_options(file, options)?;
            let rate = reader.sample_rate();
            (Format::Mp3(Box::new(reader)), rate)
        } else {
            return Err(VoiceError::Unknown);
        };
        if RATES.contains(&rate) { Ok(Self { format, rate }) } else { Err(VoiceError::Damaged) }
    }

    /// Samples in a second.
    pub(crate) fn rate(&self) -> u32 {
        self.rate
    }

    /// Adds the next samples, all channels mixed; tells whether there may be more.
    pub(crate) fn next(&mut self, samples: &mut Vec<f32>) -> Result<bool, VoiceError> {
        match &mut self.format {
            Format::Wav(reader) => reader.next(samples),
            Format::Flac(reader) => next_of_flac(reader, samples),
            Format::Mp3(reader) => {
                let channels = reader.channels().map_or(1, |channels| channels as usize);
                let Some(frame) = reader.read_frame()? else { return Ok(false) };
                mix(frame.iter().copied(), channels, samples);
                Ok(true)
            }
        }
    }
}

fn next_of_flac<R: Read>(reader: &mut FlacReader<R>, samples: &mut Vec<f32>) -> Result<bool, VoiceError> {
    let full = scale(reader.streaminfo().bits_per_sample);
    let Some(block) = reader.blocks().read_next_or_eof(Vec::new())? else { return Ok(false) };
    let channels = block.channels();
    for at in 0..block.duration() {
        let sum: f32 = (0..channels).map(|channel| block.sample(channel, at) as f32 * full).sum();
        samples.push(sane(sum / channels.max(1) as f32));
    }
    Ok(true)
}

/// What makes the largest number of so many bits 1.
pub(crate) fn scale(bits: u32) -> f32 {
    let largest = 1_u64 << bits.clamp(1, 32).saturating_sub(1);
    1.0 / largest as f32
}

/// One sample for those of all channels.
pub(crate) fn mix(samples: impl Iterator<Item = f32>, channels: usize, mixed: &mut Vec<f32>) {
    let channels = channels.max(1);
    let (mut sum, mut count) = (0.0, 0);
    for sample in samples {
        sum += sane(sample);
        count += 1;
        if count == channels {
            mixed.push(sum / channels as f32);
            (sum, count) = (0.0, 0);
        }
    }
}

/// Files may hold numbers that are no volume.
fn sane(sample: f32) -> f32 {
    if sample.is_finite() { sample.clamp(-1.0, 1.0) } else { 0.0 }
}
