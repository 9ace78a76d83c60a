use opus_pure::{Application, MAX_PACKET_BYTES, OggOpusWriter, OpusEncoder, OpusHead};

use crate::{RATE, VoiceError, whole_seconds};

/// Samples of a packet: 20 ms, as phones make them.
const FRAME: usize = 960;
/// Bits a second: speech loses nothing that is heard, and half an hour has 7 MB.
const BITRATE: i32 = 32_000;

/// Writes Ogg with Opus.
pub(crate) struct NoteWriter {
    encoder: OpusEncoder,
    ogg: OggOpusWriter<Vec<u8>>,
    /// Samples that decoders drop at the beginning.
    skipped: u64,
    samples: u64,
    /// Less than a packet.
    rest: Vec<f32>,
    packet: Vec<u8>,
}

impl NoteWriter {
    pub(crate) fn new() -> Result<Self, VoiceError> {
        let mut encoder = OpusEncoder::new(RATE as i32, 1, Application::Voip)?;
        encoder.bitrate_bps = BITRATE;
        let head = OpusHead::for_encoder(&encoder, RATE);
        let skipped = u64::from(head.pre_skip);
        let ogg = OggOpusWriter::new(Vec::new(), head)?;
        let packet = vec![0; MAX_PACKET_BYTES];
        Ok(Self { encoder, ogg, skipped, samples: 0, rest: Vec::with_capacity(FRAME), packet })
    }

    pub(crate) fn write(&mut self, mut samples: &[f32]) -> Result<(), VoiceError> {
        self.samples += samples.len() as u64;
        while !samples.is_empty() {
            let (now, later) = samples.split_at(samples.len().min(FRAME - self.rest.len()));
            self.rest.extend_from_slice(now);
            samples = later;
            if self.rest.len() == FRAME {
                let length = self.encode()?;
                self.ogg.write_packet(&self.packet[..length])?;
            }
        }
        Ok(())
    }

    /// How long it plays.
    pub(crate) fn seconds(&self) -> Result<u32, VoiceError> {
        whole_seconds(self.samples, RATE)
    }

    /// The file. Encoders run behind, so that silence follows until the last sample has come out; the end says where that is
    /// (RFC 7845, section 4.4).
    pub(crate) fn finish(mut self) -> Result<Vec<u8>, VoiceError> {
        let frames = (self.samples + self.skipped).div_ceil(FRAME as u64);
        let end = self.skipped + self.samples;
        for frame in self.samples / FRAME as u64 + 1..=frames {
            self.rest.resize(FRAME, 0.0);
            let length = self.encode()?;
            if frame < frames {
                self.ogg.write_packet(&self.packet[..length])?;
                continue;
            }
            let before = u64::try_from(self.ogg.granule()).map_err(|_| VoiceError::Damaged)?;
            let left = u32::try_from(end.saturating_sub(before)).map_err(|_| VoiceError::Damaged)?;
            self.ogg.write_packet_with_duration(&self.packet[..length], left)?;
        }
        Ok(self.ogg.finish()?)
    }

    /// Encodes the samples that are there; answers the length of the packet.
    fn encode(&mut self) -> Result<usize, VoiceError> {
        let length = self.encoder.encode(&self.rest, FRAME, &mut self.packet)?;
        self.rest.clear();
        Ok(length)
    }
}
