//! PostgreSQL holds no NUL character in a text, and people may write one. It stands there as two others, which no text has:
//! an escape that is no character of any script, and a digit.

use std::borrow::Cow;

const ESCAPE: char = '\u{10ffff}';

/// A text as a column can hold it.
pub(crate) fn to_hold(text: &str) -> Cow<'_, str> {
    if !text.contains(['\0', ESCAPE]) {
        return Cow::Borrowed(text);
    }
    let mut held = String::with_capacity(text.len() + 4);
    for c in text.chars() {
        match c {
            '\0' => held.extend([ESCAPE, '0']),
            ESCAPE => held.extend([ESCAPE, '1']),
            c => held.push(c),
        }
    }
    Cow::Owned(held)
}

/// The text that a column holds.
pub(crate) fn held(text: String) -> String {
    if !text.contains(ESCAPE) {
        return text;
    }
    let mut told = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            ESCAPE if chars.next() == Some('0') => told.push('\0'),
            c => told.push(c),
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_comes_back_and_none_is_held_with_a_nul() {
        for text in
            ["", "plain 你好", "\0", "a\0\0b", "\u{10ffff}", "\u{10ffff}0\0\u{10ffff}1", "\u{10ffff}\0"]
        {
            let kept = to_hold(text);
            assert!(!kept.contains('\0'));
            assert_eq!(held(kept.into_owned()), text);
        }
    }
}
