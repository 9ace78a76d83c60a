//! A connection with an account: one pump that reads stanzas, commands, look-ups and time, and linear flows
//! on top of it.
//!
//! Nothing here waits for an answer of the server without the pump running on: a flow that asks goes on
//! reading meanwhile ([`Online::ask`]), and look-ups for messages run beside it.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;
use wa_binary::Node;

use crate::account::Account;
use crate::connection::link::Link;
use crate::event::Event;
use crate::handle::{Command, Reply, RequestError};
use crate::instance::{self, End, Instance, Shared};
use crate::iq;
use crate::look_up::{Answered, LookUps};
use crate::requests::Requests;
use crate::send::acks::Acks;
use crate::send::lanes::Lanes;
use crate::state::{Cause, State};
use crate::timers::Timers;

/// Commands that are taken at once, so that they share a commit.
const COMMANDS: usize = 64;
/// How long a graceful stop waits for what is in flight.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(5);

/// A logged-in (or logging-in) connection.
pub(crate) struct Online<'a> {
    pub(crate) shared: Arc<Shared>,
    pub(crate) instance: &'a mut Instance,
    pub(crate) account: &'a mut Account,
    pub(crate) link: &'a mut Link,
    pub(crate) requests: Requests,
    pub(crate) acks: Acks,
    pub(crate) look_ups: LookUps,
    pub(crate) lanes: Lanes,
    pub(crate) chores: VecDeque<Chore>,
    pub(crate) timers: Timers,
    pub(crate) phase: Phase,
    /// Whether the account is shown as available; decides the type of delivery receipts.
    pub(crate) available: bool,
    /// Whether others may learn what was read; asked once per connection.
    pub(crate) read_receipts: Option<bool>,
    leaving: Option<Leaving>,
}

/// How far the login is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The server has not accepted the credentials yet.
    AwaitSuccess,
    /// It has; keys are being checked.
    LoggingIn,
    /// Messages can be sent.
    Ready,
}

/// Something to do with the server that can wait for its turn.
#[derive(Debug)]
pub(crate) enum Chore {
    /// Few one-time prekeys are left on the server.
    RefillPreKeys,
    /// The server's copy of our keys is to be compared.
    CheckDigest,
    /// The signed prekey is old.
    RotateSignedPreKey,
    /// Unlink this companion.
    Logout(Reply<()>),
}

struct Leaving {
    end: End,
    deadline: Instant,
}

/// One thing that happened.
enum Happening {
    Frames(Vec<Vec<u8>>),
    Commands(Vec<Command>),
    LookedUp(Box<Answered>),
    Request(Box<crate::requests::Call>),
    Time,
}

impl<'a> Online<'a> {
    pub(crate) fn new(instance: &'a mut Instance, account: &'a mut Account, link: &'a mut Link) -> Self {
        let shared = instance.shared.clone();
        let prefix = rand::RngExt::random(&mut instance.random);
        Self {
            requests: Requests::new(prefix),
            acks: Acks::new(shared.config.ack_timeout),
            look_ups: LookUps::default(),
            lanes: Lanes::default(),
            chores: VecDeque::new(),
            timers: Timers::new(&shared.config, &mut instance.random),
            phase: Phase::AwaitSuccess,
            available: false,
            read_receipts: None,
            leaving: None,
            shared,
            instance,
            account,
            link,
        }
    }

    /// Logs in and serves until the connection ends.
    pub(crate) async fn run(mut self) -> End {
        let end = match self.serve().await {
            Ok(never) => match never {},
            Err(end) => end,
        };
        self.acks.abandon();
        self.lanes.abandon(&end.cause);
        end
    }

    async fn serve(&mut self) -> Result<Infallible, End> {
        // What is rare is boxed, so that an idle instance holds no room for it.
        Box::pin(self.log_in()).await?;
        self.timers.in_use();
        loop {
            match self.chores.pop_front() {
                Some(chore) => Box::pin(self.do_chore(chore)).await?,
                None => self.turn().await?,
            }
        }
    }

