//! Where the wall clock enters the services.

use storage::Timestamp;

pub(crate) fn now() -> Timestamp {
    chrono::Utc::now().into()
}
