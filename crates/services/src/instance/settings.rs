//! What an owner may set, and within which bounds.

use std::collections::BTreeMap;

use storage::{InstancePatch, SecretText, WebhookSettings};
use webhook::{AddressGuard, custom_headers};

use crate::ServiceError;

/// Longest name, in characters.
pub const MAX_NAME: usize = 100;
/// Longest description, in characters.
pub const MAX_DESCRIPTION: usize = 1_000;
/// Longest webhook secret, in bytes.
pub const MAX_SECRET: usize = 256;
/// Most retries of a delivery.
pub const MAX_RETRIES: u32 = 50;
/// Shortest and longest first delay between two tries, in milliseconds.
pub const RETRY_INTERVAL: std::ops::RangeInclusive<u64> = 100..=86_400_000;

/// A new instance; what is `None` gets the documented default.
#[derive(Clone, Debug, Default)]
pub struct CreateInstance {
    /// Shown to the owner; required.
    pub name: String,
    /// Free text.
    pub description: Option<String>,
    /// Where events go.
    pub webhook_url: Option<String>,
    /// Default: whether there is a URL.
    pub webhook_enabled: Option<bool>,
    /// Everything else about the webhook.
    pub webhook: ChangeWebhook,
}

/// Changes to an instance; `None` leaves a field as it is, `Some(None)` removes it.
#[derive(Clone, Debug, Default)]
pub struct UpdateInstance {
    /// New name.
    pub name: Option<String>,
    /// New description.
    pub description: Option<Option<String>>,
    /// New webhook URL.
    pub webhook_url: Option<Option<String>>,
    /// Switches the webhook on or off.
    pub webhook_enabled: Option<bool>,
    /// Everything else about the webhook.
    pub webhook: ChangeWebhook,
}

/// Settings of a webhook; `None` leaves a field as it is.
#[derive(Clone, Debug, Default)]
pub struct ChangeWebhook {
    /// Whether to tell of incoming messages.
    pub notify_received: Option<bool>,
    /// Whether to tell of outgoing messages.
    pub notify_sent: Option<bool>,
    /// Whether to tell of deliveries.
    pub notify_delivery: Option<bool>,
    /// Whether to tell of read receipts.
    pub notify_read: Option<bool>,
    /// Retries after the first attempt.
    pub max_retries: Option<u32>,
    /// Milliseconds before the first retry.
    pub retry_interval: Option<u64>,
    /// Key of the signature. `Some(None)` removes it; an empty text leaves it, since forms send that for
    /// "unchanged".
    pub secret: Option<Option<SecretText>>,
    /// All custom headers; they replace those there are.
    pub headers: Option<BTreeMap<String, String>>,
}

/// How the API names the fields: flat when creating, below `webhookSettings` when updating.
#[derive(Clone, Copy)]
struct Names {
    prefix: &'static str,
    secret: &'static str,
}

const CREATE: Names = Names { prefix: "", secret: "webhookSecret" };
const UPDATE: Names = Names { prefix: "webhookSettings.", secret: "webhookSettings.secret" };

impl CreateInstance {
    /// The checked values: name, description, webhook.
    pub(crate) fn check(
        self,
        guard: &AddressGuard,
    ) -> Result<(String, Option<String>, WebhookSettings), ServiceError> {
        let name = check_name(&self.name)?;
        let description = check_description(self.description)?;
        let url = check_url(self.webhook_url, guard)?;
        let mut webhook = self.webhook.apply(WebhookSettings::default(), CREATE)?;
        webhook.enabled = self.webhook_enabled.unwrap_or(url.is_some());
        webhook.url = url;
        check_enabled(&webhook)?;
        Ok((name, description, webhook))
    }
}

impl UpdateInstance {
    /// The checked patch, on top of the present webhook.
    pub(crate) fn check(
        self,
        present: &WebhookSettings,
        guard: &AddressGuard,
    ) -> Result<InstancePatch, ServiceError> {
        let name = self.name.as_deref().map(check_name).transpose()?;
        let description = self.description.map(check_description).transpose()?;
        let mut webhook = self.webhook.apply(present.clone(), UPDATE)?;
        if let Some(url) = self.webhook_url {
            webhook.url = check_url(url, guard)?;
        }
        if let Some(enabled) = self.webhook_enabled {
            webhook.enabled = enabled;
        } else if webhook.url.is_none() {
            webhook.enabled = false;
        }
        check_enabled(&webhook)?;
        let webhook = (webhook != *present).then_some(webhook);
        Ok(InstancePatch { name, description, webhook })
    }
}

