//! Bodies that are on their way: memory that callers fill.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::StatusCode;
use parking_lot::Mutex;
use storage::UserId;

use crate::error::ApiError;

/// Bytes of a body that aren't counted: a connection takes some 100 KB anyway, and nobody's ordinary calls wait for others'
/// large ones.
const FREE: usize = 64 << 10;
/// Bytes of one user's bodies at once: two of the largest, and some.
const PER_USER: usize = 64 << 20;
/// Bytes of all bodies at once.
const ALL: usize = 256 << 20;
/// When a caller may try again.
const PAUSE: Duration = Duration::from_secs(2);

/// Counts the bytes of large bodies. Clones are the same count.
#[derive(Clone, Default)]
pub(crate) struct Bodies {
    held: Arc<Mutex<Held>>,
}

#[derive(Default)]
struct Held {
    all: usize,
    by_user: HashMap<UserId, usize>,
}

/// What a body takes; given back when it is dropped.
pub(crate) struct Room {
    bodies: Bodies,
    user: UserId,
    /// Bytes of the body.
    length: usize,
    /// Those among them that are counted.
    counted: usize,
}

impl Bodies {
    /// Room for a body of this user, which has no bytes yet.
    pub(crate) fn begin(&self, user: UserId) -> Room {
        Room { bodies: self.clone(), user, length: 0, counted: 0 }
    }

    fn take(&self, user: UserId, bytes: usize) -> Result<(), ApiError> {
        let mut held = self.held.lock();
        let own = held.by_user.get(&user).copied().unwrap_or_default();
        if own + bytes > PER_USER {
            let message = "Too many large bodies are on their way from you; send them one after the other.";
            return Err(
                ApiError::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", message).with_retry_after(PAUSE)
            );
        }
        if held.all + bytes > ALL {
            let message = "Too many large bodies are on their way; try again in a moment.";
            return Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message)
                .with_retry_after(PAUSE));
        }
        held.all += bytes;
        held.by_user.insert(user, own + bytes);
        Ok(())
    }

    fn give_back(&self, user: UserId, bytes: usize) {
        let mut held = self.held.lock();
        held.all = held.all.saturating_sub(bytes);
        match held.by_user.get_mut(&user) {
            Some(own) if *own > bytes => *own -= bytes,
            _ => drop(held.by_user.remove(&user)),
        }
    }
}

impl Room {
    /// Makes room for a body of so many bytes in all.
    ///
    /// # Errors
    /// 429 when its user has as many on their way as may be, 503 when all have.
    pub(crate) fn grow_to(&mut self, length: usize) -> Result<(), ApiError> {
        let counted = length.saturating_sub(FREE);
        if counted > self.counted {
            self.bodies.take(self.user, counted - self.counted)?;
            self.counted = counted;
        }
        self.length = self.length.max(length);
        Ok(())
    }

    /// Makes room for so many bytes more.
    ///
    /// # Errors
    /// As [`Self::grow_to`].
    pub(crate) fn grow_by(&mut self, more: usize) -> Result<(), ApiError> {
        self.grow_to(self.length.saturating_add(more))
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if self.counted > 0 {
            self.bodies.give_back(self.user, self.counted);
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::ResponseError as _;

    use super::*;

    fn status(outcome: Result<(), ApiError>) -> Option<u16> {
        outcome.err().map(|error| error.status_code().as_u16())
    }

    #[test]
    fn large_bodies_have_bounded_room_and_small_ones_always_fit() {
        let (bodies, zoe) = (Bodies::default(), UserId::generate());
        let mut first = bodies.begin(zoe);
        assert_eq!(status(first.grow_to(PER_USER + FREE)), None);
        assert_eq!(status(first.grow_to(FREE)), None, "it has that already");
        let mut second = bodies.begin(zoe);
        assert_eq!(status(second.grow_by(FREE)), None);
        assert_eq!(status(second.grow_by(1)), Some(429));
        let others: Vec<_> = (1..ALL / PER_USER)
            .map(|_| {
                let mut room = bodies.begin(UserId::generate());
                assert_eq!(status(room.grow_to(PER_USER + FREE)), None);
                room
            })
            .collect();
        let mut late = bodies.begin(UserId::generate());
        assert_eq!((status(late.grow_to(FREE)), status(late.grow_to(FREE + 1))), (None, Some(503)));
        drop((first, others));
        assert_eq!((status(second.grow_by(1)), status(late.grow_to(FREE + 1))), (None, None));
        drop((second, late));
        let held = bodies.held.lock();
        assert_eq!((held.all, held.by_user.len()), (0, 0));
    }
}
