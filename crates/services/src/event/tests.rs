use std::collections::BTreeSet;

use storage::{EventKind, EventStart, Fleet as _, Missing, NewMessage, Record, Webhook};
use wa_client::{Cause, Event as ClientEvent, QrCode};

use super::*;
use crate::testing::{World, disconnected, until};

fn query(start: EventStart, limit: u64) -> EventQuery {
    EventQuery { start, kinds: Vec::new(), limit }
}

fn codes(count: usize) -> Vec<ClientEvent> {
    let code = |n: usize| QrCode { text: n.to_string(), bare: String::new(), expires_at: 0 };
    (0..count).map(|n| ClientEvent::Qr(code(n))).collect()
}

/// What the documented Python and Node clients do: ask with the last page's latest timestamp, pass on what
/// comes.
#[tokio::test]
async fn polling_as_the_documented_clients_do_misses_nothing_and_repeats_nothing() {
    let world = World::new().await;
    let instance = world.instance().await;
    let companion = world.companions.of(instance);
    let mut since: Option<Timestamp> = None;
    let mut seen = Vec::new();
    // Bursts within one millisecond and single events, between polls of ten.
    for burst in [0, 1, 25, 0, 3, 60, 1, 1, 0, 10, 0, 0, 0, 0, 0, 0, 0, 0] {
        companion.tell(codes(burst)).await.unwrap();
        let start = since.map_or(EventStart::Newest, EventStart::AfterTime);
        let page = world
            .services
            .events
            .events(&world.caller, instance, &query(start, 10), Duration::ZERO)
            .await
            .unwrap();
        seen.extend(page.events.iter().map(|event| event.seq));
        // The API shows milliseconds.
        since = page.events.last().map(|event| event.timestamp.to_string().parse().unwrap()).or(since);
    }
    let log: Vec<_> = world.log(instance).await.iter().map(|event| event.seq).collect();
    assert_eq!(log.len(), 101);
    let from = log.iter().position(|seq| *seq == seen[0]).unwrap();
    assert_eq!(seen, log[from..]);
    assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), seen.len());
}

#[tokio::test]
async fn kinds_and_limits_are_respected() {
    let world = World::new().await;
    let (instance, companion) = world.online().await;
    companion.tell(codes(3)).await.unwrap();
    companion.tell([disconnected(Cause::Outdated, false)]).await.unwrap();
    let events = &world.services.events;
    let kinds = vec![EventKind::Connected, EventKind::Disconnected];
    let only = EventQuery { kinds, ..query(EventStart::Oldest, 10) };
    let page = events.events(&world.caller, instance, &only, Duration::ZERO).await.unwrap();
    let found: Vec<_> = page.events.iter().map(|event| event.kind().as_str()).collect();
    assert_eq!(found, ["connected", "disconnected"]);
    let page =
        events.events(&world.caller, instance, &query(EventStart::Oldest, 2), Duration::ZERO).await.unwrap();
    assert!(page.events.len() == 2 && page.has_more);
    for limit in [0, MAX_PAGE + 1] {
        let error = events
            .events(&world.caller, instance, &query(EventStart::Oldest, limit), Duration::ZERO)
            .await
            .unwrap_err();
        assert_eq!(error.to_string(), "limit must be 1 to 1000");
    }
    let stranger = world.stranger().await;
    let error =
        events.events(&stranger, instance, &query(EventStart::Oldest, 2), Duration::ZERO).await.unwrap_err();
    assert!(matches!(error, ServiceError::NotFound { what: Missing::Instance }));
}

fn message(instance: InstanceId, chat: &str, n: i64) -> NewMessage {
    let sample = storage::conformance::sample_incoming(instance, "1", &format!("{chat}-{n}"), n * 1_000);
    let message = Message {
        chat: chat.to_owned(),
        wire_chat: chat.to_owned(),
        sender: chat.to_owned(),
        text: Some(n.to_string()),
        ..sample.message
    };
    NewMessage { message, event: None }
}

fn record(world: &World, instance: InstanceId) -> Record {
    Record::new(instance, world.companions.of(instance).epoch)
}

fn chat(name: &str) -> ChatQuery {
    ChatQuery { chat: name.to_owned(), start: None, end: None, limit: 50, skip: 0, before: None }
}

