//! What must hold for any stream. Shared by the fuzz target and the test that replays its corpus.

use wa_history::History;

/// It ends, and with its first error at the latest.
pub(crate) fn check(stream: &[u8]) {
    let mut history = History::new(stream);
    while let Some(item) = history.next() {
        if item.is_err() {
            assert!(history.next().is_none(), "nothing follows an error");
            return;
        }
    }
    assert!(history.next().is_none(), "nothing follows the end");
}
