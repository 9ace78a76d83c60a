use storage::{
    AmendTarget, Amendment, CauseKind, Change, Failure, FailureCause, InstanceAction, InstanceStatus,
    Message, MessageKind, MessageStatus, NewMessage, StatusUpdate,
};
use wa_client::content::{Content, Draft, Target};
use wa_client::{
    Cause, IncomingMessage, MessageInfo, Paired, QrCode, ReceiptKind, ReceiptUpdate, Undecryptable,
    UndecryptableReason,
};

use super::*;

const NOW: Timestamp = Timestamp::from_seconds(1_700_000_000);
const WRITTEN: i64 = 1_600_000_000;
const PN: &str = "79001234567@s.whatsapp.net";
const LID: &str = "900001@lid";
const GROUP: &str = "1203630@g.us";
const OWN: &str = "15550000001@s.whatsapp.net";

fn jid(text: &str) -> wa_binary::Jid {
    text.parse().unwrap()
}

/// What is known of a message from the person with the LID, whose number is known.
fn info() -> MessageInfo {
    let mut info = MessageInfo::new("ABC", jid("900001:3@lid"), WRITTEN);
    (info.chat_pn, info.chat_lid) = (Some(jid(PN)), Some(jid(LID)));
    (info.sender_pn, info.sender_lid) = (Some(jid(PN)), Some(jid(LID)));
    info.push_name = Some("Ann".to_owned());
    info
}

fn in_group() -> MessageInfo {
    let mut info = info();
    (info.chat, info.chat_pn, info.chat_lid) = (jid(GROUP), None, None);
    info
}

fn own() -> MessageInfo {
    let mut info = info();
    (info.from_me, info.sender, info.push_name) = (true, jid("15550000001@s.whatsapp.net"), None);
    (info.sender_pn, info.sender_lid) = (None, None);
    info
}

fn event(info: MessageInfo, draft: &Draft) -> Event {
    let content = Content::decode(draft.encode_once()).unwrap();
    Event::Message(Box::new(IncomingMessage::new(info, content)))
}

fn facts() -> Facts {
    Facts { own_jid: Some(OWN.to_owned()), own_lid: Some("77@lid".to_owned()), ..Facts::default() }
}

fn mapped(events: &[Event]) -> Mapped {
    let nothing = (&PendingMessages::default(), &PushNames::default());
    let mut mapped = map(InstanceId::from_bytes([0x22; 16]), events, facts(), nothing, NOW);
    // What is learned of people besides has tests of its own.
    mapped.entries.retain(|entry| !matches!(entry, Entry::Contact(_)));
    mapped
}

fn only_entry(mut mapped: Mapped) -> Entry {
    assert_eq!(mapped.entries.len(), 1, "{:?}", mapped.entries);
    mapped.entries.remove(0)
}

fn only_message(mapped: Mapped) -> NewMessage {
    match only_entry(mapped) {
        Entry::Message(new) => *new,
        other => panic!("{other:?}"),
    }
}

fn only_amendment(mapped: Mapped) -> Amendment {
    match only_entry(mapped) {
        Entry::Amend(amendment) => *amendment,
        other => panic!("{other:?}"),
    }
}

fn told(new: &NewMessage) -> &storage::MessageData {
    match &new.event.as_ref().unwrap().data {
        EventData::MessageReceived(told) | EventData::MessageSent(told) => told,
        other => panic!("{other:?}"),
    }
}

fn events(mapped: &Mapped) -> Vec<&EventData> {
    mapped
        .entries
        .iter()
        .map(|entry| match entry {
            Entry::Event(event) => &event.data,
            other => panic!("not an event: {other:?}"),
        })
        .collect()
}

fn posted() -> MessageInfo {
    let mut posted = in_group();
    posted.chat = Jid::status();
    posted
}

