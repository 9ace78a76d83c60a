use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use utoipa::IntoParams;

use crate::error::ApiError;

/// Where a client goes on whose stream was cut: what browsers send by themselves.
#[derive(Debug, IntoParams)]
#[into_params(names("Last-Event-ID"), parameter_in = Header)]
pub(crate) struct LastEventId(
    /// The `id` of the last event that came. It counts more than `after`.
    #[param(value_type = Option<String>)]
    pub(crate) Option<String>,
);

impl LastEventId {
    /// The place that it names, or else the one that the query names.
    ///
    /// # Errors
    /// 400 for what no stream has given.
    pub(crate) fn or<T: std::str::FromStr>(self, after: Option<T>) -> Result<Option<T>, ApiError> {
        let Some(text) = self.0 else { return Ok(after) };
        let refused = || {
            ApiError::invalid("\"Last-Event-ID\" must be the id of an event of this stream.")
                .with_field("Last-Event-ID")
        };
        text.parse().map(Some).map_err(|_| refused())
    }
}

impl FromRequest for LastEventId {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let value = request.headers().get("last-event-id");
        let text = value.map(|value| value.to_str().unwrap_or("?").trim().to_owned());
        // An empty one is none: so says the standard.
        ready(Ok(Self(text.filter(|text| !text.is_empty()))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_counts_more_than_the_query() {
        assert_eq!(LastEventId(Some("7".to_owned())).or(Some(3)), Ok(Some(7)));
        assert_eq!(LastEventId(None).or(Some(3)), Ok(Some(3)));
        assert_eq!(LastEventId(None).or::<i64>(None), Ok(None));
        let refused = LastEventId(Some("x".to_owned())).or::<i64>(None).unwrap_err();
        assert_eq!(refused.field(), Some("Last-Event-ID"));
    }
}
