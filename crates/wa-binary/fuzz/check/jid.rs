//! What must hold for any text offered as JID. Shared by the fuzz target and the test that replays its corpus.

use wa_binary::{Jid, Node, decode, encode};

/// Text is refused as JID, or it is one that can be printed and sent and stays the same.
pub(crate) fn check(text: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else { return };
    let Ok(jid) = text.parse::<Jid>() else { return };
    assert_eq!(jid.to_string().parse::<Jid>().as_ref(), Ok(&jid));
    let sent = encode(&Node::new("to").attr("jid", &jid)).expect("what was read can be sent");
    let node = decode(&sent[1..]).expect("what was sent can be read");
    assert_eq!(node.attrs.jid("jid"), Some(&jid));
}
