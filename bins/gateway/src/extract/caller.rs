use actix_web::http::header::{self, HeaderMap, HeaderValue};
use services::{Identity, ServiceError, Services};
use storage::{ApiKey, Role};

use super::ClientAddress;
use crate::error::ApiError;
use crate::state::AppState;

/// The caller that the authentication layer has found.
#[derive(Debug, Clone)]
pub(crate) struct Authenticated(pub(crate) Identity);

/// Whoever the credential belongs to: `Authorization: Bearer <token>`, else `x-api-key`. A Bearer decides alone, whatever
/// stands beside it. Other schemes are not ours (a proxy in front may have its own) and say nothing.
pub(crate) async fn identify(
    headers: &HeaderMap,
    ClientAddress(from): ClientAddress,
    services: &Services,
) -> Result<Identity, ApiError> {
    let key = headers.get("x-api-key").map(|value| value.to_str().unwrap_or_default());
    let identity = match (token_of(headers), key) {
        (Some(token), _) => {
            services.auth.by_token(token, from).await.map(|caller| Identity { caller, key: None })
        }
        (None, Some(key)) => services.auth.identify_key(key, from).await,
        (None, None) => Err(ServiceError::Unauthorized {
            message: "this needs Authorization: Bearer <token> or x-api-key: <key>",
        }),
    };
    identity.map_err(ApiError::from)
}

/// Lets whoever watches the gateway pass: with `METRICS_TOKEN`, or an administrator's credential.
///
/// # Errors
/// 401 without a good credential, 403 where it isn't an administrator's.
pub(crate) async fn identify_operator(
    headers: &HeaderMap,
    from: ClientAddress,
    state: &AppState,
) -> Result<(), ApiError> {
    if let (Some(token), Some(expected)) = (token_of(headers), &state.metrics_token)
        // Compared as hashes: how long that takes says nothing of the token.
        && ApiKey::new(token).hash() == *expected
    {
        return Ok(());
    }
    let Identity { caller, key } = identify(headers, from, &state.services).await?;
    // A scoped key opens instances, and nothing of the gateway.
    match (caller.role, key) {
        (Role::Admin, None) => Ok(()),
        _ => Err(ServiceError::Forbidden { message: "this needs an administrator" }.into()),
    }
}

/// The token of the only Bearer that there is. What can't be one is the empty token, which is nobody's.
fn token_of(headers: &HeaderMap) -> Option<&str> {
    let mut tokens = headers.get_all(header::AUTHORIZATION).filter_map(bearer);
    let token = tokens.next()?;
    Some(if tokens.next().is_some() { "" } else { token })
}

fn bearer(authorization: &HeaderValue) -> Option<&str> {
    const SCHEME: &[u8] = b"bearer";
    let (scheme, token) = authorization.as_bytes().split_at_checked(SCHEME.len())?;
    let ends = token.first().is_none_or(u8::is_ascii_whitespace);
    let is_ours = scheme.eq_ignore_ascii_case(SCHEME) && ends;
    is_ours.then(|| std::str::from_utf8(token).unwrap_or_default().trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(lines: &[&[u8]]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::AUTHORIZATION, HeaderValue::from_bytes(line).unwrap());
        }
        token_of(&headers).map(str::to_owned)
    }

    #[test]
    fn only_bearer_tokens_are_taken() {
        assert_eq!(token(&[b"Bearer abc"]).as_deref(), Some("abc"));
        assert_eq!(token(&[b"bearer  abc "]).as_deref(), Some("abc"));
        for foreign in ["Basic abc", "abc", "Bearers abc", "Negotiate Bearer"] {
            assert_eq!(token(&[foreign.as_bytes()]), None, "{foreign}");
        }
        assert_eq!(token(&[]), None);
        assert_eq!(token(&[b"Basic abc", b"Bearer abc"]).as_deref(), Some("abc"));
    }

    /// What is meant as a token and is none isn't passed over.
    #[test]
    fn a_bearer_that_cannot_be_one_is_nobodys() {
        for broken in [&b"Bearer"[..], b"Bearer ", b"Bearer \xff\xfe"] {
            assert_eq!(token(&[broken]).as_deref(), Some(""), "{broken:?}");
        }
        assert_eq!(token(&[b"Bearer abc", b"Bearer def"]).as_deref(), Some(""));
    }
}
