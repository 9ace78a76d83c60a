use std::io::Read;

use opus_pure::{MAX_PACKET_SAMPLES, OggOpusReader, OggPacket, OpusDecoder, Trim};

use crate::VoiceError;
use crate::sound::mix;

/// Ogg with Opus that is being listened to.
pub(crate) struct OpusSound<R: Read> {
    reader: OggOpusReader<R>,
    decoder: OpusDecoder,
    trim: Trim,
    channels: usize,
    packet: OggPacket,
    block: Vec<f32>,
}

impl<R: Read> OpusSound<R> {
    /// Enough samples in a second to tell how loud it is.
    pub(crate) const RATE: u32 = 16_000;

    pub(crate) fn open(file: R) -> Result<Self, VoiceError> {
        let reader = OggOpusReader::new(file)?;
        let head = reader.head();
        let channels = usize::from(head.channel_count);
        let (decoder, trim) =
            (head.decoder(Self::RATE as i32)?, Trim::new(head, Self::RATE as i32, channels)?);
        let block = vec![0.0; MAX_PACKET_SAMPLES * channels];
        Ok(Self { reader, decoder, trim, channels, packet: OggPacket::default(), block })
    }

    /// Adds the next samples, all channels mixed; tells whether there were any left.
    pub(crate) fn next(&mut self, samples: &mut Vec<f32>) -> Result<bool, VoiceError> {
        if !self.reader.read_packet_into(&mut self.packet)? {
            return Ok(false);
        }
        let count = self.decoder.decode(&self.packet.data, MAX_PACKET_SAMPLES, &mut self.block)?;
        let heard = self.trim.keep(&self.packet, &self.block[..count * self.channels]);
        mix(heard.iter().copied(), self.channels, samples);
        Ok(true)
    }
}
