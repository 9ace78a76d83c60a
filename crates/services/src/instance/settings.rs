//! What an owner may set of an instance, and within which bounds.

use outbound::{AddressGuard, InvalidProxy, Proxy};
use storage::{
    ConnectionSettings, DeviceIcon, DeviceLook, InstancePatch, LimitName, LimitsPatch, MediaDownload,
    Retention, SecretText, UsageLimits, Version, WebhookPatch,
};

use crate::error::ServiceError;
use crate::field::Field;
use crate::text::{unfit_for_a_name, unfit_for_lines};

/// Longest name, in characters.
pub const MAX_NAME: usize = 100;
/// Longest name in the phone's list of linked devices, in characters: more is not shown.
pub const MAX_DEVICE_NAME: usize = 50;
/// Longest description, in characters.
pub const MAX_DESCRIPTION: usize = 1_000;
/// Most tags of an instance, and longest tag, in characters.
pub const MAX_TAGS: usize = 20;
/// Longest tag, in characters.
pub const MAX_TAG: usize = 50;
/// Shortest and longest retention, in days. What is to be kept for ever has none.
pub const RETENTION_DAYS: std::ops::RangeInclusive<u32> = 1..=36_500;

/// Largest limit: every program can tell it exactly.
pub const MAX_LIMIT: u64 = (1 << 53) - 1;

/// A new instance; what is `None` gets the documented default.
#[derive(Clone, Debug, Default)]
pub struct CreateInstance {
    /// Shown to the owner; required.
    pub name: String,
    /// What it is for, in its owner's words; at most [`MAX_DESCRIPTION`] characters.
    pub description: Option<String>,
    /// What its owner sorts it by: at most [`MAX_TAGS`] tags.
    pub tags: Vec<String>,
    /// How it shows itself in the phone's list of linked devices.
    pub look: DeviceLook,
    /// How long events, messages and files are kept; `None` leaves it to the gateway's own setting.
    pub retention: Retention,
    /// When the files of its messages are fetched; `None` leaves it to the gateway's own setting.
    pub media_download: Option<MediaDownload>,
    /// Its proxy, and whether senders see at once that their messages were delivered.
    pub connection: ConnectionSettings,
    /// What it may do in a period.
    pub limits: UsageLimits,
    /// The default webhook. With a URL it is on unless told otherwise.
    pub webhook: WebhookPatch,
}

/// Changes to an instance; `None` leaves a field as it is, `Some(None)` removes it.
#[derive(Clone, Debug, Default)]
pub struct UpdateInstance {
    /// New name.
    pub name: Option<String>,
    /// New description.
    pub description: Option<Option<String>>,
    /// Other tags.
    pub tags: Option<Vec<String>>,
    /// New name in the phone's list of linked devices, from the next linking on.
    pub device_name: Option<Option<String>>,
    /// New icon there.
    pub device_icon: Option<Option<DeviceIcon>>,
    /// Name that the account shows to others, instead of the one that its owner gave it.
    pub push_name: Option<Option<String>>,
    /// New number of days that events are kept.
    pub event_days: Option<Option<u32>>,
    /// New number of days that messages are kept.
    pub message_days: Option<Option<u32>>,
    /// New number of days that files are kept.
    pub media_days: Option<Option<u32>>,
    /// New time at which files are fetched.
    pub media_download: Option<Option<MediaDownload>>,
    /// Another proxy.
    pub proxy: Option<Option<String>>,
    /// Whether senders see at once that their messages were delivered.
    pub shows_delivery: Option<bool>,
    /// Changes to what it may do in a period.
    pub limits: Option<LimitsPatch>,
    /// Changes to the default webhook.
    pub webhook: WebhookPatch,
    /// If there are any, it must be in one of these states.
    pub expected: Option<Vec<Version>>,
}

pub(crate) fn check_connection(
    connection: ConnectionSettings,
    guard: &AddressGuard,
) -> Result<ConnectionSettings, ServiceError> {
    let ConnectionSettings { proxy, shows_delivery } = connection;
    let proxy = check_proxy(proxy.map(|proxy| proxy.expose().to_owned()), guard)?;
    Ok(ConnectionSettings { proxy, shows_delivery })
}

