use serde::Serialize;
use services::MAX_PAGE;
use storage::{Cursor, Page};
use utoipa::{IntoParams, ToSchema};

use crate::error::ApiError;
use crate::extract::{FromQuery, Parameters};

/// A part of a list: `?limit&skip`.
#[derive(Debug, Clone, Copy, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Window {
    /// How many to show at most.
    #[param(required = false, minimum = 1, maximum = 1000, default = 50)]
    pub(crate) limit: u64,
    /// How many to leave out first.
    #[param(required = false, maximum = 100_000_000, default = 0)]
    pub(crate) skip: u64,
}

impl Window {
    /// A page further back costs the database more; a hundred million is beyond every chat.
    const MAX_SKIP: u64 = 100_000_000;

    const DEFAULT_LIMIT: u64 = 50;

    /// Shows `default` unless the request says otherwise, and never more than `most`.
    pub(crate) fn up_to(most: u64, default: u64, parameters: &mut Parameters) -> Result<Self, ApiError> {
        Ok(Self {
            limit: parameters.number("limit", 1..=most, default)?,
            skip: parameters.number("skip", 0..=Self::MAX_SKIP, 0)?,
        })
    }
}

impl FromQuery for Window {
    fn from_query(parameters: &mut Parameters) -> Result<Self, ApiError> {
        Self::up_to(MAX_PAGE, Self::DEFAULT_LIMIT, parameters)
    }
}

/// A place in a list, as the last page gave it.
pub(crate) fn place(name: &str, parameters: &mut Parameters) -> Result<Option<Cursor>, ApiError> {
    parameters.parsed(name, "must be the `next` of a page")
}

/// Where a page stands in its list.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Pagination {
    total: u64,
    limit: u64,
    skip: u64,
    /// A page ends at its limit or at its size, about 1 MB: then there is more, although it is shorter than its limit.
    has_more: bool,
    /// Where the next page begins, in lists that take a place: as `before` for messages, as `after` for dead letters.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    next: Option<String>,
}

/// What follows a list.
#[derive(Serialize)]
pub(crate) struct ListEnd {
    pub(crate) pagination: Pagination,
}

impl Pagination {
    pub(crate) fn of<T>(page: &Page<T>, window: Window) -> Self {
        let Window { limit, skip } = window;
        let next = page.next.map(|next| next.to_string());
        Self { total: page.total, limit, skip, has_more: page.has_more, next }
    }
}