#[tokio::test]
async fn a_chat_is_found_by_number_jid_and_lid() {
    let world = World::new().await;
    let instance = world.instance().await;
    world.companions.learn("900001", "79001234567");
    let pn = "79001234567@s.whatsapp.net";
    let record = (1..=3).fold(record(&world, instance), |record, n| record.message(message(instance, pn, n)));
    world.storage.record(record.message(message(instance, "900002@lid", 9))).await.unwrap();
    let events = &world.services.events;
    for name in ["79001234567", "+7 900 123-45-67", pn, "79001234567@c.us", "900001@lid"] {
        let page = events.messages(&world.caller, instance, chat(name)).await.unwrap();
        let contents: Vec<_> = page.items.iter().filter_map(|message| message.text.as_deref()).collect();
        assert_eq!((contents, page.total), (vec!["3", "2", "1"], 3), "{name}");
    }
    let page = events.messages(&world.caller, instance, chat("900002@lid")).await.unwrap();
    assert_eq!(page.total, 1);
    let nobody = events.messages(&world.caller, instance, chat("900003@lid")).await.unwrap();
    assert_eq!(nobody.total, 0);
}

#[tokio::test]
async fn pages_and_times_bound_a_chat() {
    let world = World::new().await;
    let instance = world.instance().await;
    let pn = "79001234567@s.whatsapp.net";
    let record = (1..=9).fold(record(&world, instance), |record, n| record.message(message(instance, pn, n)));
    world.storage.record(record).await.unwrap();
    let events = &world.services.events;
    let window = ChatQuery {
        start: Some(Timestamp::from_seconds(2)),
        end: Some(Timestamp::from_seconds(8)),
        limit: 3,
        skip: 2,
        ..chat(pn)
    };
    let page = events.messages(&world.caller, instance, window).await.unwrap();
    let contents: Vec<_> = page.items.iter().filter_map(|message| message.text.as_deref()).collect();
    assert_eq!((contents, page.total, page.has_more), (vec!["6", "5", "4"], 7, true));
    let error = events.messages(&world.caller, instance, chat("bob")).await.unwrap_err();
    assert!(error.to_string().starts_with("chat "), "{error}");
    let stranger = world.stranger().await;
    assert!(matches!(
        events.messages(&stranger, instance, chat(pn)).await,
        Err(ServiceError::NotFound { .. })
    ));
    assert!(matches!(
        events.messages(&stranger, instance, chat("900001@lid")).await,
        Err(ServiceError::NotFound { .. })
    ));
}

#[tokio::test]
async fn dead_letters_come_with_their_events_and_can_be_replayed() {
    use storage::{Consumer, DeliveryQuery, DeliveryState, DeliveryStore as _, Settlement};
    let world = World::new().await;
    let (instance, companion) = world.online().await;
    let newest = world.log(instance).await.last().unwrap().clone();
    let consumer = Consumer::webhook(instance, Webhook::DEFAULT);
    let now = crate::clock::now();
    let dead = Delivery {
        consumer: consumer.clone(),
        seq: newest.seq,
        chat: None,
        state: storage::DeliveryState::Dead,
        attempts: 4,
        next_attempt: now,
        last_error: Some("HTTP 500".to_owned()),
        status_code: Some(500),
        replayed: false,
        created_at: now,
        updated_at: now,
    };
    let settlement = Settlement {
        cursor: Some(newest.seq),
        put: vec![dead],
        ..Settlement::new(consumer.clone(), companion.epoch)
    };
    assert!(world.storage.settle(vec![settlement]).await.unwrap().is_empty());
    let events = &world.services.events;
    let query = DeliveryQuery::first(DeliveryState::Dead, 10);
    let letters = async |caller| events.owed(caller, &consumer, &query).await;
    let page = letters(&world.caller).await.unwrap();
    assert_eq!((page.total, page.items[0].event.as_ref()), (1, Some(&newest)));
    let seqs = Some(vec![newest.seq]);
    let replayed = events.replay(&world.caller, &consumer, seqs, false).await.unwrap();
    assert_eq!(replayed, Replayed { dead: 1, pending: 0 });
    assert_eq!(letters(&world.caller).await.unwrap().total, 0);
    let stranger = world.stranger().await;
    assert!(letters(&stranger).await.is_err());
    assert!(events.replay(&stranger, &consumer, Some(Vec::new()), true).await.is_err());
}

fn asking(
    world: &World,
    instance: InstanceId,
    query: EventQuery,
    wait: Duration,
) -> tokio::task::JoinHandle<EventPage> {
    let (events, caller) = (world.services.events.clone(), world.caller);
    tokio::spawn(async move { events.events(&caller, instance, &query, wait).await.unwrap() })
}

#[tokio::test(start_paused = true)]
async fn a_question_waits_for_its_answer() {
    let world = World::new().await;
    let (instance, companion) = world.online().await;
    let last = world.log(instance).await.pop().unwrap().seq;
    let asked = Instant::now();
    let next = query(EventStart::AfterSeq(last), 10);
    let only_ends = EventQuery { kinds: vec![EventKind::Disconnected], ..next.clone() };
    let any = asking(&world, instance, next, MAX_WAIT);
    let end = asking(&world, instance, only_ends, MAX_WAIT);
    until("both wait", || async { (world.services.events.bell.waiting() == 2).then_some(()) }).await;
    companion.tell(codes(1)).await.unwrap();
    assert_eq!(any.await.unwrap().events[0].kind(), EventKind::QrReceived);
    assert_eq!(world.services.events.bell.waiting(), 1, "a code is no end");
    companion.tell([disconnected(Cause::Network, true)]).await.unwrap();
    assert_eq!(end.await.unwrap().events[0].kind(), EventKind::Disconnected);
    assert!(asked.elapsed() < Duration::from_secs(1), "nobody polled");
}

