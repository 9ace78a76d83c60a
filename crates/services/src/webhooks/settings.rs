//! What an owner may set of a webhook, and within which bounds.

use outbound::{AddressGuard, MAX_URL_LENGTH, Refused};
use storage::{OnGiveUp, SecretText, Webhook, WebhookPatch};
use webhook::custom_headers;

use crate::error::ServiceError;
use crate::field::Field;
use crate::text::is_path_name;

/// Longest name of a webhook, in characters.
pub const MAX_WEBHOOK_NAME: usize = 64;
/// Shortest and longest secret, in bytes. A shorter one could be found by trying; the documents of the API show one of 14.
pub const SECRET: std::ops::RangeInclusive<usize> = 12..=256;
/// Most retries of a delivery.
pub const MAX_RETRIES: u32 = 50;
/// Milliseconds before the first repeat of a call that is never given up.
const FIRST_WAIT: u64 = 1_000;
/// Shortest and longest first delay between two tries, in milliseconds.
pub const RETRY_INTERVAL: std::ops::RangeInclusive<u64> = 100..=86_400_000;

/// Makes what a new webhook is to be of one with the defaults; with a URL it is on unless told otherwise.
///
/// # Errors
/// `Invalid` names the first field that can't be accepted.
pub(crate) fn check_new(
    patch: WebhookPatch,
    mut webhook: Webhook,
    guard: &AddressGuard,
) -> Result<Webhook, ServiceError> {
    let patch = check_change(patch, &webhook, guard)?;
    let has_url = matches!(patch.url, Some(Some(_)));
    let patch = WebhookPatch { enabled: Some(patch.enabled.unwrap_or(has_url)), ..patch };
    let created_at = webhook.created_at;
    patch.apply(&mut webhook, created_at)?;
    Ok(Webhook { updated_at: created_at, ..webhook })
}

/// What a new webhook of our own API is to be: who doesn't say how often a call is repeated, or what follows then, wants it to
/// be taken in the end.
pub(crate) fn waiting_unless_told(patch: WebhookPatch) -> WebhookPatch {
    let waits = patch.max_retries.is_none() && patch.on_give_up.is_none();
    let on_give_up = if waits { Some(OnGiveUp::Wait) } else { patch.on_give_up };
    let first = (on_give_up == Some(OnGiveUp::Wait)).then_some(FIRST_WAIT);
    WebhookPatch { on_give_up, retry_interval: patch.retry_interval.or(first), ..patch }
}

/// A name that can stand in a path as it is.
pub(crate) fn check_name(name: &str) -> Result<(), ServiceError> {
    if is_path_name(name, MAX_WEBHOOK_NAME) {
        return Ok(());
    }
    let message = format!("must have 1 to {MAX_WEBHOOK_NAME} characters of a-z, 0-9, - and _");
    Err(ServiceError::invalid(Field::WebhookName, message))
}

/// Checks the values of changes to a webhook. Whether they fit together is decided where they are merged.
///
/// # Errors
/// `Invalid` names the first field that can't be accepted.
pub(crate) fn check_change(
    patch: WebhookPatch,
    present: &Webhook,
    guard: &AddressGuard,
) -> Result<WebhookPatch, ServiceError> {
    let url = patch.url.map(|url| check_url(url, guard)).transpose()?;
    if patch.max_retries.is_some_and(|retries| retries > MAX_RETRIES) {
        return Err(ServiceError::invalid(Field::WebhookRetries, format!("must be 0 to {MAX_RETRIES}")));
    }
    if patch.retry_interval.is_some_and(|interval| !RETRY_INTERVAL.contains(&interval)) {
        let (least, most) = (RETRY_INTERVAL.start(), RETRY_INTERVAL.end());
        let message = format!("must be {least} to {most} milliseconds");
        return Err(ServiceError::invalid(Field::WebhookInterval, message));
    }
    if let Some(Some(secret)) = &patch.secret {
        check_secret(secret, present)?;
    }
    if let Some(rotation) = &patch.rotation
        && !SECRET.contains(&rotation.secret.expose().len())
    {
        return Err(short_or_long());
    }
    if let Some(headers) = &patch.headers {
        custom_headers(headers.iter().map(|(name, value)| (name.as_str(), value.as_str())))
            .map_err(|error| ServiceError::invalid(Field::WebhookHeaders, error.to_string()))?;
    }
    if matches!(&patch.kinds, Some(Some(kinds)) if kinds.is_empty()) {
        let message = "must name an event, or be left out for all of them";
        return Err(ServiceError::invalid(Field::WebhookKinds, message));
    }
    // An empty secret leaves the one there is: forms send that for "unchanged".
    let secret =
        patch.secret.filter(|secret| secret.as_ref().is_none_or(|secret| !secret.expose().is_empty()));
    Ok(WebhookPatch { url, secret, ..patch })
}

