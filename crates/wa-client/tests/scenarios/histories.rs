//! The history that a phone hands to a new companion: told in parts, once, however often it is interrupted.

use std::collections::BTreeSet;

use prost::Message as _;
use wa_client::{
    Config, Event, HistoryDepth, HistoryKind, HistoryMessage, HistoryPart, PeerData, PeerDataSort,
    PeerMessage, Store,
};
use wa_protobuf::history::PhoneNumberToLidMapping;
use wa_simulator::{Fault, FaultKind, PastSize};
use wa_store::Changes;

use crate::stage::{Companion, Stage, all_told, nothing_waits};

fn parts_of(events: &[Event]) -> Vec<HistoryPart> {
    let part = |event: &Event| match event {
        Event::History(part) => Some((**part).clone()),
        _ => None,
    };
    events.iter().filter_map(part).collect()
}

fn messages_of(parts: &[HistoryPart]) -> Vec<HistoryMessage> {
    parts.iter().flat_map(|part| part.messages.clone()).collect()
}

/// Waits until the phone has told everything.
async fn complete(companion: &Companion) -> Vec<HistoryPart> {
    let is_last = |part: &HistoryPart| part.ends && part.progress == Some(100);
    let is_there = |events: &[Event]| parts_of(events).iter().any(is_last);
    parts_of(&companion.diary.wait_for(is_there).await)
}