#[test]
fn what_is_posted_to_the_status_is_told_as_a_post_readable_or_not() {
    let new = only_message(mapped(&[event(posted(), &Draft::text("tea"))]));
    assert_eq!(
        (new.message.chat.as_str(), new.message.participant.as_deref()),
        ("status@broadcast", Some(PN))
    );
    let EventData::PostReceived(told) = &new.event.as_ref().unwrap().data else { panic!("{new:?}") };
    assert_eq!((told.kind, told.text.as_deref()), (MessageKind::Text, Some("tea")));
    for (reason, kind) in [
        (UndecryptableReason::NoSession, MessageKind::Undecryptable),
        (UndecryptableReason::Broadcast, MessageKind::Unsupported),
    ] {
        let unread = Undecryptable::new(posted(), reason, 0);
        let new = only_message(mapped(&[Event::Undecryptable(Box::new(unread))]));
        let EventData::PostReceived(told) = &new.event.as_ref().unwrap().data else { panic!("{new:?}") };
        assert_eq!((new.message.kind, told.kind, told.text.as_deref()), (kind, kind, None));
    }
    let mut ours = posted();
    ours.from_me = true;
    let new = only_message(mapped(&[event(ours, &Draft::text("tea"))]));
    assert!(matches!(new.event.as_ref().unwrap().data, EventData::MessageSent(_)));
}

fn in_channel(edit: Option<&str>) -> MessageInfo {
    let mut info = MessageInfo::new("POST", jid("120363001@newsletter"), WRITTEN);
    info.edit = edit.map(str::to_owned);
    info
}

#[test]
fn what_is_posted_to_a_channel_is_told_as_a_post_and_changes_under_its_own_id() {
    let new = only_message(mapped(&[event(in_channel(None), &Draft::text("tea"))]));
    assert_eq!((new.message.chat.as_str(), new.message.from_me), ("120363001@newsletter", false));
    let EventData::PostReceived(told) = &new.event.as_ref().unwrap().data else { panic!("{new:?}") };
    assert_eq!((told.kind, told.text.as_deref()), (MessageKind::Text, Some("tea")));
    let change = only_amendment(mapped(&[event(in_channel(Some("3")), &Draft::text("more tea"))]));
    assert_eq!((change.target.message_id.as_str(), change.target.from_me), ("POST", false));
    assert!(matches!(&change.change, Change::Edit { text: Some(text), .. } if text == "more tea"));
    let EventData::PostReceived(told) = change.event.unwrap().data else { panic!("another event") };
    assert_eq!(
        (told.kind, told.text.as_deref(), told.target.as_deref()),
        (MessageKind::Edit, Some("more tea"), Some("POST"))
    );
    let gone = only_amendment(mapped(&[event(in_channel(Some("8")), &Draft::text(""))]));
    assert!(matches!(gone.change, Change::Revoke));
    let EventData::PostReceived(told) = gone.event.unwrap().data else { panic!("another event") };
    assert_eq!((told.kind, told.text, told.target.as_deref()), (MessageKind::Revoke, None, Some("POST")));
}

#[test]
fn a_message_is_stored_with_its_bytes_under_the_number_and_keyed_by_the_wire() {
    let draft = Draft::text("hi");
    let new = only_message(mapped(&[event(info(), &draft)]));
    let message = &new.message;
    assert_eq!((message.chat.as_str(), message.wire_chat.as_str(), message.sender.as_str()), (PN, LID, LID));
    assert_eq!(
        (message.status, message.from_me, message.kind),
        (MessageStatus::Received, false, MessageKind::Text)
    );
    assert_eq!((message.text.as_deref(), message.push_name.as_deref()), (Some("hi"), Some("Ann")));
    assert_eq!(
        (message.raw.clone(), message.created_at),
        (draft.encode_once(), Timestamp::from_seconds(WRITTEN))
    );
    let chat = new.event.as_ref().unwrap().chat.as_ref().unwrap();
    assert_eq!((chat.jid.as_str(), chat.pn.as_deref(), chat.lid.as_deref()), (PN, Some(PN), Some(LID)));
    let told = told(&new);
    assert_eq!(
        (told.message_id.as_str(), told.text.as_deref(), told.timestamp),
        ("ABC", Some("hi"), WRITTEN)
    );
    assert_eq!((told.participant.as_deref(), told.push_name.as_deref()), (None, Some("Ann")));
}

#[test]
fn what_another_device_of_ours_wrote_is_a_sent_message() {
    let new = only_message(mapped(&[event(own(), &Draft::text("from the phone"))]));
    assert_eq!((new.message.status, new.message.from_me), (MessageStatus::Sent, true));
    assert!(matches!(new.event.unwrap().data, EventData::MessageSent(_)));
}

