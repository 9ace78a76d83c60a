//! Keys, actions, and the part of the server: what it does to a patch.
#![allow(dead_code, unreachable_pub, reason = "every test uses a part of it")]

use bytes::Bytes;
use proptest::prelude::*;
use prost::Message;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use wa_appstate::{Action, Built, Draft, KeyId, Keyring, Keys, MessageRef, Mute, Patch, Received, State};
use wa_protobuf::appstate::{
    ContactAction, LabelEditAction, QuickReplyAction, SyncActionMessageRange, SyncdMutations, SyncdPatch,
    SyncdVersion,
};

pub const TIME: i64 = 1_800_000_000_000;

pub fn rng() -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(7)
}

pub fn key_id(number: u8) -> KeyId {
    KeyId::new(vec![0, 0, 0, 0, 0, number]).unwrap()
}

/// Keys 0 to `count`.
pub fn ring(count: u8) -> Keyring {
    let mut ring = Keyring::default();
    for number in 0..count {
        ring.insert(key_id(number), Keys::expand(&[number; 32]));
    }
    ring
}

/// The patch as the server hands it out.
pub fn numbered(built: &Built) -> SyncdPatch {
    let mut patch = SyncdPatch::decode(&built.patch[..]).unwrap();
    patch.version = Some(SyncdVersion { version: Some(built.change.version) });
    patch
}

pub fn received(patch: &SyncdPatch) -> Patch {
    match Received::decode(patch.encode_to_vec().into()).unwrap() {
        Received::Inline(patch) => patch,
        Received::External(_) => panic!("the mutations are elsewhere"),
    }
}

/// The same with its mutations in a blob.
pub fn received_as_blob(mut patch: SyncdPatch) -> Patch {
    let blob = SyncdMutations { mutations: std::mem::take(&mut patch.mutations) };
    patch.external_mutations = Some(Default::default());
    match Received::decode(patch.encode_to_vec().into()).unwrap() {
        Received::Inline(_) => panic!("the mutations are here"),
        Received::External(external) => external.with_blob(blob.encode_to_vec().into()).unwrap(),
    }
}

/// Applies these actions to a state as one patch, written with the key `number`.
pub fn set(state: &mut State, actions: &[Action], number: u8) -> Built {
    let drafts: Vec<_> = actions.iter().map(|action| Draft::set(action, TIME)).collect();
    write(state, &drafts, number)
}

pub fn write(state: &mut State, drafts: &[Draft], number: u8) -> Built {
    let built = state.build(drafts, &key_id(number), &ring(number + 1), &mut rng()).unwrap();
    state.apply(&built.change);
    built
}

pub fn pin(chat: &str) -> Action {
    Action::Pin { chat: chat.to_owned(), pinned: true }
}

fn jid() -> impl Strategy<Value = String> {
    // Few, so that actions meet; and what an index has to escape.
    prop_oneof!["[0-3]@s.whatsapp.net", "[0-3]@lid", "[\"\\\\\u{1}\u{7f}ä😀<&]{0,3}"]
}

fn message() -> impl Strategy<Value = MessageRef> {
    let participant = prop::option::of(jid().prop_filter("0 is nobody", |jid| jid != "0"));
    (jid(), "[A-F0-9]{2}", any::<bool>(), participant)
        .prop_map(|(chat, id, from_me, participant)| MessageRef { chat, id, from_me, participant })
}

fn range() -> impl Strategy<Value = Option<SyncActionMessageRange>> {
    prop::option::of(any::<i64>()).prop_map(|time| {
        time.map(|time| SyncActionMessageRange { last_message_timestamp: Some(time), ..Default::default() })
    })
}

fn mute() -> impl Strategy<Value = Mute> {
    prop_oneof![Just(Mute::Off), Just(Mute::Forever), (0..i64::MAX).prop_map(Mute::Until)]
}

/// Any action that has a type.
pub fn action() -> impl Strategy<Value = Action> {
    prop_oneof![about_chats(), about_messages(), about_the_account(), about_labels()]
}

/// Actions of the collection `regular_low`.
pub fn about_chats() -> impl Strategy<Value = Action> {
    prop_oneof![
        (jid(), any::<bool>()).prop_map(|(chat, pinned)| Action::Pin { chat, pinned }),
        (jid(), any::<bool>(), range()).prop_map(|(chat, archived, range)| Action::Archive {
            chat,
            archived,
            range
        }),
        (jid(), any::<bool>(), range()).prop_map(|(chat, read, range)| Action::MarkRead {
            chat,
            read,
            range
        }),
        any::<bool>().prop_map(Action::UnarchiveChats),
    ]
}

fn about_messages() -> impl Strategy<Value = Action> {
    prop_oneof![
        (jid(), mute()).prop_map(|(chat, mute)| Action::Mute { chat, mute }),
        (message(), any::<bool>()).prop_map(|(message, starred)| Action::Star { message, starred }),
        (message(), any::<bool>(), any::<Option<i64>>()).prop_map(|(message, delete_media, sent)| {
            Action::DeleteForMe { message, delete_media, sent }
        }),
        (jid(), any::<bool>(), range()).prop_map(|(chat, delete_media, range)| Action::DeleteChat {
            chat,
            delete_media,
            range
        }),
        (jid(), any::<(bool, bool)>(), range()).prop_map(|(chat, (delete_starred, delete_media), range)| {
            Action::ClearChat { chat, delete_starred, delete_media, range }
        }),
    ]
}

fn about_the_account() -> impl Strategy<Value = Action> {
    let contact = |(jid, full_name): (String, Option<String>)| Action::Contact {
        jid,
        contact: ContactAction { full_name, ..Default::default() },
    };
    prop_oneof![
        (jid(), any::<Option<String>>()).prop_map(contact),
        (jid(), any::<bool>()).prop_map(|(author, muted)| Action::MuteStatus { author, muted }),
        any::<String>().prop_map(Action::PushName),
        any::<String>().prop_map(Action::Locale),
        any::<Vec<u8>>().prop_map(|salt| Action::NctSalt(Bytes::from(salt))),
    ]
}

fn about_labels() -> impl Strategy<Value = Action> {
    let label = |(id, name): (String, Option<String>)| Action::Label {
        id,
        label: LabelEditAction { name, ..Default::default() },
    };
    let reply = |(id, message): (String, Option<String>)| Action::QuickReply {
        id,
        reply: QuickReplyAction { message, ..Default::default() },
    };
    prop_oneof![
        ("[0-9]", any::<Option<String>>()).prop_map(label),
        ("[0-9]", jid(), any::<bool>()).prop_map(|(label, chat, labeled)| Action::LabelChat {
            label,
            chat,
            labeled
        }),
        ("[0-9]", message(), any::<bool>()).prop_map(|(label, message, labeled)| Action::LabelMessage {
            label,
            message,
            labeled
        }),
        ("[0-9]{10}", any::<Option<String>>()).prop_map(reply),
    ]
}