    /// The login of protocol.md 7.1, with what belongs to it.
    async fn log_in(&mut self) -> Result<(), End> {
        let deadline = Instant::now() + self.shared.config.login_timeout;
        while self.phase == Phase::AwaitSuccess {
            self.timers.until(deadline);
            self.turn().await?;
            if self.phase == Phase::AwaitSuccess && Instant::now() >= deadline {
                return Err(End::of(Cause::Network));
            }
        }
        self.check_prekey_count().await?;
        self.tolerate(iq::session::active()).await?;
        let session = iq::session::unified_session(self.server_millis());
        self.link.send(&session).await?;
        if self.shared.config.available {
            self.announce(crate::handle::Presence::Available).await?;
        }
        self.phase = Phase::Ready;
        self.instance.set_state(State::Online);
        self.emit(vec![Event::Connected]).await?;
        self.plan_rotation();
        Ok(())
    }

    /// One turn of the pump.
    pub(crate) async fn turn(&mut self) -> Result<(), End> {
        let happening = self.next().await?;
        self.dispatch(happening).await?;
        self.leave_when_done()
    }

    async fn next(&mut self) -> Result<Happening, End> {
        let mut commands = Vec::new();
        tokio::select! {
            frames = self.link.receive(self.shared.config.batch) => Ok(Happening::Frames(frames?)),
            taken = self.instance.commands.recv_many(&mut commands, COMMANDS), if self.leaving.is_none() => {
                if taken == 0 { Err(End::of(Cause::Shutdown)) } else { Ok(Happening::Commands(commands)) }
            }
            answered = self.look_ups.next() => Ok(Happening::LookedUp(answered)),
            call = self.requests.next_call() => Ok(Happening::Request(call)),
            () = self.timers.next() => Ok(Happening::Time),
        }
    }

    async fn dispatch(&mut self, happening: Happening) -> Result<(), End> {
        match happening {
            Happening::Frames(frames) => self.on_frames(frames).await,
            Happening::Commands(commands) => self.on_commands(commands).await,
            Happening::LookedUp(answered) => Box::pin(self.on_looked_up(*answered)).await,
            Happening::Request(call) => {
                let node = self.requests.register(*call);
                Ok(self.link.send(&node).await?)
            }
            Happening::Time => self.on_time().await,
        }
    }

    async fn on_commands(&mut self, commands: Vec<Command>) -> Result<(), End> {
        let mut sends = Vec::new();
        for command in commands {
            match command {
                Command::Stop(reply) => self.leave(Cause::Shutdown, reply),
                Command::Disconnect(reply) => self.leave(Cause::Paused, reply),
                Command::Reconnect(reply) => self.leave(Cause::Restart, reply),
                other if self.phase != Phase::Ready || self.leaving.is_some() => {
                    other.refuse(&Cause::Network);
                }
                Command::Send(message, reply) => sends.push((message, reply)),
                Command::Logout(reply) => self.chores.push_back(Chore::Logout(reply)),
                Command::MarkRead(read, reply) => self.mark_read(*read, reply).await?,
                Command::Resolve(numbers, reply) => self.resolve(&numbers, reply),
                Command::Presence(presence, reply) => {
                    self.announce(presence).await?;
                    let _ = reply.send(Ok(()));
                }
            }
        }
        self.send_all(sends).await
    }

    fn leave(&mut self, cause: Cause, reply: Reply<()>) {
        let deadline = Instant::now() + LEAVE_TIMEOUT;
        self.leaving = Some(Leaving { end: End::asked(cause, reply), deadline });
        self.timers.until(deadline);
    }

    /// Ends the connection once nothing is in flight any more.
    fn leave_when_done(&mut self) -> Result<(), End> {
        let done = self.acks.is_empty() && self.look_ups.is_empty();
        if let Some(leaving) = &self.leaving {
            self.timers.until(leaving.deadline);
        }
        match self.leaving.take_if(|leaving| done || Instant::now() >= leaving.deadline) {
            Some(leaving) => Err(leaving.end),
            None => Ok(()),
        }
    }