#[test]
fn in_a_group_the_writer_is_named() {
    let new = only_message(mapped(&[event(in_group(), &Draft::text("hi all"))]));
    assert_eq!((new.message.chat.as_str(), new.message.participant.as_deref()), (GROUP, Some(PN)));
    assert_eq!(told(&new).participant.as_deref(), Some(PN));
}

#[test]
fn an_edit_is_told_and_changes_what_its_writer_wrote() {
    // Whatever the reference claims: only the writer's own message is changed.
    for claims_own in [true, false] {
        let target = Target::of(LID, "OLD", claims_own);
        let draft = Draft::edit(&target, Draft::text("new text"), 0);
        let amendment = only_amendment(mapped(&[event(info(), &draft)]));
        let AmendTarget { message_id, chats, from_me, authors } = &amendment.target;
        assert_eq!((message_id.as_str(), *from_me), ("OLD", false));
        assert_eq!(
            (chats.as_slice(), authors.as_slice()),
            (&[PN.to_owned(), LID.to_owned()][..], &[PN.to_owned(), LID.to_owned()][..])
        );
        let Change::Edit { text, raw } = &amendment.change else { panic!("{:?}", amendment.change) };
        assert_eq!(text.as_deref(), Some("new text"));
        assert_eq!(Content::decode(raw.clone()).unwrap().view().text(), Some("new text"));
        let carrier = amendment.carrier.as_ref().unwrap();
        assert_eq!(
            (carrier.message.kind, carrier.message.target.as_deref()),
            (MessageKind::Edit, Some("OLD"))
        );
        let told = told(carrier);
        assert_eq!(
            (told.kind, told.text.as_deref(), told.target.as_deref()),
            (MessageKind::Edit, Some("new text"), Some("OLD"))
        );
        assert!(amendment.event.is_none());
    }
}

#[test]
fn a_revocation_takes_back_what_its_writer_wrote_or_in_a_group_what_an_administrator_names() {
    let revoke = |target: Target<'_>| Draft::revoke(&target);
    let target = |info, draft: &Draft| {
        let amendment = only_amendment(mapped(&[event(info, draft)]));
        assert!(amendment.change == Change::Revoke);
        (amendment.target.from_me, amendment.target.authors)
    };
    let direct = Target::of(LID, "OLD", true);
    assert_eq!(target(info(), &revoke(direct)), (false, vec![PN.to_owned(), LID.to_owned()]));
    let other = Target::of(LID, "OLD", false);
    assert_eq!(
        target(info(), &revoke(other)),
        (false, vec![PN.to_owned(), LID.to_owned()]),
        "in a direct chat, nobody else's"
    );
    assert_eq!(target(own(), &revoke(direct)), (true, Vec::new()));
    let member = "79009999999@s.whatsapp.net";
    let of = |writer| revoke(Target::of(GROUP, "OLD", false).by(writer));
    let mut by_administrator = in_group();
    by_administrator.edit = Some("8".to_owned());
    assert_eq!(target(by_administrator.clone(), &of(member)), (false, vec![member.to_owned()]));
    assert_eq!(target(by_administrator, &of(OWN)), (true, Vec::new()));
    let (from_me, authors) = target(in_group(), &of(member));
    assert!(!from_me && !authors.contains(&member.to_owned()), "a member names others in vain");
}

#[test]
fn a_reaction_changes_nothing_in_its_target() {
    let draft = Draft::reaction(&Target::of(LID, "OLD", false), "👍", 0);
    let amendment = only_amendment(mapped(&[event(info(), &draft)]));
    assert!(amendment.change == Change::Refer && amendment.target.from_me, "we wrote what they react to");
    let carrier = amendment.carrier.unwrap();
    assert_eq!((carrier.message.kind, carrier.message.text.as_deref()), (MessageKind::Reaction, Some("👍")));
    assert_eq!((told(&carrier).target.as_deref(), told(&carrier).text.as_deref()), (Some("OLD"), Some("👍")));
}

