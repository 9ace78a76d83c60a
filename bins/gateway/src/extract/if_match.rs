use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpRequest, HttpResponseBuilder};
use storage::Version;
use utoipa::IntoParams;

use crate::error::ApiError;

/// The states that a change expects to find: `None` for any.
#[derive(Debug, IntoParams)]
#[into_params(names("If-Match"), parameter_in = Header)]
pub(crate) struct IfMatch(
    /// The `ETag` that was seen: under another one nothing is changed, and the answer is 412.
    #[param(value_type = Option<String>)]
    pub(crate) Option<Vec<Version>>,
);

impl FromRequest for IfMatch {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let lines: Vec<_> = request.headers().get_all(header::IF_MATCH).collect();
        let texts = lines.iter().map(|line| line.to_str().unwrap_or_default());
        ready(Ok(Self((!lines.is_empty()).then(|| expected(texts)).flatten())))
    }
}

/// What cannot be a tag of ours, weak ones included, is no state that there is.
fn expected<'a>(lines: impl Iterator<Item = &'a str>) -> Option<Vec<Version>> {
    let mut versions = Vec::new();
    for tag in lines.flat_map(|line| line.split(',')).map(str::trim) {
        if tag == "*" {
            return None;
        }
        let text = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
        versions.extend(text.map(Version::new));
    }
    Some(versions)
}

/// An answer that says which state it shows.
pub(crate) fn tagged(mut answer: HttpResponseBuilder, version: &Version) -> HttpResponseBuilder {
    answer.insert_header((header::ETAG, format!("\"{}\"", version.as_str())));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_read_as_http_has_them() {
        let of = |lines: &[&str]| expected(lines.iter().copied());
        assert_eq!(of(&["\"a\""]), Some(vec![Version::new("a")]));
        assert_eq!(of(&["\"a\" , \"b\"", "\"c\""]).map(|all| all.len()), Some(3));
        assert_eq!(of(&["*"]), None);
        for nothing in ["", "a", "W/\"a\"", "\"a"] {
            assert_eq!(of(&[nothing]), Some(Vec::new()), "{nothing}");
        }
    }
}
