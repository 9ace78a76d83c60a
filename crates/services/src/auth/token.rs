//! Login tokens: JWT, HS256.

use std::time::Duration;

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use storage::{Timestamp, UserId};

use crate::error::ServiceError;

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
}

impl Tokens {
    pub(crate) fn new(secret: &[u8], lifetime: Duration) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = 0;
        validation.set_required_spec_claims(&["exp", "sub"]);
        Self {
            encoding: EncodingKey::from_secret(secret),
            decoding: DecodingKey::from_secret(secret),
            validation,
            lifetime,
        }
    }

    /// A token for this user, and when it expires.
    pub(crate) fn issue(&self, user: UserId, now: Timestamp) -> Result<(String, Timestamp), ServiceError> {
        let lifetime = i64::try_from(self.lifetime.as_secs()).unwrap_or(i64::MAX);
        let expires = Timestamp::from_seconds(now.seconds().saturating_add(lifetime));
        let claims = Claims { sub: user, iat: now.seconds(), exp: expires.seconds() };
        let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.encoding);
        Ok((token.map_err(ServiceError::internal)?, expires))
    }

    /// The user of a token that is ours and has not expired.
    pub(crate) fn user(&self, token: &str) -> Option<UserId> {
        let data = jsonwebtoken::decode::<Claims>(token, &self.decoding, &self.validation).ok()?;
        Some(data.claims.sub)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::now;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn a_token_names_its_user_until_it_expires() {
        let tokens = Tokens::new(b"secret", HOUR);
        let user = UserId::generate();
        let (token, expires) = tokens.issue(user, now()).unwrap();
        assert_eq!(tokens.user(&token), Some(user));
        assert!(expires > now().plus_millis(3_500_000));
        let (old, _) = tokens.issue(user, now().plus_millis(-3_602_000)).unwrap();
        assert_eq!(tokens.user(&old), None);
    }

    #[test]
    fn other_secrets_other_algorithms_and_tampering_are_refused() {
        let tokens = Tokens::new(b"secret", HOUR);
        let (token, _) = tokens.issue(UserId::generate(), now()).unwrap();
        assert_eq!(Tokens::new(b"other", HOUR).user(&token), None);
        let mut parts: Vec<_> = token.split('.').collect();
        // {"alg":"none"} and {"typ":"JWT","alg":"HS512"}
        for header in ["eyJhbGciOiJub25lIn0", "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzUxMiJ9"] {
            parts[0] = header;
            assert_eq!(tokens.user(&parts.join(".")), None);
        }
        assert_eq!(tokens.user(&format!("{}.{}.", parts[0], parts[1])), None);
        assert_eq!(tokens.user(""), None);
        assert_eq!(tokens.user("a.b.c"), None);
    }
}
