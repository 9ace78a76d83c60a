//! The routes. A handler extracts, calls one service and answers with a DTO; beside it stands what the API's
//! description tells of it.

#[macro_use]
mod table;

mod audit;
mod auth;
mod channels;
mod communities;
mod console;
mod consumers;
mod contacts;
mod database;
mod deliveries;
mod docs;
mod events;
mod files;
mod groups;
mod health;
mod import;
mod instances;
mod keys;
mod media;
mod messages;
mod metrics;
mod openapi;
mod people;
mod qr;
mod scheduled;
mod sending;
mod stats;
mod streams;
mod users;
mod webhooks;
mod whatsapp;

use actix_web::middleware::from_fn;
use actix_web::web::{self, PathConfig, ServiceConfig};

use crate::dialects;
use crate::error::ApiError;
use crate::http_times::Route;
use crate::middleware::authenticate;

// The router tries them in this order, so the busiest come first.
routes! {
    open:
    "/livez" { get|head health::live }
    "/readyz" { get|head health::ready }
    "/health" { get|head health::health }
    "/" { get console::console_page }
    "/console/{version}/{file}" { get console::console_file }
    "/openapi.json" { get openapi::document }
    "/docs" { get docs::page }
    "/docs/{file}" { get docs::file }
    "/metrics" { get metrics::metrics }
    "/api/auth/login" { post auth::login }
    "/media/{token}" { get media::linked }
    "/qr/{unique_id}" { get qr::page }
    "/qr/{unique_id}/state" { get qr::look }
    "/qr/{unique_id}/start" { post qr::start }
    "/qr/{unique_id}/confirm" { post qr::confirm }

    below "/api" with a credential:
    "/whatsapp/{id}/send" { post sending::send }
    "/whatsapp/{id}/send-media" { post files::send_media }
    "/whatsapp/{id}/send-file" { post files::send_file }
    "/auth/me" { get auth::me, put auth::rename }
    "/instances" { get instances::list, post instances::create }
    "/instances/{id}" { get instances::find, put instances::update, delete instances::delete }
    "/instances/{id}/status" { get instances::status }
    "/instances/{id}/qr" { get instances::qr }
    "/instances/{id}/pairing-code" { post instances::pairing_code }
    "/instances/{id}/qr-link" { post qr::qr_link }
    "/instances/{id}/link" { get streams::link }
    "/instances/{id}/import" { post import::import }
    "/instances/{id}/passkey" { get instances::passkey, post instances::show_passkey }
    "/instances/{id}/passkey/confirm" { post instances::confirm_passkey }
    "/instances/{id}/reconnect" { post instances::reconnect }
    "/instances/{id}/logout" { post instances::logout }
    "/instances/{id}/pause" { post instances::pause }
    "/instances/{id}/resume" { post instances::resume }
    "/instances/{id}/events" { get events::log }
    "/instances/{id}/activity" { get events::activity }
    "/instances/{id}/events/stream" { get streams::follow }
    "/events/stream" { get streams::follow_all }
    "/instances/{id}/consumers" { get consumers::list }
    "/instances/{id}/consumers/{name}" { get consumers::find, put consumers::put, delete consumers::delete }
    "/instances/{id}/consumers/{name}/events" { get consumers::pull }
    "/instances/{id}/consumers/{name}/ack" { post consumers::acknowledge }
    "/instances/{id}/chats/{chat}/messages" { get events::chat }
    "/instances/{id}/chats/{chat}/polls/{message}" { get events::poll }
    "/instances/{id}/chats" { get messages::chats }
    "/instances/{id}/messages" { get messages::list }
    "/instances/{id}/messages/search" { get messages::search }
    "/instances/{id}/messages/{message}" { get messages::find }
    "/instances/{id}/messages/{message}/media" { get media::file }
    "/instances/{id}/messages/{message}/media/link" { get media::link }
    "/instances/{id}/scheduled" { get scheduled::list }
    "/instances/{id}/scheduled/{message}" { get scheduled::find, put scheduled::change, delete scheduled::cancel }
    "/instances/{id}/webhooks" { get webhooks::list, post webhooks::create }
    "/instances/{id}/webhooks/{name}" { get webhooks::find, put webhooks::update, delete webhooks::delete }
    "/instances/{id}/webhooks/{name}/secret/rotate" { post webhooks::rotate_secret }
    "/instances/{id}/webhooks/{name}/resume" { post webhooks::resume }
    "/instances/{id}/webhooks/{name}/pending" { get webhooks::pending }
    "/instances/{id}/webhooks/{name}/dead-letters" { get webhooks::dead_letters }
    "/instances/{id}/webhooks/{name}/dead-letters/replay" { post webhooks::replay }
    "/instances/{id}/webhooks/{name}/deliveries" { get deliveries::list }
    "/instances/{id}/webhooks/{name}/deliveries/{event}/redeliver" { post deliveries::redeliver }
    "/instances/{id}/webhooks/{name}/replay" { post deliveries::replay }
    "/instances/{id}/webhooks/{name}/test" { post deliveries::test }
    "/instances/{id}/webhook/dead-letters" { get webhooks::default_dead_letters }
    "/instances/{id}/webhook/dead-letters/replay" { post webhooks::default_replay }
    "/whatsapp/{id}/send-status" { post sending::post_status }
    "/whatsapp/{id}/send-status-media" { post files::send_status_media }
    "/whatsapp/{id}/revoke-status" { post sending::revoke_status }
    "/whatsapp/{id}/send-post" { post sending::post }
    "/whatsapp/{id}/send-location" { post sending::location }
    "/whatsapp/{id}/send-contacts" { post sending::contacts }
    "/whatsapp/{id}/send-poll" { post sending::poll }
    "/whatsapp/{id}/send-event" { post sending::event }
    "/whatsapp/{id}/react" { post sending::react }
    "/whatsapp/{id}/edit" { post sending::edit }
    "/whatsapp/{id}/revoke" { post sending::revoke }
    "/whatsapp/{id}/vote" { post sending::vote }
    "/whatsapp/{id}/answer" { post sending::answer }
    "/whatsapp/{id}/pin" { post sending::pin }
    "/whatsapp/{id}/keep" { post sending::keep }
    "/whatsapp/{id}/timer" { post sending::timer }
    "/instances/{id}/contacts/db" { get contacts::stored }
    "/instances/{id}/contacts/import" { post contacts::import }
    "/instances/{id}/contacts/save" { post contacts::save }
    "/whatsapp/{id}/contacts" { get contacts::live }
    "/whatsapp/{id}/contacts/add" { post contacts::add }
    "/whatsapp/{id}/contacts/db" { get contacts::stored_too }
    "/whatsapp/{id}/contacts/import" { post contacts::import_too }
    "/whatsapp/{id}/contacts/save" { post contacts::save_too }
    "/whatsapp/{id}/groups" { get groups::list, post groups::create }
    "/whatsapp/{id}/groups/{group}" { get groups::find, put groups::change }
    "/whatsapp/{id}/groups/{group}/participants" { post groups::participants }
    "/whatsapp/{id}/groups/{group}/requests" { get groups::requests }
    "/whatsapp/{id}/groups/{group}/leave" { post groups::leave }
    "/whatsapp/{id}/groups/{group}/invite" { get groups::invite }
    "/whatsapp/{id}/groups/{group}/invite/reset" { post groups::reset_invite }
    "/whatsapp/{id}/groups/{group}/picture" { get groups::picture, put groups::set_picture, delete groups::remove_picture }
    "/whatsapp/{id}/group-invites/{code}" { get groups::invited, post groups::join }
    "/whatsapp/{id}/communities" { post communities::create_community }
    "/whatsapp/{id}/communities/{community}/groups" { get communities::groups, post communities::link }
    "/whatsapp/{id}/channels" { get channels::list_channels, post channels::create_channel }
    "/whatsapp/{id}/channels/{channel}" { get channels::find_channel }
    "/whatsapp/{id}/channels/{channel}/follow" { post channels::follow, delete channels::unfollow }
    "/whatsapp/{id}/channels/{channel}/posts" { get channels::posts }
    "/whatsapp/{id}/channels/{channel}/live" { post channels::live }
    "/whatsapp/{id}/channels/{channel}/react" { post channels::react_to_post }
    "/whatsapp/{id}/read" { post people::read }
    "/whatsapp/{id}/presence" { post people::presence }
    "/whatsapp/{id}/presence/subscribe" { post people::subscribe }
    "/whatsapp/{id}/typing" { post people::typing }
    "/whatsapp/{id}/chats/{phone}" { put people::mark_chat }
    "/whatsapp/{id}/check" { post people::check }
    "/whatsapp/{id}/profiles/{phone}" { get people::profile }
    "/whatsapp/{id}/profile" { put people::set_about }
    "/whatsapp/{id}/profile/picture" { put people::set_own_picture, delete people::remove_own_picture }
    "/whatsapp/{id}/privacy" { get people::privacy, put people::set_privacy }
    "/whatsapp/{id}/blocklist" { get people::block_list, post people::block }
    "/whatsapp/{id}/calls/reject" { post people::reject_call }
    "/db/status" { get database::status }
    "/db/switch" { post database::switch }
    "/stats/user" { get stats::user }
    "/stats/instances/{id}" { get stats::instance }
    "/stats/system" { get stats::system }
    "/whatsapp/{id}/status" { get whatsapp::status }
    "/whatsapp/{id}/qr" { get whatsapp::qr }
    "/whatsapp/{id}/logout" { post whatsapp::logout }
    "/auth/password" { post auth::change_password }
    "/auth/api-key/rotate" { post auth::rotate_key }
    "/keys" { get keys::list, post keys::create }
    "/keys/{id}" { delete keys::delete }
    "/users" { get users::list, post users::create }
    "/users/{id}" { get users::find, put users::update, delete users::delete }
    "/audit" { get audit::audit }
}

