//! The API of whatsgate: `POST /api/v1/<command>` with `X-Api-Key`, about sessions that a body names by their `unique_id`.

mod access;
mod chats;
mod events;
mod files;
mod messages;
mod session;
mod settings;
mod text;

use access::{Credentials, by_key};

/// Paths whose bodies may hold a file.
const FILES: &[&str] = &["/api/v1/send"];

dialect! {
    "whatsgate": "The API of whatsgate.",
    credentials: Credentials,
    errors: access::Failed,
    files: FILES;

    by by_key:
    "/api/v1/send" { post messages::send }
    "/api/v1/session-create" { post session::create }
    "/api/v1/session-delete" { post session::delete }
    "/api/v1/sessions-get" { post session::list }
    "/api/v1/set-name" { post settings::set_name }
    "/api/v1/set-hook" { post settings::set_hook }
    "/api/v1/seen" { post chats::seen }
    "/api/v1/typing" { post chats::typing }
    "/api/v1/get-chats" { post chats::get_chats }
    "/api/v1/check" { post chats::check }
    "/api/v1/get-media" { post files::get_media }
    "/api/v1/get-messagemedia" { post files::get_messagemedia }
    "/api/v1/events-get" { post events::events_get }
}
