use std::sync::Arc;

use tokio::sync::Mutex;
use wa_media::MediaConn;

use super::Line;
use crate::clock::Clock;
use crate::request::RequestError;

/// What the server said of its media hosts. Asked for when it is needed, once however many need it.
pub(super) struct Hosts {
    known: Mutex<Option<Arc<MediaConn>>>,
    clock: Arc<dyn Clock>,
}

impl Hosts {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { known: Mutex::new(None), clock }
    }

    /// The hosts, asked for anew when they have had their time. Where nobody answers, those of before serve until their
    /// `auth` has expired.
    pub(super) async fn get(&self, line: &dyn Line) -> Result<Arc<MediaConn>, RequestError> {
        let mut known = self.known.lock().await;
        let now = self.now();
        match &*known {
            Some(conn) if !conn.needs_refresh(now) => Ok(Arc::clone(conn)),
            stale => match self.ask(line).await {
                Ok(conn) => Ok(Arc::clone(known.insert(conn))),
                Err(error) => stale.clone().filter(|conn| !conn.is_expired(now)).ok_or(error),
            },
        }
    }

    /// Asks anew, since these were of no use; unless somebody else has done so meanwhile.
    pub(super) async fn renew(
        &self,
        useless: &Arc<MediaConn>,
        line: &dyn Line,
    ) -> Result<Arc<MediaConn>, RequestError> {
        let mut known = self.known.lock().await;
        match &*known {
            Some(conn) if !Arc::ptr_eq(conn, useless) => Ok(Arc::clone(conn)),
            _ => {
                let conn = self.ask(line).await?;
                Ok(Arc::clone(known.insert(conn)))
            }
        }
    }

    async fn ask(&self, line: &dyn Line) -> Result<Arc<MediaConn>, RequestError> {
        let answer = line.ask(MediaConn::request()).await?;
        Ok(Arc::new(MediaConn::parse(&answer, self.now())?))
    }

    fn now(&self) -> u64 {
        u64::try_from(self.clock.unix_millis() / 1000).unwrap_or_default()
    }
}
