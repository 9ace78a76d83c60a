use async_trait::async_trait;

use super::MemoryStorage;
use super::messages::size;
use crate::{Event, EventLog, EventPage, EventQuery, EventStart, InstanceId, StorageError, UserId};

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
}

fn page(matching: &[&Event], query: &EventQuery) -> EventPage {
    let limit = size(query.limit).min(matching.len());
    let (from, to) = match query.start {
        EventStart::Newest => (matching.len() - limit, matching.len()),
        EventStart::AfterTime(_) => (0, limit + ties(matching, limit)),
        EventStart::Oldest | EventStart::AfterSeq(_) => (0, limit),
    };
    let events = matching[from..to].iter().map(|event| (*event).clone()).collect();
    EventPage { events, has_more: to < matching.len() }
}

/// How many events after the first `limit` share the time of the last of these.
fn ties(matching: &[&Event], limit: usize) -> usize {
    let (page, rest) = matching.split_at(limit);
    page.last().map_or(0, |last| rest.iter().take_while(|event| event.timestamp == last.timestamp).count())
}