/// An empty one is none, and the present one may stay, also where it is from a time when shorter ones were accepted: forms
/// send both.
fn check_secret(secret: &SecretText, present: &Webhook) -> Result<(), ServiceError> {
    let length = secret.expose().len();
    if length == 0 || SECRET.contains(&length) || present.secret.as_ref() == Some(secret) {
        return Ok(());
    }
    Err(short_or_long())
}

fn short_or_long() -> ServiceError {
    let message = format!("must have {} to {} bytes", SECRET.start(), SECRET.end());
    ServiceError::invalid(Field::WebhookSecret, message)
}

/// An empty URL is none: forms send that.
fn check_url(url: Option<String>, guard: &AddressGuard) -> Result<Option<String>, ServiceError> {
    let Some(given) = url else { return Ok(None) };
    let checked = match given.trim() {
        // Counted as it was given, as the description says it: blanks around it, too.
        _ if given.len() > MAX_URL_LENGTH => Err(Refused::TooLong),
        "" => return Ok(None),
        url => guard.check(url).map(|_| Some(url.to_owned())),
    };
    checked.map_err(|refused| ServiceError::invalid(Field::WebhookUrl, refused.to_string()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use storage::{InstanceId, Timestamp};

    use super::*;

    fn guard() -> AddressGuard {
        AddressGuard::default()
    }

    fn fresh() -> Webhook {
        Webhook::new(InstanceId::generate(), Webhook::DEFAULT, Timestamp::default())
    }

    fn with_url(url: &str) -> WebhookPatch {
        WebhookPatch { url: Some(Some(url.to_owned())), ..WebhookPatch::default() }
    }

    fn created(patch: WebhookPatch) -> Webhook {
        check_new(patch, fresh(), &guard()).unwrap()
    }

    #[test]
    fn a_url_switches_a_new_webhook_on_unless_told_otherwise() {
        assert!(created(with_url("https://example.com/webhook")).is_on());
        let off = WebhookPatch { enabled: Some(false), ..with_url("https://example.com/webhook") };
        assert!(!created(off).enabled);
        let empty = created(with_url(" "));
        assert_eq!((empty.url, empty.enabled), (None, false));
        assert!(!created(WebhookPatch::default()).enabled);
    }

    #[test]
    fn every_bound_is_held_and_named() {
        type Change = fn(&mut WebhookPatch);
        let table: &[(Field, &str, Change)] = &[
            (Field::WebhookUrl, "is not a valid URL", |p| *p = with_url("nowhere")),
            (Field::WebhookUrl, "must start with http:// or https://", |p| {
                *p = with_url("ftp://example.com")
            }),
            (Field::WebhookUrl, "points to a link-local address, which this gateway does not allow", |p| {
                *p = with_url("http://169.254.169.254/")
            }),
            (Field::WebhookUrl, "is required while the webhook is switched on", |p| p.enabled = Some(true)),
            (Field::WebhookRetries, "must be 0 to 50", |p| p.max_retries = Some(51)),
            (Field::WebhookInterval, "must be 100 to 86400000 milliseconds", |p| {
                p.retry_interval = Some(99);
            }),
            (Field::WebhookInterval, "must be 100 to 86400000 milliseconds", |p| {
                p.retry_interval = Some(u64::MAX);
            }),
            (Field::WebhookSecret, "must have 12 to 256 bytes", |p| {
                p.secret = Some(Some(SecretText::new("x".repeat(257))));
            }),
            (Field::WebhookSecret, "must have 12 to 256 bytes", |p| {
                p.secret = Some(Some(SecretText::new("x".repeat(11))));
            }),
            (
                Field::WebhookHeaders,
                "`X_Webhook_Signature` is set by the gateway and can't be replaced",
                |p| {
                    p.headers = Some(BTreeMap::from([("X_Webhook_Signature".to_owned(), "x".to_owned())]));
                },
            ),
            (Field::WebhookHeaders, "`Host` is set by the gateway and can't be replaced", |p| {
                p.headers = Some(BTreeMap::from([("Host".to_owned(), "x".to_owned())]));
            }),
            (Field::WebhookKinds, "must name an event, or be left out for all of them", |p| {
                p.kinds = Some(Some(Vec::new()));
            }),
        ];
        for (field, message, change) in table {
            let mut patch = WebhookPatch::default();
            change(&mut patch);
            let error = check_new(patch, fresh(), &guard()).unwrap_err();
            assert_eq!(error.to_string(), format!("{field} {message}"));
        }
    }

    #[test]
    fn who_does_not_say_how_often_waits() {
        let none = WebhookPatch::default;
        let of = |patch| {
            let patch = waiting_unless_told(patch);
            (patch.on_give_up, patch.retry_interval)
        };
        assert_eq!(of(none()), (Some(OnGiveUp::Wait), Some(1_000)));
        assert_eq!(of(WebhookPatch { retry_interval: Some(5), ..none() }), (Some(OnGiveUp::Wait), Some(5)));
        assert_eq!(of(WebhookPatch { max_retries: Some(3), ..none() }), (None, None));
        let dead = Some(OnGiveUp::DeadLetter);
        assert_eq!(of(WebhookPatch { on_give_up: dead, ..none() }), (dead, None));
    }

    #[test]
    fn a_name_can_stand_in_a_path() {
        for name in ["default", "crm-2", "a", &"x".repeat(64)] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in ["", "CRM", "a b", "a/b", "é", "..", &"x".repeat(65)] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }

    fn present() -> Webhook {
        Webhook {
            url: Some("https://example.com/".to_owned()),
            enabled: true,
            secret: Some(SecretText::new("old")),
            headers: BTreeMap::from([("A".to_owned(), "1".to_owned())]),
            ..fresh()
        }
    }

    fn changed(patch: WebhookPatch) -> Result<Webhook, ServiceError> {
        let mut webhook = present();
        check_change(patch, &webhook.clone(), &guard())?.apply(&mut webhook, Timestamp::default())?;
        Ok(webhook)
    }

    #[test]
    fn null_removes_and_empty_leaves_the_secret() {
        let with = |secret| WebhookPatch { secret: Some(secret), ..WebhookPatch::default() };
        assert_eq!(changed(with(None)).unwrap().secret, None);
        assert_eq!(changed(with(Some(SecretText::new("")))).unwrap().secret.unwrap().expose(), "old");
        let (new, short) = ("a new secret of 24 bytes", "a short one");
        assert_eq!(changed(with(Some(SecretText::new(new)))).unwrap().secret.unwrap().expose(), new);
        assert!(changed(with(Some(SecretText::new(short)))).is_err());
        assert_eq!(changed(with(Some(SecretText::new("old")))).unwrap().secret.unwrap().expose(), "old");
    }

    #[test]
    fn removing_the_url_switches_the_webhook_off() {
        let without = WebhookPatch { url: Some(None), ..WebhookPatch::default() };
        let webhook = changed(without.clone()).unwrap();
        assert!(webhook.url.is_none() && !webhook.enabled);
        assert!(changed(WebhookPatch { enabled: Some(true), ..without }).is_err());
    }

    #[test]
    fn headers_are_replaced_as_a_whole_and_the_rest_stays() {
        let headers = BTreeMap::from([("B".to_owned(), "2".to_owned())]);
        let patch =
            WebhookPatch { headers: Some(headers.clone()), read: Some(true), ..WebhookPatch::default() };
        let webhook = changed(patch).unwrap();
        assert!(webhook.filter.read && webhook.enabled);
        assert_eq!((webhook.headers, webhook.url), (headers, present().url));
    }
}
