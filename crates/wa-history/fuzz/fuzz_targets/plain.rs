//! Chunks of any bytes, compressed as they should be.
#![no_main]

#[path = "../check/plain.rs"]
mod check;

libfuzzer_sys::fuzz_target!(|data: &[u8]| check::check(data));
