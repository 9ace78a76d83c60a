//! Stores of any bytes, as the fuzzer found them worth keeping.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::fs;
use std::path::Path;

#[path = "../fuzz/check/store.rs"]
mod store;

#[test]
fn the_corpus_of_the_fuzzer_is_survived() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let files: Vec<_> = fs::read_dir(folder.join("store"))
        .unwrap()
        .map(|file| fs::read(file.unwrap().path()).unwrap())
        .collect();
    assert!(files.len() > 10);
    files.iter().for_each(|bytes| store::check(bytes));
}
