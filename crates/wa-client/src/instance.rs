//! The life of one instance: connect, serve, wait, connect again.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;
use wa_noise::TrustRoot;
use wa_store::{Changes, Store, StoreError};

use crate::account::Account;
use crate::backoff::Backoff;
use crate::clock::Clock;
use crate::config::Config;
use crate::connection::handshake;
use crate::connection::link::Link;
use crate::event::Event;
use crate::handle::{Command, Reply};
use crate::handler::{self, Handler};
use crate::online::Online;
use crate::pairing::Pairing;
use crate::state::{Cause, State};
use crate::transport::Connector;

/// The instance's one source of randomness: keys, ids, jitter.
pub(crate) type Random = ChaCha20Rng;

/// What an instance was built from and never changes.
pub(crate) struct Shared {
    pub(crate) id: u64,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) handler: Arc<dyn Handler>,
    pub(crate) connector: Arc<dyn Connector>,
    pub(crate) trust: TrustRoot,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) config: Config,
}

/// So often the server may ask for a new connection before it is treated like one that is gone.
const QUICK_RESTARTS: u32 = 3;

/// How a connection ended.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) cause: Cause,
    /// Who asked for it, to be told once it is done.
    reply: Option<Reply<()>>,
}

impl End {
    pub(crate) fn of(cause: Cause) -> Self {
        Self { cause, reply: None }
    }

    pub(crate) fn asked(cause: Cause, reply: Reply<()>) -> Self {
        Self { cause, reply: Some(reply) }
    }
}

impl From<Cause> for End {
    fn from(cause: Cause) -> Self {
        Self::of(cause)
    }
}

impl From<StoreError> for End {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the store failed");
        Self::of(Cause::StoreFailed)
    }
}

/// What comes after a connection or a wait.
enum Next {
    Connect,
    Finish,
}

/// One companion, owned by one task.
pub(crate) struct Instance {
    pub(crate) shared: Arc<Shared>,
    pub(crate) commands: mpsc::Receiver<Command>,
    pub(crate) random: Random,
    state: watch::Sender<State>,
    backoff: Backoff,
    /// Reconnections without a pause since a connection last proved to last.
    restarts: u32,
    /// Kept between connections; `None` until first needed and after its memory can't be trusted any more.
    account: Option<Account>,
}

impl Instance {
    pub(crate) fn new(
        shared: Arc<Shared>,
        commands: mpsc::Receiver<Command>,
        state: watch::Sender<State>,
        random: Random,
    ) -> Self {
        let backoff = Backoff::new(shared.config.backoff_first, shared.config.backoff_max);
        Self { shared, commands, random, state, backoff, restarts: 0, account: None }
    }

    pub(crate) async fn run(mut self) {
        loop {
            self.set_state(State::Connecting { attempt: self.backoff.attempts() });
            let end = self.connection().await;
            match self.after(end).await {
                Next::Connect => {}
                Next::Finish => return,
            }
        }
    }

    pub(crate) fn set_state(&self, state: State) {
        self.state.send_if_modified(|present| {
            let changed = *present != state;
            *present = state;
            changed
        });
    }

    /// The connection works: the next failure starts with a short pause again.
    pub(crate) fn succeeded(&mut self) {
        self.backoff.reset();
        self.restarts = 0;
    }

    /// Tells the embedder. Nothing that depends on it may happen after an error.
    pub(crate) async fn emit(&self, events: Vec<Event>) -> Result<(), End> {
        emit(&self.shared, events).await
    }

    /// One connection from dialling to its end.
    async fn connection(&mut self) -> End {
        let mut account = match self.account.take() {
            Some(account) => account,
            None => match self.load_account().await {
                Ok(account) => account,
                Err(error) => return error.into(),
            },
        };
        let end = self.connection_of(&mut account).await;
        // What is in memory may be ahead of what is stored, and must not be used.
        if matches!(end.cause, Cause::HandlerFailed | Cause::StoreFailed) {
            let sent_messages = account.sent.take();
            drop(self.shared.store.commit(Changes { sent_messages, ..Changes::default() }));
        } else {
            self.account = Some(account);
        }
        end
    }

    async fn load_account(&mut self) -> Result<Account, StoreError> {
        let now = self.shared.clock.unix_millis();
        Account::load(&*self.shared.store, &self.shared.config, now, &mut self.random).await
    }

    async fn connection_of(&mut self, account: &mut Account) -> End {
        let mut link = match self.dial(account).await {
            Ok(link) => link,
            Err(end) => return end,
        };
        // Boxed, so that an idle instance doesn't hold room for the larger of the two.
        let end = if account.device.is_paired() {
            Box::pin(Online::new(self, account, &mut link).run()).await
        } else {
            Box::pin(Pairing::new(self, account, &mut link).run()).await
        };
        link.close().await;
        end
    }

