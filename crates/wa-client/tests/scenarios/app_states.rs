//! The app state: what the phone sets is told, what the client sets arrives, and nothing is believed unverified.

use wa_client::{Action, AppStateChange, Event, Jid, MessageRef, Mute, RequestError};
use wa_simulator::{AppStateBlobs, Fault, FaultKind, Phone, StateChange, StateFault, StateMessage};

use crate::stage::{Companion, Stage, nothing_waits};

fn changes_of(events: &[Event]) -> Vec<AppStateChange> {
    let change = |event: &Event| match event {
        Event::AppState(change) => Some((**change).clone()),
        _ => None,
    };
    events.iter().filter_map(change).collect()
}

/// Waits until a change is told.
async fn told(companion: &Companion, wanted: impl Fn(&AppStateChange) -> bool) -> AppStateChange {
    let is_there = |events: &[Event]| changes_of(events).iter().any(&wanted);
    let events = companion.diary.wait_for(is_there).await;
    changes_of(&events).into_iter().rfind(|change| wanted(change)).unwrap()
}

/// A companion that knows the app state as it was at its first login.
async fn in_step(stage: &Stage, phone: &Phone) -> Companion {
    let companion = stage.companion(phone).await;
    told(&companion, |change| matches!(change.action, Action::PushName(_))).await;
    companion
}

fn muted(chat: &str, until: Option<i64>) -> StateChange {
    StateChange::Mute { chat: chat.to_owned(), muted: true, until }
}

#[tokio::test(start_paused = true)]
async fn what_the_phone_has_is_told_at_the_first_login() {
    let stage = Stage::new().await;
    let [alice, bob] = ["15550000001", "15550000002"].map(|number| stage.phone(number));
    alice.change_state(&[muted(bob.number(), None)]).unwrap();
    let companion = in_step(&stage, &alice).await;
    let mute = told(&companion, |change| matches!(change.action, Action::Mute { .. })).await;
    let chat = bob.lid().to_string();
    assert_eq!(mute.action, Action::Mute { chat, mute: Mute::Forever });
    assert!(mute.initial && !mute.removed && mute.timestamp > 0);
    let name = told(&companion, |change| matches!(change.action, Action::PushName(_))).await;
    assert_eq!(name.action, Action::PushName(alice.name()));
    told(&companion, |change| matches!(change.action, Action::NctSalt(_))).await;
    assert_eq!(companion.store.app_state("regular_high").await.unwrap().unwrap().version, 2);
}

#[tokio::test(start_paused = true)]
async fn what_the_phone_changes_is_told_as_it_happens() {
    let stage = Stage::new().await;
    let [alice, bob] = ["15550000001", "15550000002"].map(|number| stage.phone(number));
    let companion = in_step(&stage, &alice).await;
    let chat = || bob.number().to_owned();
    let message = || StateMessage { chat: chat(), id: "3EB0A".into(), from_me: true, participant: None };
    let changes = [
        muted(bob.number(), Some(1_900_000_000_000)),
        StateChange::Pin { chat: chat(), pinned: true },
        StateChange::Archive { chat: chat(), archived: true },
        StateChange::MarkRead { chat: chat(), read: false },
        StateChange::Star { message: message(), starred: true },
        StateChange::DeleteForMe { message: message() },
        StateChange::DeleteChat { chat: chat() },
        StateChange::ClearChat { chat: chat() },
        StateChange::Contact { contact: chat(), full_name: Some("Bob Stone".into()), first_name: None },
        StateChange::PushName { name: "Alice Green".into() },
        StateChange::Label { id: "7".into(), name: "Later".into(), color: 2, deleted: false },
        StateChange::LabelChat { label: "7".into(), chat: chat(), labeled: true },
        StateChange::LabelMessage { label: "7".into(), chat: chat(), id: "3EB0A".into(), labeled: true },
        StateChange::QuickReply {
            id: "1".into(),
            shortcut: "hi".into(),
            message: "Hello!".into(),
            deleted: false,
        },
        StateChange::Raw {
            collection: "regular_low".into(),
            index: vec!["something_new".into(), "x".into()],
            value: "08d08603c00c01".into(),
            version: 9,
            removed: false,
        },
    ];
    alice.change_state(&changes).unwrap();
    let lid = bob.lid().to_string();
    told(&companion, |change| matches!(&change.action, Action::Unknown(_))).await;
    told(&companion, |change| matches!(&change.action, Action::QuickReply { .. })).await;
    let contact = told(&companion, |change| matches!(change.action, Action::Contact { .. })).await;
    let Action::Contact { jid, contact } = contact.action else { panic!("{contact:?}") };
    assert_eq!((jid, contact.full_name()), (bob.jid().to_string(), "Bob Stone"));
    let events = companion.diary.events();
    let told = changes_of(&events);
    let is_told = |action: Action| told.iter().any(|change| change.action == action && !change.initial);
    assert!(is_told(Action::Mute { chat: lid.clone(), mute: Mute::Until(1_900_000_000_000) }));
    assert!(is_told(Action::Pin { chat: lid.clone(), pinned: true }));
    assert!(is_told(Action::LabelChat { label: "7".into(), chat: lid, labeled: true }));
    assert!(is_told(Action::PushName("Alice Green".into())));
    assert!(events.iter().any(|event| matches!(event, Event::OwnName { name } if name == "Alice Green")));
}

