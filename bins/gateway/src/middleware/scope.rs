//! What a scoped key opens. Each route needs exactly one scope, by its method and its path in the table of routes.

use actix_web::http::{Method, StatusCode};
use storage::{InstanceId, Scope, ScopedKey};

use crate::error::ApiError;

/// What a route asks of a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// A key with this scope is enough.
    Scope(Scope),
    /// The user's own credential: it concerns users and keys.
    Own,
}

/// Paths below which everything is about users and keys.
const OWN: [&str; 4] = ["/api/auth/", "/api/users", "/api/keys", "/api/audit"];

/// Looking at these, and at what is below them, begins a linking, and what they show links a phone, or opens all of an
/// instance.
pub(crate) const LINKING: [&str; 7] = [
    "/api/instances/{id}/qr",
    "/api/instances/{id}/passkey",
    "/api/instances/{id}/link",
    "/api/instances/{id}/witi",
    "/api/whatsapp/{id}/qr",
    "/api/{session}/auth/qr",
    "/instance/connect/{instance}",
];

/// What tells somebody something, like all whose names begin with `send`.
const SENDING: [&str; 14] = [
    "react",
    "channels/{channel}/react",
    "edit",
    "revoke",
    "revoke-status",
    "vote",
    "answer",
    "pin",
    "keep",
    "timer",
    "read",
    "typing",
    "presence",
    "check",
];

/// The same of dialects that take a user's key: all calls whose paths begin so.
const SENDING_OF_DIALECTS: [&str; 4] = ["/api/send", "/api/startTyping", "/api/stopTyping", "/message/"];

/// What is to be sent later: whoever may send it may change and cancel it.
const SCHEDULED: &str = "/api/instances/{id}/scheduled/{message}";

/// Where a key that is bound to instances may look although the path names none: what is shown there is its own.
const FOR_BOUND: [&str; 2] = ["/api/instances", ME];

const ME: &str = "/api/auth/me";

/// What the route needs.
pub(crate) fn need(method: &Method, route: &str) -> Need {
    let looks = method == Method::GET || method == Method::HEAD;
    match () {
        () if looks && route == ME => Need::Scope(Scope::Read),
        () if OWN.iter().any(|below| route.starts_with(below)) => Need::Own,
        () if looks && !LINKING.iter().any(|below| route.starts_with(below)) => Need::Scope(Scope::Read),
        () if method == Method::POST && sends(route) || route == SCHEDULED => Need::Scope(Scope::Send),
        () => Need::Scope(Scope::Manage),
    }
}

/// Whether it is a call right below an account that sends, or a dialect's.
fn sends(route: &str) -> bool {
    if SENDING_OF_DIALECTS.iter().any(|start| route.starts_with(start)) {
        return true;
    }
    let call = route.strip_prefix("/api/whatsapp/{id}/").unwrap_or_default();
    SENDING.contains(&call) || (call.starts_with("send") && !call.contains('/'))
}

/// Whether the key opens the route; `id` is what the path names.
///
/// # Errors
/// 403 that says what is missing; 404 for an instance that there is not for the key.
pub(super) fn check(key: &ScopedKey, method: &Method, route: &str, id: Option<&str>) -> Result<(), ApiError> {
    match need(method, route) {
        Need::Own => return Err(lacks("own", "This needs a user's own credential, not a scoped key.")),
        Need::Scope(scope) if !key.scopes.contains(&scope) => {
            return Err(lacks(scope.as_str(), &format!("This key lacks the scope {:?}.", scope.as_str())));
        }
        Need::Scope(_) => {}
    }
    if key.instances.is_none() {
        return Ok(());
    }
    match id {
        Some(id) if id.parse::<InstanceId>().is_ok_and(|id| key.reaches(id)) => Ok(()),
        Some(_) => Err(ApiError::not_found("No such instance.")),
        None if *method == Method::GET && FOR_BOUND.contains(&route) => Ok(()),
        None => Err(lacks("all_instances", "This key is bound to instances, and this concerns all of them.")),
    }
}

