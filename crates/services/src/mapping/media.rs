//! Files of messages, as they are stored and told.

use storage::{
    EventData, MediaData, MediaFault, MediaState, MediaUpdate, Message, MessageMediaData, NewEvent,
    StoredMedia, Timestamp,
};
use wa_client::RemoteFile;
use wa_client::content::{Media, View};
use wa_client::media_files::file;

use super::names::ChatNames;

/// The file that a message names, before anybody has fetched it.
pub(crate) fn announced(view: &View<'_>) -> Option<StoredMedia> {
    let media = view.media()?;
    let is_complete = RemoteFile::of(&media).is_ok();
    Some(StoredMedia {
        state: if is_complete { MediaState::Pending } else { MediaState::Failed },
        fault: (!is_complete).then_some(MediaFault::Incomplete),
        mime_type: media.mime_type.map(str::to_owned),
        file_name: file_name(view, &media),
        size: media.size,
        object: None,
    })
}

/// Every file has a name: the sender's, or one that says what it is.
fn file_name(view: &View<'_>, media: &Media<'_>) -> String {
    let kind = view.kind().as_str();
    file::document_name(media.file_name.or(Some(kind)), media.mime_type.unwrap_or_default())
}

/// The file of a stored message has come to this.
pub(crate) fn came_to(message: &Message, media: StoredMedia, now: Timestamp) -> MediaUpdate {
    let told = MessageMediaData {
        message_id: message.message_id.clone(),
        from_me: message.from_me,
        participant: message.participant.clone(),
        kind: message.kind,
        media: MediaData::from(&media),
    };
    let chat = ChatNames::of_stored(&message.chat, &message.wire_chat).chat;
    MediaUpdate {
        message: (message.id, message.message_id.clone()),
        media,
        at: now,
        event: Some(NewEvent::new(Some(chat), EventData::MessageMedia(told))),
    }
}
