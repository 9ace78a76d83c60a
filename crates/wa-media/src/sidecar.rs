use wa_crypto::{Secret, mac::RunningHmac};

/// Bytes from the start of one window to the start of the next.
const STEP: usize = 64 * 1024;
/// Bytes that a window shares with the next: the block that decryption of the next one begins with.
const OVERLAP: usize = 16;
/// Bytes that are kept of each window's HMAC.
const MAC_LEN: usize = 10;

/// The MACs with which a receiver verifies a file part by part, and so plays it before it has all of it.
///
/// The windows go over the IV, the ciphertext and the MAC in a row, one from every 64 KiB, each 16 bytes longer than
/// that; the first 10 bytes of their HMACs, in a row, are the sidecar. (PROTOCOL.md 19.2 knows of windows over what is
/// uploaded, which the IV isn't part of: a file that WhatsApp made has it otherwise, see `testdata/PROVENANCE`.)
pub(crate) struct Sidecar {
    key: Secret<32>,
    window: RunningHmac,
    /// Bytes in the window.
    filled: usize,
    /// What the window ends with.
    last: [u8; OVERLAP],
    macs: Vec<u8>,
}

impl Sidecar {
    pub(crate) fn new(key: &Secret<32>) -> Self {
        let window = RunningHmac::new(key.expose());
        Self { key: key.clone(), window, filled: 0, last: [0; OVERLAP], macs: Vec::new() }
    }

    pub(crate) fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (taken, rest) = bytes.split_at(bytes.len().min(STEP + OVERLAP - self.filled));
            self.take(taken);
            if self.filled == STEP + OVERLAP {
                self.next_window();
            }
            bytes = rest;
        }
    }

    /// The sidecar. A window begins wherever there is a byte.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        let begun = self.filled.saturating_sub(STEP);
        self.close();
        if begun > 0 {
            self.window.update(&self.last[OVERLAP - begun..]);
            self.close();
        }
        self.macs
    }

    fn take(&mut self, taken: &[u8]) {
        self.window.update(taken);
        self.filled += taken.len();
        match taken.last_chunk::<OVERLAP>() {
            Some(last) => self.last = *last,
            None => {
                self.last.rotate_left(taken.len());
                self.last[OVERLAP - taken.len()..].copy_from_slice(taken);
            }
        }
    }

    fn next_window(&mut self) {
        self.close();
        self.window.update(&self.last);
        self.filled = OVERLAP;
    }

    fn close(&mut self) {
        let full = std::mem::replace(&mut self.window, RunningHmac::new(self.key.expose())).finish();
        self.macs.extend_from_slice(&full[..MAC_LEN]);
    }
}
