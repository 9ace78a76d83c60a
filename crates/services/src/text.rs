//! What of a text is seen.

/// Whether it only says how the text around it is to be shown, and isn't seen itself: WhatsApp Web puts such characters
/// around numbers that are copied.
pub(crate) fn is_invisible(c: char) -> bool {
    matches!(u32::from(c),
        0x00ad | 0x0600..=0x0605 | 0x061c | 0x06dd | 0x070f | 0x180e | 0x200b..=0x200f | 0x202a..=0x202e
        | 0x2060..=0x206f | 0xfe00..=0xfe0f | 0xfeff | 0xfff9..=0xfffb | 0xe0001 | 0xe0020..=0xe007f)
}

/// Whether nothing of it is seen.
pub(crate) fn is_blank(text: &str) -> bool {
    text.chars().all(|c| c.is_whitespace() || c.is_control() || is_invisible(c) || is_empty_letter(c))
}

/// What stands against a name, which is one line and to be read as it is written; nothing if it may stay.
pub(crate) fn unfit_for_a_name(text: &str) -> Option<&'static str> {
    match () {
        () if text.chars().any(char::is_control) => Some("must not hold control characters"),
        () if text.chars().any(turns_the_direction) => {
            Some("must not hold characters that turn the direction of the text")
        }
        () if is_blank(text) => Some("must not be empty"),
        () => None,
    }
}

/// Whether it can stand in a path as it is, and has this many characters at most.
pub(crate) fn is_path_name(text: &str, longest: usize) -> bool {
    let is_sound = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    !text.is_empty() && text.len() <= longest && text.chars().all(is_sound)
}

/// What stands against a text of several lines.
pub(crate) fn unfit_for_lines(text: &str) -> Option<&'static str> {
    let is_unfit = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
    text.chars().any(is_unfit).then_some("must not hold control characters but ends of lines and tabs")
}

/// Letters and symbols without ink: Hangul fillers, an empty Braille pattern.
fn is_empty_letter(c: char) -> bool {
    matches!(u32::from(c), 0x115f | 0x1160 | 0x2800 | 0x3164 | 0xffa0)
}

/// Embeddings, overrides and isolates (Unicode Annex 9): with them a name can be made to look like another one. The marks
/// that stand beside words of right-to-left scripts are none of them.
fn turns_the_direction(c: char) -> bool {
    matches!(u32::from(c), 0x202a..=0x202e | 0x2066..=0x2069)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_blank() {
        for blank in ["", " \n", "\0", "\u{200b}\u{feff}", "\u{fe0f}", "\u{2800}\u{3164}", "\u{202e}"] {
            assert!(is_blank(blank), "{blank:?}");
        }
        for seen in [".", "❤\u{fe0f}", "\u{200f}ש", "가"] {
            assert!(!is_blank(seen), "{seen:?}");
        }
    }

    #[test]
    fn names_are_read_as_they_are_written() {
        assert_eq!(unfit_for_a_name("\u{200b}"), Some("must not be empty"));
        assert!(unfit_for_a_name("abc\u{202e}cba").unwrap().contains("direction"));
        assert!(unfit_for_a_name("a\u{1b}[2J").unwrap().contains("control"));
        assert_eq!(unfit_for_a_name("\u{200f}שלום (Büro)"), None);
        assert!(unfit_for_lines("a\0").is_some() && unfit_for_lines("a\u{7f}").is_some());
        assert_eq!(unfit_for_lines("a\r\n\tb"), None);
    }
}
