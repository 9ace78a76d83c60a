//! The API of WAHA: sessions by name, with `X-Api-Key`. A session is an instance that is called so.

mod access;
mod auth;
mod config;
mod files;
mod messages;
mod people;
mod sessions;
mod text;

use access::{Credentials, by_key};

/// Paths whose bodies may hold a file.
const FILES: &[&str] = &["/api/sendImage", "/api/sendFile", "/api/sendVideo", "/api/sendVoice"];

dialect! {
    "waha": "The API of WAHA, as far as a bot needs it: sessions, QR codes, sending, and asking about numbers.",
    credentials: Credentials,
    errors: access::Failed,
    files: FILES;

    by by_key:
    "/api/sendText" { post messages::send_text }
    "/api/sendImage" { post files::send_image }
    "/api/sendFile" { post files::send_file }
    "/api/sendVideo" { post files::send_video }
    "/api/sendVoice" { post files::send_voice }
    "/api/sendLocation" { post messages::send_location }
    "/api/sendContactVcard" { post messages::send_contacts }
    "/api/sendPoll" { post messages::send_poll }
    "/api/reaction" { put messages::react }
    "/api/sendSeen" { post people::send_seen }
    "/api/startTyping" { post people::start_typing }
    "/api/stopTyping" { post people::stop_typing }
    "/api/contacts/check-exists" { get people::check_exists }
    "/api/contacts/about" { get people::about }
    "/api/contacts/profile-picture" { get people::profile_picture }
    "/api/sessions" { get sessions::list, post sessions::create }
    "/api/sessions/{session}" { get sessions::find, put sessions::update, delete sessions::delete }
    "/api/sessions/{session}/me" { get sessions::me }
    "/api/sessions/{session}/start" { post sessions::start }
    "/api/sessions/{session}/stop" { post sessions::stop }
    "/api/sessions/{session}/restart" { post sessions::restart }
    "/api/sessions/{session}/logout" { post sessions::logout }
    "/api/{session}/auth/qr" { get auth::qr }
    "/api/{session}/auth/request-code" { post auth::request_code }
    "/api/{session}/presence" { post people::presence }
    "/api/{session}/chats/{chat}/messages/{message}" { put messages::edit, delete messages::take_back }
}
