//! Frames of any bytes.
#![no_main]

#[path = "../check/frame.rs"]
mod check;

libfuzzer_sys::fuzz_target!(|data: &[u8]| check::check(data));