#[test]
fn what_cannot_be_read_is_stored_and_told_with_the_reason() {
    let unread = Undecryptable::new(info(), UndecryptableReason::NoSession, 1);
    let new = only_message(mapped(&[Event::Undecryptable(Box::new(unread))]));
    assert_eq!((new.message.kind, new.message.chat.as_str()), (MessageKind::Undecryptable, PN));
    assert!(new.message.raw.is_empty() && new.message.text.is_none());
    let EventData::MessageUndecryptable(told) = &new.event.as_ref().unwrap().data else { panic!("{new:?}") };
    assert_eq!(
        (told.message_id.as_str(), told.reason, told.retries),
        ("ABC", storage::UndecryptableReason::NoSession, 1)
    );
}

#[test]
fn what_is_not_supported_is_stored_and_told_without_a_body() {
    for reason in
        [UndecryptableReason::Broadcast, UndecryptableReason::Newsletter, UndecryptableReason::Unknown]
    {
        let unread = Undecryptable::new(in_group(), reason, 0);
        let new = only_message(mapped(&[Event::Undecryptable(Box::new(unread))]));
        assert_eq!((new.message.kind, new.message.chat.as_str()), (MessageKind::Unsupported, GROUP));
        assert!(matches!(new.event.as_ref().unwrap().data, EventData::MessageReceived(_)));
        let told = told(&new);
        assert_eq!(
            (told.kind, told.text.as_deref(), told.participant.as_deref()),
            (MessageKind::Unsupported, None, Some(PN))
        );
    }
}

#[test]
fn a_message_that_was_there_already_may_be_what_could_not_be_read() {
    let batch = [Event::Connected, event(info(), &Draft::text("at last"))];
    let mapped = mapped(&batch);
    let instance = InstanceId::from_bytes([0x22; 16]);
    assert!(mapped.late(instance, &batch, &[Outcome::Added, Outcome::Added], NOW).is_empty());
    let late = mapped.late(instance, &batch, &[Outcome::Added, Outcome::Duplicate], NOW);
    let [Entry::Amend(amendment)] = late.as_slice() else { panic!("{late:?}") };
    assert_eq!((amendment.target.message_id.as_str(), amendment.target.from_me), ("ABC", false));
    let Change::Read { kind, text, .. } = &amendment.change else { panic!("{amendment:?}") };
    assert_eq!((*kind, text.as_deref()), (MessageKind::Text, Some("at last")));
    assert!(amendment.carrier.is_none());
    assert!(matches!(amendment.event.as_ref().unwrap().data, EventData::MessageReceived(_)));
}

#[test]
fn an_edit_that_could_not_be_read_at_first_changes_its_target_all_the_same() {
    let draft = Draft::edit(&Target::of(LID, "OLD", true), Draft::text("new"), 0);
    let batch = [event(info(), &draft)];
    let late = mapped(&batch).late(InstanceId::from_bytes([0x22; 16]), &batch, &[Outcome::Duplicate], NOW);
    let changes: Vec<_> = late
        .iter()
        .map(|entry| match entry {
            Entry::Amend(amendment) => (amendment.target.message_id.as_str(), &amendment.change),
            other => panic!("{other:?}"),
        })
        .collect();
    assert!(
        matches!(changes[..], [("ABC", Change::Read { .. }), ("OLD", Change::Edit { .. })]),
        "{changes:?}"
    );
}

#[test]
fn chats_of_one_person_are_merged_before_what_follows() {
    let same = Event::SamePerson { pn: jid(PN), lid: jid(LID) };
    let mapped = mapped(&[same, event(info(), &Draft::text("hi"))]);
    assert!(matches!(&mapped.entries[0], Entry::MergeChats { from, into } if from == LID && into == PN));
    assert!(matches!(mapped.entries[1], Entry::Message(_)));
    assert_eq!(mapped.merged, [(LID.to_owned(), PN.to_owned())]);
}

