use wa_crypto::kdf;

/// Numbers of 16 bits in the sum.
const NUMBERS: usize = 64;

/// The sum over the records of a collection (PROTOCOL.md 18.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hash([u16; NUMBERS]);

impl Hash {
    pub(super) const EMPTY: Self = Self([0; NUMBERS]);

    pub(super) fn add(&mut self, value_mac: &[u8; 32]) {
        self.each(value_mac, u16::wrapping_add);
    }

    pub(super) fn subtract(&mut self, value_mac: &[u8; 32]) {
        self.each(value_mac, u16::wrapping_sub);
    }

    pub(super) fn bytes(&self) -> [u8; 2 * NUMBERS] {
        let mut bytes = [0; 2 * NUMBERS];
        for (pair, number) in bytes.chunks_exact_mut(2).zip(self.0) {
            pair.copy_from_slice(&number.to_le_bytes());
        }
        bytes
    }

    fn each(&mut self, value_mac: &[u8; 32], change: fn(u16, u16) -> u16) {
        let expanded = kdf::hkdf::<{ 2 * NUMBERS }>(value_mac, b"", b"WhatsApp Patch Integrity");
        for (number, pair) in self.0.iter_mut().zip(expanded.chunks_exact(2)) {
            *number = change(*number, u16::from_le_bytes([pair[0], pair[1]]));
        }
    }
}
