//! The small picture that a message shows until its file is there.

use std::io::{BufRead, BufReader, Cursor, Seek};
use std::path::Path;

use image::codecs::jpeg::JpegEncoder;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder as _, ImageReader, Limits, Rgb, RgbImage};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::Pictured;

/// Pixels on the longer side: enough for a blurred picture, and a few kilobytes.
const LONGER_SIDE: u32 = 72;
/// The same of a page, which is shown as large as it is.
const LONGER_SIDE_OF_A_PAGE: u32 = 200;
/// Of a hundred: nobody looks at it for long.
const QUALITY: u8 = 60;
/// Most memory that reading one picture may take, in bytes: a photograph of 40 megapixels.
const MOST_MEMORY: u64 = 160 << 20;
/// Longest side of a picture that is read.
const LONGEST_SIDE: u32 = 20_000;
/// Pictures that are read at a time, whoever sends them: each may take that memory, and a core.
static READING: Semaphore = Semaphore::const_new(2);

/// A picture as it is shown, and a small one of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Preview {
    /// In pixels, turned as its maker says.
    pub(crate) width: u32,
    /// In pixels, turned likewise.
    pub(crate) height: u32,
    /// The small one.
    pub(crate) jpeg: Vec<u8>,
}

/// Reads a JPEG, PNG or WebP. `None` where that can't be done: the picture is sent without.
pub(crate) async fn preview(path: &Path) -> Option<Preview> {
    let path = path.to_owned();
    read_in_turn(move || {
        let picture = read(BufReader::new(std::fs::File::open(path).ok()?))?;
        let (width, height) = (picture.width(), picture.height());
        Some(Preview { width, height, jpeg: small(picture, LONGER_SIDE)?.1 })
    })
    .await
}

/// Of a picture that a program has made of a file: that of a video is as large as the video, that of a page is told as it
/// is shown.
pub(crate) async fn preview_by(what: Pictured, picture: Vec<u8>) -> Option<Preview> {
    read_in_turn(move || {
        let picture = read(Cursor::new(picture))?;
        let (width, height) = (picture.width(), picture.height());
        match what {
            Pictured::Video(_) => Some(Preview { width, height, jpeg: small(picture, LONGER_SIDE)?.1 }),
            Pictured::Pdf => {
                let ((width, height), jpeg) = small(picture, LONGER_SIDE_OF_A_PAGE)?;
                Some(Preview { width, height, jpeg })
            }
        }
    })
    .await
}

async fn read_in_turn(reading: impl FnOnce() -> Option<Preview> + Send + 'static) -> Option<Preview> {
    let turn = READING.acquire().await.ok()?;
    let reading = spawn_blocking(move || {
        // It is over when the work is, whether or not anybody still waits for it.
        let _turn = turn;
        reading()
    });
    reading.await.ok()?
}

/// A picture as a JPEG of at most so many pixels on the longer side, and how large it is.
fn small(picture: DynamicImage, longer_side: u32) -> Option<((u32, u32), Vec<u8>)> {
    let small = match picture.width().max(picture.height()) > longer_side {
        true => picture.thumbnail(longer_side, longer_side),
        false => picture,
    };
    let mut jpeg = Vec::new();
    JpegEncoder::new_with_quality(&mut jpeg, QUALITY).encode_image(&on_white(&small)).ok()?;
    Some(((small.width(), small.height()), jpeg))
}

fn read(file: impl BufRead + Seek) -> Option<DynamicImage> {
    let mut reader = ImageReader::new(file).with_guessed_format().ok()?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(LONGEST_SIDE);
    limits.max_image_height = Some(LONGEST_SIDE);
    limits.max_alloc = Some(MOST_MEMORY);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().ok()?;
    if decoder.total_bytes() > MOST_MEMORY {
        return None;
    }
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut picture = DynamicImage::from_decoder(decoder).ok()?;
    picture.apply_orientation(orientation);
    Some(picture)
}

/// JPEG knows no transparency.
fn on_white(picture: &DynamicImage) -> RgbImage {
    let picture = picture.to_rgba8();
    RgbImage::from_fn(picture.width(), picture.height(), |x, y| {
        let [red, green, blue, alpha] = picture.get_pixel(x, y).0.map(u16::from);
        // At most 255 × 255 before, at most 255 after.
        #[allow(clippy::cast_possible_truncation)]
        let blend = |colour: u16| ((colour * alpha + 255 * (255 - alpha)) / 255) as u8;
        Rgb([blend(red), blend(green), blend(blue)])
    })
}

#[cfg(test)]
mod tests {
    use image::{ImageFormat, Rgba, RgbaImage};
    use storage::StoredMessageId;

    use super::*;

    /// A file with these bytes, which is removed in the end.
    struct Written(std::path::PathBuf);

    impl Written {
        fn new(bytes: &[u8]) -> Self {
            let path = std::env::temp_dir().join(format!("trunkline-{}", StoredMessageId::generate()));
            std::fs::write(&path, bytes).unwrap();
            Self(path)
        }
    }

    impl Drop for Written {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    fn encoded(width: u32, height: u32, format: ImageFormat) -> Vec<u8> {
        let mut bytes = std::io::Cursor::new(Vec::new());
        let picture = DynamicImage::from(RgbaImage::from_pixel(width, height, Rgba([200, 0, 0, 255])));
        picture.to_rgb8().write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    #[tokio::test]
    async fn a_picture_becomes_small_and_keeps_its_shape() {
        for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP] {
            let file = Written::new(&encoded(400, 200, format));
            let preview = preview(&file.0).await.unwrap();
            assert_eq!((preview.width, preview.height), (400, 200), "{format:?}");
            let small = image::load_from_memory_with_format(&preview.jpeg, ImageFormat::Jpeg).unwrap();
            assert_eq!((small.width(), small.height()), (72, 36), "{format:?}");
            let [red, green, _] = small.to_rgb8().get_pixel(30, 20).0;
            assert!(red > 180 && green < 20, "{format:?}");
        }
    }

    #[tokio::test]
    async fn one_that_is_small_already_is_not_made_larger() {
        let file = Written::new(&encoded(10, 5, ImageFormat::Png));
        let preview = preview(&file.0).await.unwrap();
        let small = image::load_from_memory(&preview.jpeg).unwrap();
        assert_eq!((small.width(), small.height()), (10, 5));
    }

    #[tokio::test]
    async fn what_is_no_picture_or_too_large_a_one_has_none() {
        for bytes in [&b""[..], b"no picture", &encoded(400, 200, ImageFormat::Png)[..60]] {
            assert_eq!(preview(&Written::new(bytes).0).await, None);
        }
        // A header that claims 30,000 pixels on each side.
        let mut claims = encoded(1, 1, ImageFormat::Png);
        claims[16..24].copy_from_slice(&[0, 0, 0x75, 0x30, 0, 0, 0x75, 0x30]);
        assert_eq!(preview(&Written::new(&claims).0).await, None);
    }

    #[test]
    fn what_is_transparent_becomes_white() {
        let clear = DynamicImage::from(RgbaImage::from_pixel(1, 1, Rgba([0, 0, 0, 0])));
        assert_eq!(on_white(&clear).get_pixel(0, 0).0, [255, 255, 255]);
    }
}
