//! Streams that are under way: each holds a connection for as long as its client likes.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::StatusCode;
use parking_lot::Mutex;
use storage::UserId;

use crate::error::ApiError;

/// When a client may ask again that has as many streams as it may have.
const PAUSE: Duration = Duration::from_secs(10);

/// Counts the streams of each user. Clones are the same count.
#[derive(Clone, Debug)]
pub(crate) struct Streams {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// How many there may be.
    most: usize,
    by_user: Mutex<HashMap<UserId, usize>>,
}

/// One of them; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Stream {
    streams: Streams,
    user: UserId,
}

impl Streams {
    /// Half of the connections that there may be: the rest is for calls. A user has half of these, so that nobody shuts out
    /// all others.
    pub(crate) fn among(connections: usize) -> Self {
        Self { inner: Arc::new(Inner { most: connections / 2, by_user: Mutex::default() }) }
    }

    /// Begins one.
    ///
    /// # Errors
    /// 429 when there are as many as may be.
    pub(crate) fn begin(&self, user: UserId) -> Result<Stream, ApiError> {
        let most = self.inner.most;
        let mut by_user = self.inner.by_user.lock();
        let all: usize = by_user.values().sum();
        let own = by_user.get(&user).copied().unwrap_or(0);
        if all >= most || own >= (most / 2).max(1) {
            return Err(too_many());
        }
        by_user.insert(user, own + 1);
        drop(by_user);
        Ok(Stream { streams: self.clone(), user })
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let mut by_user = self.streams.inner.by_user.lock();
        match by_user.get_mut(&self.user) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(by_user.remove(&self.user)),
        }
    }
}

fn too_many() -> ApiError {
    let message = "Too many streams are open: close some, or follow all instances with one.";
    ApiError::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", message).with_retry_after(PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_half_of_them_and_others_have_theirs() {
        let (streams, zoe, max) = (Streams::among(16), UserId::generate(), UserId::generate());
        let zoes: Vec<_> = (0..4).map(|_| streams.begin(zoe).unwrap()).collect();
        assert!(streams.begin(zoe).is_err());
        let _maxs: Vec<_> = (0..4).map(|_| streams.begin(max).unwrap()).collect();
        assert!(streams.begin(UserId::generate()).is_err());
        drop(zoes);
        assert!(streams.begin(zoe).is_ok());
    }
}