impl ChangeWebhook {
    fn apply(self, mut settings: WebhookSettings, names: Names) -> Result<WebhookSettings, ServiceError> {
        let field = |name: &str| format!("{}{name}", names.prefix);
        set(&mut settings.notify_received, self.notify_received);
        set(&mut settings.notify_sent, self.notify_sent);
        set(&mut settings.notify_delivery, self.notify_delivery);
        set(&mut settings.notify_read, self.notify_read);
        if let Some(retries) = self.max_retries {
            if retries > MAX_RETRIES {
                return Err(ServiceError::invalid(
                    field("maxRetries"),
                    format!("must be 0 to {MAX_RETRIES}"),
                ));
            }
            settings.max_retries = retries;
        }
        if let Some(interval) = self.retry_interval {
            if !RETRY_INTERVAL.contains(&interval) {
                let (least, most) = (RETRY_INTERVAL.start(), RETRY_INTERVAL.end());
                let message = format!("must be {least} to {most} milliseconds");
                return Err(ServiceError::invalid(field("retryInterval"), message));
            }
            settings.retry_interval = interval;
        }
        match self.secret {
            Some(Some(secret)) if secret.expose().is_empty() => {}
            Some(Some(secret)) if secret.expose().len() > MAX_SECRET => {
                return Err(ServiceError::invalid(
                    names.secret,
                    format!("must have at most {MAX_SECRET} bytes"),
                ));
            }
            Some(secret) => settings.secret = secret,
            None => {}
        }
        if let Some(headers) = self.headers {
            custom_headers(headers.iter().map(|(name, value)| (name.as_str(), value.as_str())))
                .map_err(|error| ServiceError::invalid(field("headers"), error.to_string()))?;
            settings.headers = headers;
        }
        Ok(settings)
    }
}

fn check_name(name: &str) -> Result<String, ServiceError> {
    let name = name.trim();
    let problem = match name.chars().count() {
        0 => "must not be empty".to_owned(),
        length if length > MAX_NAME => format!("must have at most {MAX_NAME} characters"),
        _ if name.chars().any(char::is_control) => "must not hold control characters".to_owned(),
        _ => return Ok(name.to_owned()),
    };
    Err(ServiceError::invalid("name", problem))
}

fn check_description(description: Option<String>) -> Result<Option<String>, ServiceError> {
    let description = description.filter(|text| !text.is_empty());
    if description.as_ref().is_some_and(|text| text.chars().count() > MAX_DESCRIPTION) {
        let message = format!("must have at most {MAX_DESCRIPTION} characters");
        return Err(ServiceError::invalid("description", message));
    }
    Ok(description)
}

/// An empty URL is none: forms send that.
fn check_url(url: Option<String>, guard: &AddressGuard) -> Result<Option<String>, ServiceError> {
    let Some(url) = url.map(|url| url.trim().to_owned()).filter(|url| !url.is_empty()) else {
        return Ok(None);
    };
    guard.check(&url).map_err(|refused| ServiceError::invalid("webhookUrl", refused.to_string()))?;
    Ok(Some(url))
}

fn check_enabled(webhook: &WebhookSettings) -> Result<(), ServiceError> {
    if webhook.enabled && webhook.url.is_none() {
        return Err(ServiceError::invalid("webhookUrl", "is required when webhookEnabled is true"));
    }
    Ok(())
}

