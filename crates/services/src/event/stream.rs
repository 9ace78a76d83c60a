//! Following the log of an instance from a position on.

use std::sync::Arc;

use storage::{Event, EventKind, EventQuery, EventStart, InstanceId, Missing, Storage, UserId};
use tokio::time::sleep;

use super::{EventService, LOOK_AGAIN};
use crate::auth::Caller;
use crate::error::ServiceError;
use crate::feed::{Follower, Mail, Scope};
use crate::supervisor::Supervisor;

/// Events that are read at once: a page that is larger than a piece is read again for its rest.
const BATCH: u64 = 32;
/// Bytes of events that one answer of a stream holds, and one event more.
pub(super) const PIECE: usize = 64 << 10;

/// The events of an instance that follow on a position, each once and in their order. The log is its buffer: it holds a
/// piece at a time, and whoever reads slowly is further behind.
pub struct EventStream {
    storage: Arc<dyn Storage>,
    supervisor: Supervisor,
    owner: UserId,
    instance: InstanceId,
    follower: Follower,
    position: i64,
    phase: Phase,
}

/// How far behind the log it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// There may be events that nobody rings for any more.
    Behind,
    /// It reads those that are no newer than this, and newer ones that it meets.
    CatchingUp { end: i64 },
    /// It hears of every further event.
    Following,
}

impl EventService {
    /// Follows the log of an instance, from the first event behind the position `after` or, without one, from now on.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn follow(
        &self,
        caller: &Caller,
        instance: InstanceId,
        after: Option<i64>,
        kinds: &[EventKind],
    ) -> Result<EventStream, ServiceError> {
        let follower = self.feed.follow(Scope::Instance(instance), kinds);
        let mut stream = EventStream {
            storage: Arc::clone(&self.storage),
            supervisor: self.supervisor.clone(),
            owner: caller.user,
            instance,
            follower,
            position: 0,
            phase: Phase::Behind,
        };
        let end = end_of(&*stream.storage, caller.user, instance).await?;
        // A position that the log doesn't have yet is of another one.
        stream.position = after.unwrap_or(end).min(end);
        Ok(stream)
    }
}

impl EventStream {
    /// Whoever goes on behind this position misses nothing and hears nothing twice.
    pub fn position(&self) -> i64 {
        self.position
    }

    /// The next events: one at least, and no more than a piece. A call that is dropped loses nothing.
    ///
    /// # Errors
    /// `NotFound` once the instance is gone.
    pub async fn next(&mut self) -> Result<Vec<Arc<Event>>, ServiceError> {
        loop {
            let told = match self.phase {
                Phase::Behind => {
                    let end = end_of(&*self.storage, self.owner, self.instance).await?;
                    self.phase = Phase::CatchingUp { end };
                    continue;
                }
                Phase::CatchingUp { end } => self.catch_up(end).await?,
                Phase::Following => self.listen(self.follower.take())?,
            };
            if !told.is_empty() {
                return Ok(told);
            }
            if self.phase == Phase::Following {
                self.wait().await;
            }
        }
    }

    async fn catch_up(&mut self, end: i64) -> Result<Vec<Arc<Event>>, ServiceError> {
        let kinds = self.follower.kinds().to_vec();
        let query = EventQuery { start: EventStart::AfterSeq(self.position), kinds, limit: BATCH };
        let page = self.storage.events(self.owner, self.instance, &query).await?;
        let (told, is_all) = piece(page.events.into_iter().map(Arc::new));
        self.position = told.last().map_or(self.position, |last| last.seq);
        if is_all && !page.has_more {
            self.position = self.position.max(end);
            self.phase = Phase::Following;
        }
        Ok(told)
    }

    /// Takes what it was told. Records may ring in another order than that of the log: then it is read.
    fn listen(&mut self, mail: Mail) -> Result<Vec<Arc<Event>>, ServiceError> {
        if mail.ended {
            return Err(ServiceError::NotFound { what: Missing::Instance });
        }
        if mail.missed {
            self.phase = Phase::Behind;
        }
        let mut heard = Vec::new();
        let mut position = self.position;
        for news in mail.news {
            if news.after > position {
                self.phase = Phase::Behind;
                break;
            }
            let new = news.events.iter().filter(|event| event.seq > position && self.follower.wants(event));
            heard.extend(new.cloned());
            position = position.max(news.up_to);
        }
        let (told, is_all) = piece(heard.into_iter());
        if is_all {
            self.position = position;
        } else {
            self.position = told.last().map_or(self.position, |last| last.seq);
            self.phase = Phase::Behind;
        }
        Ok(told)
    }

    /// Waits for something to be told. What another process records is not heard here.
    async fn wait(&mut self) {
        if self.supervisor.holds(self.instance) {
            return self.follower.rung().await;
        }
        sleep(LOOK_AGAIN).await;
        self.phase = Phase::Behind;
    }
}

/// The position of the newest event in the log of the owner's instance; 0 while there is none.
pub(super) async fn end_of(
    storage: &dyn Storage,
    owner: UserId,
    instance: InstanceId,
) -> Result<i64, ServiceError> {
    let newest = EventQuery { start: EventStart::Newest, kinds: Vec::new(), limit: 1 };
    let page = storage.events(owner, instance, &newest).await?;
    Ok(page.events.last().map_or(0, |event| event.seq))
}

/// The first of these events, as many as make up a piece, and whether that is all of them.
pub(super) fn piece(events: impl Iterator<Item = Arc<Event>>) -> (Vec<Arc<Event>>, bool) {
    let (mut taken, mut size) = (Vec::new(), 0);
    for event in events {
        if size > PIECE {
            return (taken, false);
        }
        size += event.size();
        taken.push(event);
    }
    (taken, true)
}

impl std::fmt::Debug for EventStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventStream")
            .field("instance", &self.instance)
            .field("position", &self.position)
            .field("phase", &self.phase)
            .finish_non_exhaustive()
    }
}
