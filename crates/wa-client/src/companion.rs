//! The life of one companion: connect, serve, wait, connect again.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use tokio::time::{sleep, timeout};
use wa_store::{Ban, Changes, StoreError};

use crate::backoff::Backoff;
use crate::batch::{AcceptError, Verdict};
use crate::cause::{Cause, Pace};
use crate::command::Command;
use crate::connection::handshake;
use crate::connection::link::Link;
use crate::embedder::Embedder;
use crate::end::End;
use crate::event::Event;
use crate::mirror::Mirror;
use crate::online::Online;
use crate::pairing::Pairing;
use crate::receive;
use crate::shared::{Random, Shared};
use crate::state::State;
use crate::version::Version;

/// How long a companion that has been stopped, or unlinked, waits for the verdict on its last batch.
const LAST_VERDICT: Duration = Duration::from_secs(5);
/// Pauses between tries to delete void credentials.
const WIPE_PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// As how many failures the word of the server counts that there were too many connections, as in whatsapp-rust.
const RATE_LIMIT_FAILURES: u32 = 5;
/// So many tries in a row may fail before the login until the edge routing that the server once gave is given up
/// (PROTOCOL.md 1).
const ROUTED_TRIES: u32 = 2;
/// The first try after a ban comes at least so long after its end, and at most by a tenth of the wait later.
const AFTER_BAN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));

/// What comes after a connection or a wait.
enum Next {
    Connect,
    Finish,
}

/// One companion, owned by one task.
pub(crate) struct Companion {
    shared: Arc<Shared>,
    embedder: Embedder,
    random: Random,
    backoff: Backoff,
    /// The version that was last announced.
    announced: Version,
    /// Whether a newer version was looked for since the last login that the server accepted.
    is_renewed: bool,
    /// Tries in a row that ended before the server accepted the login.
    vain_tries: u32,
    /// Why the last connection ended, until the next one stands.
    last_cause: Option<Cause>,
    /// Kept between connections; `None` until first needed and after it can't be trusted any more.
    mirror: Option<Mirror>,
}

impl Companion {
    pub(crate) fn new(shared: Arc<Shared>, embedder: Embedder, random: Random) -> Self {
        let config = &shared.config;
        let backoff = Backoff::new(config.backoff_first, config.backoff_max)
            .slowly(config.refused_first, config.refused_max);
        Self {
            announced: shared.versions.current(),
            is_renewed: false,
            vain_tries: 0,
            last_cause: None,
            mirror: None,
            shared,
            embedder,
            random,
            backoff,
        }
    }

    /// What a companion doesn't need while it is online is boxed, so that an idle one holds no room for it.
    pub(crate) async fn run(mut self: Box<Self>) {
        if let Some(ban) = Box::pin(self.standing_ban()).await
            && matches!(Box::pin(self.wait(ban)).await, Next::Finish)
        {
            return;
        }
        loop {
            let (attempt, cause) = (self.backoff.attempts(), self.last_cause.clone());
            self.embedder.set_state(State::Connecting { attempt, cause });
            let logins = self.logins();
            let end = self.connection().await;
            let is_vain = self.mirror.is_some() && self.logins() == logins;
            self.vain_tries = if is_vain { self.vain_tries.saturating_add(1) } else { 0 };
            self.is_renewed &= is_vain;
            self.last_cause = self.last_cause.take().filter(|_| is_vain);
            if end.cause == Cause::Outdated && !self.is_renewed {
                match Box::pin(self.renew()).await {
                    Some(Next::Connect) => continue,
                    Some(Next::Finish) => return,
                    None => {}
                }
            }
            match Box::pin(self.after(end)).await {
                Next::Connect => {}
                Next::Finish => return,
            }
        }
    }

    /// One connection from dialling to its end.
    async fn connection(&mut self) -> End {
        if self.mirror.is_none() {
            match Box::pin(self.load_mirror()).await {
                Ok(mirror) => self.mirror = Some(mirror),
                Err(error) => return error.into(),
            }
        }
        let mut link = match Box::pin(self.dial()).await {
            Ok(link) => link,
            Err(end) => return end,
        };
        // What was dropped meanwhile is handed out again on the connection.
        if self.mirror.is_none() {
            match Box::pin(self.load_mirror()).await {
                Ok(mirror) => self.mirror = Some(mirror),
                Err(error) => {
                    link.close().await;
                    return error.into();
                }
            }
        }
        let Some(mirror) = &mut self.mirror else { return End::of(Cause::StoreFailed) };
        let (shared, random, embedder) = (&*self.shared, &mut self.random, &mut self.embedder);
        let end = if mirror.device.is_paired() {
            let backoff = &mut self.backoff;
            Box::pin(Online::new(shared, mirror, &mut link, random, embedder, backoff).run()).await
        } else {
            Box::pin(Pairing::new(shared, mirror, &mut link, random, embedder).run()).await
        };
        link.close().await;
        end
    }

