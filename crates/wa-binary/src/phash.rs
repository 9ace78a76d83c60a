//! Hash over the devices a message was encrypted for.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use sha2::{Digest, Sha256};

use crate::Jid;

/// Participant hash, version 2: SHA-256 over the sorted [AD strings](Jid::ad_string) of all devices, the
/// sender's among them; the first six bytes in base64, after `2:`.
///
/// A group message carries it, and the server answers with its own when the two differ.
///
/// ```
/// # use wa_binary::{Jid, phash};
/// let lid = Jid::lid("100000000000001");
/// let devices = [lid.clone().with_device(1), Jid::pn("15550000001").with_device(2), lid];
/// assert_eq!(phash(&devices), "2:Ni8THOE8");
/// ```
pub fn phash(devices: &[Jid]) -> String {
    let mut names: Vec<String> = devices.iter().map(Jid::ad_string).collect();
    names.sort_unstable();
    let mut hash = Sha256::new();
    for name in &names {
        hash.update(name);
    }
    let [a, b, c, d, e, f, ..] = <[u8; 32]>::from(hash.finalize());
    format!("2:{}", STANDARD_NO_PAD.encode([a, b, c, d, e, f]))
}
