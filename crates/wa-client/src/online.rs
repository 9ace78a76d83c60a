//! A connection with an account: one pump that reads stanzas, commands, verdicts on batches, look-ups and time, and
//! gives each to whoever is in charge.
//!
//! Nothing here waits for the server or the embedder without the pump running on.

mod commands;
mod login;
mod signals;
mod stanzas;

use std::convert::Infallible;

use tokio::time::Instant;

use crate::app_state::AppState;
use crate::backoff::Backoff;
use crate::batch::{AcceptError, Verdict};
use crate::cause::Cause;
use crate::command::{Command, Reply};
use crate::config::Delivery;
use crate::connection::link::Link;
use crate::context::Context;
use crate::embedder::Embedder;
use crate::end::End;
use crate::history;
use crate::iq;
use crate::keeper::Keeper;
use crate::look_up::Answered;
use crate::mirror::Mirror;
use crate::query::{self, Queries};
use crate::receive::Receiver;
use crate::request::RequestError;
use crate::requests::Call;
use crate::send::{self, Sender};
use crate::shared::{Random, Shared};
use crate::standing::{self, Standing};

/// Commands that are taken at once, so that they share a commit.
const COMMANDS: usize = 64;

/// A logged-in (or logging-in) connection.
pub(crate) struct Online<'a> {
    context: Context<'a>,
    embedder: &'a mut Embedder,
    backoff: &'a mut Backoff,
    receiver: Receiver,
    sender: Sender,
    keeper: Keeper,
    queries: Queries,
    standing: Standing,
    app_state: AppState,
    phase: Phase,
    leaving: Option<Box<Leaving>>,
    /// Who asked for the companion to be unlinked.
    unlinking: Vec<Reply<()>>,
}

/// How far the login is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The server has not accepted the credentials yet, and has to until this deadline.
    AwaitSuccess(Instant),
    /// It has; keys are being checked.
    LoggingIn,
    /// Messages can be sent.
    Ready,
}

/// What ends the connection once nothing is in flight any more.
struct Leaving {
    command: Command,
    deadline: Instant,
}

/// What makes the pump turn.
enum Input {
    Frames(Vec<Vec<u8>>),
    Commands(Vec<Command>),
    Verdict(Verdict),
    Answered(Box<Answered>),
    Call(Call),
    Time,
    /// There is history to read.
    History,
}

impl<'a> Online<'a> {
    pub(crate) fn new(
        shared: &'a Shared,
        mirror: &'a mut Mirror,
        link: &'a mut Link,
        random: &'a mut Random,
        embedder: &'a mut Embedder,
        backoff: &'a mut Backoff,
    ) -> Self {
        let context = Context::new(shared, mirror, link, random);
        Self {
            sender: Sender::new(&context),
            receiver: Receiver::new(shared.config.delivery == Delivery::Shown),
            keeper: Keeper::default(),
            queries: Queries::default(),
            standing: Standing::default(),
            app_state: AppState::default(),
            phase: Phase::AwaitSuccess(Instant::now() + shared.config.login_timeout),
            leaving: None,
            unlinking: Vec::new(),
            context,
            embedder,
            backoff,
        }
    }

    /// Logs in and serves until the connection ends.
    pub(crate) async fn run(mut self: Box<Self>) -> End {
        let mut end = match self.serve().await {
            Ok(never) => match never {},
            Err(end) => end,
        };
        self.sender.abandon(&end.cause);
        self.standing.abandon(&mut self.context);
        self.app_state.abandon(&RequestError::NotConnected { cause: end.cause.clone() });
        // The connection ended of itself before it could be left: the command is carried out without one.
        if let Some(leaving) = self.leaving {
            self.embedder.commands.postpone(leaving.command);
        }
        // The server may say that the device was removed before it says that the request was granted.
        if end.cause == Cause::LoggedOut {
            end.replies.append(&mut self.unlinking);
        }
        for reply in self.unlinking {
            let _ = reply.send(Err(RequestError::NotConnected { cause: end.cause.clone() }));
        }
        end
    }

    async fn serve(&mut self) -> Result<Infallible, End> {
        self.announce_deadlines();
        loop {
            self.hand_out().await?;
            let input = self.next().await?;
            self.on_input(input).await?;
            self.go_on().await?;
            self.leave_when_done()?;
        }
    }

