//! Patches, snapshots, blobs and recoveries of any bytes.
#![no_main]

#[path = "../check/decoders.rs"]
mod check;

libfuzzer_sys::fuzz_target!(|data: &[u8]| check::check(data));
