use actix_web::http::header::{self, HeaderMap};
use services::{Caller, ServiceError, Services};

use crate::error::ApiError;

/// The caller that the authentication layer has found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Authenticated(pub(crate) Caller);

/// Whoever the credential belongs to: `Authorization: Bearer <token>`, else `x-api-key`.
pub(crate) async fn identify(headers: &HeaderMap, services: &Services) -> Result<Authenticated, ApiError> {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let token = text(header::AUTHORIZATION.as_str()).and_then(bearer);
    let caller = match (token, text("x-api-key")) {
        (Some(token), _) => services.auth.by_token(token).await,
        (None, Some(key)) => services.auth.by_api_key(key).await,
        (None, None) => Err(ServiceError::Unauthorized {
            message: "this needs Authorization: Bearer <token> or x-api-key: <key>",
        }),
    };
    caller.map(Authenticated).map_err(ApiError::from)
}

fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bearer_tokens_are_taken() {
        assert_eq!(bearer("Bearer abc"), Some("abc"));
        assert_eq!(bearer("bearer  abc "), Some("abc"));
        assert_eq!(bearer("Basic abc"), None);
        assert_eq!(bearer("abc"), None);
    }
}