#[test]
fn each_message_of_a_receipt_is_updated_under_all_names_of_its_chat() {
    let mut receipt = ReceiptUpdate::new(jid(LID), vec!["A".into(), "B".into()], ReceiptKind::Read, WRITTEN);
    receipt.chat_pn = Some(jid(PN));
    let mapped = mapped(&[Event::Receipt(receipt)]);
    let ids: Vec<_> = mapped
        .entries
        .iter()
        .map(|entry| {
            let Entry::Status(update) = entry else { panic!("{entry:?}") };
            assert_eq!(
                (update.chats.as_slice(), update.from_me),
                (&[PN.to_owned(), LID.to_owned()][..], true)
            );
            let event = update.event.as_ref().unwrap();
            let EventData::MessageStatus(told) = &event.data else { panic!("{event:?}") };
            assert_eq!(
                (told.status, told.timestamp, event.chat.as_ref().unwrap().jid.as_str()),
                (MessageStatus::Read, WRITTEN, PN)
            );
            update.message_id.as_str()
        })
        .collect();
    assert_eq!(ids, ["A", "B"]);
}

/// Two messages of ours that are stored, and whose ack was not seen.
fn two_pending() -> PendingMessages {
    let names = ChatNames::new(&jid(PN), None, None);
    let message = |id: &str| Message {
        message_id: id.to_owned(),
        ..pending(InstanceId::from_bytes([0x22; 16]), OWN.to_owned(), &names, (&Draft::text(id), None), NOW)
    };
    let mut messages = PendingMessages::default();
    messages.load(vec![message("1"), message("2")], tokio::time::Instant::now());
    messages
}

fn statuses(mapped: &Mapped) -> Vec<(&str, MessageStatus)> {
    mapped
        .entries
        .iter()
        .filter_map(|entry| match entry {
            Entry::Status(StatusUpdate { message_id, status, .. }) => Some((message_id.as_str(), *status)),
            _ => None,
        })
        .collect()
}

#[test]
fn a_receipt_proves_what_was_pending_before_it_is_told() {
    let receipt = ReceiptUpdate::new(jid(PN), vec!["2".into()], ReceiptKind::Delivered, WRITTEN);
    let instance = InstanceId::from_bytes([0x22; 16]);
    let mapped =
        map(instance, &[Event::Receipt(receipt)], facts(), (&two_pending(), &PushNames::default()), NOW);
    assert_eq!(statuses(&mapped), [("2", MessageStatus::Sent), ("2", MessageStatus::Delivered)]);
    assert_eq!(mapped.finished, [("2".to_owned(), Fate::Sent(None))]);
    let Entry::Status(update) = &mapped.entries[0] else { panic!("a status") };
    let EventData::MessageSent(told) = &update.event.as_ref().unwrap().data else { panic!("{update:?}") };
    assert_eq!(
        (told.text.as_deref(), told.status, told.timestamp),
        (Some("2"), MessageStatus::Sent, WRITTEN)
    );
}

#[test]
fn pending_messages_of_an_account_that_is_gone_fail() {
    let instance = InstanceId::from_bytes([0x22; 16]);
    let table = [
        (
            Event::Disconnected { cause: Cause::LoggedOut, will_reconnect: false, raw: None },
            FailureCause::Unlinked,
        ),
        (paired(), FailureCause::PairedAnew),
    ];
    for (event, cause) in table {
        let mapped =
            map(instance, &[event.clone(), event], facts(), (&two_pending(), &PushNames::default()), NOW);
        assert_eq!(
            statuses(&mapped),
            [("1", MessageStatus::Failed), ("2", MessageStatus::Failed)],
            "once each"
        );
        assert!(
            mapped
                .finished
                .iter()
                .all(|(_, fate)| matches!(fate, Fate::Failed(Failure { cause: why, .. }) if *why == cause))
        );
    }
}

fn disconnected(cause: Cause, will_reconnect: bool) -> Event {
    Event::Disconnected { cause, will_reconnect, raw: None }
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
    let mapped = mapped(&[code(1), code(2), Event::Connected, code(3)]);
    let codes: Vec<_> = events(&mapped)
        .into_iter()
        .filter_map(|told| match told {
            EventData::QrReceived(told) => Some((told.code.as_str(), told.attempt)),
            _ => None,
        })
        .collect();
    assert_eq!(codes, [("https://wa.me/#1", 1), ("https://wa.me/#2", 2), ("https://wa.me/#3", 1)]);
}

