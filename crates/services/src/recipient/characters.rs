//! The characters in which people and programs write numbers.

/// The zeros of the scripts that have ten decimal digits in a row: Unicode's general category Nd.
const ZEROS: [u32; 71] = [
    0x0030, 0x0660, 0x06f0, 0x07c0, 0x0966, 0x09e6, 0x0a66, 0x0ae6, 0x0b66, 0x0be6, 0x0c66, 0x0ce6, 0x0d66,
    0x0de6, 0x0e50, 0x0ed0, 0x0f20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50,
    0x1bb0, 0x1c40, 0x1c50, 0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10, 0x104a0, 0x10d30,
    0x11066, 0x110f0, 0x11136, 0x111d0, 0x112f0, 0x11450, 0x114d0, 0x11650, 0x116c0, 0x11730, 0x118e0,
    0x11950, 0x11c50, 0x11d50, 0x11da0, 0x11f50, 0x16a60, 0x16ac0, 0x16b50, 0x1d7ce, 0x1d7d8, 0x1d7e2,
    0x1d7ec, 0x1d7f6, 0x1e140, 0x1e2f0, 0x1e4f0, 0x1e5f1, 0x1e950, 0x1fbf0, 0x1ccf0, 0x10d40,
];

/// The decimal digit that this character is, in whatever script.
pub(super) fn digit(c: char) -> Option<char> {
    let code = u32::from(c);
    let value = ZEROS.iter().find_map(|zero| code.checked_sub(*zero).filter(|value| *value < 10))?;
    char::from_digit(value, 10)
}

/// Whether it stands between the digits of a number and means nothing.
pub(super) fn is_separator(c: char) -> bool {
    c.is_whitespace()
        || matches!(c, '-' | '.' | '/' | '(' | ')' | '[' | ']' | '·' | '（' | '）' | '．' | '／')
        || matches!(
            u32::from(c),
            0x058a | 0x05be | 0x2010..=0x2015 | 0x2043 | 0x2212 | 0x30fc | 0xfe58 | 0xfe63 | 0xff0d
        )
}

/// Whether it says that the country code follows.
pub(super) fn is_plus(c: char) -> bool {
    matches!(c, '+' | '＋' | '﹢')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::is_invisible;

    #[test]
    fn digits_of_every_script_have_their_value() {
        assert_eq!("٠1२३४๕６𝟕໘9".chars().filter_map(digit).collect::<String>(), "0123456789");
        assert!("½²Ⅳ五a".chars().all(|c| digit(c).is_none()));
    }

    #[test]
    fn what_is_not_seen_is_no_separator_and_no_digit() {
        for c in ['\u{202a}', '\u{202c}', '\u{200e}', '\u{ad}', '\u{feff}'] {
            assert!(is_invisible(c) && digit(c).is_none() && !is_separator(c), "{c:?}");
        }
        for c in ['\u{202f}', '\u{a0}', '\t', '–', '\u{2011}', '−'] {
            assert!(is_separator(c) && !is_invisible(c), "{c:?}");
        }
    }
}
