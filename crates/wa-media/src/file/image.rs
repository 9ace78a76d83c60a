use imagesize::ImageType;

/// Width and height in pixels, neither of them 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dimensions {
    /// From left to right.
    pub width: u32,
    /// From top to bottom, before any rotation that EXIF asks for.
    pub height: u32,
}

/// The size of a JPEG, PNG, GIF or WebP picture, from its header.
pub fn dimensions(head: &[u8]) -> Option<Dimensions> {
    match imagesize::image_type(head).ok()? {
        ImageType::Jpeg | ImageType::Png | ImageType::Gif | ImageType::Webp => {}
        _ => return None,
    }
    let size = imagesize::blob_size(head).ok()?;
    let side = |side: usize| u32::try_from(side).ok().filter(|side| *side > 0);
    Some(Dimensions { width: side(size.width)?, height: side(size.height)? })
}
