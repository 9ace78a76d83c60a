use serde_json::{Value, json};
use wa_protobuf::appstate::SyncActionValue;

/// What a record says, in the words of [`StateChange`](crate::StateChange).
pub(super) fn said(value: &SyncActionValue) -> Value {
    if let Some(mute) = &value.mute_action {
        return json!({"muted": mute.muted(), "until": mute.mute_end_timestamp});
    }
    if let Some(pin) = &value.pin_action {
        return json!({"pinned": pin.pinned()});
    }
    if let Some(archive) = &value.archive_chat_action {
        return json!({"archived": archive.archived()});
    }
    if let Some(read) = &value.mark_chat_as_read_action {
        return json!({"read": read.read()});
    }
    if let Some(star) = &value.star_action {
        return json!({"starred": star.starred()});
    }
    if let Some(contact) = &value.contact_action {
        return json!({
            "full_name": contact.full_name,
            "first_name": contact.first_name,
            "lid": contact.lid_jid,
            "pn": contact.pn_jid,
            "save_on_phone": contact.save_on_primary_addressbook,
        });
    }
    if let Some(name) = &value.push_name_setting {
        return json!({"name": name.name});
    }
    if let Some(label) = &value.label_edit_action {
        return json!({"name": label.name, "color": label.color, "deleted": label.deleted()});
    }
    if let Some(label) = &value.label_association_action {
        return json!({"labeled": label.labeled()});
    }
    if let Some(reply) = &value.quick_reply_action {
        return json!({"shortcut": reply.shortcut, "message": reply.message, "deleted": reply.deleted()});
    }
    if let Some(delete) = &value.delete_message_for_me_action {
        return json!({"delete_media": delete.delete_media()});
    }
    if let Some(range) = value.delete_chat_action.as_ref().map(|delete| &delete.message_range) {
        let until = range.as_ref().and_then(|range| range.last_message_timestamp);
        return json!({"until": until});
    }
    Value::Null
}
