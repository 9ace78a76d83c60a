//! Sounds become voice notes that play as long, and as loud, as they did.

// Tests: a failure is a panic.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a failed test is a panic, and time is the real one"
)]

mod sounds;

use std::io::Cursor;
use std::time::{Duration, Instant};

use opus_pure::{MAX_PACKET_SAMPLES, OggOpusReader, Trim};
use voice::{Limits, Voice, VoiceError, convert, measure};

use sounds::{flac, loud_then_soft, mp3, stereo, wav, wav_of};

fn limits() -> Limits {
    Limits { seconds: 60, until: Instant::now() + Duration::from_secs(60) }
}

/// What a decoder makes of a voice note, at 48 kHz.
fn played(file: &[u8]) -> Vec<f32> {
    let mut reader = OggOpusReader::new(file).unwrap();
    assert_eq!((reader.head().channel_count, reader.head().input_sample_rate), (1, 48_000));
    let mut decoder = reader.head().decoder(48_000).unwrap();
    let mut trim = Trim::new(reader.head(), 48_000, 1).unwrap();
    let (mut block, mut all) = (vec![0.0; MAX_PACKET_SAMPLES], Vec::new());
    for packet in reader.packets() {
        let packet = packet.unwrap();
        let count = decoder.decode(&packet.data, MAX_PACKET_SAMPLES, &mut block).unwrap();
        all.extend_from_slice(trim.keep(&packet, &block[..count]));
    }
    all
}

/// The frequency of a tone, by how often it crosses zero.
fn hertz(samples: &[f32]) -> f64 {
    let crossings = samples.windows(2).filter(|pair| pair[0] < 0.0 && pair[1] >= 0.0).count();
    crossings as f64 * 48_000.0 / samples.len() as f64
}

fn loudness(samples: &[f32]) -> f32 {
    (samples.iter().map(|sample| sample * sample).sum::<f32>() / samples.len() as f32).sqrt()
}

/// Every format and rate: a tone of 440 Hz for 1.5 s at half the volume, then as long at a tenth.
fn check(file: &[u8], what: &str) {
    let note = convert(Cursor::new(file), &limits()).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(note.file.starts_with(b"OggS"), "{what}");
    assert_eq!(note.voice.seconds, 3, "{what}");
    let played = played(&note.file);
    assert!(played.len().abs_diff(3 * 48_000) < 2_400, "{what}: {} samples", played.len());
    let (loud, soft) = (&played[12_000..60_000], &played[84_000..132_000]);
    assert!((hertz(loud) - 440.0).abs() < 5.0, "{what}: {} Hz", hertz(loud));
    let ratio = loudness(loud) / loudness(soft);
    assert!((3.5..6.5).contains(&ratio), "{what}: {ratio}");
    let waveform = note.voice.waveform;
    assert!(waveform[2..30].iter().all(|part| *part > 85), "{what}: {waveform:?}");
    assert!(waveform[34..62].iter().all(|part| (14..30).contains(part)), "{what}: {waveform:?}");
    // It is told the same of the file that it became.
    let again = measure(&note.file[..], &limits()).unwrap();
    assert_eq!(again.seconds, 3, "{what}");
    let off = again.waveform.iter().zip(waveform).map(|(a, b)| a.abs_diff(b)).max();
    assert!(off.is_some_and(|off| off < 20), "{what}: {:?}", again.waveform);
}

#[test]
fn wav_of_every_rate_and_kind_becomes_a_voice_note() {
    for rate in [8_000, 11_025, 16_000, 22_050, 24_000, 44_100, 48_000, 96_000] {
        check(&wav(&loud_then_soft(rate), rate), &format!("wav at {rate}"));
    }
    for (format, bits) in [(1, 8), (1, 24), (1, 32), (3, 32), (3, 64), (6, 8), (7, 8)] {
        let file = wav_of(&loud_then_soft(16_000), 16_000, 1, format, bits);
        check(&file, &format!("format {format} of {bits}"));
    }
    check(&wav_of(&stereo(&loud_then_soft(44_100)), 44_100, 2, 1, 16), "two channels");
}

#[test]
fn a_wav_whose_length_nobody_knew_is_read_to_its_end() {
    let mut file = wav(&loud_then_soft(16_000), 16_000);
    file[4..8].fill(0xff);
    file[40..44].fill(0xff);
    check(&file, "from a pipe");
}

#[test]
fn flac_and_mp3_become_voice_notes() {
    check(&flac(), "flac");
    check(&mp3(), "mp3");
}

#[test]
fn what_it_does_not_read_it_refuses_by_name() {
    let refused = |bytes: &[u8]| convert(Cursor::new(bytes), &limits()).unwrap_err();
    for bytes in [&b""[..], b"no sound", b"\0\0\0\x20ftypM4A ", b"OggS", &[0; 4_000]] {
        assert!(matches!(refused(bytes), VoiceError::Unknown), "{bytes:?}");
    }
    assert!(refused(b"no sound").to_string().contains("WAV, FLAC and MP3"));
    assert!(matches!(measure(&b"OggS"[..], &limits()), Err(VoiceError::Damaged)));
    // Nothing but a head.
    assert!(matches!(refused(&wav(&[], 48_000)), VoiceError::Damaged));
    // A kind of WAV that nobody writes.
    assert!(matches!(refused(&wav_of(&[0.0; 9], 48_000, 1, 2, 4)), VoiceError::Unknown));
}

#[test]
fn it_is_given_up_when_it_is_too_long_or_takes_too_long() {
    let file = wav(&vec![0.1; 4 * 8_000], 8_000);
    let short = Limits { seconds: 3, ..limits() };
    assert!(matches!(convert(Cursor::new(&file), &short), Err(VoiceError::TooLong { seconds: 3 })));
    let past = Limits { until: Instant::now(), ..limits() };
    assert!(matches!(convert(Cursor::new(&file), &past), Err(VoiceError::TooSlow)));
    let note = convert(Cursor::new(&file), &limits()).unwrap();
    assert!(matches!(measure(&note.file[..], &short), Err(VoiceError::TooLong { seconds: 3 })));
}

#[test]
fn numbers_that_are_no_volume_are_silence() {
    let file = wav_of(&[f32::NAN, f32::INFINITY, -7.0, 0.0].repeat(12_000), 48_000, 1, 3, 32);
    let Voice { seconds, waveform } = convert(Cursor::new(&file), &limits()).unwrap().voice;
    assert_eq!(seconds, 1);
    // The codec may take a hundredth off the loudest part.
    assert!(waveform.iter().max().is_some_and(|most| *most >= 98), "{waveform:?}");
}

/// Recordings that opusenc of opus-tools has made: see `wa-media/testdata/PROVENANCE`.
#[test]
fn what_is_opus_already_is_measured() {
    let mono = include_bytes!("../../wa-media/testdata/files/voice.opus");
    let Voice { seconds, waveform } = measure(&mono[..], &limits()).unwrap();
    assert_eq!(seconds, 3, "2.5 s");
    assert!(waveform[2..62].iter().all(|part| *part > 80), "{waveform:?}");
    let stereo = include_bytes!("../../wa-media/testdata/files/stereo.opus");
    assert_eq!(measure(&stereo[..], &limits()).unwrap().seconds, 1, "0.3 s");
}
