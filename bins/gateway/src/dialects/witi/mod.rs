//! The API of witi.me: `/<command>.aspx?wid=<key>`, where the key both addresses an instance and opens it.

mod access;
mod chats;
mod connection;
mod groups;
mod key;
mod messages;
mod people;
mod settings;
mod status;

use access::{Credentials, by_gid, by_wid};

use crate::middleware::authenticate;

/// Paths whose bodies may hold a file.
const FILES: &[&str] = &["/send_message_file.aspx"];

dialect! {
    "witi": "The API of witi.me, with its spellings.",
    credentials: Credentials,
    errors: access::Failed,
    files: FILES;

    by authenticate:
    "/api/instances/{id}/witi" { get key::show }
    "/api/instances/{id}/witi/rotate" { post key::rotate }

    by by_wid:
    "/send_message.aspx" { post messages::send_message }
    "/send_message_file.aspx" { post messages::send_message_file }
    "/send_contact.aspx" { post messages::send_contact }
    "/generate_qrcode.aspx" { post connection::generate_qrcode }
    "/status.aspx" { get connection::status }
    "/disconnect.aspx" { get connection::disconnect }
    "/close_session.aspx" { get connection::close_session }
    "/save_session.aspx" { get connection::save_session }
    "/restore_session.aspx" { get connection::restore_session }
    "/clear.aspx" { get connection::clear }
    "/set_config.aspx" { post settings::set_config }
    "/chats.aspx" { get chats::chats }
    "/contacts.aspx" { get chats::contacts }
    "/mark_read.aspx" { post messages::mark_read }
    "/subscribe.aspx" { post people::subscribe }
    "/send_presence.aspx" { post people::send_presence }
    "/get_profile.aspx" { post people::get_profile }
    "/query_profile.aspx" { post people::query_profile }
    "/get_picture.aspx" { get people::get_picture }

    by by_gid:
    "/witime/group/getstatus.aspx" { get groups::getstatus }
    "/witime/group/Start.aspx" { get groups::start }
    "/witime/group/End.aspx" { get groups::end }
    "/witime/group/query_profile.aspx" { post groups::group_profile }
}
