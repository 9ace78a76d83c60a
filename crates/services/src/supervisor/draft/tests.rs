use serde_json::{Value, json};
use storage::StoredMessageId;
use wa_binary::Jid;
use wa_client::ReceiptKind;

use super::*;
use crate::supervisor::incoming::{Chat, meaning};

const NOW: Timestamp = Timestamp::from_seconds(1_700_000_000);
const PN: &str = "79001234567@s.whatsapp.net";
const LID: &str = "900001@lid";

fn draft() -> Draft {
    Draft::new(InstanceId::generate(), Memory::default(), NOW)
}

fn jid(text: &str) -> Jid {
    text.parse().unwrap()
}

fn chat(wire: &str, pn: Option<&str>, lid: Option<&str>) -> Chat {
    Chat::new(&jid(wire), pn.map(jid).as_ref(), lid.map(jid).as_ref())
}

fn text(text: &str) -> e2e::Message {
    e2e::Message { conversation: Some(text.to_owned()), ..Default::default() }
}

fn incoming(message: &e2e::Message) -> Incoming<'_> {
    Incoming {
        id: "ABC",
        chat: chat(LID, Some(PN), Some(LID)),
        sender: LID.to_owned(),
        participant: None,
        from_me: false,
        push_name: Some("Ann"),
        timestamp: 1_600_000_000,
        message,
    }
}

fn only_entry(draft: Draft) -> Entry {
    let mut entries = draft.finish().0.unwrap().entries;
    assert_eq!(entries.len(), 1);
    entries.remove(0)
}

fn data(event: &NewEvent) -> Value {
    event.data.parse().unwrap()
}

fn events(draft: Draft) -> (Option<StateChange>, Vec<(EventKind, Value)>) {
    let record = draft.finish().0.unwrap();
    let told = record.entries.iter().map(|entry| match entry {
        Entry::Event(event) => (event.kind, data(event)),
        other => panic!("not an event: {other:?}"),
    });
    (record.state.clone(), told.collect())
}

#[test]
fn a_message_is_stored_under_the_number_and_keyed_by_the_wire() {
    let mut draft = draft();
    draft.message(&incoming(&text("hi")));
    assert_eq!(draft.same_person(), [(LID.to_owned(), PN.to_owned())]);
    let Entry::Message(new) = only_entry(draft) else { panic!("a message") };
    let message = &new.message;
    assert_eq!((message.chat.as_str(), message.wire_chat.as_str(), message.sender.as_str()), (PN, LID, LID));
    assert_eq!((message.status, message.from_me), (MessageStatus::Received, false));
    assert_eq!((message.message_type.as_str(), message.content.as_deref()), ("text", Some("hi")));
    assert_eq!(message.created_at, Timestamp::from_seconds(1_600_000_000));
    let event = new.event.as_ref().unwrap();
    assert_eq!(
        (event.kind, event.chat.as_deref(), event.timestamp),
        (EventKind::MessageReceived, Some(PN), NOW)
    );
    let data = data(event);
    assert_eq!((&data["from"], &data["pn"], &data["lid"]), (&json!(PN), &json!(PN), &json!(LID)));
}

#[test]
fn what_another_device_of_ours_wrote_is_a_sent_message() {
    let message = text("from the phone");
    let mut draft = draft();
    draft.message(&Incoming { from_me: true, ..incoming(&message) });
    let Entry::Message(new) = only_entry(draft) else { panic!("a message") };
    assert_eq!((new.message.status, new.message.from_me), (MessageStatus::Sent, true));
    let event = new.event.as_ref().unwrap();
    assert_eq!(event.kind, EventKind::MessageSent);
    assert_eq!((&data(event)["to"], &data(event)["fromMe"]), (&json!(PN), &json!(true)));
}

#[test]
fn in_a_group_the_writer_is_named() {
    let message = text("hi all");
    let group = "1203630@g.us";
    let mut draft = draft();
    let chat = chat(group, None, None);
    draft.message(&Incoming { chat, participant: Some(PN.to_owned()), ..incoming(&message) });
    let Entry::Message(new) = only_entry(draft) else { panic!("a message") };
    assert_eq!(new.message.chat, group);
    let data = data(new.event.as_ref().unwrap());
    assert_eq!(
        (&data["remoteJid"], &data["from"], &data["participant"]),
        (&json!(group), &json!(PN), &json!(PN))
    );
}