    /// Looks for a newer version than the one that was refused: one connection more, if there is one. `None` if not.
    async fn renew(&mut self) -> Option<Next> {
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

    /// The ban that an earlier life of this companion was told of, if it isn't over.
    async fn standing_ban(&mut self) -> Option<Cause> {
        // A store that fails is met again with the first connection.
        let mirror = self.load_mirror().await.ok()?;
        let ban = self.mirror.insert(mirror).device.ban?;
        let is_over = ban.until <= self.shared.clock.unix_millis();
        (!is_over).then_some(Cause::Banned { code: ban.code, until: Some(ban.until) })
    }

    /// How often the server has accepted a login.
    fn logins(&self) -> u32 {
        self.mirror.as_ref().map_or(0, |mirror| mirror.device.logins)
    }

    async fn load_mirror(&mut self) -> Result<Mirror, StoreError> {
        let shared = &self.shared;
        let now = shared.clock.unix_millis();
        let mut mirror = Mirror::load(&shared.store, &shared.config, now, &mut self.random).await?;
        receive::replay(&mut mirror, shared).await?;
        self.embedder.set_limits(&mirror.limits);
        Ok(mirror)
    }

    /// Opens a connection. A batch that is dropped meanwhile is no reason against it: an embedder that can't record
    /// without a connection would never have one. The mirror is gone then, and nothing more is handed out before the login.
    async fn dial(&mut self) -> Result<Box<Link>, End> {
        let shared = self.shared.clone();
        let Some(device) = self.mirror.as_ref().map(|mirror| mirror.device.clone()) else {
            return Err(End::of(Cause::StoreFailed));
        };
        let attempt = self.backoff.attempts();
        self.announced = shared.versions.current();
        let mut dialling =
            pin!(handshake::connect(&shared, &device, self.announced, attempt, &mut self.random));
        loop {
            hand_out(&mut self.embedder, self.mirror.as_mut());
            tokio::select! {
                link = &mut dialling => return Ok(Box::new(link?)),
                command = self.embedder.commands.next() => while_offline(command, &Cause::Network)?,
                verdict = self.embedder.outlet.verdict() => {
                    match settle(verdict, &shared, &mut self.embedder, &mut self.mirror).await {
                        Err(end) if end.cause == Cause::HandlerFailed => {
                            self.embedder.outlet.pause();
                            distrust(&shared, &mut self.embedder, &mut self.mirror, &end.cause).await;
                        }
                        settled => settled?,
                    }
                }
            }
        }
    }

    /// Draws the consequences of an ended connection.
    async fn after(&mut self, end: End) -> Next {
        let attempts = self.backoff.attempts();
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

    async fn distrust(&mut self, cause: &Cause) {
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
                if settle(verdict, &self.shared, &mut self.embedder, &mut self.mirror).await.is_err() {
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

    /// Waits for the next try.
    async fn wait(&mut self, cause: Cause) -> Next {
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
    async fn rest(&mut self, cause: Cause) -> Next {
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
                settle(verdict, &self.shared, &mut self.embedder, &mut self.mirror).await
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

    /// The last batch may still be accepted; then everything is over.
    async fn finish(&mut self, end: End, has_waited: bool) -> Next {
        self.embedder.commands.close(&end.cause);
        if !has_waited && !self.embedder.outlet.is_free() {
            let verdict = timeout(LAST_VERDICT, self.embedder.outlet.verdict());
            if let Ok(verdict) = verdict.await {
                let _ = settle(verdict, &self.shared, &mut self.embedder, &mut self.mirror).await;
            }
        }
        end.answer();
        Next::Finish
    }
}

/// Hands out what there is to tell, unless the embedder has a batch.
fn hand_out(embedder: &mut Embedder, mirror: Option<&mut Mirror>) {
    if embedder.outlet.is_free() {
        embedder.outlet.hand_out(mirror.map(|mirror| mirror.inbox.take_batch()).unwrap_or_default());
    }
}

/// What is in memory may be ahead of what is stored, or of what was recorded, and must not be used.
async fn distrust(shared: &Shared, embedder: &mut Embedder, mirror: &mut Option<Mirror>, cause: &Cause) {
    embedder.outlet.void();
    if let Some(mut mirror) = mirror.take()
        && *cause != Cause::Fenced
    {
        let changes = Changes { sent_messages: mirror.sent.take(), ..Changes::default() };
        shared.store_quietly(changes).await;
    }
}

/// The verdict on a batch while there is no connection on which anything could be acknowledged.
async fn settle(
    verdict: Verdict,
    shared: &Shared,
    embedder: &mut Embedder,
    mirror: &mut Option<Mirror>,
) -> Result<(), End> {
    match verdict {
        Verdict::Accepted => {}
        Verdict::Void => return Ok(()),
        Verdict::Dropped => return Err(End::of(Cause::HandlerFailed)),
        Verdict::Gone => return Err(End::of(Cause::Shutdown)),
    }
    let changes = mirror.as_mut().and_then(|mirror| mirror.accept().then(|| mirror.take_changes()));
    let stored = match changes {
        Some(changes) => shared.store.commit(changes).await,
        None => Ok(()),
    };
    embedder.outlet.stored(stored.as_ref().copied().map_err(|_| AcceptError::NotStored));
    Ok(stored?)
}

/// A command while there is no connection: an end if it asks for one, else it is refused.
fn while_offline(command: Option<Command>, cause: &Cause) -> Result<(), End> {
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

impl fmt::Debug for Companion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Companion").finish_non_exhaustive()
    }
}
