//! QR codes as pictures.

use std::io::Write as _;

use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};
use qrcode::{Color, EcLevel, QrCode};

/// Light modules around a code: scanners want four (ISO/IEC 18004).
const QUIET: usize = 4;
/// Pixels of a module's side, in pictures that are made of pixels.
const SCALE: usize = 6;

/// A text as a QR code, as SVG; `None` for a text that no code holds.
pub(crate) fn svg(text: &str) -> Option<String> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    let (width, modules) = (code.width(), code.to_colors());
    let side = width + 2 * QUIET;
    let mut dark = String::new();
    for (row, modules) in modules.chunks(width).enumerate() {
        let mut column = 0;
        for run in modules.chunk_by(|one, next| one == next) {
            if run.first() == Some(&Color::Dark) {
                let (x, y, length) = (column + QUIET, row + QUIET, run.len());
                dark.push_str(&format!("M{x} {y}h{length}v1h-{length}z"));
            }
            column += run.len();
        }
    }
    Some(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {side} {side}\" shape-rendering=\"crispEdges\">\
         <path fill=\"#fff\" d=\"M0 0h{side}v{side}h-{side}z\"/><path d=\"{dark}\"/></svg>"
    ))
}

/// A text as a QR code, as PNG of black and white; `None` for a text that no code holds.
pub(crate) fn png(text: &str) -> Option<Vec<u8>> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    let (width, modules) = (code.width(), code.to_colors());
    let side = (width + 2 * QUIET) * SCALE;
    let mut rows = ZlibEncoder::new(Vec::new(), Compression::default());
    for y in 0..side {
        // A row begins with its filter, which is none; then there is a bit for each pixel, 1 for white.
        let mut row = vec![0];
        row.resize(1 + side.div_ceil(8), 0xff);
        let dark = (0..side).filter(|x| {
            let place = |pixel: usize| (pixel / SCALE).checked_sub(QUIET).filter(|place| *place < width);
            let module = place(*x).zip(place(y)).and_then(|(column, row)| modules.get(row * width + column));
            module == Some(&Color::Dark)
        });
        for x in dark {
            if let Some(eight) = row.get_mut(1 + x / 8) {
                *eight &= !(0x80 >> (x % 8));
            }
        }
        rows.write_all(&row).ok()?;
    }
    let side = u32::try_from(side).ok()?.to_be_bytes();
    // Width, height; one bit for each pixel, which is a grey; the only compression, filter and order.
    let head = [&side[..], &side, &[1, 0, 0, 0, 0]].concat();
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    for (kind, data) in [(b"IHDR", head), (b"IDAT", rows.finish().ok()?), (b"IEND", Vec::new())] {
        let mut sum = Crc::new();
        sum.update(kind);
        sum.update(&data);
        png.extend(u32::try_from(data.len()).ok()?.to_be_bytes());
        png.extend_from_slice(kind);
        png.extend_from_slice(&data);
        png.extend(sum.sum().to_be_bytes());
    }
    Some(png)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    /// The pixels that the picture has are those of the code.
    #[test]
    fn the_pixels_are_the_code() {
        let text = "https://wa.me/settings/linked_devices#2@abc,def,ghi,jkl,1";
        let png = png(text).unwrap();
        let code = QrCode::with_error_correction_level(text, EcLevel::L).unwrap();
        let side = (code.width() + 2 * QUIET) * SCALE;
        assert_eq!(png[16..20], u32::try_from(side).unwrap().to_be_bytes());
        let length = u32::from_be_bytes(png[33..37].try_into().unwrap()) as usize;
        assert_eq!(&png[37..41], b"IDAT");
        let mut rows = Vec::new();
        flate2::read::ZlibDecoder::new(&png[41..41 + length]).read_to_end(&mut rows).unwrap();
        let stride = 1 + side.div_ceil(8);
        assert_eq!(rows.len(), stride * side);
        for y in 0..side {
            for x in 0..side {
                let is_white = rows[y * stride + 1 + x / 8] & (0x80 >> (x % 8)) != 0;
                let place = |pixel: usize| (pixel / SCALE).checked_sub(QUIET).filter(|at| *at < code.width());
                let dark = place(x).zip(place(y)).is_some_and(|at| code[at] == Color::Dark);
                assert_ne!(is_white, dark, "{x} {y}");
            }
        }
        assert!(super::png(&"x".repeat(8_000)).is_none());
    }

    /// The modules that the picture draws are those of the code.
    #[test]
    fn the_picture_is_the_code() {
        let text = "https://wa.me/settings/linked_devices#2@abc,def,ghi,jkl,1";
        let picture = svg(text).unwrap();
        let code = QrCode::with_error_correction_level(text, EcLevel::L).unwrap();
        let width = code.width();
        let (_, path) = picture.split_once("<path d=\"").unwrap();
        let mut drawn = vec![Color::Light; width * width];
        for run in path.split('M').skip(1) {
            let (place, rest) = run.split_once('h').unwrap();
            let (x, y) = place.split_once(' ').unwrap();
            let length: usize = rest.split('v').next().unwrap().parse().unwrap();
            let (x, y) = (x.parse::<usize>().unwrap() - QUIET, y.parse::<usize>().unwrap() - QUIET);
            drawn[y * width + x..y * width + x + length].fill(Color::Dark);
        }
        assert_eq!(drawn, code.to_colors());
        assert!(svg(&"x".repeat(8_000)).is_none());
    }
}
