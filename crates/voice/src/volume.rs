/// Parts of a sound whose volume is told.
pub(crate) const VOLUMES: usize = 64;
/// The volume of the loudest part.
const LOUDEST: f32 = 100.0;
/// Moments in a second of which the volume is kept: an hour of them is little memory.
const MOMENTS: u32 = 50;

/// How loud a sound is, as it goes on.
pub(crate) struct Volumes {
    /// Samples of a moment.
    samples: usize,
    sum: f32,
    count: usize,
    moments: Vec<f32>,
}

impl Volumes {
    /// Of a sound with so many samples in a second.
    pub(crate) fn new(rate: u32) -> Self {
        Self { samples: (rate / MOMENTS) as usize, sum: 0.0, count: 0, moments: Vec::new() }
    }

    pub(crate) fn hear(&mut self, samples: &[f32]) {
        for sample in samples {
            self.sum += sample.abs();
            self.count += 1;
            if self.count == self.samples {
                self.end_moment();
            }
        }
    }

    fn end_moment(&mut self) {
        if self.count > 0 {
            self.moments.push(self.sum / self.count as f32);
            (self.sum, self.count) = (0.0, 0);
        }
    }

    /// The mean volume of each part, of the loudest one.
    ///
    /// Baileys computes what phones show in this way: 64 parts, the mean of what is between zero and the wave, the loudest as 1,
    /// a hundredth as 1 (`getAudioWaveform` of `src/Utils/messages-media.ts`).
    pub(crate) fn finish(mut self) -> [u8; VOLUMES] {
        self.end_moment();
        let count = self.moments.len();
        let mut parts = [0.0_f32; VOLUMES];
        for (place, part) in parts.iter_mut().enumerate() {
            let (first, next) = (place * count / VOLUMES, (place + 1) * count / VOLUMES);
            let moments = self.moments.get(first..next.max(first + 1)).unwrap_or_default();
            *part = moments.iter().sum::<f32>() / moments.len().max(1) as f32;
        }
        let loudest = parts.iter().copied().fold(0.0, f32::max);
        // Between 0 and 100, whatever the parts are.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        parts.map(|part| if loudest > 0.0 { (LOUDEST * part / loudest) as u8 } else { 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volumes(samples: &[f32]) -> [u8; VOLUMES] {
        let mut volumes = Volumes::new(1_000);
        samples.chunks(7).for_each(|piece| volumes.hear(piece));
        volumes.finish()
    }

    #[test]
    fn the_loudest_part_counts_as_a_hundred() {
        let grows: Vec<_> = (0..64_000).map(|n| if n % 2 == 0 { 1.0 } else { -1.0 } * n as f32).collect();
        let told = volumes(&grows);
        assert!(told.is_sorted(), "{told:?}");
        assert_eq!((told[0], told[31], told[63]), (0, 49, 100));
    }

    #[test]
    fn silence_and_short_sounds_have_all_parts_too() {
        assert_eq!(volumes(&[]), [0; VOLUMES]);
        assert_eq!(volumes(&[0.0; 5_000]), [0; VOLUMES]);
        assert_eq!(volumes(&[0.5; 3]), [100; VOLUMES]);
        let two = [[0.5; 20], [1.0; 20]].concat();
        assert_eq!(
            (volumes(&two)[..32].to_vec(), volumes(&two)[32..].to_vec()),
            (vec![50; 32], vec![100; 32])
        );
    }
}
