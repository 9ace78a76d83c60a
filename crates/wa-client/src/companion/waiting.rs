//! A companion without a connection: until the next try, until told otherwise.

use crate::cause::Cause;
use crate::command::Command;
use crate::end::End;
use crate::state::State;
use rand::RngExt;
use std::pin::pin;
use std::time::Duration;
use tokio::time::sleep;

use super::{Companion, Next, hand_out, on_verdict};

/// As how many failures the word of the server counts that there were too many connections, as in whatsapp-rust.
const RATE_LIMIT_FAILURES: u32 = 5;

/// The first try after a ban comes at least so long after its end, and at most by a tenth of the wait later.
const AFTER_BAN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));

impl Companion {
    /// Looks for a newer version than the one that was refused: one connection more, if there is one. `None` if not.
    pub(super) async fn renew(&mut self) -> Option<Next> {
        self.is_renewed = true;
        let cause = Cause::Outdated;
        let (shared, refused) = (self.shared.clone(), self.announced);
        let retry_at = shared.clock.unix_millis();
        self.embedder.set_state(State::Waiting { cause: cause.clone(), retry_at });
        let mut newer = pin!(shared.versions.newer_than(refused));
        loop {
            tokio::select! {
                newer = &mut newer => {
                    let newer = newer.filter(|newer| *newer > refused)?;
                    tracing::info!(%refused, %newer, "WhatsApp refused the version; trying with a newer one");
                    return Some(Next::Connect);
                }
                next = self.offline(&cause) => if let Some(next) = next { return Some(next) },
            }
        }
    }

    /// Waits for the next try.
    pub(super) async fn wait(&mut self, cause: Cause) -> Next {
        if cause.is_rate_limit() {
            self.backoff.lengthen(RATE_LIMIT_FAILURES);
        }
        let pause = self.pause_after(&cause);
        let pause_millis = i64::try_from(pause.as_millis()).unwrap_or(i64::MAX);
        let retry_at = self.shared.clock.unix_millis().saturating_add(pause_millis);
        self.embedder.set_state(State::Waiting { cause: cause.clone(), retry_at });
        let mut timer = pin!(sleep(pause));
        loop {
            tokio::select! {
                () = &mut timer => return Next::Connect,
                next = self.offline(&cause) => if let Some(next) = next { return next },
            }
        }
    }

    /// A ban with an end is waited out, the more beyond it the longer it was: many accounts may be banned at once.
    fn pause_after(&mut self, cause: &Cause) -> Duration {
        let usual = self.backoff.pause(cause.pace(), &mut self.random);
        let Cause::Banned { until: Some(until), .. } = cause else { return usual };
        let rest = until.saturating_sub(self.shared.clock.unix_millis());
        let rest = Duration::from_millis(u64::try_from(rest).unwrap_or(0));
        let spread = (rest / 10).min(AFTER_BAN.1).mul_f64(self.random.random_range(0.0..=1.0));
        usual.max(rest.saturating_add(AFTER_BAN.0).saturating_add(spread))
    }

    /// Waits until told otherwise.
    pub(super) async fn rest(&mut self, cause: Cause) -> Next {
        loop {
            if let Some(next) = self.offline(&cause).await {
                return next;
            }
        }
    }

    /// One command or verdict while there is no connection; `None` if nothing follows from it.
    async fn offline(&mut self, cause: &Cause) -> Option<Next> {
        hand_out(&mut self.embedder, self.mirror.as_mut());
        let outcome = tokio::select! {
            command = self.embedder.commands.next() => while_offline(command, cause),
            verdict = self.embedder.outlet.verdict() => {
                on_verdict(verdict, &self.shared, &mut self.embedder, &mut self.mirror).await
            }
        };
        match outcome {
            Ok(()) => None,
            Err(end) if end.cause == Cause::Restart => {
                self.backoff.reset();
                end.answer();
                Some(Next::Connect)
            }
            Err(end) if end.cause == *cause => {
                end.answer();
                None
            }
            // Nothing was under way that could fail; what wasn't recorded comes again with the next connection.
            Err(end) if matches!(end.cause, Cause::HandlerFailed | Cause::StoreFailed) => {
                self.distrust(&end.cause).await;
                None
            }
            // A pause or a stop instead of the wait: the same consequences as for a connection.
            Err(end) => Some(Box::pin(self.after(end)).await),
        }
    }
}

/// A command while there is no connection: an end if it asks for one, else it is refused.
pub(super) fn while_offline(command: Option<Command>, cause: &Cause) -> Result<(), End> {
    match command {
        None => Err(End::of(Cause::Shutdown)),
        Some(Command::Stop(reply)) => Err(End::asked(Cause::Shutdown, reply)),
        Some(Command::Disconnect(reply)) => Err(End::asked(Cause::Paused, reply)),
        Some(Command::Reconnect(reply)) => Err(End::asked(Cause::Restart, reply)),
        Some(other) => {
            other.refuse(cause);
            Ok(())
        }
    }
}
