//! What must hold for any chunk. Shared by the fuzz target and the test that replays its corpus.

use std::io::Read;

use flate2::Compression;
use flate2::read::ZlibEncoder;
use wa_history::{History, HistoryError};

/// It is read to its end, or refused as what it is: the compression is right.
pub(crate) fn check(chunk: &[u8]) {
    let mut stream = Vec::new();
    ZlibEncoder::new(chunk, Compression::fast()).read_to_end(&mut stream).expect("bytes can be compressed");
    for item in History::new(&*stream) {
        match item {
            Ok(_) | Err(HistoryError::Malformed | HistoryError::Truncated | HistoryError::TooLarge) => {}
            Err(other) => panic!("{other}"),
        }
    }
}
