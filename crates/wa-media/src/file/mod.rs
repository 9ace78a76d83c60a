//! What is in a file: its type, its name, its size, and whether it moves.
//!
//! Everything is read from the first bytes ([`HEAD_LEN`] of them do), never beyond them, and any bytes have an answer.

mod content;
mod image;
mod name;
mod opus;
mod table;
mod webp;
mod zip;

pub use content::content_type;
pub use image::{Dimensions, dimensions};
pub use name::{document_name, extension};
pub use opus::{Opus, OpusScan};
pub use webp::is_animated;

use std::borrow::Cow;

/// First bytes of a file that tell what is in it. Pictures of cameras have their size behind up to 64 KiB of EXIF, and a
/// colour profile behind that.
pub const HEAD_LEN: usize = 256 * 1024;

/// What nobody knows anything of.
const UNKNOWN: &str = "application/octet-stream";

/// The MIME type of a file: what its first bytes say, else its name, else whoever sent it (a `Content-Type`, which is
/// often wrong), else whether it is text.
///
/// Where the content is only a container (a ZIP archive, say) and the name is that of something that comes in it, the
/// name is believed.
pub fn mime_type(head: &[u8], file_name: Option<&str>, said: Option<&str>) -> Cow<'static, str> {
    let named = file_name.and_then(name::named_type);
    let Some(content) = content_type(head) else {
        return named
            .map(Cow::Borrowed)
            .or_else(|| hint(said))
            .unwrap_or_else(|| text_or_unknown(head).into());
    };
    match named.filter(|named| table::comes_in(named, content)) {
        Some(named) => named.into(),
        None => content.into(),
    }
}

fn hint(said: Option<&str>) -> Option<Cow<'static, str>> {
    let said = said?.trim();
    let (kind, rest) = said.split_once('/')?;
    let is_token = |text: &str| !text.is_empty() && text.bytes().all(is_of_token);
    let (subtype, _) = rest.split_once(';').unwrap_or((rest, ""));
    let is_type =
        is_token(kind) && is_token(subtype.trim()) && said.bytes().all(|b| (b' '..0x7f).contains(&b));
    (is_type && !said.eq_ignore_ascii_case(UNKNOWN)).then(|| said.to_owned().into())
}

/// RFC 9110: characters of a token.
const fn is_of_token(byte: u8) -> bool {
    byte.is_ascii_graphic()
        && !matches!(
            byte,
            b'"' | b'('
                | b')'
                | b','
                | b'/'
                | b':'
                | b';'
                | b'<'
                | b'='
                | b'>'
                | b'?'
                | b'@'
                | b'['
                | b'\\'
                | b']'
                | b'{'
                | b'}'
        )
}

/// Text is UTF-8 without control characters, perhaps cut inside its last character.
fn text_or_unknown(head: &[u8]) -> &'static str {
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&head[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return UNKNOWN,
    };
    let is_text = |c: char| !c.is_control() || matches!(c, '\n' | '\r' | '\t' | '\u{c}');
    if !text.is_empty() && text.chars().all(is_text) { "text/plain" } else { UNKNOWN }
}

#[cfg(test)]
mod tests;
