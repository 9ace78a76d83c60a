//! The settings of a connection.

use actix_web::web;
use serde::Deserialize;
use services::{ServiceError, UpdateInstance};
use storage::{DeviceIcon, Missing, WebhookFormat, WebhookPatch};
use utoipa::ToSchema;

use super::access::{Opened, Refused};
use super::key::{Kept, Notes};
use super::status::WitiStatus;
use crate::error::ApiError;
use crate::extract::{Call, JsonBody};
use crate::field;
use crate::forms::{ApiVersion, HookUrl, UserAgent};

/// The webhook that this API's PostBack URL is.
pub(super) const WEBHOOK: &str = "witi";

/// Longest text of a browser, in bytes.
const MAX_USER_AGENT: usize = 512;

/// `set_config.aspx`: what isn't there stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WitiConfig {
    /// Where events are told; empty for nowhere.
    #[schema(value_type = Option<HookUrl>)]
    webhook: Option<String>,
    /// The browser that the instance shows itself as on the phone, from the next linking on.
    #[schema(value_type = Option<UserAgent>)]
    user_agent: Option<String>,
    /// Whether events are told in the bulk form of the version.
    #[serde(rename = "APIVersionCanBulk")]
    can_bulk: Option<bool>,
    /// `1.0` (`BULK,`) or `1.1` (`BULKGZ,`).
    #[serde(rename = "APIVersion")]
    #[schema(value_type = Option<ApiVersion>)]
    api_version: Option<String>,
}

/// Changes the settings of the connection.
#[utoipa::path(
    post,
    path = "/set_config.aspx",
    tag = "witi",
    security(("wid" = [])),
    request_body = WitiConfig,
    responses((status = 200, description = "The connection.", body = WitiStatus), Refused)
)]
pub(super) async fn set_config(
    call: Call<Opened>,
    JsonBody(config): JsonBody<WitiConfig>,
) -> Result<web::Json<WitiStatus>, ApiError> {
    let id = call.subject.id;
    let WitiConfig { webhook, user_agent, can_bulk, api_version } = config;
    if api_version.as_ref().is_some_and(|version| !["1.0", "1.1"].contains(&version.as_str())) {
        return Err(ApiError::invalid("\"APIVersion\" is 1.0 or 1.1.").with_field("APIVersion"));
    }
    if let Some(user_agent) = &user_agent {
        show_browser(&call, user_agent).await?;
    }
    let change = |notes: &mut Notes| {
        set(&mut notes.api_version, api_version.clone());
        set(&mut notes.can_bulk, can_bulk);
        set(&mut notes.user_agent, user_agent.clone());
    };
    // A webhook that is refused changes nothing.
    let mut notes = Kept::of(&call, id).await?.notes;
    change(&mut notes);
    set_webhook(&call, webhook, format_of(&notes)).await?;
    let kept = Kept::note(&call, id, change).await?;
    Ok(web::Json(WitiStatus::of(&call, id, &kept, None).await?))
}

fn set<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}

fn format_of(notes: &Notes) -> WebhookFormat {
    match (notes.can_bulk, notes.api_version.as_str()) {
        (false, _) => WebhookFormat::Witi,
        (true, "1.1") => WebhookFormat::WitiBulkGz,
        (true, _) => WebhookFormat::WitiBulk,
    }
}

/// Has events told to another address, or in another form.
async fn set_webhook(
    call: &Call<Opened>,
    url: Option<String>,
    format: WebhookFormat,
) -> Result<(), ApiError> {
    let url = url.map(|url| Some(url).filter(|url| !url.trim().is_empty()));
    let enabled = url.as_ref().map(Option::is_some);
    let patch = WebhookPatch { enabled, url, format: Some(format), ..WebhookPatch::default() };
    let set = |call: Call<Opened>| async move {
        let (webhooks, id) = (&call.services().webhooks, call.subject.id);
        match webhooks.find(&call.caller, id, WEBHOOK).await {
            Ok(_) => webhooks.update(&call.caller, id, WEBHOOK, patch, None).await.map(drop),
            Err(ServiceError::NotFound { what: Missing::Webhook }) if patch.enabled == Some(true) => {
                let all = Some(true);
                let patch = WebhookPatch { received: all, sent: all, delivery: all, read: all, ..patch };
                webhooks.create(&call.caller, id, WEBHOOK, patch).await.map(drop)
            }
            Err(ServiceError::NotFound { what: Missing::Webhook }) => Ok(()),
            Err(error) => Err(error),
        }
    };
    let names =
        |field| if field == services::Field::WebhookUrl { "webhook" } else { field::of_webhook(field) };
    call.clone().complete(set).await.map_err(ApiError::named(names))
}

/// Shows the icon of the browser that was named on the phone, where it is one that WhatsApp knows.
pub(super) async fn show_browser(call: &Call<Opened>, user_agent: &str) -> Result<(), ApiError> {
    if user_agent.len() > MAX_USER_AGENT {
        let message = format!("\"user_agent\" must have at most {MAX_USER_AGENT} bytes.");
        return Err(ApiError::invalid(message).with_field("user_agent"));
    }
    if let Some(icon) = icon_of(user_agent) {
        let update = UpdateInstance { device_icon: Some(Some(icon)), ..UpdateInstance::default() };
        let set = |call: Call<Opened>| async move {
            call.services().instances.update(&call.caller, call.subject.id, update).await
        };
        call.clone().complete(set).await?;
    }
    Ok(())
}

/// What browsers call themselves, the more special first: all of them claim to be others, too.
fn icon_of(user_agent: &str) -> Option<DeviceIcon> {
    let known = [
        ("Edg", DeviceIcon::Edge),
        ("OPR", DeviceIcon::Opera),
        ("Opera", DeviceIcon::Opera),
        ("Firefox", DeviceIcon::Firefox),
        ("Chrome", DeviceIcon::Chrome),
        ("Safari", DeviceIcon::Safari),
    ];
    known.into_iter().find(|(name, _)| user_agent.contains(name)).map(|(_, icon)| icon)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_are_known_by_what_they_call_themselves() {
        let chrome =
            "Mozilla/5.0 (Macintosh) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36";
        for (user_agent, icon) in [
            (chrome, Some(DeviceIcon::Chrome)),
            ("Opera", Some(DeviceIcon::Opera)),
            ("Mozilla/5.0 (X11) Gecko/20100101 Firefox/120.0", Some(DeviceIcon::Firefox)),
            ("my program", None),
        ] {
            assert_eq!(icon_of(user_agent), icon, "{user_agent}");
        }
        assert_eq!(icon_of(&format!("{chrome} Edg/120.0")), Some(DeviceIcon::Edge));
    }
}