#[test]
fn machinery_leaves_no_trace() {
    let keys =
        e2e::Message { sender_key_distribution_message: Some(Default::default()), ..Default::default() };
    let mut draft = draft();
    draft.message(&incoming(&keys));
    assert!(draft.finish().0.is_none());
}

#[test]
fn a_chat_has_the_best_name_that_is_known() {
    let table = [
        (PN, None, None, PN, vec![PN]),
        (PN, None, Some(LID), PN, vec![PN, LID]),
        (LID, None, None, LID, vec![LID]),
        (LID, Some(PN), None, PN, vec![PN, LID]),
        ("900001:7@lid", Some("79001234567:7@s.whatsapp.net"), None, PN, vec![PN, LID]),
    ];
    for (wire, pn, lid, name, names) in table {
        let chat = chat(wire, pn, lid);
        assert_eq!(
            (chat.name.as_str(), chat.names()),
            (name, names.iter().map(|n| (*n).to_owned()).collect())
        );
    }
}

#[test]
fn receipts_say_what_happened_to_whose_messages() {
    use MessageStatus::{Delivered, Played, Read};
    use ReceiptKind as Kind;
    let table = [
        (Kind::Delivered, false, Some((Delivered, true))),
        (Kind::Inactive, false, Some((Delivered, true))),
        (Kind::Read, false, Some((Read, true))),
        (Kind::Played, false, Some((Played, true))),
        (Kind::Read, true, Some((Read, false))),
        (Kind::ReadSelf, true, Some((Read, false))),
        (Kind::PlayedSelf, true, Some((Played, false))),
        (Kind::Delivered, true, None),
        (Kind::Sender, true, None),
        (Kind::ServerError, false, None),
        (Kind::Other("view".to_owned()), false, None),
    ];
    for (kind, from_me, expected) in table {
        assert_eq!(meaning(&kind, from_me), expected, "{kind:?} {from_me}");
    }
}

#[test]
fn each_message_of_a_receipt_is_updated_under_all_names_of_its_chat() {
    let mut draft = draft();
    draft.receipt(&Receipt {
        chat: chat(LID, Some(PN), None),
        ids: vec!["A", "B"],
        status: MessageStatus::Read,
        ours: true,
        timestamp: 1_600_000_000,
    });
    let entries = draft.finish().0.unwrap().entries;
    let ids: Vec<_> = entries
        .iter()
        .map(|entry| {
            let Entry::Status(update) = entry else { panic!("a status") };
            assert_eq!(update.chats, [PN, LID]);
            let data = data(update.event.as_ref().unwrap());
            assert_eq!(
                (&data["status"], &data["from"], &data["fromMe"]),
                (&json!("read"), &json!(PN), &json!(true))
            );
            update.message_id.as_str()
        })
        .collect();
    assert_eq!(ids, ["A", "B"]);
}

fn disconnected(cause: Cause, will_reconnect: bool) -> Event {
    Event::Disconnected { cause, will_reconnect }
}

fn code(n: u8) -> Event {
    Event::Qr(QrCode { text: format!("https://wa.me/#{n}"), bare: n.to_string(), expires_at: 0 })
}

fn paired() -> Event {
    Event::Paired(Paired {
        jid: jid("15550000001:7@s.whatsapp.net"),
        lid: Some(jid("77:7@lid")),
        platform: "android".to_owned(),
        business_name: None,
    })
}

#[test]
fn codes_are_counted_until_a_connection() {
    let mut draft = draft();
    [code(1), code(2), Event::Connected, code(3)].iter().for_each(|event| draft.add(event));
    let (_, told) = events(draft);
    let attempts: Vec<_> = told.iter().filter(|(kind, _)| *kind == EventKind::QrReceived).collect();
    assert_eq!(
        attempts.iter().map(|(_, data)| (&data["qrCode"], &data["attempt"])).collect::<Vec<_>>(),
        [
            (&json!("https://wa.me/#1"), &json!(1)),
            (&json!("https://wa.me/#2"), &json!(2)),
            (&json!("https://wa.me/#3"), &json!(1)),
        ]
    );
}

