use async_trait::async_trait;

use super::MemoryStorage;
use super::messages::size;
use crate::{
    ActivityQuery, Budget, Event, EventLog, EventPage, EventQuery, EventStart, InstanceId, Page,
    StorageError, UserId,
};

#[async_trait]
impl EventLog for MemoryStorage {
    async fn events(
        &self,
        owner: UserId,
        instance: InstanceId,
        query: &EventQuery,
    ) -> Result<EventPage, StorageError> {
        let tables = self.lock();
        let events = &tables.owned(owner, instance)?.events;
        let of_kind = |event: &&Event| query.kinds.is_empty() || query.kinds.contains(&event.kind());
        let follows = |event: &&Event| match query.start {
            EventStart::Oldest | EventStart::Newest => true,
            EventStart::AfterSeq(seq) => event.seq > seq,
            EventStart::AfterTime(time) => event.timestamp > time,
        };
        let matching: Vec<_> = events.iter().filter(of_kind).filter(follows).collect();
        Ok(page(&matching, query))
    }

    async fn activity(
        &self,
        owner: UserId,
        instance: InstanceId,
        query: &ActivityQuery,
    ) -> Result<Page<Event>, StorageError> {
        let tables = self.lock();
        let events = tables.owned(owner, instance)?.events.iter().rev();
        let matching: Vec<_> = events.filter(|event| query.wants(&event.data, event.timestamp)).collect();
        let wanted = matching.iter().skip(size(query.skip));
        let items: Vec<_> =
            wanted.clone().take(fitting(wanted, size(query.limit))).copied().cloned().collect();
        let total = matching.len() as u64;
        let has_more = query.skip.saturating_add(items.len() as u64) < total;
        Ok(Page { items, total, has_more, next: None })
    }
}

fn page(matching: &[&Event], query: &EventQuery) -> EventPage {
    let limit = size(query.limit).min(matching.len());
    let (from, to) = match query.start {
        EventStart::Newest => (matching.len() - fitting(matching.iter().rev(), limit), matching.len()),
        EventStart::AfterTime(_) => (0, by_time(matching, fitting(matching.iter(), limit), limit)),
        EventStart::Oldest | EventStart::AfterSeq(_) => (0, fitting(matching.iter(), limit)),
    };
    let events = matching[from..to].iter().map(|event| (*event).clone()).collect();
    EventPage { events, has_more: to < matching.len() }
}

/// How many of the first `limit` fit into a page.
pub(super) fn fitting<'a>(events: impl Iterator<Item = &'a &'a Event>, limit: usize) -> usize {
    let mut budget = Budget::default();
    let taken = events.take(limit).take_while(|event| {
        let fits = budget.has_room();
        budget.take(event.data.encode().map_or(0, |text| text.len()));
        fits
    });
    taken.count()
}

/// A page by time ends between two times: at its limit it takes in the rest of its last time, at its size it leaves that
/// time out, unless it is the only one.
fn by_time(matching: &[&Event], fitting: usize, limit: usize) -> usize {
    let ends = |at: usize| at == matching.len() || matching[at].timestamp != matching[at - 1].timestamp;
    let shorter = (1..=fitting).rev().find(|at| ends(*at));
    match shorter {
        Some(shorter) if fitting < limit => shorter,
        _ => fitting + ties(matching, fitting),
    }
}

/// How many events after the first `limit` share the time of the last of these.
fn ties(matching: &[&Event], limit: usize) -> usize {
    let (page, rest) = matching.split_at(limit);
    page.last().map_or(0, |last| rest.iter().take_while(|event| event.timestamp == last.timestamp).count())
}
