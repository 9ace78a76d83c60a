use std::io::{Read, Seek, SeekFrom};

use crate::VoiceError;
use crate::sound::{mix, scale};

/// Frames that are read at a time.
const PIECE: usize = 4_096;
/// Most channels that are believed.
const MOST_CHANNELS: u16 = 32;
/// Chunks that are looked at before the sound has to have begun.
const MOST_CHUNKS: usize = 256;
/// The bytes of a chunk `fmt ` that matter: up to the format behind the extensible one.
const FMT: usize = 26;

/// A RIFF/WAVE file that is being read. Its lengths are hints: programs that write to a pipe don't know them.
pub(crate) struct WavSound<R> {
    file: R,
    sample: Sample,
    channels: usize,
    rate: u32,
    /// Bytes of the sound that are left.
    left: u64,
}

/// How a sample is written, low bytes first.
#[derive(Clone, Copy, Debug)]
enum Sample {
    Unsigned8,
    /// Of 2, 3 or 4 bytes.
    Signed(usize),
    Float32,
    Float64,
    /// As telephones count, G.711.
    ALaw,
    MuLaw,
}

impl<R: Read + Seek> WavSound<R> {
    pub(crate) fn is_one(head: &[u8]) -> bool {
        head.starts_with(b"RIFF") && head.get(8..12) == Some(b"WAVE")
    }

    pub(crate) fn open(mut file: R) -> Result<Self, VoiceError> {
        file.seek(SeekFrom::Start(12))?;
        let mut format = None;
        for _ in 0..MOST_CHUNKS {
            let mut head = [0; 8];
            file.read_exact(&mut head)?;
            let [a, b, c, d, length @ ..] = head;
            let length = u64::from(u32::from_le_bytes(length));
            match &[a, b, c, d] {
                b"fmt " => format = Some(Self::format(&mut file, length)?),
                b"data" => {
                    let (sample, channels, rate) = format.ok_or(VoiceError::Damaged)?;
                    return Ok(Self { file, sample, channels, rate, left: length });
                }
                _ => skip(&mut file, length + length % 2)?,
            }
        }
        Err(VoiceError::Damaged)
    }

    fn format(file: &mut R, length: u64) -> Result<(Sample, usize, u32), VoiceError> {
        let mut bytes = [0; FMT];
        let known = usize::try_from(length).unwrap_or(FMT).min(FMT);
        file.read_exact(&mut bytes[..known])?;
        skip(file, length + length % 2 - known as u64)?;
        let number = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        // The extensible format says at its end which one it extends.
        let format = if number(0) == 0xfffe { number(24) } else { number(0) };
        let sample = match (format, number(14)) {
            (1, 8) => Sample::Unsigned8,
            (1, bits @ (16 | 24 | 32)) => Sample::Signed(usize::from(bits) / 8),
            (3, 32) => Sample::Float32,
            (3, 64) => Sample::Float64,
            (6, 8) => Sample::ALaw,
            (7, 8) => Sample::MuLaw,
            _ => return Err(VoiceError::Unknown),
        };
        let channels = number(2);
        if !(1..=MOST_CHANNELS).contains(&channels) {
            return Err(VoiceError::Damaged);
        }
        Ok((sample, usize::from(channels), u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]])))
    }

    pub(crate) fn rate(&self) -> u32 {
        self.rate
    }

    /// Adds the next samples, all channels mixed; tells whether there may be more.
    pub(crate) fn next(&mut self, samples: &mut Vec<f32>) -> Result<bool, VoiceError> {
        let length = self.sample.length();
        let wanted = self.left.min((PIECE * self.channels * length) as u64);
        let mut bytes = Vec::new();
        let read = (&mut self.file).take(wanted).read_to_end(&mut bytes)?;
        self.left -= read as u64;
        let read_samples = bytes.chunks_exact(length).map(|bytes| self.sample.read(bytes));
        mix(read_samples, self.channels, samples);
        Ok(read > 0)
    }
}

impl Sample {
    fn length(self) -> usize {
        match self {
            Self::Unsigned8 | Self::ALaw | Self::MuLaw => 1,
            Self::Signed(length) => length,
            Self::Float32 => 4,
            Self::Float64 => 8,
        }
    }

    /// Of exactly as many bytes as one has.
    fn read(self, bytes: &[u8]) -> f32 {
        match (self, bytes) {
            (Self::Unsigned8, [byte]) => (f32::from(*byte) - 128.0) * scale(8),
            (Self::ALaw, [byte]) => a_law(*byte),
            (Self::MuLaw, [byte]) => mu_law(*byte),
            (Self::Signed(length), bytes) => {
                // Into the highest bytes, so that the sign is where it is looked for.
                let mut whole = [0; 4];
                whole[4 - length..].copy_from_slice(bytes);
                i32::from_le_bytes(whole) as f32 * scale(32)
            }
            (Self::Float32, [a, b, c, d]) => f32::from_le_bytes([*a, *b, *c, *d]),
            #[allow(clippy::cast_possible_truncation, reason = "less exactly is exact enough")]
            (Self::Float64, [a, b, c, d, e, f, g, h]) => {
                f64::from_le_bytes([*a, *b, *c, *d, *e, *f, *g, *h]) as f32
            }
            _ => 0.0,
        }
    }
}

/// ITU-T G.711, table 1: 13 bits.
fn a_law(byte: u8) -> f32 {
    let byte = byte ^ 0x55;
    let (segment, step) = ((byte >> 4) & 7, f32::from(byte & 15));
    let volume = match segment {
        0 => 2.0 * step + 1.0,
        segment => (2.0 * step + 33.0) * f32::from(1_u16 << (segment - 1)),
    };
    if byte & 0x80 == 0 { -volume / 4096.0 } else { volume / 4096.0 }
}

/// ITU-T G.711, table 2: 14 bits.
fn mu_law(byte: u8) -> f32 {
    let byte = !byte;
    let (segment, step) = ((byte >> 4) & 7, f32::from(byte & 15));
    let volume = (2.0 * step + 33.0) * f32::from(1_u16 << segment) - 33.0;
    if byte & 0x80 == 0 { volume / 8192.0 } else { -volume / 8192.0 }
}

fn skip(file: &mut impl Seek, bytes: u64) -> Result<(), VoiceError> {
    file.seek(SeekFrom::Current(i64::try_from(bytes).map_err(|_| VoiceError::Damaged)?))?;
    Ok(())
}
