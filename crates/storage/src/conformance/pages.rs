//! Pages of bounded size, whose sequence has no gap and no repetition.

use super::held::Held;
use super::{Backend, sample_incoming};
use crate::{
    Cursor, Delivery, DeliveryQuery, DeliveryState, Event, EventData, EventQuery, EventStart, MessageQuery,
    PAGE_BYTES, Record, Settlement, Timestamp,
};

const PEER: &str = "15550000002";
/// Bytes of a text: a few of them are a page.
const LONG: usize = PAGE_BYTES / 3;

/// By position and by time, from either end. A page by time never ends within a time.
pub async fn pages_of_events_end_at_a_size_and_join(backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    for n in 0..4 {
        // One, or two of one time.
        store.record(long(&held, n, 1 + n % 2)).await.unwrap();
    }
    // Together more than a page.
    store.record(long(&held, 9, 5)).await.unwrap();
    let all = held.log(&*store).await;
    let read = async |start| {
        let query = EventQuery { start, kinds: Vec::new(), limit: 1_000 };
        store.events(held.owner, held.instance, &query).await.unwrap()
    };

    let (mut seen, mut start) = (Vec::new(), EventStart::Oldest);
    loop {
        let page = read(start).await;
        assert!(size(&page.events) <= PAGE_BYTES + LONG + 1_000);
        start = EventStart::AfterSeq(page.events.last().unwrap().seq);
        seen.extend(page.events);
        if !page.has_more {
            break;
        }
    }
    assert_eq!(seen, all);

    let (mut seen, mut since) = (Vec::new(), Timestamp::default());
    loop {
        let page = read(EventStart::AfterTime(since)).await;
        since = page.events.last().unwrap().timestamp;
        assert!(page.events.len() <= 5, "a page, or all of one time");
        seen.extend(page.events);
        if !page.has_more {
            break;
        }
    }
    assert_eq!(seen, all);

    // As consumers read it.
    let few = store.events_after(held.instance, 0, 1_000).await.unwrap();
    assert!(few.len() > 1 && size(&few) <= PAGE_BYTES + LONG + 1_000, "{} events", few.len());
    assert_eq!(few, all[..few.len()]);
    assert_eq!(store.events_after(held.instance, all[0].seq, 1).await.unwrap(), all[1..2]);

    let newest = read(EventStart::Newest).await;
    assert!(size(&newest.events) <= PAGE_BYTES + LONG + 1_000);
    assert_eq!(newest.events, all[all.len() - newest.events.len()..]);
}

/// By place and by number, also where many were written at the same time.
pub async fn pages_of_messages_end_at_a_size_and_join(backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    for n in 0..4 {
        store.record(long(&held, n, 3)).await.unwrap();
    }
    let chat = format!("{PEER}@s.whatsapp.net");
    for by_place in [false, true] {
        let (mut seen, mut before, mut skip) = (Vec::new(), None::<Cursor>, 0);
        loop {
            let query = MessageQuery { before, skip, ..MessageQuery::newest(&*chat, 1_000) };
            let page = store.messages(held.owner, held.instance, &query).await.unwrap();
            assert_eq!((page.total, page.next.is_some()), (12, page.has_more));
            assert!(page.items.len() <= 4);
            seen.extend(page.items.into_iter().map(|message| message.message_id));
            match by_place {
                true => before = page.next,
                false => skip = seen.len() as u64,
            }
            if !page.has_more {
                break;
            }
            // What comes meanwhile is newer and moves no place.
            if by_place && seen.len() < 5 {
                let new = sample_incoming(held.instance, "15550000003", &format!("N{}", seen.len()), 99_999);
                store.record(held.record().message(new)).await.unwrap();
            }
        }
        let expected: Vec<_> =
            (0..4).rev().flat_map(|n| (0..3).rev().map(move |m| format!("L{n}-{m}"))).collect();
        assert_eq!(seen, expected);
    }
}

/// What isn't delivered yet, with its events.
pub async fn pages_of_deliveries_end_at_a_size_and_join(backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    for n in 0..4 {
        store.record(long(&held, n, 2)).await.unwrap();
    }
    let log = held.log(&*store).await;
    let dead = |event: &Event| Delivery {
        consumer: held.webhook(),
        seq: event.seq,
        chat: None,
        state: DeliveryState::Dead,
        attempts: 4,
        next_attempt: Timestamp::default(),
        last_error: None,
        status_code: None,
        replayed: false,
        created_at: Timestamp::default(),
        updated_at: Timestamp::default(),
    };
    let put = log.iter().map(dead).collect();
    store.settle(vec![Settlement { put, ..held.settlement() }]).await.unwrap();
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let query = DeliveryQuery { after, ..DeliveryQuery::first(DeliveryState::Dead, 1_000) };
        let page = store.deliveries(held.owner, &held.webhook(), &query).await.unwrap();
        assert_eq!((page.total, page.next.is_some()), (8, page.has_more));
        assert!(page.items.len() <= 4);
        seen.extend(page.items.into_iter().filter_map(|(_, event)| event));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, log);
}

/// This many long texts in one record, all written at the same time.
fn long(held: &Held, n: i64, count: i64) -> Record {
    (0..count).fold(held.record(), |record, m| {
        let mut new = sample_incoming(held.instance, PEER, &format!("L{n}-{m}"), 1_000 + n);
        let text = "x".repeat(LONG);
        if let Some(EventData::MessageReceived(told)) = new.event.as_mut().map(|event| &mut event.data) {
            told.text = Some(text.clone());
        }
        new.message.text = Some(text);
        record.message(new)
    })
}

fn size(events: &[Event]) -> usize {
    events.iter().map(|event| event.data.encode().unwrap().len()).sum()
}
