use serde::Serialize;
use services::MAX_PAGE;
use storage::Page;

use crate::ApiError;
use crate::extract::Parameters;

/// A part of a list: how much to skip, how much to show.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    pub(crate) limit: u64,
    pub(crate) skip: u64,
}

impl Window {
    /// A page further back costs the database more; a hundred million is beyond every chat.
    const MAX_SKIP: u64 = 100_000_000;

    pub(crate) fn of(parameters: &mut Parameters, default_limit: u64) -> Result<Self, ApiError> {
        Ok(Self {
            limit: parameters.number("limit", 1..=MAX_PAGE, default_limit)?,
            skip: parameters.number("skip", 0..=Self::MAX_SKIP, 0)?,
        })
    }
}

/// Where a page stands in its list.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Pagination {
    total: u64,
    limit: u64,
    skip: u64,
    has_more: bool,
}

impl Pagination {
    pub(crate) fn of<T>(page: &Page<T>, window: Window) -> Self {
        let Window { limit, skip } = window;
        Self { total: page.total, limit, skip, has_more: page.has_more(skip) }
    }
}
