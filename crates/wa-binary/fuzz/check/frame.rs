//! What must hold for any frame. Shared by the fuzz target and the test that replays its corpus.

use wa_binary::{decode, encode, unpack};

/// A frame is refused, or it is a node that can be printed, sent, and read back.
pub(crate) fn check(frame: &[u8]) {
    let Ok(data) = unpack(frame) else { return };
    let Ok(node) = decode(&data) else { return };
    assert!(!node.to_string().contains('\n'));
    let sent = encode(&node).expect("what was read can be sent");
    let again = decode(&sent[1..]).expect("what was sent can be read");
    // Not `again == node`: empty attributes are left out, and text without token comes back as bytes.
    assert_eq!(encode(&again).expect("it can be sent again"), sent);
    assert_eq!(node.into_owned(), decode(&data).expect("it was read before"));
}