#[tokio::test(start_paused = true)]
async fn what_the_client_changes_arrives_at_the_phone_and_its_other_companions() {
    let stage = Stage::new().await;
    let [alice, bob] = ["15550000001", "15550000002"].map(|number| stage.phone(number));
    let (first, second) = (in_step(&stage, &alice).await, in_step(&stage, &alice).await);
    let chat = bob.lid();
    let message =
        MessageRef { chat: chat.to_string(), id: "3EB0A".into(), from_me: false, participant: None };
    first.client.mute(&chat, Mute::Forever).await.unwrap();
    first.client.pin(&chat, true).await.unwrap();
    first.client.archive(&chat, true, None).await.unwrap();
    first.client.mark_chat_read(&chat, true, None).await.unwrap();
    first.client.star(message.clone(), true).await.unwrap();
    first.client.delete_for_me(message.clone(), None).await.unwrap();
    first.client.delete_chat(&chat, None).await.unwrap();
    first.client.rename_account("Alice Blue").await.unwrap();
    first.client.save_contact(&bob.jid(), Some(&chat), "Bob Stone", Some("Bob")).await.unwrap();
    first.client.edit_label("4", "Paid", 3).await.unwrap();
    first.client.label_chat("4", &chat, true).await.unwrap();
    first.client.label_message("4", message, true).await.unwrap();
    first.client.save_quick_reply("1", "hi", "Hello!").await.unwrap();
    let records = alice.state_records();
    let said = |name: &str, of: &str| {
        let is_it = |parts: &[String]| parts[0] == name && parts.iter().any(|part| part == of);
        records.iter().find(|record| is_it(&record.index)).map(|record| record.said.clone()).unwrap()
    };
    let lid = chat.to_string();
    assert_eq!(said("mute", &lid)["muted"], true);
    assert_eq!(said("pin_v1", &lid)["pinned"], false, "who is put away is unpinned");
    assert_eq!(said("archive", &lid)["archived"], true);
    assert_eq!(said("star", "3EB0A")["starred"], true);
    assert_eq!(said("contact", &bob.jid().to_string())["full_name"], "Bob Stone");
    assert_eq!(said("label_jid", "4")["labeled"], true);
    for companion in [&first, &second] {
        let is_renamed = |change: &AppStateChange| change.action == Action::PushName("Alice Blue".into());
        told(companion, is_renamed).await;
        told(companion, |change| matches!(change.action, Action::QuickReply { .. })).await;
        told(companion, |change| matches!(change.action, Action::LabelMessage { .. })).await;
    }
    first.client.remove_contact(&bob.jid()).await.unwrap();
    let removed = told(&second, |change| change.removed).await;
    assert!(matches!(removed.action, Action::Contact { .. }));
    assert!(!alice.state_records().iter().any(|record| record.index[0] == "contact"));
    first.client.remove_contact(&bob.jid()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_was_too_late_takes_what_others_wrote_and_writes_again() {
    let stage = Stage::new().await;
    let [alice, bob] = ["15550000001", "15550000002"].map(|number| stage.phone(number));
    let companion = in_step(&stage, &alice).await;
    nothing_waits(&alice).await;
    let conflict = Fault::new(FaultKind::AppState { what: StateFault::Conflict });
    stage.sim.add_fault(conflict.times(3)).unwrap();
    companion.client.pin(&bob.lid(), true).await.unwrap();
    assert_eq!(alice.state_version("regular_low"), 4, "the phone was faster three times");
    let is_pinned = |record: &wa_simulator::StateRecord| record.said["pinned"] == true;
    assert!(alice.state_records().iter().any(is_pinned));
}

#[tokio::test(start_paused = true)]
async fn who_is_too_late_every_time_is_told() {
    let stage = Stage::new().await;
    let [alice, bob] = ["15550000001", "15550000002"].map(|number| stage.phone(number));
    let companion = in_step(&stage, &alice).await;
    stage
        .sim
        .add_fault(Fault { count: None, ..Fault::new(FaultKind::AppState { what: StateFault::Conflict }) })
        .unwrap();
    let refused = companion.client.pin(&bob.lid(), true).await.unwrap_err();
    assert!(matches!(refused, RequestError::Refused { code: 409, .. }), "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn what_waits_is_written_together() {
    let stage = Stage::new().await;
    let alice = stage.phone("15550000001");
    let chats = (2..=7).map(|last| stage.phone(&format!("1555000000{last}")).lid());
    let companion = in_step(&stage, &alice).await;
    nothing_waits(&alice).await;
    let chats: Vec<Jid> = chats.collect();
    let before = alice.state_version("regular_low");
    let marks = chats.iter().map(|chat| companion.client.pin(chat, true));
    for marked in futures_util::future::join_all(marks).await {
        marked.unwrap();
    }
    assert_eq!(pinned(&alice), chats.len());
    // The first leaves at once, the rest when its answer is there.
    assert!(alice.state_version("regular_low") <= before + 2);
}

#[tokio::test(start_paused = true)]
async fn who_shares_a_patch_with_what_is_refused_does_not_share_its_fate() {
    let stage = Stage::new().await;
    let alice = stage.phone("15550000001");
    let chats = [2, 3, 4].map(|last| stage.phone(&format!("1555000000{last}")).lid());
    let companion = in_step(&stage, &alice).await;
    let client = &companion.client;
    // Longer than a record may be.
    let endless = "x".repeat(1 << 20);
    let (first, second, refused, third) = futures_util::join!(
        client.label_chat("1", &chats[0], true),
        client.label_chat("2", &chats[1], true),
        client.label_chat(&endless, &chats[1], true),
        client.label_chat("3", &chats[2], true),
    );
    for labelled in [first, second, third] {
        labelled.unwrap();
    }
    assert!(matches!(refused, Err(RequestError::Invalid(_))), "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn two_who_write_all_the_time_both_get_through() {
    let stage = Stage::new().await;
    let alice = stage.phone("15550000001");
    let chats = [2, 3, 4, 5, 6].map(|last| stage.phone(&format!("1555000000{last}")).lid());
    let (first, second) = (in_step(&stage, &alice).await, in_step(&stage, &alice).await);
    let one_by_one = async {
        for number in 0..40 {
            let chat = &chats[number % chats.len()];
            first.client.mark_chat_read(chat, number % 2 == 0, None).await.unwrap();
        }
    };
    let all_at_once = async {
        for _ in 0..4 {
            for marked in
                futures_util::future::join_all(chats.iter().map(|chat| second.client.pin(chat, true))).await
            {
                marked.unwrap();
            }
        }
    };
    futures_util::join!(one_by_one, all_at_once);
    assert_eq!(pinned(&alice), chats.len());
}

/// In how many chats the phone has a pin.
fn pinned(phone: &Phone) -> usize {
    let records = phone.state_records();
    records.iter().filter(|record| record.index[0] == "pin_v1" && record.said["pinned"] == true).count()
}

#[tokio::test(start_paused = true)]
async fn a_chat_is_on_top_or_put_away_and_never_both() {
    let stage = Stage::new().await;
    let [alice, bob] = ["15550000001", "15550000002"].map(|number| stage.phone(number));
    let companion = in_step(&stage, &alice).await;
    let marks = || {
        let records = alice.state_records();
        let is = |name: &str, mark: &str| {
            let said = records.iter().find(|record| record.index[0] == name).map(|record| &record.said[mark]);
            said.is_some_and(|said| *said == true)
        };
        (is("archive", "archived"), is("pin_v1", "pinned"))
    };
    companion.client.archive(&bob.lid(), true, None).await.unwrap();
    assert_eq!(marks(), (true, false));
    companion.client.pin(&bob.lid(), true).await.unwrap();
    assert_eq!(marks(), (false, true));
    companion.client.archive(&bob.lid(), true, None).await.unwrap();
    assert_eq!(marks(), (true, false));
    // And so does the phone.
    let chat = || bob.number().to_owned();
    alice.change_state(&[StateChange::Pin { chat: chat(), pinned: true }]).unwrap();
    assert_eq!(marks(), (false, true));
    told(&companion, |change| matches!(change.action, Action::Archive { archived: false, .. })).await;
    alice.change_state(&[StateChange::Archive { chat: chat(), archived: true }]).unwrap();
    assert_eq!(marks(), (true, false));
    companion.client.pin(&bob.lid(), false).await.unwrap();
    assert_eq!(marks(), (true, false));
}

#[tokio::test(start_paused = true)]
async fn what_was_changed_on_its_way_is_not_believed_and_fetched_again() {
    let stage = Stage::new().await;
    let [alice, bob] = ["15550000001", "15550000002"].map(|number| stage.phone(number));
    let companion = in_step(&stage, &alice).await;
    nothing_waits(&alice).await;
    stage.fault_for(&alice, FaultKind::AppState { what: StateFault::Tampered });
    alice.change_state(&[muted(bob.number(), None)]).unwrap();
    let mute = told(&companion, |change| matches!(change.action, Action::Mute { .. })).await;
    assert!(mute.initial, "the whole collection was fetched");
}

#[tokio::test(start_paused = true)]
async fn what_the_server_can_not_show_the_phone_does() {
    let stage = Stage::new().await;
    let [alice, bob] = ["15550000001", "15550000002"].map(|number| stage.phone(number));
    let companion = in_step(&stage, &alice).await;
    nothing_waits(&alice).await;
    let tampered = FaultKind::AppState { what: StateFault::Tampered };
    stage.sim.add_fault(Fault::new(tampered).number(alice.number()).times(2)).unwrap();
    alice.change_state(&[muted(bob.number(), None)]).unwrap();
    told(&companion, |change| matches!(change.action, Action::Mute { .. })).await;
    let asked = stage.seen("category=\"peer\"");
    assert!(asked > 0, "the phone was asked");
    // And what comes after fits.
    alice
        .change_state(&[StateChange::Star {
            message: StateMessage {
                chat: bob.number().into(),
                id: "3EB0A".into(),
                from_me: false,
                participant: None,
            },
            starred: true,
        }])
        .unwrap();
    let star = told(&companion, |change| matches!(change.action, Action::Star { .. })).await;
    assert!(!star.initial);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_missing_is_asked_for() {
    let stage = Stage::new().await;
    let [alice, bob] = ["15550000001", "15550000002"].map(|number| stage.phone(number));
    let companion = in_step(&stage, &alice).await;
    alice.rotate_state_key(false);
    alice.change_state(&[muted(bob.number(), None)]).unwrap();
    told(&companion, |change| matches!(change.action, Action::Mute { .. })).await;
    // From now on the new key is written with, too.
    companion.client.mute(&bob.lid(), Mute::Off).await.unwrap();
    let is_heard = |record: &wa_simulator::StateRecord| record.said["muted"] == false;
    assert!(alice.state_records().iter().any(is_heard));
}

#[tokio::test(start_paused = true)]
async fn what_was_told_is_not_told_again_after_a_restart_and_what_was_missed_is() {
    let stage = Stage::new().await;
    let [alice, bob] = ["15550000001", "15550000002"].map(|number| stage.phone(number));
    let companion = in_step(&stage, &alice).await;
    nothing_waits(&alice).await;
    let store = companion.stop().await;
    alice.change_state(&[muted(bob.number(), None)]).unwrap();
    let companion = stage.start(store);
    let mute = told(&companion, |change| matches!(change.action, Action::Mute { .. })).await;
    assert!(!mute.initial);
    let told = changes_of(&companion.diary.events());
    assert_eq!(told.len(), 1, "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn snapshots_and_large_patches_are_had_from_the_media_hosts() {
    let blobs = AppStateBlobs { snapshot_every: 3, external_above: 2 };
    let stage = Stage::with_behaviour(|behaviour| behaviour.app_state_blobs = Some(blobs)).await;
    let [alice, bob] = ["15550000001", "15550000002"].map(|number| stage.phone(number));
    for until in 1..=7 {
        alice.change_state(&[muted(bob.number(), Some(until))]).unwrap();
    }
    let companion = in_step(&stage, &alice).await;
    let is_last = |change: &AppStateChange| {
        matches!(change.action, Action::Mute { mute: Mute::Until(7), .. }) && change.initial
    };
    told(&companion, is_last).await;
    let label = |id: u32| StateChange::Label {
        id: id.to_string(),
        name: format!("Label {id}"),
        color: 1,
        deleted: false,
    };
    let labels: Vec<_> = (0..600).map(label).collect();
    alice.change_state(&labels).unwrap();
    let count = |events: &[Event]| {
        changes_of(events).iter().filter(|change| matches!(change.action, Action::Label { .. })).count()
    };
    companion.diary.wait_for(|events| count(events) == 600).await;
    // And the client goes on from there.
    companion.client.delete_label("599").await.unwrap();
    let is_gone = |record: &wa_simulator::StateRecord| record.said["deleted"] == true;
    assert!(alice.state_records().iter().any(is_gone));
}

#[tokio::test(start_paused = true)]
async fn without_keys_nothing_is_asked_and_nothing_written() {
    let stage = Stage::new().await;
    let alice = stage.phone("15550000001");
    alice.be_silent(true);
    let companion = stage.companion(&alice).await;
    let refused = companion.client.mute(&Jid::pn("15550000002"), Mute::Forever).await.unwrap_err();
    assert!(matches!(refused, RequestError::Invalid(_)), "{refused:?}");
}
