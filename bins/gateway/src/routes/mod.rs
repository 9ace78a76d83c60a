//! The route table. A handler extracts, calls one service and answers with a DTO.

mod auth;
mod events;
mod health;
mod instances;
mod webhooks;
mod whatsapp;

use actix_web::middleware::from_fn;
use actix_web::web::{self, PathConfig, ServiceConfig};

use crate::ApiError;
use crate::middleware::authenticate;

/// Every path of the API.
pub(crate) fn configure(config: &mut ServiceConfig) {
    config
        .app_data(PathConfig::default().error_handler(|_, _| nowhere().into()))
        .service(web::resource("/livez").get(health::live).head(health::live))
        .service(web::resource("/readyz").get(health::ready).head(health::ready))
        .service(web::resource("/health").get(health::health).head(health::health))
        .service(web::resource("/api/auth/login").post(auth::login))
        .service(web::scope("/api").wrap(from_fn(authenticate)).configure(behind_a_credential))
        .default_service(web::to(async || Err::<&str, ApiError>(nowhere())));
}

fn behind_a_credential(config: &mut ServiceConfig) {
    config
        // The router tries them in this order, so the busiest come first.
        .service(web::resource("/whatsapp/{id}/send").post(whatsapp::send))
        .service(web::resource("/auth/me").get(auth::me))
        .service(web::resource("/instances").get(instances::list).post(instances::create))
        .service(
            web::resource("/instances/{id}")
                .get(instances::find)
                .put(instances::update)
                .delete(instances::delete),
        )
        .service(web::resource("/instances/{id}/status").get(instances::status))
        .service(web::resource("/instances/{id}/qr").get(instances::qr))
        .service(web::resource("/instances/{id}/reconnect").post(instances::reconnect))
        .service(web::resource("/instances/{id}/logout").post(instances::logout))
        .service(web::resource("/instances/{id}/events").get(events::log))
        .service(web::resource("/instances/{id}/chats/{chat}/messages").get(events::chat))
        .service(web::resource("/instances/{id}/webhook/dead-letters").get(webhooks::dead_letters))
        .service(web::resource("/instances/{id}/webhook/dead-letters/replay").post(webhooks::replay))
        .service(web::resource("/whatsapp/{id}/status").get(whatsapp::status))
        .service(web::resource("/whatsapp/{id}/qr").get(instances::qr))
        .service(web::resource("/whatsapp/{id}/logout").post(whatsapp::logout));
}

fn nowhere() -> ApiError {
    ApiError::not_found("There is nothing at this path.")
}
