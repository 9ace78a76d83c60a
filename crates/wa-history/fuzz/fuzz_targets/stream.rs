//! Chunks of any bytes, compressed or not.
#![no_main]

#[path = "../check/stream.rs"]
mod check;

libfuzzer_sys::fuzz_target!(|data: &[u8]| check::check(data));
