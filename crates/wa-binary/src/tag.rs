//! The type bytes of the binary format that are not single-byte tokens.

pub(crate) const LIST_EMPTY: u8 = 0;
/// First of four dictionaries of two-byte tokens; the next byte is the index.
pub(crate) const DICTIONARY_0: u8 = 236;
pub(crate) const DICTIONARY_3: u8 = 239;
/// User, device (16 bits), integrator (16 bits), server "interop".
pub(crate) const INTEROP_JID: u8 = 245;
/// User, device (16 bits), server "msgr".
pub(crate) const FB_JID: u8 = 246;
/// Domain byte, device byte, user.
pub(crate) const AD_JID: u8 = 247;
pub(crate) const LIST_8: u8 = 248;
pub(crate) const LIST_16: u8 = 249;
/// User or an empty list, server.
pub(crate) const JID_PAIR: u8 = 250;
/// Two upper-case hexadecimal digits a byte.
pub(crate) const HEX_8: u8 = 251;
pub(crate) const BINARY_8: u8 = 252;
/// Length in three bytes, of which the low 20 bits count.
pub(crate) const BINARY_20: u8 = 253;
pub(crate) const BINARY_32: u8 = 254;
/// Two of `0-9 - .` a byte.
pub(crate) const NIBBLE_8: u8 = 255;