fn lacks(what: &str, message: &str) -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, "insufficient_scope", message).with_cause(what)
}

#[cfg(test)]
mod tests {
    use storage::{KeyId, Timestamp, UserId};

    use super::*;

    fn key(scopes: &[Scope], instances: Option<Vec<InstanceId>>) -> ScopedKey {
        ScopedKey {
            id: KeyId::generate(),
            owner: UserId::generate(),
            name: "test".to_owned(),
            scopes: scopes.to_vec(),
            instances,
            expires_at: None,
            created_at: Timestamp::default(),
            last_used_at: None,
        }
    }

    #[test]
    fn the_rule_and_its_exceptions() {
        let read = Need::Scope(Scope::Read);
        let send = Need::Scope(Scope::Send);
        let manage = Need::Scope(Scope::Manage);
        for (method, route, needed) in [
            (Method::GET, "/api/auth/me", read),
            (Method::GET, "/api/instances/{id}/events", read),
            (Method::HEAD, "/api/instances", read),
            (Method::GET, "/api/instances/{id}/qr", manage),
            (Method::GET, "/api/instances/{id}/qr/page", manage),
            (Method::POST, "/api/whatsapp/{id}/send", send),
            (Method::POST, "/api/whatsapp/{id}/send-anything", send),
            (Method::POST, "/api/whatsapp/{id}/react", send),
            (Method::POST, "/api/whatsapp/{id}/channels/{channel}/react", send),
            (Method::POST, "/api/whatsapp/{id}/channels/{channel}/follow", manage),
            (Method::POST, "/api/sendText", send),
            (Method::POST, "/message/sendText/{instance}", send),
            (Method::POST, "/api/sessions", manage),
            (Method::POST, "/instance/create", manage),
            (Method::GET, "/api/{session}/auth/qr", manage),
            (Method::GET, "/instance/connect/{instance}", manage),
            (Method::GET, "/instance/connectionState/{instance}", read),
            (Method::POST, "/api/whatsapp/{id}/send-later/{message}", manage),
            (Method::POST, "/api/whatsapp/{id}/presence/subscribe", manage),
            (Method::PUT, "/api/whatsapp/{id}/send", manage),
            (Method::GET, SCHEDULED, read),
            (Method::PUT, SCHEDULED, send),
            (Method::DELETE, SCHEDULED, send),
            (Method::DELETE, "/api/instances/{id}", manage),
            (Method::PUT, "/api/auth/me", Need::Own),
            (Method::GET, "/api/users", Need::Own),
            (Method::DELETE, "/api/keys/{id}", Need::Own),
            (Method::GET, "/api/audit", Need::Own),
        ] {
            assert_eq!(need(&method, route), needed, "{method} {route}");
        }
    }

    #[test]
    fn a_bound_key_reaches_its_instances_alone() {
        let own = InstanceId::generate();
        let key = key(&[Scope::Read, Scope::Manage], Some(vec![own]));
        let of = |method, route, id: Option<&str>| {
            let refused = check(&key, &method, route, id).err();
            refused.map(|error| error.to_string())
        };
        let (own, other) = (own.to_string(), InstanceId::generate().to_string());
        assert_eq!(of(Method::GET, "/api/instances/{id}", Some(&own)), None);
        assert_eq!(of(Method::GET, "/api/instances", None), None);
        for id in [&other, "nonsense"] {
            let refused = of(Method::GET, "/api/instances/{id}", Some(id)).unwrap();
            assert!(refused.starts_with("404"), "{refused}");
        }
        for (method, route) in [(Method::POST, "/api/instances"), (Method::GET, "/api/stats/user")] {
            let refused = of(method, route, None).unwrap();
            assert!(refused.starts_with("403 insufficient_scope"), "{refused}");
        }
    }
}
