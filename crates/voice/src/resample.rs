//! Another number of samples in a second.

use std::f64::consts::PI;

use crate::{RATE, VoiceError};

/// How many waves of the highest tone a sample is made of, to each side: tones that can't be told are 60 dB lower.
const REACH: usize = 16;
/// Places between two samples for which weights are kept; those between are mixed of two.
const PLACES: usize = 256;
/// Of the highest tone that both rates can tell, so much is let through.
const PASSED: f64 = 0.95;

/// Turns samples of any rate into those of a voice note, in pieces: each is a weighted sum of those around it.
pub(crate) struct Resampler {
    rate: u64,
    /// Samples on each side that a new one is made of.
    half: usize,
    /// For each place, the weights of `2 * half` samples.
    weights: Vec<f32>,
    /// Samples that are still needed; the first one is number `first`, counted from `half` silent ones before the sound.
    kept: Vec<f32>,
    first: u64,
    taken: u64,
    given: u64,
}

impl Resampler {
    /// From so many samples in a second.
    pub(crate) fn new(rate: u32) -> Result<Self, VoiceError> {
        if rate == 0 {
            return Err(VoiceError::Damaged);
        }
        // Where there are to be fewer samples, each is made of more.
        let shrink = f64::max(1.0, f64::from(rate) / f64::from(RATE));
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "rates are small")]
        let half = (REACH as f64 * shrink).ceil() as usize;
        let weights = (0..=PLACES).flat_map(|place| weights(place, half, PASSED / shrink)).collect();
        Ok(Self { rate: u64::from(rate), half, weights, kept: vec![0.0; half], first: 0, taken: 0, given: 0 })
    }

    /// Takes samples, and adds those that can be told by now.
    pub(crate) fn push(&mut self, samples: &[f32], steady: &mut Vec<f32>) {
        self.taken += samples.len() as u64;
        self.kept.extend_from_slice(samples);
        self.give(u64::MAX, steady);
    }

    /// Adds the last samples.
    pub(crate) fn finish(&mut self, steady: &mut Vec<f32>) {
        let all = (self.taken * u64::from(RATE)).div_ceil(self.rate);
        // The silence behind it.
        self.kept.resize(self.kept.len() + self.half + 1, 0.0);
        self.give(all, steady);
    }

    /// Adds samples up to this number, as far as what they are made of is there.
    fn give(&mut self, until: u64, steady: &mut Vec<f32>) {
        let window = 2 * self.half;
        while self.given < until {
            let place = self.given * self.rate;
            let (whole, part) = (place / u64::from(RATE), place % u64::from(RATE));
            // It lies between the samples `half - 1` and `half` of its window.
            let begin = (whole + 1 - self.first) as usize;
            let Some(around) = self.kept.get(begin..begin + window) else { break };
            steady.push(self.weighted(around, part));
            self.given += 1;
        }
        let needed = (self.given * self.rate / u64::from(RATE) + 1 - self.first) as usize;
        let gone = needed.min(self.kept.len());
        self.kept.drain(..gone);
        self.first += gone as u64;
    }

    /// The sample this part of a second's [`RATE`]th behind the middle.
    fn weighted(&self, around: &[f32], part: u64) -> f32 {
        let place = part as f64 * PLACES as f64 / f64::from(RATE);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below PLACES")]
        let at = place as usize;
        #[allow(clippy::cast_possible_truncation, reason = "below 1")]
        let share = (place - at as f64) as f32;
        let window = around.len();
        let (here, next) = self.weights[at * window..(at + 2) * window].split_at(window);
        let weights = here.iter().zip(next).map(|(here, next)| here + (next - here) * share);
        around.iter().zip(weights).map(|(sample, weight)| sample * weight).sum()
    }
}

/// Weights of the samples around a place, which together weigh 1: a sinc within a Blackman window.
fn weights(place: usize, half: usize, passed: f64) -> Vec<f32> {
    let middle = half as f64 - 1.0 + place as f64 / PLACES as f64;
    let weight = |at: usize| {
        let distance = at as f64 - middle;
        let angle = PI * distance * passed;
        let sinc = if angle.abs() < 1e-9 { 1.0 } else { angle.sin() / angle };
        let within = (distance / half as f64).clamp(-1.0, 1.0) * PI;
        sinc * (0.42 + 0.5 * within.cos() + 0.08 * (2.0 * within).cos())
    };
    let weights: Vec<_> = (0..2 * half).map(weight).collect();
    let sum: f64 = weights.iter().sum();
    #[allow(clippy::cast_possible_truncation, reason = "about 1")]
    weights.into_iter().map(|weight| (weight / sum) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(rate: u32, hertz: f64, count: usize) -> Vec<f32> {
        (0..count).map(|n| (2.0 * PI * hertz * n as f64 / f64::from(rate)).sin() as f32).collect()
    }

    fn resampled(rate: u32, samples: &[f32], piece: usize) -> Vec<f32> {
        let (mut resampler, mut steady) = (Resampler::new(rate).unwrap(), Vec::new());
        samples.chunks(piece).for_each(|piece| resampler.push(piece, &mut steady));
        resampler.finish(&mut steady);
        steady
    }

    #[test]
    fn a_tone_stays_the_tone_that_it_was() {
        for rate in [8_000, 11_025, 16_000, 22_050, 44_100, 44_056, 48_000, 96_000, 192_000] {
            let count = rate as usize / 2;
            let steady = resampled(rate, &tone(rate, 440.0, count), 1_000);
            assert_eq!(steady.len(), (count * RATE as usize).div_ceil(rate as usize), "{rate}");
            let expected = tone(RATE, 440.0, steady.len());
            // The edges are next to silence.
            let inner = 1_000..steady.len() - 1_000;
            let off = inner.map(|n| (steady[n] - expected[n]).abs()).fold(0.0, f32::max);
            assert!(off < 0.002, "{rate}: {off}");
        }
    }

    #[test]
    fn tones_that_cannot_be_told_are_gone() {
        let steady = resampled(96_000, &tone(96_000, 30_000.0, 48_000), 48_000);
        let loudest =
            steady[1_000..20_000].iter().fold(0.0, |loudest: f32, sample| loudest.max(sample.abs()));
        assert!(loudest < 0.01, "{loudest}");
    }

    #[test]
    fn pieces_make_no_difference() {
        let samples = tone(44_100, 1_000.0, 5_000);
        let whole = resampled(44_100, &samples, 5_000);
        for piece in [1, 7, 441, 4_999] {
            assert_eq!(resampled(44_100, &samples, piece), whole, "{piece}");
        }
        assert_eq!(resampled(44_100, &[], 1), []);
    }
}
