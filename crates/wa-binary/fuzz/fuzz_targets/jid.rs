//! JIDs of any text.
#![no_main]

#[path = "../check/jid.rs"]
mod check;

libfuzzer_sys::fuzz_target!(|data: &[u8]| check::check(data));
