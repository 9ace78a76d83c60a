//! Chunks of history, and what they say once their items are put together again.
#![allow(dead_code, unreachable_pub, reason = "every test uses a part of it")]

use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use prost::Message;
use wa_history::{History, HistoryError, Item};
use wa_protobuf::history::{Conversation, HistorySync, HistorySyncMsg};

pub fn deflate(chunk: &[u8]) -> Vec<u8> {
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
    zlib.write_all(chunk).unwrap();
    zlib.finish().unwrap()
}

pub fn items(blob: &[u8]) -> (Vec<Item>, Option<HistoryError>) {
    let mut items = Vec::new();
    for item in History::new(blob) {
        match item {
            Ok(item) => items.push(item),
            Err(error) => return (items, Some(error)),
        }
    }
    (items, None)
}

/// The chunk that has these items, merged in their order as prost merges fields. `None` if something was refused.
pub fn put_together(items: Vec<Item>) -> Option<HistorySync> {
    let mut chunk = HistorySync::default();
    let mut messages = Vec::new();
    for item in items {
        let part = match item {
            Item::Message { message, .. } => {
                messages.push(*message);
                continue;
            }
            Item::Chat(chat) => {
                let chat = Conversation { messages: std::mem::take(&mut messages), ..*chat };
                HistorySync { conversations: vec![chat], ..Default::default() }
            }
            item => alone(item)?,
        };
        chunk.merge(&part.encode_to_vec()[..]).unwrap();
    }
    assert_eq!(messages, Vec::<HistorySyncMsg>::new(), "a chat comes after its messages");
    Some(chunk)
}

fn alone(item: Item) -> Option<HistorySync> {
    let mut chunk = HistorySync::default();
    match item {
        Item::SyncType(kind) => chunk.sync_type = Some(kind),
        Item::ChunkOrder(order) => chunk.chunk_order = Some(order),
        Item::Progress(percent) => chunk.progress = Some(percent),
        Item::Status(status) => chunk.status_v3_messages = vec![*status],
        Item::PushName(name) => chunk.pushnames = vec![name],
        Item::Settings(settings) => chunk.global_settings = Some(*settings),
        Item::PastParticipants(left) => chunk.past_participants = vec![left],
        Item::LidMapping(mapping) => chunk.phone_number_to_lid_mappings = vec![mapping],
        Item::CompanionMetaNonce(nonce) => chunk.companion_meta_nonce = Some(nonce),
        Item::Account(account) => chunk.accounts = vec![account],
        Item::NctSalt(salt) => chunk.nct_salt = Some(salt),
        Item::Contact(contact) => chunk.inline_contacts = vec![contact],
        Item::ContactsProvided(all) => chunk.inline_contacts_provided = Some(all),
        Item::ThreadIdSecret(secret) => chunk.thread_id_user_secret = Some(secret),
        Item::ThreadTimeframeOffset(offset) => chunk.thread_ds_timeframe_offset = Some(offset),
        Item::ShareableChatKey(key) => chunk.shareable_chat_identifier_encryption_key = Some(key),
        Item::Refused { .. } => return None,
        Item::Message { .. } | Item::Chat(_) => panic!("these are put together elsewhere"),
    }
    Some(chunk)
}