async fn with_past(past: PastSize) -> Stage {
    Stage::with_behaviour(|behaviour| {
        behaviour.past = past;
        behaviour.empty_messages = None;
        behaviour.reused_counters = None;
        behaviour.resent_twice = false;
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn what_was_written_before_is_told_to_a_new_companion() {
    let stage = with_past(PastSize::default()).await;
    let [alice, bob] = ["15550000001", "15550000002"].map(|number| stage.phone(number));
    let group = alice.create_group("Tea", &[bob.number()], wa_simulator::Addressing::Lid).unwrap();
    let mine = alice.send(bob.number(), "from before").await.unwrap();
    bob.send(alice.number(), "and an answer").await.unwrap();
    bob.send(&group, "to all").await.unwrap();
    alice.wait_for_inbox(|inbox| inbox.len() >= 2).await;
    let companion = stage.companion(&alice).await;
    let parts = complete(&companion).await;
    let messages = messages_of(&parts);
    let texts: BTreeSet<_> = messages.iter().filter_map(|message| message.content.view().text()).collect();
    assert_eq!(texts, BTreeSet::from(["and an answer", "from before", "to all"]));
    let sent = messages.iter().find(|message| message.info.from_me).unwrap();
    assert_eq!((sent.info.id.as_str(), sent.info.chat_pn.clone()), (&*mine, Some(bob.jid())));
    let in_group = messages.iter().find(|message| message.info.chat.to_string() == group).unwrap();
    assert_eq!(in_group.info.sender_pn, Some(bob.jid()));
    let chats: Vec<_> = parts.iter().flat_map(|part| part.chats.clone()).collect();
    assert!(chats.iter().any(|chat| chat.name.as_deref() == Some("Tea")));
    assert!(chats.iter().any(|chat| chat.chat_lid == Some(bob.lid()) && chat.chat_pn == Some(bob.jid())));
    let names: Vec<_> = parts.iter().flat_map(|part| part.names.clone()).collect();
    assert!(names.contains(&(bob.jid(), bob.name())));
    nothing_waits(&alice).await;
    all_told(&companion).await;
}

#[tokio::test(start_paused = true)]
async fn a_large_history_comes_in_small_parts_and_each_message_once() {
    let stage = with_past(PastSize { chats: 40, messages: 3_000, text: 60 }).await;
    let alice = stage.phone("15550000001");
    let companion = stage.companion(&alice).await;
    let parts = complete(&companion).await;
    let messages = messages_of(&parts);
    let ids: BTreeSet<_> = messages.iter().map(|message| message.info.id.clone()).collect();
    assert_eq!((messages.len(), ids.len()), (3_000, 3_000));
    assert!(parts.iter().all(|part| part.messages.len() <= 256));
    assert!(parts.iter().any(|part| part.kind == HistoryKind::Initial));
    let chats: BTreeSet<_> =
        parts.iter().flat_map(|part| &part.chats).map(|chat| chat.chat.clone()).collect();
    assert_eq!(chats.len(), 40);
}

#[tokio::test(start_paused = true)]
async fn a_crash_at_any_point_loses_nothing_and_repeats_nothing_that_was_accepted() {
    let stage = with_past(PastSize { chats: 20, messages: 2_000, text: 60 }).await;
    let alice = stage.phone("15550000001");
    let companion = stage.companion(&alice).await;
    let mut told = parts_of(&companion.diary.events());
    let store = companion.crash().await;
    let mut crashes = 0;
    while !told.iter().any(|part| part.ends && part.progress == Some(100)) {
        let (_client, mut events, task) = stage.start_alone(store.clone(), |builder| builder);
        let mut is_over = false;
        while !is_over {
            let batch = events.next().await.unwrap();
            let parts = parts_of(batch.events());
            is_over = !parts.is_empty();
            // Every other life ends before what it was told is recorded.
            if parts.is_empty() || crashes % 2 == 0 {
                batch.accept().await.unwrap();
                told.extend(parts);
            }
        }
        task.abort();
        let _ = task.await;
        crashes += 1;
        assert!(crashes < 200, "it goes on");
    }
    let messages = messages_of(&told);
    let ids: BTreeSet<_> = messages.iter().map(|message| message.info.id.clone()).collect();
    assert_eq!((ids.len(), messages.len()), (2_000, 2_000));
    assert!(crashes > 3, "{crashes}");
}

#[tokio::test(start_paused = true)]
async fn only_so_much_is_told_as_is_wanted() {
    for (depth, least, most) in [(HistoryDepth::Nothing, 0, 0), (HistoryDepth::Days(3), 20, 80)] {
        let stage = with_past(PastSize { chats: 10, messages: 1_000, text: 60 }).await;
        let alice = stage.phone("15550000001");
        let mut config = Config::default();
        config.history = depth;
        let companion = stage.start_with(Store::memory(), |builder| builder.config(config));
        companion.pair(&alice).await;
        let parts = complete(&companion).await;
        let count = messages_of(&parts).len();
        assert!((least..=most).contains(&count), "{depth:?}: {count}");
        assert!(parts.iter().any(|part| !part.chats.is_empty()), "chats are told in any case");
    }
}

#[tokio::test(start_paused = true)]
async fn pieces_on_the_media_hosts_are_told_like_others() {
    let stage = Stage::with_behaviour(|behaviour| {
        behaviour.past = PastSize { chats: 10, messages: 1_000, text: 60 };
        behaviour.history_blobs = Some(0);
    })
    .await;
    let alice = stage.phone("15550000001");
    // One that breaks off is fetched again.
    stage.fault_for(&alice, FaultKind::MediaCut { after: 300 });
    let companion = stage.companion(&alice).await;
    let ids = |events: &[Event]| {
        let messages = messages_of(&parts_of(events)).into_iter();
        messages.map(|message| message.info.id).collect::<BTreeSet<_>>().len()
    };
    companion.diary.wait_for(|events| ids(events) == 1_000).await;
    all_told(&companion).await;
}

#[tokio::test(start_paused = true)]
async fn what_no_media_host_has_any_more_is_given_up_and_the_rest_told() {
    let stage = Stage::with_behaviour(|behaviour| {
        behaviour.past = PastSize { chats: 10, messages: 1_000, text: 60 };
        behaviour.history_blobs = Some(2_000);
    })
    .await;
    let alice = stage.phone("15550000001");
    stage.sim.add_fault(Fault::new(FaultKind::MediaDamage).times(100)).unwrap();
    let companion = stage.companion(&alice).await;
    let is_named = |events: &[Event]| parts_of(events).iter().any(|part| !part.names.is_empty());
    companion.diary.wait_for(is_named).await;
    let count = messages_of(&parts_of(&companion.diary.events())).len();
    assert!(count < 1_000, "{count}");
}

#[tokio::test(start_paused = true)]
async fn more_of_a_chat_is_told_when_it_is_asked_for() {
    let stage = with_past(PastSize { chats: 2, messages: 300, text: 60 }).await;
    let alice = stage.phone("15550000001");
    let companion = stage.companion(&alice).await;
    let parts = complete(&companion).await;
    let messages = messages_of(&parts);
    let chat = messages[0].info.chat.clone();
    let mut of_chat: Vec<_> = messages.iter().filter(|message| message.info.chat == chat).collect();
    of_chat.sort_by_key(|message| message.info.timestamp);
    // As if the older half weren't here.
    let oldest = of_chat[of_chat.len() / 2];
    companion.client.request_history(&oldest.info, 40).await.unwrap();
    let is_answer = |part: &&HistoryPart| part.kind == HistoryKind::OnDemand;
    let is_there = |events: &[Event]| parts_of(events).iter().any(|part| is_answer(&part) && part.ends);
    let parts = parts_of(&companion.diary.wait_for(is_there).await);
    let answers: Vec<_> = parts.iter().filter(is_answer).cloned().collect();
    let older = messages_of(&answers);
    assert_eq!(older.len(), 40);
    assert!(
        older
            .iter()
            .all(|message| { message.info.chat == chat && message.info.timestamp < oldest.info.timestamp })
    );
    assert!(answers.iter().all(|part| part.request.is_some()));
}

#[tokio::test(start_paused = true)]
async fn a_pair_of_number_and_lid_that_can_not_be_read_is_kept_and_told() {
    let stage = with_past(PastSize { chats: 3, messages: 30, text: 20 }).await;
    let alice = stage.phone("15550000001");
    stage.fault_for(&alice, FaultKind::LidMap);
    let companion = stage.companion(&alice).await;
    let parts = complete(&companion).await;
    assert_eq!(parts.iter().map(|part| part.unreadable).sum::<u32>(), 1);
    assert_eq!(messages_of(&parts).len(), 30, "the rest is told");
    nothing_waits(&alice).await;
    let store = companion.stop().await;
    let kept = async || {
        let mut kept = store.peer_data(None, usize::MAX).await.unwrap();
        kept.retain(|data| data.sort == PeerDataSort::LidPair);
        kept
    };
    let before = kept().await;
    assert_eq!(before.iter().map(|pair| &pair.raw[..]).collect::<Vec<_>>(), [&[0xff][..]]);
    // A later version may read it; this one keeps it, and doesn't tell it again.
    let companion = stage.start(store.clone());
    companion.online().await;
    // It looks through what is kept before it is asked for anything: each question has its turn after that.
    nothing_waits(&alice).await;
    companion.client.resolve(&[alice.number().to_owned()]).await.unwrap();
    assert_eq!(kept().await, before);
    assert!(parts_of(&companion.diary.events()).iter().all(|part| part.unreadable == 0));
}

#[tokio::test(start_paused = true)]
async fn a_map_of_lids_that_can_not_be_read_is_kept_and_told() {
    let stage = Stage::undisturbed().await;
    let alice = stage.phone("15550000001");
    let companion = stage.companion(&alice).await;
    complete(&companion).await;
    stage.fault_for(&alice, FaultKind::LidMap);
    alice.migrate();
    let is_it = |event: &&Event| matches!(event, Event::Peer(PeerMessage::Unreadable(_)));
    let events = companion.diary.wait_for(|events| events.iter().any(|event| is_it(&event))).await;
    let Some(Event::Peer(PeerMessage::Unreadable(map))) = events.iter().find(is_it) else { panic!() };
    assert_eq!(map.sort, PeerDataSort::LidMap);
    nothing_waits(&alice).await;
    let kept = companion.store.peer_data(None, usize::MAX).await.unwrap();
    assert!(kept.contains(map), "{kept:?}");
}

#[tokio::test(start_paused = true)]
async fn a_map_that_an_earlier_version_could_not_read_is_read_by_the_next_that_can() {
    let stage = Stage::undisturbed().await;
    let [alice, bob] = ["15550000001", "15550000002"].map(|number| stage.phone(number));
    let companion = stage.companion(&alice).await;
    complete(&companion).await;
    let store = companion.stop().await;
    let pair =
        PhoneNumberToLidMapping { pn_jid: Some(bob.jid().to_string()), lid_jid: Some(bob.lid().to_string()) };
    let raw = pair.encode_to_vec().into();
    let kept = PeerData { sort: PeerDataSort::LidPair, id: "3EB0#7".into(), timestamp: 1, raw };
    store.commit(Changes { peer_data: vec![kept.clone()], ..Changes::default() }).await.unwrap();
    let companion = stage.start(store.clone());
    let is_told = |event: &Event| matches!(event, Event::SamePerson { pn, lid } if (pn, lid) == (&bob.jid(), &bob.lid()));
    companion.diary.wait_for(|events| events.iter().any(is_told)).await;
    companion.stop().await;
    assert!(!store.peer_data(None, usize::MAX).await.unwrap().contains(&kept));
}
