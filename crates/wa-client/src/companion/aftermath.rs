//! What follows from the end of a connection.

use crate::backoff::Backoff;
use crate::cause::{Cause, Pace};
use crate::end::End;
use crate::event::Event;
use crate::state::State;
use std::time::Duration;
use tokio::time::{sleep, timeout};
use wa_store::{Ban, Changes, StoreError};

use super::{Companion, Next, distrust, hand_out, on_verdict};

/// How long a companion that has been stopped, or unlinked, waits for the verdict on its last batch.
const LAST_VERDICT: Duration = Duration::from_secs(5);

/// Pauses between tries to delete void credentials.
const WIPE_PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// So many tries in a row may fail before the login until the edge routing that the server once gave is given up
/// (PROTOCOL.md 1).
const ROUTED_TRIES: u32 = 2;

impl Companion {
    /// Draws the consequences of an ended connection.
    pub(super) async fn after(&mut self, end: End) -> Next {
        let attempts = self.backoff.attempts();
        if end.cause.pace() == Pace::Unsure && !self.backoff.is_unsure() {
            tracing::warn!(cause = %end.cause, "the server has ended the connection for a reason that is not known here");
        }
        if Backoff::is_worth_telling(attempts) || !end.cause.reconnects() {
            tracing::info!(cause = %end.cause, attempts, "the connection ended");
        } else {
            tracing::debug!(cause = %end.cause, attempts, "the connection ended");
        }
        self.embedder.outlet.resume();
        let was_online = self.embedder.is_online();
        let will_reconnect = end.cause.reconnects();
        // Nobody may believe in a connection while the consequences are drawn.
        self.embedder.set_state(State::Idle);
        if matches!(end.cause, Cause::HandlerFailed | Cause::StoreFailed | Cause::Fenced) {
            self.distrust(&end.cause).await;
        }
        self.draw_lessons(&end.cause);
        // A refusal is told once, not with every try.
        let is_new = self.last_cause.as_ref() != Some(&end.cause);
        let has_news = end.raw.is_some() && end.cause != Cause::Restart && is_new;
        if was_online || !will_reconnect || has_news {
            let (cause, raw) = (end.cause.clone(), end.raw.clone());
            self.embedder.outlet.push(Event::Disconnected { cause, will_reconnect, raw });
        }
        // The last words are heard once everything is over.
        if end.cause != Cause::Shutdown {
            hand_out(&mut self.embedder, self.mirror.as_mut());
        }
        if end.cause.wipes_credentials() {
            self.until_told().await;
            self.wipe().await;
        }
        if !will_reconnect || matches!(end.cause, Cause::Banned { .. }) {
            self.release().await;
        }
        self.last_cause = Some(end.cause.clone());
        if will_reconnect {
            let may_skip =
                end.cause == Cause::Restart && (!end.replies.is_empty() || self.backoff.may_skip());
            let cause = end.cause.clone();
            end.answer();
            return if may_skip { Next::Connect } else { self.wait(cause).await };
        }
        self.embedder.set_state(State::Stopped(end.cause.clone()));
        if end.cause == Cause::Shutdown {
            return self.finish(end, was_online).await;
        }
        let cause = end.cause.clone();
        end.answer();
        self.rest(cause).await
    }

    /// What the next connection has to know of the end of this one.
    fn draw_lessons(&mut self, cause: &Cause) {
        let Some(mirror) = self.mirror.as_mut().filter(|mirror| mirror.device.is_paired()) else { return };
        if let Cause::Banned { code, until: Some(until) } = *cause {
            mirror.device.ban = Some(Ban { code, until });
            mirror.device_changed();
        }
        if self.vain_tries >= ROUTED_TRIES && mirror.device.routing_info.take().is_some() {
            tracing::info!("connecting fails; the edge routing is given up");
            mirror.device_changed();
        }
    }

    pub(super) async fn distrust(&mut self, cause: &Cause) {
        distrust(&self.shared, &mut self.embedder, &mut self.mirror, cause).await;
    }

    /// Waits for a while until all that there is to tell has been recorded. What is dropped meanwhile is told again later.
    async fn until_told(&mut self) {
        let telling = async {
            loop {
                hand_out(&mut self.embedder, self.mirror.as_mut());
                if self.embedder.outlet.is_free() {
                    return;
                }
                let verdict = self.embedder.outlet.verdict().await;
                if on_verdict(verdict, &self.shared, &mut self.embedder, &mut self.mirror).await.is_err() {
                    return;
                }
            }
        };
        let _ = timeout(LAST_VERDICT, telling).await;
    }

    /// Empties the memory of a companion that stands still.
    async fn release(&mut self) {
        let Some(mirror) = &mut self.mirror else { return };
        let changes = mirror.release();
        if let Err(error) = self.shared.commit(changes).await {
            self.distrust(&End::from(error).cause).await;
        }
    }

    /// Deletes credentials that WhatsApp confirmed to be void.
    async fn wipe(&mut self) {
        self.mirror = None;
        let mut pauses = Backoff::new(WIPE_PAUSES.0, WIPE_PAUSES.1);
        while let Err(error) = self.shared.store.commit(Changes::forget()).await {
            if matches!(error, StoreError::Fenced) {
                // The new owner will hear of it, too.
                return;
            }
            tracing::error!(%error, "void credentials could not be deleted; trying again");
            sleep(pauses.pause(Pace::Quick, &mut self.random)).await;
        }
    }

    /// The last batch may still be accepted; then everything is over.
    async fn finish(&mut self, end: End, has_waited: bool) -> Next {
        self.embedder.commands.close(&end.cause);
        if !has_waited && !self.embedder.outlet.is_free() {
            let verdict = timeout(LAST_VERDICT, self.embedder.outlet.verdict());
            if let Ok(verdict) = verdict.await {
                let _ = on_verdict(verdict, &self.shared, &mut self.embedder, &mut self.mirror).await;
            }
        }
        end.answer();
        Next::Finish
    }
}
