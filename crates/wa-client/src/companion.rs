//! The life of one companion: connect, serve, wait, connect again.

mod aftermath;
mod waiting;

use std::fmt;
use std::pin::pin;
use std::sync::Arc;

use wa_store::{Changes, StoreError};

use crate::backoff::Backoff;
use crate::batch::{AcceptError, Verdict};
use crate::cause::Cause;
use crate::connection::handshake;
use crate::connection::link::Link;
use crate::embedder::Embedder;
use crate::end::End;
use crate::mirror::Mirror;
use crate::online::Online;
use crate::pairing::Pairing;
use crate::receive;
use crate::shared::{Random, Shared};
use crate::state::State;
use crate::version::Version;

use waiting::while_offline;

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
        let mut link = match Box::pin(self.reach()).await {
            Ok(link) => link,
            Err(end) => return end,
        };
        let Some(mirror) = &mut self.mirror else { return End::of(Cause::StoreFailed) };
        let (shared, random, embedder) = (&*self.shared, &mut self.random, &mut self.embedder);
        let end = if mirror.device.is_paired() {
            let backoff = &mut self.backoff;
            Box::new(Online::new(shared, mirror, &mut link, random, embedder, backoff)).run().await
        } else {
            Box::pin(Pairing::new(shared, mirror, &mut link, random, embedder).run()).await
        };
        link.close().await;
        end
    }

    /// An open connection, with the mirror beside it.
    async fn reach(&mut self) -> Result<Box<Link>, End> {
        self.keep_mirror().await?;
        let link = self.dial().await?;
        // What was dropped meanwhile is handed out again on the connection.
        if let Err(error) = self.keep_mirror().await {
            link.close().await;
            return Err(error.into());
        }
        Ok(link)
    }

    async fn keep_mirror(&mut self) -> Result<(), StoreError> {
        if self.mirror.is_none() {
            self.mirror = Some(self.load_mirror().await?);
        }
        Ok(())
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
                    match on_verdict(verdict, &shared, &mut self.embedder, &mut self.mirror).await {
                        Err(end) if end.cause == Cause::HandlerFailed => {
                            self.embedder.outlet.pause();
                            distrust(&shared, &mut self.embedder, &mut self.mirror, &end.cause).await;
                        }
                        done => done?,
                    }
                }
            }
        }
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
async fn on_verdict(
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

impl fmt::Debug for Companion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Companion").finish_non_exhaustive()
    }
}
