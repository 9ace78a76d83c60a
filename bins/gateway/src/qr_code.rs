//! QR codes as pictures.

use qrcode::{Color, EcLevel, QrCode};

/// Light modules around a code: scanners want four (ISO/IEC 18004).
const QUIET: usize = 4;

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

#[cfg(test)]
mod tests {
    use super::*;

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