/// Everything of a change but its webhook and its proxy.
pub(crate) fn check_change(update: UpdateInstance) -> Result<InstancePatch, ServiceError> {
    let retention = Retention {
        event_days: update.event_days.flatten(),
        message_days: update.message_days.flatten(),
        media_days: update.media_days.flatten(),
    };
    check_retention(retention)?;
    let look = check_look(DeviceLook { name: update.device_name.clone().flatten(), icon: None })?;
    Ok(InstancePatch {
        name: update.name.as_deref().map(check_name).transpose()?,
        description: update.description.map(check_description).transpose()?,
        tags: update.tags.as_deref().map(check_tags).transpose()?,
        event_days: update.event_days,
        message_days: update.message_days,
        media_days: update.media_days,
        media_download: update.media_download,
        shows_delivery: update.shows_delivery,
        device_name: update.device_name.map(|_| look.name),
        device_icon: update.device_icon,
        limits: update.limits.map(check_limits_patch).transpose()?,
        ..InstancePatch::default()
    })
}

pub(crate) fn check_limits(limits: UsageLimits) -> Result<UsageLimits, ServiceError> {
    let is_too_large = |name: &LimitName| limits.max(*name).is_some_and(|max| max > MAX_LIMIT);
    match LimitName::ALL.iter().find(|name| is_too_large(name)) {
        Some(_) => Err(ServiceError::invalid(Field::Limits, format!("must be at most {MAX_LIMIT}"))),
        None => Ok(limits),
    }
}

fn check_limits_patch(patch: LimitsPatch) -> Result<LimitsPatch, ServiceError> {
    let mut limits = UsageLimits::default();
    patch.clone().apply(&mut limits);
    check_limits(limits).map(|_| patch)
}

pub(crate) fn check_proxy(
    proxy: Option<String>,
    guard: &AddressGuard,
) -> Result<Option<SecretText>, ServiceError> {
    let proxy = proxy.map(SecretText::new);
    if let Some(text) = &proxy {
        // Neither problem repeats the text, which may hold a password.
        let parsed: Proxy = text
            .expose()
            .parse()
            .map_err(|error: InvalidProxy| ServiceError::invalid(Field::Proxy, error.to_string()))?;
        guard
            .check_proxy(&parsed)
            .map_err(|refused| ServiceError::invalid(Field::Proxy, refused.to_string()))?;
    }
    Ok(proxy)
}

pub(crate) fn check_name(name: &str) -> Result<String, ServiceError> {
    // Counted as it was given, as the description says it: blanks around it, too.
    let length = name.chars().count();
    let name = name.trim();
    let problem = match length {
        _ if name.is_empty() => "must not be empty".to_owned(),
        length if length > MAX_NAME => format!("must have at most {MAX_NAME} characters"),
        _ => match unfit_for_a_name(name) {
            Some(problem) => problem.to_owned(),
            None => return Ok(name.to_owned()),
        },
    };
    Err(ServiceError::invalid(Field::Name, problem))
}

/// An empty description is none: forms send that.
pub(crate) fn check_description(description: Option<String>) -> Result<Option<String>, ServiceError> {
    let description = description.filter(|text| !text.is_empty());
    if description.as_ref().is_some_and(|text| text.chars().count() > MAX_DESCRIPTION) {
        let message = format!("must have at most {MAX_DESCRIPTION} characters");
        return Err(ServiceError::invalid(Field::Description, message));
    }
    if let Some(problem) = description.as_deref().and_then(unfit_for_lines) {
        return Err(ServiceError::invalid(Field::Description, problem.to_owned()));
    }
    Ok(description)
}

/// Tags as they are kept: each once, in their order.
pub(crate) fn check_tags(tags: &[String]) -> Result<Vec<String>, ServiceError> {
    let mut kept: Vec<String> = Vec::with_capacity(tags.len().min(MAX_TAGS));
    for given in tags {
        let tag = given.trim();
        let problem = match unfit_for_a_name(tag) {
            _ if given.chars().count() > MAX_TAG => format!("must have at most {MAX_TAG} characters each"),
            Some(problem) => format!("has one that {problem}"),
            None if kept.iter().any(|other| other == tag) => continue,
            None if kept.len() == MAX_TAGS => format!("must be at most {MAX_TAGS}"),
            None => {
                kept.push(tag.to_owned());
                continue;
            }
        };
        return Err(ServiceError::invalid(Field::Tags, problem));
    }
    Ok(kept)
}

