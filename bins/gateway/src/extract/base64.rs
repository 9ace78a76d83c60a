use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::error::ApiError;

/// The bytes of a file in base64, perhaps as the address that browsers make of a file.
///
/// # Errors
/// A 400 that names the field.
pub(crate) fn bytes_of(text: &str, field: &str) -> Result<Vec<u8>, ApiError> {
    let text = match text.strip_prefix("data:").and_then(|data| data.split_once(";base64,")) {
        Some((_, text)) => text,
        None => text,
    };
    let bytes = STANDARD.decode(text.trim());
    bytes.map_err(|_| ApiError::invalid(format!("{field:?} is no base64.")).with_field(field))
}