    async fn do_chore(&mut self, chore: Chore) -> Result<(), End> {
        match chore {
            Chore::RefillPreKeys => self.refill_prekeys().await,
            Chore::CheckDigest => self.check_digest(&[]).await,
            Chore::RotateSignedPreKey => self.rotate_signed_prekey().await,
            Chore::Logout(reply) => self.log_out(reply).await,
        }
    }

    async fn log_out(&mut self, reply: Reply<()>) -> Result<(), End> {
        let Some(own) = self.account.device.jid.clone() else { return Ok(()) };
        match self.ask(iq::account::remove_companion(&own)).await {
            Ok(Ok(_)) => Err(End::asked(Cause::LoggedOut, reply)),
            Ok(Err(error)) => {
                let _ = reply.send(Err(error));
                Ok(())
            }
            // The server may say that the device was removed before it says that the request was granted.
            Err(end) if end.cause == Cause::LoggedOut => Err(End::asked(Cause::LoggedOut, reply)),
            Err(end) => {
                let _ = reply.send(Err(RequestError::NotConnected { cause: end.cause.clone() }));
                Err(end)
            }
        }
    }

    /// Asks the server and goes on serving until the answer is there. The outer error ends the connection, the
    /// inner one is the server's.
    pub(crate) async fn ask(
        &mut self,
        node: Node<'static>,
    ) -> Result<Result<Node<'static>, RequestError>, End> {
        let (reply, mut answer) = oneshot::channel();
        let node = self.requests.register(crate::requests::Call { node, reply });
        self.link.send(&node).await?;
        let deadline = Instant::now() + self.shared.config.iq_timeout;
        loop {
            self.timers.until(deadline);
            self.turn().await?;
            match answer.try_recv() {
                Ok(answer) => return Ok(iq::accepted(&answer).map(|()| answer)),
                Err(oneshot::error::TryRecvError::Closed) => return Ok(Err(RequestError::TimedOut)),
                Err(oneshot::error::TryRecvError::Empty) if Instant::now() >= deadline => {
                    return Ok(Err(RequestError::TimedOut));
                }
                Err(oneshot::error::TryRecvError::Empty) => {}
            }
        }
    }

    /// Asks where a refusal is no reason to stop.
    pub(crate) async fn tolerate(&mut self, node: Node<'static>) -> Result<Option<Node<'static>>, End> {
        match self.ask(node).await? {
            Ok(answer) => Ok(Some(answer)),
            Err(RequestError::TimedOut) => Err(End::of(Cause::Network)),
            Err(error) => {
                tracing::warn!(%error, "the server refused a request");
                Ok(None)
            }
        }
    }

    pub(crate) async fn emit(&mut self, events: Vec<Event>) -> Result<(), End> {
        instance::emit(&self.shared, events).await
    }

    /// Stores what must be stored before the next step; nothing if nothing must.
    pub(crate) async fn commit_if_urgent(&mut self) -> Result<(), End> {
        if !self.account.is_urgent() {
            return Ok(());
        }
        let changes = self.account.take_changes();
        Ok(self.shared.store.commit(changes).await?)
    }

    /// The server's clock in Unix milliseconds, as far as known.
    pub(crate) fn server_millis(&self) -> i64 {
        self.shared.clock.unix_millis().saturating_add(self.account.device.server_clock_offset * 1000)
    }

    async fn on_time(&mut self) -> Result<(), End> {
        let now = Instant::now();
        self.acks.expire(now);
        if self.timers.is_dead(now) {
            tracing::info!("nothing arrived since the last ping; the connection is dead");
            return Err(End::of(Cause::Network));
        }
        if self.timers.ping_is_due(now) {
            // It has lasted: the next failure starts with a short pause again. Sooner would let a connection
            // that always fails right after the login be dialled in a circle.
            self.instance.succeeded();
            let ping = self.requests.unanswered(iq::session::ping());
            self.link.send(&ping).await?;
            self.timers.pinged(now, &mut self.instance.random);
        }
        if self.timers.is_idle(now) {
            let changes = self.account.release();
            instance::store_quietly(&*self.shared.store, changes).await;
            self.acks.shrink();
            self.link.shrink();
        }
        if let Some(deadline) = self.acks.next_deadline() {
            self.timers.until(deadline);
        }
        Ok(())
    }
}