#[test]
fn pairing_and_connecting_in_one_batch_add_up() {
    let mut draft = draft();
    [paired(), disconnected(Cause::Restart, true), Event::Connected]
        .iter()
        .for_each(|event| draft.add(event));
    let (state, told) = events(draft);
    let state = state.unwrap();
    assert_eq!((state.status, state.status_cause), (Some(InstanceStatus::Connected), Some(None)));
    assert_eq!(state.jid.flatten().as_deref(), Some("15550000001@s.whatsapp.net"));
    assert_eq!(state.lid.flatten().as_deref(), Some("77@lid"));
    assert_eq!(state.phone.flatten().as_deref(), Some("15550000001"));
    let kinds: Vec<_> = told.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(kinds, [EventKind::Connected], "the restart after pairing is no news");
    assert_eq!(told[0].1["jid"], "15550000001@s.whatsapp.net");
}

#[test]
fn only_the_end_of_a_connection_and_a_final_stop_are_told() {
    let mut draft = draft();
    for event in [
        disconnected(Cause::Network, true),
        Event::Connected,
        disconnected(Cause::Network, true),
        disconnected(Cause::Network, true),
        disconnected(Cause::Outdated, false),
    ] {
        draft.add(&event);
    }
    let (state, told) = events(draft);
    let told: Vec<_> =
        told.iter().map(|(kind, data)| (kind.as_str(), &data["reason"], &data["willReconnect"])).collect();
    assert_eq!(
        told,
        [
            ("connected", &Value::Null, &Value::Null),
            ("disconnected", &json!("network"), &json!(true)),
            ("disconnected", &json!("outdated"), &json!(false)),
        ]
    );
    let state = state.unwrap();
    assert_eq!(state.status, Some(InstanceStatus::Disconnected));
    assert_eq!(state.status_cause.flatten().as_deref(), Some("outdated"));
}

#[test]
fn a_logout_forgets_the_account_and_says_so_in_the_documented_word() {
    let mut draft = draft();
    [paired(), Event::Connected, disconnected(Cause::LoggedOut, false)]
        .iter()
        .for_each(|event| draft.add(event));
    let memory = Memory { own_jid: None, qr_codes: 0, connected: false };
    assert_eq!(draft.memory, memory);
    let (state, told) = events(draft);
    let state = state.unwrap();
    assert_eq!((state.status, state.jid), (Some(InstanceStatus::LoggedOut), Some(None)));
    let (_, data) = told.last().unwrap();
    assert_eq!((&data["reason"], &data["cause"]), (&json!("logout"), &json!("logged_out")));
}

#[test]
fn a_stop_of_the_gateway_leaves_the_wish_to_be_connected() {
    let mut draft = draft();
    [Event::Connected, disconnected(Cause::Shutdown, false)].iter().for_each(|event| draft.add(event));
    let (state, told) = events(draft);
    assert_eq!(state.unwrap().status, Some(InstanceStatus::Connecting));
    assert_eq!(told.last().unwrap().1["willReconnect"], true);
}

#[test]
fn a_stop_of_the_gateway_does_not_revive_what_has_ended() {
    let mut draft = draft();
    let ended =
        [Event::Connected, disconnected(Cause::LoggedOut, false), disconnected(Cause::Shutdown, false)];
    ended.iter().for_each(|event| draft.add(event));
    let (state, told) = events(draft);
    let state = state.unwrap();
    assert_eq!(state.status, Some(InstanceStatus::LoggedOut));
    assert_eq!(state.status_cause, Some(Some("logged_out".to_owned())));
    assert_eq!(told.len(), 2);
}

#[test]
fn a_live_message_is_dated_as_late_within_its_second_as_may_be() {
    let at = |millis| within_second(100, Timestamp::from_millis(millis)).millis();
    assert_eq!((at(100_250), at(101_000)), (100_250, 100_999));
    assert_eq!((at(99_000), at(200_000)), (100_000, 100_000), "another clock, or a backlog");
}

#[test]
fn pending_messages_of_an_account_that_is_gone_fail() {
    let mut draft = draft();
    let message = Message {
        id: StoredMessageId::generate(),
        status: MessageStatus::Pending,
        ..draft.stored(&incoming(&text("hi")), &Content::default(), Json::default(), MessageStatus::Pending)
    };
    draft.give_up(&[PendingMessage { message, payload: Default::default() }], "logged_out");
    let Entry::Status(update) = only_entry(draft) else { panic!("a status") };
    assert_eq!((update.status, update.from_me), (MessageStatus::Failed, true));
    let data = data(update.event.as_ref().unwrap());
    assert_eq!((&data["status"], &data["cause"]), (&json!("failed"), &json!("logged_out")));
}
