use super::{
    table::{MP4, SIGNATURES, ZIP},
    zip,
};

/// How far into a file its header may be, in bytes: readers look for it so far, and printers write something before it.
const PDF_REACH: usize = 1024;
/// Bytes of a packet of MPEG's transport stream.
const TS_PACKET: usize = 188;

/// The MIME type that the first bytes of a file have.
pub fn content_type(head: &[u8]) -> Option<&'static str> {
    let signed = SIGNATURES.iter().find(|(at, bytes, _)| begins(head, *at, bytes));
    signed
        .map(|(_, _, mime)| *mime)
        .or_else(|| riff(head))
        .or_else(|| iso_media(head))
        .or_else(|| ogg(head))
        .or_else(|| matroska(head))
        .or_else(|| archive(head))
        .or_else(|| pdf(head))
        .or_else(|| loose(head))
}

pub(super) fn begins(bytes: &[u8], at: usize, with: &[u8]) -> bool {
    bytes.get(at..).is_some_and(|rest| rest.starts_with(with))
}

/// RIFF, and IFF, which it comes from.
fn riff(head: &[u8]) -> Option<&'static str> {
    match (head.get(..4)?, head.get(8..12)?) {
        (b"RIFF", b"WEBP") => Some("image/webp"),
        (b"RIFF", b"WAVE") => Some("audio/wav"),
        (b"RIFF", b"AVI ") => Some("video/x-msvideo"),
        (b"FORM", b"AIFF" | b"AIFC") => Some("audio/aiff"),
        _ => None,
    }
}

/// The family of MP4: its major brand, or how QuickTime files without one begin.
fn iso_media(head: &[u8]) -> Option<&'static str> {
    match head.get(4..8)? {
        b"ftyp" => {}
        b"moov" | b"mdat" | b"wide" => return Some("video/quicktime"),
        _ => return None,
    }
    let brand: &[u8; 4] = head.get(8..12)?.first_chunk()?;
    Some(match brand {
        b"M4A " | b"M4B " | b"M4P " => "audio/mp4",
        b"qt  " => "video/quicktime",
        [b'3', b'g', b'p', _] => "video/3gpp",
        [b'3', b'g', b'2', _] => "video/3gpp2",
        b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"mif1" | b"msf1" => "image/heic",
        b"avif" | b"avis" => "image/avif",
        _ => MP4,
    })
}

/// What the first page of an Ogg file begins with: it is behind 27 bytes and the table of the page's segments.
fn ogg(head: &[u8]) -> Option<&'static str> {
    if !head.starts_with(b"OggS") {
        return None;
    }
    let packet = head.get(27 + usize::from(*head.get(26)?)..).unwrap_or_default();
    Some(match packet {
        [b'O', b'p', b'u', b's', b'H', b'e', b'a', b'd', ..] => "audio/ogg; codecs=opus",
        [0x80, b't', b'h', b'e', b'o', b'r', b'a', ..] => "video/ogg",
        _ => "audio/ogg",
    })
}

fn matroska(head: &[u8]) -> Option<&'static str> {
    if !head.starts_with(b"\x1a\x45\xdf\xa3") {
        return None;
    }
    let header = head.get(..64).unwrap_or(head);
    let is_webm = header.windows(4).any(|window| window == b"webm");
    Some(if is_webm { "video/webm" } else { "video/x-matroska" })
}

fn archive(head: &[u8]) -> Option<&'static str> {
    let is_zip = head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06");
    is_zip.then(|| zip::content_type(head).unwrap_or(ZIP))
}

fn pdf(head: &[u8]) -> Option<&'static str> {
    let reach = head.get(..PDF_REACH).unwrap_or(head);
    reach.windows(5).any(|window| window == b"%PDF-").then_some("application/pdf")
}

/// What has only a few bits to know it by.
fn loose(head: &[u8]) -> Option<&'static str> {
    if begins(head, 0, b"BM") && begins(head, 6, &[0; 4]) {
        return Some("image/bmp");
    }
    if [0, TS_PACKET, 2 * TS_PACKET].iter().all(|at| head.get(*at) == Some(&0x47)) {
        return Some("video/mp2t");
    }
    match *head.first_chunk::<3>()? {
        [0xff, second, _] if second & 0xf6 == 0xf0 => Some("audio/aac"),
        [0xff, second, third] if is_mp3(second, third) => Some("audio/mpeg"),
        _ => None,
    }
}

/// The second and third byte of a frame of MPEG audio: a version, layer III or II, a bit rate and a sample rate that
/// there are.
const fn is_mp3(second: u8, third: u8) -> bool {
    let (version, layer) = (second >> 3 & 3, second >> 1 & 3);
    second & 0xe0 == 0xe0
        && version != 1
        && (layer == 1 || layer == 2)
        && !matches!(third >> 4, 0 | 15)
        && third >> 2 & 3 != 3
}