    async fn dial(&mut self, account: &Account) -> Result<Link, End> {
        let shared = self.shared.clone();
        let attempt = self.backoff.attempts();
        // Boxed: it is large, and gone once the connection stands.
        let mut dialling = Box::pin(handshake::connect(&shared, &account.device, attempt, &mut self.random));
        loop {
            tokio::select! {
                link = &mut dialling => return Ok(link?),
                command = self.commands.recv() => while_offline(command, &Cause::Network)?,
            }
        }
    }

    /// Draws the consequences of an ended connection.
    async fn after(&mut self, end: End) -> Next {
        let End { cause, reply } = end;
        tracing::info!(%cause, "the connection ended");
        let was_online = *self.state.borrow() == State::Online;
        let will_reconnect = cause.reconnects();
        // Nobody may believe in a connection while the consequences are drawn.
        self.set_state(State::Idle);
        if was_online || !will_reconnect {
            // The state says the same, so a handler that fails here misses nothing for good.
            let _ = self.emit(vec![Event::Disconnected { cause: cause.clone(), will_reconnect }]).await;
        }
        if cause.wipes_credentials() {
            self.wipe().await;
        }
        if let Some(account) = &mut self.account
            && !will_reconnect
        {
            let changes = account.release();
            store_quietly(&*self.shared.store, changes).await;
        }
        // At once, but not in a circle: a server that says so every time is treated like one that is gone.
        if cause == Cause::Restart && (reply.is_some() || self.restarts < QUICK_RESTARTS) {
            self.restarts += 1;
            answer(reply);
            return Next::Connect;
        }
        if will_reconnect {
            answer(reply);
            return self.wait(cause).await;
        }
        self.set_state(State::Stopped(cause.clone()));
        if cause == Cause::Shutdown {
            self.commands.close();
            answer(reply);
            return Next::Finish;
        }
        answer(reply);
        self.rest(cause).await
    }

    /// Deletes credentials that WhatsApp confirmed to be void.
    async fn wipe(&mut self) {
        self.account = None;
        let mut pause = Duration::from_secs(1);
        while let Err(error) = self.shared.store.commit(Changes::forget()).await {
            tracing::error!(%error, "void credentials could not be deleted; trying again");
            sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(60));
        }
    }

    /// Waits for the next try.
    async fn wait(&mut self, cause: Cause) -> Next {
        let pause = self.backoff.pause(&mut self.random);
        let pause_millis = i64::try_from(pause.as_millis()).unwrap_or(i64::MAX);
        let retry_at = self.shared.clock.unix_millis().saturating_add(pause_millis);
        self.set_state(State::Waiting { cause: cause.clone(), retry_at });
        let timer = sleep(pause);
        tokio::pin!(timer);
        loop {
            tokio::select! {
                () = &mut timer => return Next::Connect,
                command = self.commands.recv() => if let Some(next) = self.on_command(command, &cause).await {
                    return next;
                },
            }
        }
    }

    /// Waits until told otherwise.
    async fn rest(&mut self, cause: Cause) -> Next {
        loop {
            let command = self.commands.recv().await;
            if let Some(next) = self.on_command(command, &cause).await {
                return next;
            }
        }
    }

    /// A command while there is no connection; `None` if nothing follows from it.
    async fn on_command(&mut self, command: Option<Command>, cause: &Cause) -> Option<Next> {
        match while_offline(command, cause) {
            Ok(()) => None,
            Err(End { cause: Cause::Restart, reply }) => {
                self.backoff.reset();
                answer(reply);
                Some(Next::Connect)
            }
            Err(end) if *cause == end.cause => {
                answer(end.reply);
                None
            }
            // A pause or a stop instead of the wait: the same consequences as for a connection.
            Err(end) => Some(Box::pin(self.after(end)).await),
        }
    }
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

/// Tells the embedder.
pub(crate) async fn emit(shared: &Shared, events: Vec<Event>) -> Result<(), End> {
    if events.is_empty() {
        return Ok(());
    }
    handler::call(&*shared.handler, shared.id, events).await.map_err(|error| {
        tracing::warn!(%error, "the handler failed; nothing is acknowledged");
        End::of(Cause::HandlerFailed)
    })
}

/// Stores what would be a pity, but no harm, to lose.
pub(crate) async fn store_quietly(store: &dyn Store, changes: Changes) {
    if changes.is_empty() {
        return;
    }
    if let Err(error) = store.commit(changes).await {
        tracing::warn!(%error, "cached changes could not be stored");
    }
}

fn answer(reply: Option<Reply<()>>) {
    if let Some(reply) = reply {
        let _ = reply.send(Ok(()));
    }
}

impl fmt::Debug for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Instance").field("id", &self.shared.id).finish_non_exhaustive()
    }
}
