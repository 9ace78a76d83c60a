//! What the recorded patches say, one by one.

use wa_protobuf::appstate::{
    ContactAction, LabelEditAction, QuickReplyAction, SyncActionMessage, SyncActionMessageRange,
};
use wa_protobuf::e2e::MessageKey;

use crate::{Action, MessageRef, Mute, Operation};

fn chat() -> String {
    "15550000001@s.whatsapp.net".to_owned()
}

fn group() -> String {
    "120363000000000001@g.us".to_owned()
}

fn message(id: &str, from_me: bool) -> MessageRef {
    MessageRef { chat: chat(), id: id.to_owned(), from_me, participant: None }
}

fn range() -> Option<SyncActionMessageRange> {
    let key = MessageKey {
        remote_jid: Some(group()),
        from_me: Some(false),
        id: Some("3EB0AAAA".into()),
        participant: Some(chat()),
    };
    Some(SyncActionMessageRange {
        last_message_timestamp: Some(1_700_000_000),
        last_system_message_timestamp: None,
        // Baileys passes its own kind of message for one of these, whose time has another name.
        messages: vec![SyncActionMessage { key: Some(key), timestamp: None }],
    })
}

fn contact(full: Option<&str>, first: Option<&str>, lid: Option<&str>) -> ContactAction {
    ContactAction {
        full_name: full.map(Into::into),
        first_name: first.map(Into::into),
        lid_jid: lid.map(Into::into),
        ..Default::default()
    }
}

/// In the order of `record.mjs`.
pub(super) fn expected() -> Vec<(Operation, Action)> {
    let all = [chats(), people(), labels()].concat();
    let removes = |action: &Action| *action == removed();
    let operation = |action: &Action| if removes(action) { Operation::Remove } else { Operation::Set };
    all.into_iter().map(|action| (operation(&action), action)).collect()
}

fn removed() -> Action {
    Action::Contact { jid: "15550000002@s.whatsapp.net".into(), contact: ContactAction::default() }
}

fn chats() -> Vec<Action> {
    vec![
        Action::Mute { chat: chat(), mute: Mute::Until(1_900_000_000_000) },
        Action::Mute { chat: chat(), mute: Mute::Off },
        Action::Mute { chat: group(), mute: Mute::Forever },
        Action::Pin { chat: chat(), pinned: true },
        Action::Archive { chat: group(), archived: true, range: range() },
        Action::Archive { chat: group(), archived: false, range: range() },
        Action::MarkRead { chat: group(), read: true, range: range() },
        Action::DeleteForMe {
            message: message("3EB0BBBB", true),
            delete_media: true,
            sent: Some(1_700_000_001),
        },
        Action::DeleteChat { chat: group(), delete_media: true, range: range() },
        Action::ClearChat { chat: group(), delete_starred: true, delete_media: false, range: range() },
    ]
}

fn people() -> Vec<Action> {
    let named = contact(Some("Ana \"Ä\" \\ Sousa"), Some("Ana"), Some("100000000000001@lid"));
    vec![
        Action::Contact { jid: chat(), contact: named },
        Action::Contact {
            jid: "15550000002@s.whatsapp.net".into(),
            contact: contact(Some("Bo"), None, None),
        },
        removed(),
        Action::PushName("Ana".into()),
        Action::PushName("Ana S.".into()),
    ]
}

fn labels() -> Vec<Action> {
    let label = LabelEditAction {
        name: Some("New".into()),
        color: Some(5),
        predefined_id: Some(1),
        deleted: Some(false),
        ..Default::default()
    };
    let reply = QuickReplyAction {
        shortcut: Some("hi".into()),
        message: Some("Hello\n\"you\"".into()),
        keywords: Vec::new(),
        count: Some(0),
        deleted: Some(false),
    };
    let labels_chat = |labeled| Action::LabelChat { label: "3".into(), chat: chat(), labeled };
    vec![
        Action::Label { id: "3".into(), label },
        labels_chat(true),
        labels_chat(false),
        Action::LabelMessage { label: "3".into(), message: message("3EB0CCCC", false), labeled: true },
        Action::QuickReply { id: "1700000002".into(), reply },
    ]
}
