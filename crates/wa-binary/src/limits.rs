//! Bounds on what a peer can make the decoder do.

/// Deepest nesting of nodes. Real stanzas stay below ten (`iq usync list user devices device-list device`);
/// the bound keeps recursion, also that of dropping a tree, far from the end of any stack.
pub const MAX_DEPTH: usize = 64;

/// Most children of one node: what the 16-bit list size can say.
pub const MAX_LIST: usize = u16::MAX as usize;

/// Most attributes of one node: what the 8-bit list size can say. Real stanzas stay below thirty. Attributes
/// are searched one by one, so an open bound would let a peer ask for quadratic work.
pub const MAX_ATTRIBUTES: usize = 127;

/// Most bytes a compressed frame may inflate to. Frames end at 16 MiB on the wire; the largest honest ones
/// are lists of all groups with all members, some 30 bytes a member, so this is about a million of them.
pub const MAX_INFLATED: usize = 32 << 20;

/// Bounds for [`unpack_with`](crate::unpack_with) and [`decode_with`](crate::decode_with).
///
/// A decoded tree takes at most 32 bytes of memory for each byte of input, whatever the input says about
/// its own sizes: a list must have at least three bytes for each promised child before room is made for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Deepest nesting; a single node has depth 1. See [`MAX_DEPTH`].
    pub depth: usize,
    /// Most children of one node. See [`MAX_LIST`].
    pub list: usize,
    /// Most attributes of one node. See [`MAX_ATTRIBUTES`].
    pub attributes: usize,
    /// Most bytes of a frame after inflating. See [`MAX_INFLATED`].
    pub inflated: usize,
}

impl Limits {
    /// The bounds of this crate's constants.
    pub const DEFAULT: Self =
        Self { depth: MAX_DEPTH, list: MAX_LIST, attributes: MAX_ATTRIBUTES, inflated: MAX_INFLATED };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