/// Every path of the API.
pub(crate) fn configure(config: &mut ServiceConfig) {
    config
        .app_data(PathConfig::default().error_handler(|_, _| nowhere().into()))
        .configure(open)
        .configure(dialects::configure)
        .service(web::scope(BASE).configure(behind_a_credential))
        .default_service(web::to(async || Err::<&str, ApiError>(nowhere())));
}

fn nowhere() -> ApiError {
    ApiError::not_found("There is nothing at this path.")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use storage::Scope;
    use utoipa::OpenApi as _;

    use super::*;
    use crate::middleware::{LINKING, Need, need};

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

    /// Whatever is added has a scope by the rule alone.
    #[test]
    fn every_route_behind_a_credential_needs_one_scope() {
        let (read, send) = (Need::Scope(Scope::Read), Need::Scope(Scope::Send));
        for (route, method) in ROUTES.iter().filter(|(route, _)| route.starts_with(BASE)) {
            let needed = need(&method.to_uppercase().parse().unwrap(), route);
            let sends = route.split('/').nth(4).is_some_and(|call| call.starts_with("send"));
            match *method {
                "get" | "head" => assert_ne!(needed, send, "{method} {route}"),
                "post" if sends && route.split('/').count() == 5 => assert_eq!(needed, send, "{route}"),
                _ => assert_ne!(needed, read, "{method} {route}"),
            }
        }
        let about_users =
            |route: &str| ["/api/users", "/api/keys", "/api/audit"].iter().any(|p| route.starts_with(p));
        let not_own = |(route, method): &&(&str, &str)| {
            about_users(route) && need(&method.to_uppercase().parse().unwrap(), route) != Need::Own
        };
        assert_eq!(ROUTES.iter().find(not_own), None);
    }

    #[test]
    fn no_exception_is_left_of_a_route_that_has_gone() {
        let all = || ROUTES.iter().chain(dialects::routes());
        let known = |route: &str| all().any(|(known, _)| *known == route);
        // The stream of a linking comes with its own route.
        let gone: Vec<_> =
            LINKING.iter().filter(|route| !known(route) && !route.ends_with("/link")).collect();
        assert_eq!(gone, Vec::<&&str>::new());
    }
}
