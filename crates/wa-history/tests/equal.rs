//! The stream says what prost makes of the whole.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::Index;
use prost::Message;
use support::{deflate, items, put_together};
use wa_history::Item;
use wa_protobuf::e2e::{self, ExtendedTextMessage, MessageKey};
use wa_protobuf::history::{
    Account, Conversation, GlobalSettings, GroupParticipant, HistorySync, HistorySyncMsg, InlineContact,
    PastParticipant, PastParticipants, PhoneNumberToLidMapping, Pushname, Reaction, UserReceipt,
    WebMessageInfo,
};

fn text() -> impl Strategy<Value = Option<String>> {
    option::of(".{0,40}")
}

fn bytes() -> impl Strategy<Value = Option<Bytes>> {
    option::of(vec(any::<u8>(), 0..40).prop_map(Bytes::from))
}

fn key() -> impl Strategy<Value = Option<MessageKey>> {
    let key = (text(), any::<Option<bool>>(), text(), text());
    option::of(key.prop_map(|(remote_jid, from_me, id, participant)| MessageKey {
        remote_jid,
        from_me,
        id,
        participant,
    }))
}

fn content() -> impl Strategy<Value = Option<e2e::Message>> {
    let text = (text(), text(), bytes());
    option::of(text.prop_map(|(conversation, description, thumbnail)| e2e::Message {
        conversation,
        extended_text_message: Some(Box::new(ExtendedTextMessage {
            description,
            jpeg_thumbnail: thumbnail,
            ..Default::default()
        })),
        ..Default::default()
    }))
}

fn message() -> impl Strategy<Value = WebMessageInfo> {
    let reaction = (key(), text(), any::<Option<i64>>()).prop_map(|(key, text, sender_timestamp_ms)| {
        Reaction { key, text, sender_timestamp_ms, ..Default::default() }
    });
    let receipt = (text(), vec(".{0,20}", 0..3)).prop_map(|(user_jid, pending_device_jid)| UserReceipt {
        user_jid,
        pending_device_jid,
        ..Default::default()
    });
    let parts = (key(), content(), any::<Option<u64>>(), 0..6i32, vec(reaction, 0..3), vec(receipt, 0..3));
    parts.prop_map(|(key, message, message_timestamp, status, reactions, user_receipt)| WebMessageInfo {
        key,
        message,
        message_timestamp,
        status: Some(status),
        reactions,
        user_receipt,
        ..Default::default()
    })
}

fn chat() -> impl Strategy<Value = Conversation> {
    let entry = (option::of(message()), any::<Option<u64>>());
    let entry = entry.prop_map(|(message, msg_order_id)| HistorySyncMsg { message, msg_order_id });
    let member = text().prop_map(|user_jid| GroupParticipant { user_jid, rank: Some(1) });
    let parts = (text(), vec(entry, 0..5), vec(member, 0..3), bytes(), text(), any::<Option<u32>>());
    parts.prop_map(|(id, messages, participant, tc_token, name, unread_count)| Conversation {
        id,
        messages,
        participant,
        tc_token,
        name,
        unread_count,
        ..Default::default()
    })
}

fn people() -> impl Strategy<Value = HistorySync> {
    let name = (text(), text()).prop_map(|(id, pushname)| Pushname { id, pushname });
    let mapping = (text(), text()).prop_map(|(pn_jid, lid_jid)| PhoneNumberToLidMapping { pn_jid, lid_jid });
    let left = (text(), any::<Option<u64>>()).prop_map(|(user_jid, leave_ts)| PastParticipant {
        user_jid,
        leave_reason: Some(1),
        leave_ts,
    });
    let left = (text(), vec(left, 0..3))
        .prop_map(|(group_jid, past_participants)| PastParticipants { group_jid, past_participants });
    let account = text().prop_map(|username| Account { username, ..Default::default() });
    let contact = text().prop_map(|full_name| InlineContact { full_name, ..Default::default() });
    let parts =
        (vec(name, 0..3), vec(mapping, 0..3), vec(left, 0..3), vec(account, 0..3), vec(contact, 0..3));
    parts.prop_map(|(pushnames, mappings, past_participants, accounts, inline_contacts)| HistorySync {
        pushnames,
        phone_number_to_lid_mappings: mappings,
        past_participants,
        accounts,
        inline_contacts,
        ..Default::default()
    })
}

fn chunk() -> impl Strategy<Value = HistorySync> {
    let numbers = any::<(Option<i32>, Option<u32>, Option<u32>, Option<u32>, Option<bool>)>();
    let secrets = (bytes(), bytes(), bytes(), text(), any::<Option<i32>>());
    (vec(chat(), 0..4), vec(message(), 0..3), people(), numbers, secrets).prop_map(
        |(conversations, status_v3_messages, people, numbers, secrets)| HistorySync {
            conversations,
            status_v3_messages,
            sync_type: numbers.0,
            chunk_order: numbers.1,
            progress: numbers.2,
            thread_ds_timeframe_offset: numbers.3,
            inline_contacts_provided: numbers.4,
            nct_salt: secrets.0,
            thread_id_user_secret: secrets.1,
            shareable_chat_identifier_encryption_key: secrets.2,
            companion_meta_nonce: secrets.3,
            global_settings: Some(GlobalSettings {
                disappearing_mode_duration: secrets.4,
                ..Default::default()
            }),
            ..people
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn items_are_the_chunk(chunk in chunk()) {
        let (items, error) = items(&deflate(&chunk.encode_to_vec()));
        prop_assert!(error.is_none(), "{error:?}");
        let ids = chunk.conversations.iter().flat_map(|chat| chat.messages.iter().map(|_| chat.id.as_deref()));
        let found = items.iter().filter_map(|item| match item {
            Item::Message { chat, .. } => Some(chat.as_deref()),
            _ => None,
        });
        prop_assert_eq!(found.collect::<Vec<_>>(), ids.collect::<Vec<_>>());
        prop_assert_eq!(put_together(items), Some(chunk));
    }

    /// Whatever prost takes, and says nothing of its own about.
    #[test]
    fn items_of_a_damaged_chunk_are_what_prost_makes_of_it(
        chunk in chunk(),
        changes in vec((any::<Index>(), any::<u8>()), 1..3),
    ) {
        let mut bytes = chunk.encode_to_vec();
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        let (items, error) = items(&deflate(&bytes));
        if let Ok(expected) = HistorySync::decode(&bytes[..]) {
            // Fields of groups are the one thing that prost passes over and the stream doesn't.
            if error.is_none() {
                prop_assert_eq!(put_together(items), Some(expected));
            }
        }
    }

    /// Damage costs what comes after it, not what came before.
    #[test]
    fn what_came_before_the_end_is_given_out(chunk in chunk(), cut in any::<Index>()) {
        let bytes = chunk.encode_to_vec();
        let all = items(&deflate(&bytes)).0;
        let cut = cut.index(bytes.len());
        let (some, error) = items(&deflate(&bytes[..cut]));
        prop_assert_eq!(&some[..], &all[..some.len()]);
        prop_assert_eq!(error.is_none(), some.len() == all.len() || HistorySync::decode(&bytes[..cut]).is_ok());

        let blob = deflate(&bytes);
        let cut = cut % blob.len();
        let (some, error) = items(&blob[..cut]);
        prop_assert_eq!(&some[..], &all[..some.len()]);
        prop_assert!(error.is_some(), "a stream that is cut off has no checksum");
    }
}
