//! Sounds to try it with. WAV is written here; `testdata/PROVENANCE` tells where the others are from.

#![allow(dead_code, unreachable_pub, reason = "shared by several tests")]

use std::f64::consts::PI;

/// A tone of 440 Hz, 1.5 s at half the volume and 1.5 s at a tenth.
pub fn loud_then_soft(rate: u32) -> Vec<f32> {
    let count = rate * 3;
    let sample = |n: u32| {
        let volume = if n < count / 2 { 0.5 } else { 0.1 };
        (volume * (2.0 * PI * 440.0 * f64::from(n) / f64::from(rate)).sin()) as f32
    };
    (0..count).map(sample).collect()
}

/// The same on both channels.
pub fn stereo(samples: &[f32]) -> Vec<f32> {
    samples.iter().flat_map(|sample| [*sample, *sample]).collect()
}

/// 16 bits, one channel.
pub fn wav(samples: &[f32], rate: u32) -> Vec<u8> {
    wav_of(samples, rate, 1, 1, 16)
}

pub fn wav_of(samples: &[f32], rate: u32, channels: u16, format: u16, bits: u16) -> Vec<u8> {
    let data: Vec<u8> = samples.iter().flat_map(|sample| written(*sample, format, bits)).collect();
    let frame = channels * bits / 8;
    let mut file = b"RIFF".to_vec();
    file.extend((36 + data.len() as u32).to_le_bytes());
    file.extend(b"WAVEfmt \x10\0\0\0");
    file.extend(format.to_le_bytes());
    file.extend(channels.to_le_bytes());
    file.extend(rate.to_le_bytes());
    file.extend((rate * u32::from(frame)).to_le_bytes());
    file.extend(frame.to_le_bytes());
    file.extend(bits.to_le_bytes());
    file.extend(b"data");
    file.extend((data.len() as u32).to_le_bytes());
    file.extend(data);
    file
}

fn written(sample: f32, format: u16, bits: u16) -> Vec<u8> {
    match (format, bits) {
        (1, 8) => vec![(sample * 127.0 + 128.0) as u8],
        (1, 16) => ((sample * 32_767.0) as i16).to_le_bytes().to_vec(),
        (1, 24) => ((sample * 8_388_607.0) as i32).to_le_bytes()[..3].to_vec(),
        (1, 32) => ((f64::from(sample) * 2_147_483_647.0) as i32).to_le_bytes().to_vec(),
        (3, 32) => sample.to_le_bytes().to_vec(),
        (3, 64) => f64::from(sample).to_le_bytes().to_vec(),
        (6, 8) => vec![a_law((sample * 4_096.0) as i32)],
        (7, 8) => vec![mu_law((sample * 8_192.0) as i32)],
        _ => vec![0],
    }
}

/// The code of ITU-T G.711 whose value is next to this one of 13 bits: found by trying all, as the standard's table lists them.
fn a_law(value: i32) -> u8 {
    let volume = value.unsigned_abs().min(4_095);
    let (segment, step) = match volume {
        0..32 => (0, volume / 2),
        _ => {
            let segment = volume.ilog2() - 4;
            (segment, (volume >> segment) & 15)
        }
    };
    let code = (segment << 4 | step) as u8 | if value >= 0 { 0x80 } else { 0 };
    code ^ 0x55
}

fn mu_law(value: i32) -> u8 {
    let volume = (value.unsigned_abs() + 33).min(8_191);
    let segment = volume.ilog2() - 5;
    let step = (volume >> (segment + 1)) & 15;
    !((segment << 4 | step) as u8 | if value < 0 { 0x80 } else { 0 })
}

pub fn flac() -> Vec<u8> {
    include_bytes!("../../testdata/tone.flac").to_vec()
}

pub fn mp3() -> Vec<u8> {
    include_bytes!("../../testdata/tone.mp3").to_vec()
}