#[test]
fn pairing_and_connecting_in_one_batch_add_up() {
    let mapped = mapped(&[paired(), disconnected(Cause::Restart, true), Event::Connected]);
    let state = mapped.state.clone().unwrap();
    assert_eq!((state.status, state.status_cause), (Some(InstanceStatus::Connected), Some(None)));
    assert_eq!(state.jid.flatten().as_deref(), Some(OWN));
    assert_eq!(state.lid.flatten().as_deref(), Some("77@lid"));
    assert_eq!(state.phone.flatten().as_deref(), Some("15550000001"));
    let told = events(&mapped);
    let [EventData::InstanceChanged(paired), EventData::Connected(told)] = told[..] else {
        panic!("the restart after pairing is no news: {told:?}")
    };
    assert_eq!(paired.action, InstanceAction::Paired);
    assert_eq!(told.jid.as_deref(), Some(OWN));
}

#[test]
fn only_the_end_of_a_connection_and_a_final_stop_are_told() {
    let banned = Cause::Banned { code: 101, until: Some(9_000) };
    let mapped = mapped(&[
        disconnected(Cause::Network, true),
        Event::Connected,
        disconnected(Cause::Network, true),
        disconnected(Cause::Network, true),
        disconnected(banned, false),
    ]);
    let ends: Vec<_> = events(&mapped)
        .into_iter()
        .filter_map(|told| match told {
            EventData::Disconnected(told) => Some((told.cause, told.code, told.until, told.will_reconnect)),
            _ => None,
        })
        .collect();
    assert_eq!(
        ends,
        [(CauseKind::Network, None, None, true), (CauseKind::Banned, Some(101), Some(9_000), false)]
    );
    let state = mapped.state.unwrap();
    assert_eq!(state.status, Some(InstanceStatus::Disconnected));
    assert_eq!(state.status_cause.flatten().unwrap().to_string(), "banned;code=101;until=9000");
}

#[test]
fn a_logout_forgets_the_account() {
    let mapped = mapped(&[paired(), Event::Connected, disconnected(Cause::LoggedOut, false)]);
    assert_eq!(mapped.facts, Facts::default());
    let state = mapped.state.as_ref().unwrap();
    assert_eq!((state.status, &state.jid), (Some(InstanceStatus::LoggedOut), &Some(None)));
    let told = events(&mapped);
    let [.., EventData::Disconnected(end), EventData::InstanceChanged(gone)] = told[..] else {
        panic!("{told:?}")
    };
    assert_eq!((end.cause, gone.action), (CauseKind::LoggedOut, InstanceAction::LoggedOut));
}

#[test]
fn a_stop_of_the_gateway_leaves_the_wish_to_be_connected_and_revives_nothing() {
    let stopped = mapped(&[Event::Connected, disconnected(Cause::Shutdown, false)]);
    assert_eq!(stopped.state.as_ref().unwrap().status, Some(InstanceStatus::Connecting));
    assert!(matches!(events(&stopped).last(), Some(EventData::Disconnected(told)) if told.will_reconnect));

    let ended =
        [Event::Connected, disconnected(Cause::LoggedOut, false), disconnected(Cause::Shutdown, false)];
    let ended = mapped(&ended);
    let state = ended.state.as_ref().unwrap();
    assert_eq!(state.status, Some(InstanceStatus::LoggedOut));
    assert_eq!(state.status_cause, Some(Some(CauseKind::LoggedOut.into())));
    assert_eq!(events(&ended).len(), 3, "connected, disconnected, logged out");
}

#[test]
fn what_concerns_nobody_leaves_no_trace() {
    let mapped = mapped(&[Event::OfflineDone { count: 3 }]);
    assert!(mapped.entries.is_empty() && mapped.state.is_none() && mapped.facts == facts());
}

#[test]
fn a_changed_identity_is_told_in_the_chat_of_the_number() {
    let changed = Event::IdentityChanged { pn: Some(jid(PN)), lid: Some(jid(LID)) };
    let Entry::Event(told) = only_entry(mapped(&[changed])) else { panic!("it is no event") };
    let chat = storage::Chat { jid: PN.into(), pn: Some(PN.into()), lid: Some(LID.into()) };
    assert_eq!((told.chat.as_ref(), told.data.kind()), (Some(&chat), storage::EventKind::IdentityChanged));
}

