//! Files of strangers: damaged, cut off, made up. All of them are answered, and soon.

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

use proptest::prelude::*;
use voice::{Limits, convert, measure};

use sounds::{flac, mp3, wav, wav_of};

fn limits() -> Limits {
    Limits { seconds: 10, until: Instant::now() + Duration::from_secs(10) }
}

/// Files of every format, with little in them so that many can be tried.
fn files() -> Vec<Vec<u8>> {
    let samples: Vec<f32> = (0..2_000_u16).map(|n| f32::from(n % 50) / 100.0).collect();
    let plain = wav(&samples, 8_000);
    let note = convert(Cursor::new(&plain), &limits()).unwrap().file;
    let cut = |file: Vec<u8>| file[..file.len().min(6_000)].to_vec();
    vec![plain, wav_of(&samples, 8_000, 2, 3, 32), cut(flac()), cut(mp3()), note]
}

fn try_both(file: &[u8]) {
    let begun = Instant::now();
    if let Ok(note) = convert(Cursor::new(file), &limits()) {
        assert!(note.file.starts_with(b"OggS") && (1..=10).contains(&note.voice.seconds));
        assert!(note.voice.waveform.iter().all(|part| *part <= 100));
    }
    if let Ok(voice) = measure(file, &limits()) {
        assert!((1..=10).contains(&voice.seconds));
    }
    assert!(begun.elapsed() < Duration::from_secs(20), "it takes {:?}", begun.elapsed());
}

/// Changes at places, which come back as often as needed.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let places = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12);
    (prop::sample::select(files()), places, any::<prop::sample::Index>(), any::<bool>()).prop_map(
        |(mut file, places, end, is_cut)| {
            for (place, byte) in places {
                let place = place.index(file.len());
                file[place] = byte;
            }
            if is_cut {
                file.truncate(end.index(file.len()));
            }
            file
        },
    )
}

/// The same near the beginning, where formats say what follows.
fn damaged_head() -> impl Strategy<Value = Vec<u8>> {
    let places = prop::collection::vec((0..64_usize, any::<u8>()), 1..8);
    (prop::sample::select(files()), places).prop_map(|(mut file, places)| {
        places.into_iter().for_each(|(place, byte)| file[place] = byte);
        file
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_file_is_answered(file in damaged()) {
        try_both(&file);
    }

    #[test]
    fn a_file_whose_head_is_damaged_is_answered(file in damaged_head()) {
        try_both(&file);
    }

    #[test]
    fn whatever_follows_the_mark_of_a_format_is_answered(
        mark in prop::sample::select(vec![
            &b"RIFF\0\0\0\0WAVEfmt "[..],
            b"fLaC\0\0\0\x22",
            b"ID3\x04\0\0\0\0\0\0",
            b"\xff\xfb\x90\x64",
            b"OggS\0\x02",
        ]),
        rest in prop::collection::vec(any::<u8>(), 0..3_000),
    ) {
        try_both(&[mark, &rest].concat());
    }
}

/// Silence takes a few bytes a second in FLAC: a small file may play for days.
#[test]
fn a_small_file_that_plays_for_ever_is_given_up() {
    let mut file = wav_of(&[], 4_000, 1, 1, 8);
    file[40..44].fill(0xff);
    file.extend(vec![128; 4_000 * 11]);
    let short = Limits { seconds: 10, ..limits() };
    assert!(matches!(convert(Cursor::new(&file), &short), Err(voice::VoiceError::TooLong { seconds: 10 })));
}
