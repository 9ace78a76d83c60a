//! Login tokens: JWT, HS256, good under one version of their user's credentials.

use std::time::Duration;

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use storage::{Timestamp, UserId};

use crate::error::ServiceError;

/// Base64 of `{"typ":"JWT","alg":"HS256"}`: the header of every token of ours, and the only one that is read. So no other
/// algorithm can be asked for, and no extension be called critical (`crit`, RFC 7515, section 4.1.11).
const HEADER: &str = "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.";
/// How far in the future a token may have been issued, in seconds: the clock may have been set back a little.
const CLOCK_SLACK: i64 = 60;

/// Issues and reads tokens with one secret.
pub(crate) struct Tokens {
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
    lifetime: Duration,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    sub: UserId,
    iat: i64,
    exp: i64,
    /// Version of the credentials. Tokens of releases that knew no versions were issued under the first one.
    #[serde(default)]
    ver: u32,
}

/// What a token proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bearer {
    pub(crate) user: UserId,
    /// Version of the user's credentials under which it was issued.
    pub(crate) version: u32,
}

impl Tokens {
    pub(crate) fn new(secret: &[u8], lifetime: Duration) -> Self {
        super::hmac::install();
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = 0;
        validation.validate_nbf = true;
        validation.set_required_spec_claims(&["exp", "sub"]);
        Self {
            encoding: EncodingKey::from_secret(secret),
            decoding: DecodingKey::from_secret(secret),
            validation,
            lifetime,
        }
    }

    /// A token for this user, and when it expires.
    pub(crate) fn issue(&self, bearer: Bearer, now: Timestamp) -> Result<(String, Timestamp), ServiceError> {
        let lifetime = i64::try_from(self.lifetime.as_secs()).unwrap_or(i64::MAX);
        let expires = Timestamp::from_seconds(now.seconds().saturating_add(lifetime));
        let claims =
            Claims { sub: bearer.user, iat: now.seconds(), exp: expires.seconds(), ver: bearer.version };
        let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.encoding);
        Ok((token.map_err(ServiceError::internal)?, expires))
    }

    /// What a token proves that is ours and has not expired.
    pub(crate) fn read(&self, token: &str, now: Timestamp) -> Option<Bearer> {
        if !token.starts_with(HEADER) {
            return None;
        }
        let claims = jsonwebtoken::decode::<Claims>(token, &self.decoding, &self.validation).ok()?.claims;
        (claims.iat <= now.seconds().saturating_add(CLOCK_SLACK))
            .then_some(Bearer { user: claims.sub, version: claims.ver })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::now;

    const HOUR: Duration = Duration::from_secs(3600);

    fn bearer() -> Bearer {
        Bearer { user: UserId::generate(), version: 7 }
    }

    #[test]
    fn a_token_names_its_user_until_it_expires() {
        let (tokens, bearer) = (Tokens::new(b"secret", HOUR), bearer());
        let (token, expires) = tokens.issue(bearer, now()).unwrap();
        assert!(token.starts_with(HEADER));
        assert_eq!(tokens.read(&token, now()), Some(bearer));
        assert!(expires > now().plus_millis(3_500_000));
        let (old, _) = tokens.issue(bearer, now().plus_millis(-3_602_000)).unwrap();
        assert_eq!(tokens.read(&old, now()), None);
        let (future, _) = tokens.issue(bearer, now().plus_millis(120_000)).unwrap();
        assert_eq!(tokens.read(&future, now()), None);
    }

    #[test]
    fn claims_and_headers_that_limit_a_token_are_heeded() {
        #[derive(Serialize)]
        struct Foreign {
            sub: UserId,
            iat: i64,
            exp: i64,
            nbf: i64,
        }
        let (tokens, user, at) = (Tokens::new(b"secret", HOUR), UserId::generate(), now().seconds());
        let signed = |header: &Header, nbf| {
            let claims = Foreign { sub: user, iat: at, exp: at + 600, nbf };
            jsonwebtoken::encode(header, &claims, &tokens.encoding).unwrap()
        };
        let usual = Header::new(Algorithm::HS256);
        let first = Bearer { user, version: 0 };
        assert_eq!(tokens.read(&signed(&usual, at), now()), Some(first), "without a version: of the first");
        assert_eq!(tokens.read(&signed(&usual, at + 300), now()), None, "not yet good");
        let critical = Header { crit: Some(vec!["exp".to_owned()]), ..usual };
        assert_eq!(tokens.read(&signed(&critical, at), now()), None);
    }

    #[test]
    fn other_secrets_other_algorithms_and_tampering_are_refused() {
        let tokens = Tokens::new(b"secret", HOUR);
        let read = |token: &str| tokens.read(token, now());
        let (token, _) = tokens.issue(bearer(), now()).unwrap();
        assert_eq!(Tokens::new(b"other", HOUR).read(&token, now()), None);
        let mut parts: Vec<_> = token.split('.').collect();
        // {"alg":"none"} and {"typ":"JWT","alg":"HS512"}
        for header in ["eyJhbGciOiJub25lIn0", "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzUxMiJ9"] {
            parts[0] = header;
            assert_eq!(read(&parts.join(".")), None);
        }
        assert_eq!(read(&format!("{}.{}.", parts[0], parts[1])), None);
        assert_eq!(read(""), None);
        assert_eq!(read("a.b.c"), None);
    }
}
