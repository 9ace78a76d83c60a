use wa_protobuf::e2e::{ContextInfo, Message};

/// Declares which kinds of content have a context: what they quote, whom they mention, when they disappear.
macro_rules! with_context {
    ($($field:ident),+ $(,)?) => {
        /// What a message quotes, whom it mentions, and when it disappears.
        pub(super) fn of(message: &Message) -> Option<&ContextInfo> {
            $(
                if let Some(content) = message.$field.as_deref() {
                    return content.context_info.as_deref();
                }
            )+
            None
        }

        /// Where such a message holds it; `None` for kinds that have none.
        pub(super) fn slot(message: &mut Message) -> Option<&mut Option<Box<ContextInfo>>> {
            $(
                if let Some(content) = message.$field.as_deref_mut() {
                    return Some(&mut content.context_info);
                }
            )+
            None
        }
    };
}

/// The same, in a message that we may have wrapped (PROTOCOL.md 11.5).
pub(super) fn slot_within(message: &mut Message) -> Option<&mut Option<Box<ContextInfo>>> {
    let wrapper = match message {
        Message { document_with_caption_message: Some(wrapper), .. }
        | Message { view_once_message: Some(wrapper), .. }
        | Message { view_once_message_v2_extension: Some(wrapper), .. } => wrapper,
        message => return slot(message),
    };
    slot(wrapper.message.as_deref_mut()?)
}

with_context!(
    extended_text_message,
    image_message,
    video_message,
    ptv_message,
    audio_message,
    document_message,
    sticker_message,
    sticker_pack_message,
    contact_message,
    contacts_array_message,
    location_message,
    live_location_message,
    album_message,
    poll_creation_message,
    poll_creation_message_v2,
    poll_creation_message_v3,
    poll_creation_message_v5,
    poll_creation_message_v6,
    poll_result_snapshot_message,
    event_message,
    group_invite_message,
    newsletter_admin_invite_message,
    product_message,
    order_message,
    list_message,
    list_response_message,
    buttons_message,
    buttons_response_message,
    template_message,
    template_button_reply_message,
    interactive_message,
    interactive_response_message,
    request_phone_number_message,
);
