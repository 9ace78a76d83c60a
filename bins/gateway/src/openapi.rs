//! The description of the API that `/openapi.json` serves: what the routes say of themselves, and what holds for all.

mod examples;

use reqwest::Url;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{OpenApi, PathItem, Server};
use utoipa::{Modify, OpenApi as _};

use crate::dialects;
use crate::error::ErrorResponse;
use crate::routes::Described;

/// The whole description. `public_url` is where clients reach the gateway, if it was told.
pub(crate) fn document(public_url: Option<&Url>) -> OpenApi {
    let mut document = Common::openapi();
    document.merge(Described::openapi());
    dialects::described().for_each(|dialect| document.merge(dialect));
    document.paths.paths.values_mut().for_each(name_operations);
    document.components.iter_mut().for_each(examples::add);
    document.servers = public_url.map(|url| vec![Server::new(url.as_str().trim_end_matches('/'))]);
    document
}

/// Names operations uniquely: handlers of different modules share names.
fn name_operations(path: &mut PathItem) {
    let operations = [&mut path.get, &mut path.post, &mut path.put, &mut path.patch, &mut path.delete];
    for operation in operations.into_iter().flatten() {
        let tag = operation.tags.iter().flatten().next();
        operation.operation_id =
            tag.zip(operation.operation_id.as_ref()).map(|(tag, name)| format!("{tag}_{name}"));
    }
    if let Some(head) = &mut path.head {
        head.operation_id = None;
    }
}

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Trunkline",
        description = "Many WhatsApp accounts in one process. Bodies are JSON, names camelCase, times ISO 8601 in UTC, \
                       ids opaque strings. What belongs to somebody else does not exist.",
        license(name = "MIT OR Apache-2.0")
    ),
    components(schemas(ErrorResponse)),
    security(("token" = []), ("apiKey" = [])),
    modifiers(&Credentials),
    tags(
        (name = "auth", description = "Who is calling."),
        (name = "users", description = "Who may use the gateway, and what they did."),
        (name = "keys", description = "Keys that open less than their owner may do."),
        (name = "instances", description = "WhatsApp accounts that the gateway carries."),
        (name = "whatsapp", description = "What an account does at WhatsApp."),
        (name = "messages", description = "Messages and chats, as they are stored."),
        (name = "scheduled", description = "Messages that are to be sent later."),
        (name = "events", description = "What has happened."),
        (name = "consumers", description = "Who pulls events, and how far they have come."),
        (name = "webhooks", description = "Where events go."),
        (name = "stats", description = "What instances have done."),
        (name = "deliveries", description = "What became of calls of webhooks."),
        (name = "gateway", description = "The gateway itself.")
    )
)]
struct Common;

/// The two ways to say who is calling.
struct Credentials;

impl Modify for Credentials {
    fn modify(&self, document: &mut OpenApi) {
        let components = document.components.get_or_insert_default();
        let token = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        components.add_security_scheme("token", token);
        let key = SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("x-api-key")));
        components.add_security_scheme("apiKey", key);
    }
}