    /// Begins what follows from what has been read and stored.
    async fn go_on(&mut self) -> Result<(), End> {
        if self.phase != Phase::Ready || self.leaving.is_some() {
            return Ok(());
        }
        self.app_state.go_on(&mut self.context);
        if self.reads_history() {
            Box::pin(history::read_on(&mut self.context)).await?;
        }
        if self.context.mirror.letters.is_empty() {
            return Ok(());
        }
        Box::pin(self.sender.ask_phone(&mut self.context)).await
    }

    /// Whether there may be history to read, and nothing else to tell.
    fn reads_history(&self) -> bool {
        let mirror = &self.context.mirror;
        let is_stored = mirror.changes.peer_data.is_empty();
        let is_free = self.embedder.outlet.is_free() && !self.embedder.outlet.has_waiting();
        self.phase == Phase::Ready
            && self.leaving.is_none()
            && is_free
            && is_stored
            && !mirror.inbox.has_events()
            && mirror.history.has_work()
    }

    async fn next(&mut self) -> Result<Input, End> {
        let is_reading = self.is_reading();
        let reads_history = self.reads_history();
        tokio::select! {
            frames = self.context.link.receive(self.context.shared.config.batch), if is_reading => {
                Ok(Input::Frames(frames?))
            }
            commands = self.embedder.commands.next_many(COMMANDS), if self.leaving.is_none() => {
                if commands.is_empty() { Err(End::of(Cause::Shutdown)) } else { Ok(Input::Commands(commands)) }
            }
            verdict = self.embedder.outlet.verdict() => Ok(Input::Verdict(verdict)),
            answered = self.context.look_ups.next() => Ok(Input::Answered(answered)),
            call = self.context.requests.next_call() => Ok(Input::Call(call)),
            () = self.context.timers.next() => Ok(Input::Time),
            // Others are let in between.
            () = tokio::task::yield_now(), if reads_history => Ok(Input::History),
        }
    }

    /// Large flows are boxed, so that an idle companion holds no room for them.
    async fn on_input(&mut self, input: Input) -> Result<(), End> {
        match input {
            Input::Frames(frames) => Box::pin(self.on_frames(frames)).await,
            Input::Commands(commands) => Box::pin(self.on_commands(commands)).await,
            Input::Verdict(verdict) => Box::pin(self.on_verdict(verdict)).await,
            Input::Answered(answered) => Box::pin(self.on_answered(*answered)).await,
            Input::Call(call) => self.on_call(call).await,
            Input::Time => Box::pin(self.on_time()).await,
            Input::History => Ok(()),
        }
    }

    /// Whether the socket is read. It isn't while too much waits for the embedder, so that the server has to wait.
    fn is_reading(&self) -> bool {
        let is_awaited = !self.sender.is_idle() || self.context.requests.is_waiting();
        self.receiver.has_room(is_awaited)
    }

    /// Hands out the next batch, unless the embedder has one; what holds nothing to tell is stored at once.
    async fn hand_out(&mut self) -> Result<(), End> {
        self.embedder.set_limits(&self.context.mirror.limits);
        while self.embedder.outlet.is_free() && self.leaving.is_none() {
            if !self.receiver.is_up_to_date() {
                Box::pin(self.receiver.read_waiting(&mut self.context, &mut self.keeper)).await?;
            }
            let inbox = &mut self.context.mirror.inbox;
            if inbox.has_events() || self.embedder.outlet.has_waiting() {
                self.embedder.outlet.hand_out(inbox.take_batch());
                return Ok(());
            }
            if !self.receiver.has_answers() {
                return Ok(());
            }
            self.receiver.store_accepted(&mut self.context).await?;
            self.acknowledge().await?;
        }
        Ok(())
    }

    /// Recorded by the embedder, then stored by us, then acknowledged.
    async fn on_verdict(&mut self, verdict: Verdict) -> Result<(), End> {
        match verdict {
            Verdict::Accepted => {
                let stored = self.receiver.store_accepted(&mut self.context).await;
                let outcome = stored.as_ref().copied().map_err(|_| AcceptError::NotStored);
                self.embedder.outlet.stored(outcome);
                stored?;
                self.acknowledge().await
            }
            Verdict::Void => Ok(()),
            Verdict::Dropped => Err(End::of(Cause::HandlerFailed)),
            Verdict::Gone => Err(End::of(Cause::Shutdown)),
        }
    }

    async fn acknowledge(&mut self) -> Result<(), End> {
        if self.receiver.has_answers() {
            self.receiver.acknowledge(&mut self.context).await?;
            self.has_achieved_something();
        }
        Ok(())
    }