fn set<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard() -> AddressGuard {
        AddressGuard::default()
    }

    fn create(change: impl FnOnce(&mut CreateInstance)) -> CreateInstance {
        let mut create = CreateInstance { name: "n".to_owned(), ..CreateInstance::default() };
        change(&mut create);
        create
    }

    fn url(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn a_name_alone_gets_the_documented_defaults() {
        let (name, description, webhook) =
            create(|c| c.name = "  主要 WhatsApp ".to_owned()).check(&guard()).unwrap();
        assert_eq!((name.as_str(), description), ("主要 WhatsApp", None));
        assert_eq!(webhook, WebhookSettings::default());
        assert!(!webhook.enabled && webhook.notify_received && webhook.notify_sent);
        assert!(!webhook.notify_delivery && !webhook.notify_read);
        assert_eq!((webhook.max_retries, webhook.retry_interval), (3, 60_000));
    }

    #[test]
    fn a_url_switches_the_webhook_on_unless_told_otherwise() {
        let with_url = create(|c| c.webhook_url = url("https://example.com/webhook"));
        assert!(with_url.clone().check(&guard()).unwrap().2.enabled);
        let off = CreateInstance { webhook_enabled: Some(false), ..with_url };
        assert!(!off.check(&guard()).unwrap().2.enabled);
        let empty = create(|c| c.webhook_url = url(""));
        assert_eq!(empty.check(&guard()).unwrap().2.url, None);
    }

    #[test]
    fn every_bound_is_held_and_named() {
        type Change = fn(&mut CreateInstance);
        let table: &[(&str, &str, Change)] = &[
            ("name", "must not be empty", |c| c.name = " ".to_owned()),
            ("name", "must have at most 100 characters", |c| c.name = "é".repeat(101)),
            ("name", "must not hold control characters", |c| c.name = "a\nb".to_owned()),
            ("description", "must have at most 1000 characters", |c| c.description = Some("x".repeat(1001))),
            ("webhookUrl", "is not a valid URL", |c| c.webhook_url = url("nowhere")),
            ("webhookUrl", "must start with http:// or https://", |c| {
                c.webhook_url = url("ftp://example.com")
            }),
            ("webhookUrl", "points to a link-local address, which this gateway does not allow", |c| {
                c.webhook_url = url("http://169.254.169.254/")
            }),
            ("webhookUrl", "is required when webhookEnabled is true", |c| c.webhook_enabled = Some(true)),
            ("maxRetries", "must be 0 to 50", |c| c.webhook.max_retries = Some(51)),
            ("retryInterval", "must be 100 to 86400000 milliseconds", |c| {
                c.webhook.retry_interval = Some(99)
            }),
            ("retryInterval", "must be 100 to 86400000 milliseconds", |c| {
                c.webhook.retry_interval = Some(u64::MAX)
            }),
            ("webhookSecret", "must have at most 256 bytes", |c| {
                c.webhook.secret = Some(Some(SecretText::new("x".repeat(257))));
            }),
            ("headers", "`Host` is set by the gateway and can't be replaced", |c| {
                c.webhook.headers = Some(BTreeMap::from([("Host".to_owned(), "x".to_owned())]));
            }),
        ];
        for (field, message, change) in table {
            let error = create(change).check(&guard()).unwrap_err();
            assert_eq!(error.to_string(), format!("{field} {message}"));
        }
    }

    fn present() -> WebhookSettings {
        WebhookSettings {
            url: url("https://example.com/"),
            enabled: true,
            secret: Some(SecretText::new("old")),
            headers: BTreeMap::from([("A".to_owned(), "1".to_owned())]),
            ..WebhookSettings::default()
        }
    }

    #[test]
    fn an_update_merges_into_what_is_there() {
        let update = UpdateInstance {
            webhook: ChangeWebhook {
                notify_read: Some(true),
                max_retries: Some(5),
                headers: Some(BTreeMap::from([("B".to_owned(), "2".to_owned())])),
                ..ChangeWebhook::default()
            },
            ..UpdateInstance::default()
        };
        let patch = update.check(&present(), &guard()).unwrap();
        let expected = WebhookSettings {
            notify_read: true,
            max_retries: 5,
            headers: BTreeMap::from([("B".to_owned(), "2".to_owned())]),
            ..present()
        };
        assert_eq!(patch, InstancePatch { webhook: Some(expected), ..InstancePatch::default() });
        assert_eq!(UpdateInstance::default().check(&present(), &guard()).unwrap(), InstancePatch::default());
    }

    #[test]
    fn null_removes_and_empty_leaves_the_secret() {
        let with = |secret| UpdateInstance {
            webhook: ChangeWebhook { secret: Some(secret), ..ChangeWebhook::default() },
            ..UpdateInstance::default()
        };
        assert_eq!(with(None).check(&present(), &guard()).unwrap().webhook.unwrap().secret, None);
        assert_eq!(with(Some(SecretText::new(""))).check(&present(), &guard()).unwrap().webhook, None);
        let new = with(Some(SecretText::new("new"))).check(&present(), &guard()).unwrap();
        assert_eq!(new.webhook.unwrap().secret.unwrap().expose(), "new");
    }

    #[test]
    fn removing_the_url_switches_the_webhook_off() {
        let without = UpdateInstance { webhook_url: Some(None), ..UpdateInstance::default() };
        let webhook = without.clone().check(&present(), &guard()).unwrap().webhook.unwrap();
        assert!(webhook.url.is_none() && !webhook.enabled);
        let contradiction = UpdateInstance { webhook_enabled: Some(true), ..without };
        assert!(contradiction.check(&present(), &guard()).is_err());
    }

    #[test]
    fn fields_of_an_update_are_named_by_their_path() {
        let update = UpdateInstance {
            webhook: ChangeWebhook { max_retries: Some(99), ..ChangeWebhook::default() },
            ..UpdateInstance::default()
        };
        let error = update.check(&present(), &guard()).unwrap_err().to_string();
        assert_eq!(error, "webhookSettings.maxRetries must be 0 to 50");
    }
}
