/// The plaintext doesn't end in valid padding: the sender's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the decrypted message has no valid padding")]
pub struct PaddingError;

/// Appends the 1 to 15 bytes WhatsApp puts behind every end-to-end plaintext; each has their number
/// as value. The low four bits of `random` choose the number, zero stands for 15 (protocol facts,
/// section 10).
pub fn pad(plaintext: &mut Vec<u8>, random: u8) {
    let count = match random & 0x0f {
        0 => 15,
        count => count,
    };
    plaintext.resize(plaintext.len() + usize::from(count), count);
}

/// Cuts the padding off. Takes more than 15 bytes too, because Baileys pads with up to 16.
pub fn unpad(padded: &[u8]) -> Result<&[u8], PaddingError> {
    let &count = padded.last().ok_or(PaddingError)?;
    let end = padded.len().checked_sub(usize::from(count)).ok_or(PaddingError)?;
    let (plaintext, padding) = padded.split_at(end);
    if count == 0 || padding.iter().any(|&byte| byte != count) {
        return Err(PaddingError);
    }
    Ok(plaintext)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn zero_stands_for_fifteen() {
        let mut text = b"a".to_vec();
        pad(&mut text, 0xf0);
        assert_eq!(text, [b"a".as_slice(), &[15; 15]].concat());
    }

    #[test]
    fn bad_padding_is_refused() {
        for bad in [&b""[..], &[0], &[2], &[1, 2], &[3, 3, 2], &[1, 2, 0]] {
            assert_eq!(unpad(bad), Err(PaddingError), "{bad:?}");
        }
        assert_eq!(unpad(&[16; 16]), Ok(&b""[..]));
    }

    proptest! {
        #[test]
        fn unpad_undoes_pad(text in proptest::collection::vec(any::<u8>(), 0..50), random: u8) {
            let mut padded = text.clone();
            pad(&mut padded, random);
            prop_assert!((1..=15).contains(&(padded.len() - text.len())));
            prop_assert_eq!(unpad(&padded), Ok(&text[..]));
        }
    }
}
