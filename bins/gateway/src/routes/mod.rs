//! The routes. A handler extracts, calls one service and answers with a DTO; beside it stands what the API's
//! description tells of it.

#[macro_use]
mod table;

mod auth;
mod events;
mod health;
mod instances;
mod openapi;
mod webhooks;
mod whatsapp;

use actix_web::middleware::from_fn;
use actix_web::web::{self, PathConfig, ServiceConfig};

use crate::error::ApiError;
use crate::middleware::authenticate;

// The router tries them in this order, so the busiest come first.
routes! {
    open:
    "/livez" { get|head health::live }
    "/readyz" { get|head health::ready }
    "/health" { get|head health::health }
    "/openapi.json" { get openapi::document }
    "/api/auth/login" { post auth::login }

    below "/api" with a credential:
    "/whatsapp/{id}/send" { post whatsapp::send }
    "/auth/me" { get auth::me }
    "/instances" { get instances::list, post instances::create }
    "/instances/{id}" { get instances::find, put instances::update, delete instances::delete }
    "/instances/{id}/status" { get instances::status }
    "/instances/{id}/qr" { get instances::qr }
    "/instances/{id}/pairing-code" { post instances::pairing_code }
    "/instances/{id}/passkey" { get instances::passkey, post instances::show_passkey }
    "/instances/{id}/passkey/confirm" { post instances::confirm_passkey }
    "/instances/{id}/reconnect" { post instances::reconnect }
    "/instances/{id}/logout" { post instances::logout }
    "/instances/{id}/events" { get events::log }
    "/instances/{id}/chats/{chat}/messages" { get events::chat }
    "/instances/{id}/webhooks" { get webhooks::list, post webhooks::create }
    "/instances/{id}/webhooks/{name}" { get webhooks::find, put webhooks::update, delete webhooks::delete }
    "/instances/{id}/webhooks/{name}/pending" { get webhooks::pending }
    "/instances/{id}/webhooks/{name}/dead-letters" { get webhooks::dead_letters }
    "/instances/{id}/webhooks/{name}/dead-letters/replay" { post webhooks::replay }
    "/instances/{id}/webhook/dead-letters" { get webhooks::default_dead_letters }
    "/instances/{id}/webhook/dead-letters/replay" { post webhooks::default_replay }
    "/whatsapp/{id}/status" { get whatsapp::status }
    "/whatsapp/{id}/qr" { get whatsapp::qr }
    "/whatsapp/{id}/logout" { post whatsapp::logout }
}

/// Every path of the API.
pub(crate) fn configure(config: &mut ServiceConfig) {
    config
        .app_data(PathConfig::default().error_handler(|_, _| nowhere().into()))
        .configure(open)
        .service(web::scope(BASE).configure(behind_a_credential))
        .default_service(web::to(async || Err::<&str, ApiError>(nowhere())));
}

fn nowhere() -> ApiError {
    ApiError::not_found("There is nothing at this path.")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use utoipa::OpenApi as _;

    use super::*;

    #[test]
    fn every_route_says_the_path_and_method_that_it_has_in_the_table() {
        let document = serde_json::to_value(Described::openapi()).unwrap();
        let described: BTreeSet<(String, String)> = document["paths"]
            .as_object()
            .unwrap()
            .iter()
            .flat_map(|(path, methods)| {
                methods.as_object().unwrap().keys().map(|m| (path.clone(), m.clone()))
            })
            .collect();
        let routed = ROUTES.iter().map(|(path, method)| ((*path).to_owned(), (*method).to_owned())).collect();
        assert_eq!(described, routed);
    }
}