/// An empty name is none: forms send that.
pub(crate) fn check_look(look: DeviceLook) -> Result<DeviceLook, ServiceError> {
    let length = look.name.as_ref().map_or(0, |name| name.chars().count());
    let name = look.name.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
    let problem = match &name {
        _ if length > MAX_DEVICE_NAME => {
            format!("must have at most {MAX_DEVICE_NAME} characters")
        }
        name => match name.as_deref().and_then(unfit_for_a_name) {
            Some(problem) => problem.to_owned(),
            None => return Ok(DeviceLook { name: name.clone(), ..look }),
        },
    };
    Err(ServiceError::invalid(Field::DeviceName, problem))
}

pub(crate) fn check_retention(retention: Retention) -> Result<Retention, ServiceError> {
    let days = [
        (Field::EventRetention, retention.event_days),
        (Field::MessageRetention, retention.message_days),
        (Field::MediaRetention, retention.media_days),
    ];
    for (field, days) in days {
        if days.is_some_and(|days| !RETENTION_DAYS.contains(&days)) {
            let message = format!("must be {} to {} days", RETENTION_DAYS.start(), RETENTION_DAYS.end());
            return Err(ServiceError::invalid(field, message));
        }
    }
    Ok(retention)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bound_is_held_and_named() {
        let keep = |event_days, message_days| Retention { event_days, message_days, media_days: None };
        let keep_media = Retention { media_days: Some(0), ..Retention::default() };
        let table = [
            (check_name(" ").map(drop), "name must not be empty"),
            (check_name(&"é".repeat(101)).map(drop), "name must have at most 100 characters"),
            (check_name(&format!("a{}", " ".repeat(100))).map(drop), "name must have at most 100 characters"),
            (check_name("a\nb").map(drop), "name must not hold control characters"),
            (check_name("\u{200b}\u{feff}").map(drop), "name must not be empty"),
            (
                check_description(Some("a\0".to_owned())).map(drop),
                "description must not hold control characters but ends of lines and tabs",
            ),
            (
                check_description(Some("x".repeat(1001))).map(drop),
                "description must have at most 1000 characters",
            ),
            (check_retention(keep(Some(0), None)).map(drop), "event_retention must be 1 to 36500 days"),
            (
                check_retention(keep(None, Some(36_501))).map(drop),
                "message_retention must be 1 to 36500 days",
            ),
            (check_retention(keep_media).map(drop), "media_retention must be 1 to 36500 days"),
        ];
        for (result, message) in table {
            assert_eq!(result.unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn tags_are_kept_once_and_bounded() {
        let tags = |tags: &[&str]| check_tags(&tags.iter().map(|tag| (*tag).to_owned()).collect::<Vec<_>>());
        assert_eq!(tags(&[" a ", "b", "a"]).unwrap(), ["a", "b"]);
        let many: Vec<_> = (0..21).map(|n| n.to_string()).collect();
        for wrong in
            [tags(&[" "]), tags(&["a\n"]).and(tags(&["\0"])), tags(&[&"x".repeat(51)]), check_tags(&many)]
        {
            assert!(matches!(wrong, Err(ServiceError::Invalid { field: Field::Tags, .. })), "{wrong:?}");
        }
    }

    #[test]
    fn what_is_within_the_bounds_is_tidied() {
        assert_eq!(check_name("  主要 WhatsApp ").unwrap(), "主要 WhatsApp");
        assert_eq!(check_description(Some(String::new())).unwrap(), None);
        assert_eq!(check_description(Some("d".to_owned())).unwrap().as_deref(), Some("d"));
        let retention = Retention { event_days: Some(1), message_days: Some(36_500), media_days: Some(7) };
        assert_eq!(check_retention(retention).unwrap(), retention);
    }
}
