//! Files, documents and records of any bytes.
#![no_main]

#[path = "../check/store.rs"]
mod check;

libfuzzer_sys::fuzz_target!(|data: &[u8]| check::check(data));
