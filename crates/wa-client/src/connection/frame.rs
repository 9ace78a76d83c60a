use std::borrow::Cow;

use wa_binary::{DecodeError, Limits, Node, decode, unpack_with};

/// The encoded stanza in a decrypted frame. One that is larger than `most` bytes, or can't be inflated, is skipped:
/// a line is logged and it is not acknowledged.
pub(crate) fn unpacked(frame: &[u8], most: usize) -> Option<Cow<'_, [u8]>> {
    let limits = Limits { inflated: most.min(Limits::DEFAULT.inflated), ..Limits::DEFAULT };
    match unpack_with(frame, &limits) {
        Ok(data) if data.len() <= most => Some(data),
        Ok(data) => {
            tracing::warn!(bytes = data.len(), most, "a stanza that is too large was skipped");
            None
        }
        Err(error) => skipped(&error),
    }
}

/// The stanza itself; one that can't be read is skipped likewise.
pub(crate) fn parsed(data: &[u8]) -> Option<Node<'_>> {
    match decode(data) {
        Ok(node) => Some(node),
        Err(error) => skipped(&error),
    }
}

fn skipped<T>(error: &DecodeError) -> Option<T> {
    tracing::warn!(%error, "an unreadable stanza was skipped");
    None
}

#[cfg(test)]
mod tests {
    use wa_binary::encode;

    use super::*;

    fn frame(size: usize) -> Vec<u8> {
        encode(&Node::new("message").with_bytes(vec![7; size])).unwrap()
    }

    #[test]
    fn what_is_larger_than_configured_is_skipped() {
        let frame = frame(100);
        assert!(unpacked(&frame, frame.len() - 1).is_some_and(|data| parsed(&data).is_some()));
        assert!(unpacked(&frame, frame.len() - 2).is_none());
    }

    #[test]
    fn what_inflates_beyond_the_bound_is_skipped() {
        use std::io::Write as _;
        let mut deflated = flate2::write::ZlibEncoder::new(vec![2], flate2::Compression::best());
        deflated.write_all(&frame(10_000)[1..]).unwrap();
        let frame = deflated.finish().unwrap();
        assert!(frame.len() < 100);
        assert!(unpacked(&frame, 20_000).is_some());
        assert!(unpacked(&frame, 5_000).is_none());
    }

    #[test]
    fn garbage_is_skipped() {
        assert!(unpacked(&[], 100).is_none());
        assert!(parsed(&[0xff, 0xff]).is_none());
    }
}
