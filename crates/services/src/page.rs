//! How long a list may be.

use crate::error::ServiceError;
use crate::field::Field;

/// Most items of one page, where nothing else is said.
pub const MAX_PAGE: u64 = 1_000;

/// # Errors
/// `Invalid` for a limit of 0 or above `most`.
pub(crate) fn check_limit(limit: u64, most: u64) -> Result<(), ServiceError> {
    if (1..=most).contains(&limit) {
        return Ok(());
    }
    Err(ServiceError::invalid(Field::Limit, format!("must be 1 to {most}")))
}