#[tokio::test(start_paused = true)]
async fn a_question_is_answered_where_another_process_records() {
    let world = World::serving().await;
    let (instance, companion) = world.online().await;
    let last = world.log(instance).await.pop().unwrap().seq;
    let elsewhere = world.second_process();
    let question = asking(&elsewhere, instance, query(EventStart::AfterSeq(last), 10), MAX_WAIT);
    until("it waits", || async { (elsewhere.services.events.bell.waiting() == 1).then_some(()) }).await;
    let told = Instant::now();
    companion.tell(codes(1)).await.unwrap();
    assert_eq!(question.await.unwrap().events[0].kind(), EventKind::QrReceived);
    assert!(told.elapsed() <= LOOK_AGAIN, "{:?}", told.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_question_waits_no_longer_than_it_says_and_leaves_nothing_behind() {
    let world = World::new().await;
    let instance = world.instance().await;
    let asked = Instant::now();
    let wait = Duration::from_secs(20);
    let page = asking(&world, instance, query(EventStart::Oldest, 10), wait).await.unwrap();
    assert!(page.events.is_empty() && asked.elapsed() >= wait && asked.elapsed() < wait * 2);
    let left = asking(&world, instance, query(EventStart::Oldest, 10), wait);
    until("it waits", || async { (world.services.events.bell.waiting() == 1).then_some(()) }).await;
    left.abort();
    assert!(left.await.is_err());
    assert_eq!(world.services.events.bell.waiting(), 0);
    let too_long = MAX_WAIT + Duration::from_millis(1);
    let oldest = query(EventStart::Oldest, 1);
    let asked = world.services.events.events(&world.caller, instance, &oldest, too_long);
    assert_eq!(asked.await.unwrap_err().to_string(), "wait must be 0 to 60 seconds");
}

/// The positions that a stream tells, up to this one.
async fn told_up_to(stream: &mut EventStream, last: i64) -> Vec<i64> {
    let mut told = Vec::new();
    while told.last() != Some(&last) {
        told.extend(stream.next().await.unwrap().iter().map(|event| event.seq));
    }
    told
}

#[tokio::test]
async fn a_stream_tells_each_event_once_and_in_order_however_it_hears_of_them() {
    let world = World::new().await;
    let instance = world.instance().await;
    let companion = world.companions.of(instance);
    companion.tell(codes(40)).await.unwrap();
    let events = &world.services.events;
    let mut stream = events.follow(&world.caller, instance, Some(0), &[]).await.unwrap();
    companion.tell(codes(3)).await.unwrap();
    assert_eq!(told_up_to(&mut stream, 43).await, (1..=43).collect::<Vec<_>>());
    // What nobody rings for comes with what follows on it.
    let unheard = record(&world, instance);
    let unheard = unheard.event(storage::conformance::sample_event(EventKind::Connected, None));
    world.storage.record(unheard).await.unwrap();
    companion.tell(codes(1)).await.unwrap();
    assert_eq!(told_up_to(&mut stream, 45).await, [44, 45]);
    // Whoever doesn't listen for long reads it from the log.
    for _ in 0..100 {
        companion.tell(codes(10)).await.unwrap();
    }
    assert_eq!(told_up_to(&mut stream, 1_045).await, (46..=1_045).collect::<Vec<_>>());
    assert_eq!(stream.position(), 1_045);
    let beyond = events.follow(&world.caller, instance, Some(9_999), &[]).await.unwrap();
    assert_eq!(beyond.position(), 1_045);
    let stranger = world.stranger().await;
    assert!(matches!(
        events.follow(&stranger, instance, None, &[]).await,
        Err(ServiceError::NotFound { what: Missing::Instance })
    ));
}

#[tokio::test]
async fn a_stream_of_few_kinds_keeps_up_with_all_of_the_log() {
    let world = World::serving().await;
    let (instance, companion) = world.online().await;
    let events = &world.services.events;
    let kinds = [EventKind::Disconnected];
    let mut stream = events.follow(&world.caller, instance, Some(0), &kinds).await.unwrap();
    companion.tell(codes(200)).await.unwrap();
    companion.tell([disconnected(Cause::Outdated, false)]).await.unwrap();
    let end = world.log(instance).await.last().unwrap().seq;
    assert_eq!(told_up_to(&mut stream, end).await, [end]);
    assert_eq!(stream.position(), end);
}