fn contacts(events: &[Event]) -> Vec<storage::ContactChange> {
    let nothing = (&PendingMessages::default(), &PushNames::default());
    let mapped = map(InstanceId::from_bytes([0x22; 16]), events, facts(), nothing, NOW);
    let contact = |entry: &Entry| match entry {
        Entry::Contact(change) => Some((**change).clone()),
        _ => None,
    };
    mapped.entries.iter().filter_map(contact).collect()
}

#[test]
fn the_address_book_and_marks_of_chats_are_learned_from_the_app_state() {
    use wa_client::{Action, AppStateChange, Mute};
    let told = |action: Action| Event::AppState(Box::new(AppStateChange::new(action, 5_000)));
    let chat = || LID.to_owned();
    let learned = contacts(&[
        told(Action::Mute { chat: chat(), mute: Mute::Until(9_000) }),
        told(Action::Pin { chat: chat(), pinned: true }),
        told(Action::Archive { chat: chat(), archived: true, range: None }),
        told(Action::Archive { chat: chat(), archived: false, range: None }),
        told(Action::Pin { chat: chat(), pinned: false }),
        told(Action::PushName("Me".into())),
    ]);
    let [mute, pin, archive, taken_out, unpinned] = &learned[..] else { panic!("{learned:?}") };
    assert_eq!((mute.jid.as_str(), mute.muted_until), (LID, Some(Some(Timestamp::from_millis(9_000)))));
    // On top or put away, never both.
    assert_eq!((pin.pinned_at, pin.archived), (Some(Some(Timestamp::from_millis(5_000))), Some(false)));
    assert_eq!((archive.pinned_at, archive.archived), (Some(None), Some(true)));
    assert_eq!((taken_out.pinned_at, taken_out.archived), (None, Some(false)));
    assert_eq!((unpinned.pinned_at, unpinned.archived), (Some(None), None));
}

#[test]
fn what_the_phone_sends_and_nobody_can_read_is_told() {
    use wa_client::{Bytes, HistoryKind, HistoryPart, PeerData, PeerDataSort, PeerMessage};
    let raw = Bytes::from_static(b"\xff");
    let map = PeerData { sort: PeerDataSort::LidMap, id: "3EB0".into(), timestamp: 1, raw };
    let mut part = HistoryPart::new(HistoryKind::Initial);
    part.unreadable = 2;
    let mapped = mapped(&[Event::Peer(PeerMessage::Unreadable(map)), Event::History(Box::new(part))]);
    let told = events(&mapped);
    let [EventData::InstanceChanged(of_map), EventData::InstanceChanged(of_history)] = told[..] else {
        panic!("{told:?}")
    };
    assert_eq!((of_map.action, &of_map.fields[..]), (InstanceAction::Unreadable, &["lidMap".to_owned()][..]));
    assert_eq!(of_history.fields, ["history"]);
}

#[test]
fn history_is_stored_as_such_and_told_once_a_piece() {
    use wa_client::{HistoryKind, HistoryMessage, HistoryPart, HistoryStatus};
    let mut info = MessageInfo::new("H1", jid(PN), 1_700_000_000);
    info.push_name = Some("Ann".into());
    let content = wa_client::content::Content::decode(Draft::text("from before").encode_once()).unwrap();
    let mut mine = HistoryMessage::new(MessageInfo::new("H2", jid(PN), 1_700_000_001), content.clone());
    mine.info.from_me = true;
    mine.status = Some(HistoryStatus::Pending);
    let mut part = HistoryPart::new(HistoryKind::Recent);
    part.messages = vec![HistoryMessage::new(info, content), mine];
    part.ends = true;
    part.progress = Some(100);
    let mapped = mapped(&[Event::History(Box::new(part))]);
    let [Entry::Message(theirs), Entry::Message(ours), Entry::Event(told)] = &mapped.entries[..] else {
        panic!("{:?}", mapped.entries)
    };
    assert!(theirs.message.history && theirs.event.is_none() && ours.event.is_none());
    assert_eq!((theirs.message.status, ours.message.status), (MessageStatus::Received, MessageStatus::Sent));
    let EventData::HistoryProgress(told) = &told.data else { panic!("{told:?}") };
    assert_eq!((told.progress, told.messages, told.chats), (Some(100), 2, 0));
}