    async fn on_answered(&mut self, answered: Answered) -> Result<(), End> {
        let context = &mut self.context;
        match answered {
            Answered::Audience { lane, found } => self.sender.on_audience(context, &lane, found).await,
            Answered::Group { lane, found, learned } => {
                self.sender.on_group(context, lane, found, learned).await
            }
            Answered::StatusAudience(found) => self.sender.on_status_audience(context, found).await,
            Answered::Groups { changed, answer, reply } => {
                query::groups::on_answer(context, changed, answer, reply).await
            }
            Answered::Resend { request, found } => self.sender.on_asker(context, *request, found).await,
            Answered::Primaries(bundles) => send::on_primaries(context, bundles).await,
            Answered::Person { asked, found } => self.queries.on_person(context, &asked, found).await,
            Answered::Props(answer) => login::on_props(context, answer).await,
            Answered::Phone(bundles) => self.sender.on_phone_bundle(context, bundles).await,
            Answered::Asked { answer, reply } => {
                let _ = reply.send(answer);
                Ok(())
            }
            Answered::Contacts { contacts, reply } => query::on_contacts(context, contacts, reply).await,
            Answered::People { people, contacts, reply } => {
                query::many::on_people(context, people, contacts, reply).await
            }
            Answered::Privacy { answer, read, reply } => {
                self.queries.on_privacy(context, answer, &read, reply).await
            }
            Answered::Limits(answers) => self.standing.on_answers(context, *answers).await,
            Answered::TokenGiven { user, at, outcome } => {
                standing::on_given(context, &user, at, outcome).await
            }
            Answered::Keys(outcome) => self.keeper.done(context, outcome),
            Answered::History(blob) => history::on_fetched(context, blob).await,
            Answered::AppState(outcome) => {
                self.app_state.on_outcome(context, *outcome);
                Ok(())
            }
            Answered::LoggedIn(logged_in) => self.on_logged_in(logged_in).await,
            Answered::Activated(outcome) => {
                if let Err(error) = outcome {
                    tracing::warn!(%error, "the server does not say that it delivers");
                }
                Ok(())
            }
            Answered::Unlinked(outcome) => self.on_unlinked(outcome),
        }
    }

    async fn on_call(&mut self, call: Call) -> Result<(), End> {
        match call {
            Call::Ask(question) => {
                let node = self.context.requests.register(*question);
                Ok(self.context.link.send(&node).await?)
            }
            Call::Change(change) => {
                let done = change(self.context.mirror);
                self.context.commit().await?;
                done();
                Ok(())
            }
        }
    }

    async fn on_time(&mut self) -> Result<(), End> {
        let now = Instant::now();
        if matches!(self.phase, Phase::AwaitSuccess(deadline) if now >= deadline) {
            return Err(End::of(Cause::Network));
        }
        if !self.is_reading() {
            // It is us who don't listen.
            self.context.timers.heard();
        }
        if self.context.timers.is_dead(now) {
            tracing::info!("nothing arrived since the last ping; the connection is dead");
            return Err(End::of(Cause::Network));
        }
        if self.context.timers.ping_is_due(now) {
            // It has lasted: the next failure starts with a short pause again. A connection that always fails
            // right after the login, before anything was done with it, is not dialled in a circle.
            self.backoff.reset();
            let ping = self.context.requests.unanswered(iq::session::ping());
            self.context.link.send(&ping).await?;
            self.context.timers.pinged(now, self.context.random);
        }
        if self.context.timers.is_idle(now) {
            let changes = self.context.mirror.release();
            self.context.shared.commit(changes).await?;
            self.sender.shrink();
            self.receiver.shrink();
            self.context.link.shrink();
        }
        self.sender.on_time(&mut self.context, now);
        self.receiver.on_time(&mut self.context, now).await?;
        self.app_state.on_time(&mut self.context);
        history::on_time(&mut self.context);
        if self.phase == Phase::Ready {
            self.sender.ask_phone(&mut self.context).await?;
        }
        self.announce_deadlines();
        Ok(())
    }

    fn announce_deadlines(&mut self) {
        if let Phase::AwaitSuccess(deadline) = self.phase {
            self.context.timers.until(deadline);
        }
        if let Some(leaving) = &self.leaving {
            self.context.timers.until(leaving.deadline);
        }
    }
}
