//! The API of Evolution API (version 2): instances by name, with `apikey`.

mod access;
mod files;
mod instances;
mod linking;
mod messages;
mod people;
mod text;
mod webhooks;

use access::{Credentials, by_key};

/// Paths whose bodies may hold a file.
const FILES: &[&str] = &[
    "/message/sendMedia/{instance}",
    "/message/sendWhatsAppAudio/{instance}",
    "/message/sendSticker/{instance}",
];

dialect! {
    "evolution": "The API of Evolution API, as far as a bot needs it: instances, QR codes, sending, webhooks, and asking about numbers.",
    credentials: Credentials,
    errors: access::Failed,
    files: FILES;

    by by_key:
    "/message/sendText/{instance}" { post messages::send_text }
    "/message/sendMedia/{instance}" { post files::send_media }
    "/message/sendWhatsAppAudio/{instance}" { post files::send_audio }
    "/message/sendSticker/{instance}" { post files::send_sticker }
    "/message/sendLocation/{instance}" { post messages::send_location }
    "/message/sendContact/{instance}" { post messages::send_contact }
    "/message/sendPoll/{instance}" { post messages::send_poll }
    "/message/sendReaction/{instance}" { post messages::send_reaction }
    "/chat/whatsappNumbers/{instance}" { post people::numbers }
    "/chat/markMessageAsRead/{instance}" { post people::mark_read }
    "/chat/sendPresence/{instance}" { post people::send_presence }
    "/chat/fetchProfilePictureUrl/{instance}" { post people::picture }
    "/chat/deleteMessageForEveryone/{instance}" { delete messages::take_back }
    "/instance/create" { post instances::create }
    "/instance/fetchInstances" { get instances::fetch }
    "/instance/connect/{instance}" { get linking::connect }
    "/instance/connectionState/{instance}" { get instances::state_of }
    "/instance/restart/{instance}" { put instances::restart, post instances::restart_too }
    "/instance/logout/{instance}" { delete instances::logout }
    "/instance/delete/{instance}" { delete instances::delete }
    "/instance/setPresence/{instance}" { post people::set_presence }
    "/webhook/set/{instance}" { post webhooks::set }
    "/webhook/find/{instance}" { get webhooks::find }
}
