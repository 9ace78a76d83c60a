use std::time::Duration;

use tokio::time::Instant;

use super::{Leaving, Online, Phase};
use crate::cause::Cause;
use crate::command::{Command, Reply};
use crate::end::End;
use crate::iq;
use crate::look_up::Answered;
use crate::query;
use crate::request::RequestError;
use crate::send;

/// How long a graceful stop waits for what is in flight.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(5);

impl Online<'_> {
    pub(super) async fn on_commands(&mut self, commands: Vec<Command>) -> Result<(), End> {
        let (mut sends, mut rare) = (Vec::new(), Vec::new());
        for command in commands {
            match command {
                Command::Stop(_) | Command::Disconnect(_) | Command::Reconnect(_) => self.leave(command),
                other if self.phase != Phase::Ready || self.leaving.is_some() => {
                    other.refuse(&Cause::Network);
                }
                Command::Send(message, reply) => sends.push((message, reply)),
                other => rare.push(other),
            }
        }
        // Only now may the connection end: whatever leaves it is known.
        for command in rare {
            Box::pin(self.on_rare_command(command)).await?;
        }
        self.sender.send_all(&mut self.context, sends).await
    }

    async fn on_rare_command(&mut self, command: Command) -> Result<(), End> {
        match command {
            Command::Logout(reply) => self.unlink(reply),
            Command::MarkRead(read, reply) => {
                return self.queries.mark_read(&mut self.context, read, reply).await;
            }
            Command::Resolve(numbers, reply) => query::resolve(&mut self.context, numbers, reply),
            Command::WhoIs(user, reply) => self.queries.who_is(&mut self.context, *user, reply).await,
            Command::WhoAre(users, reply) => {
                return query::many::who_are(&mut self.context, users, reply).await;
            }
            Command::Group(request, reply) => query::groups::ask(&mut self.context, *request, reply),
            Command::Ask(request, reply) => query::media::ask(&mut self.context, *request, reply),
            Command::Reupload(call, reply) => {
                return query::media::ask_phone(&mut self.context, &call, reply).await;
            }
            Command::Signal(signal, reply) => return self.on_signal(*signal, reply).await,
            Command::Add(request, reply) => {
                let draft = query::additions::compose(&mut self.context, &request).await;
                let _ = reply.send(draft);
            }
            Command::Presence(presence, reply) => {
                self.announce(presence).await?;
                let _ = reply.send(Ok(()));
            }
            Command::AppState(drafts, reply) => self.app_state.write(&mut self.context, drafts, reply),
            Command::OlderMessages(wanted, reply) => {
                let own = self.context.mirror.device.lid.as_ref().map(|lid| lid.to_user().to_string());
                self.context.mirror.letters.ask_for_messages(&wanted, own);
                let _ = reply.send(Ok(()));
            }
            Command::Limit(to, reply) => {
                let limit = send::limit_on(&mut self.context, &to).await;
                let _ = reply.send(limit.map_err(|error| RequestError::Store(error.to_string())));
            }
            Command::Name(name, reply) => {
                self.context.mirror.choose_name(name);
                self.context.commit_if_urgent().await?;
                self.announce_name().await?;
                let _ = reply.send(Ok(()));
            }
            other => other.refuse(&Cause::Network),
        }
        Ok(())
    }

    /// Asks the server to unlink this companion.
    fn unlink(&mut self, reply: Reply<()>) {
        self.unlinking.push(reply);
        let Some(own) = self.context.mirror.device.jid.clone().filter(|_| self.unlinking.len() == 1) else {
            return;
        };
        self.context.look_up(|asker| async move {
            Answered::Unlinked(asker.ask(iq::account::remove_companion(&own)).await.map(drop))
        });
    }

    pub(super) fn on_unlinked(&mut self, outcome: Result<(), RequestError>) -> Result<(), End> {
        match outcome {
            Ok(()) => Err(End::of(Cause::LoggedOut)),
            Err(error) => {
                for reply in self.unlinking.drain(..) {
                    let _ = reply.send(Err(error.clone()));
                }
                Ok(())
            }
        }
    }

    /// Of several commands that end the connection a stop is carried out, else the last.
    fn leave(&mut self, command: Command) {
        let deadline = Instant::now() + LEAVE_TIMEOUT;
        match &mut self.leaving {
            None => self.leaving = Some(Box::new(Leaving { command, deadline })),
            Some(leaving) => {
                let stops = matches!(leaving.command, Command::Stop(_));
                let loser = if stops { command } else { std::mem::replace(&mut leaving.command, command) };
                loser.refuse(&Cause::Network);
            }
        }
        self.announce_deadlines();
    }

    /// Ends the connection once nothing is in flight any more.
    pub(super) fn leave_when_done(&mut self) -> Result<(), End> {
        let Some(leaving) = &self.leaving else { return Ok(()) };
        // For good: then a batch under way should be acknowledged. Otherwise it outlives the connection.
        let is_settled = !matches!(leaving.command, Command::Stop(_)) || self.embedder.outlet.is_free();
        let is_done = self.sender.is_idle() && self.context.look_ups.is_empty() && is_settled;
        match self.leaving.take_if(|leaving| is_done || Instant::now() >= leaving.deadline) {
            Some(leaving) => Err(match leaving.command {
                Command::Stop(reply) => End::asked(Cause::Shutdown, reply),
                Command::Disconnect(reply) => End::asked(Cause::Paused, reply),
                Command::Reconnect(reply) => End::asked(Cause::Restart, reply),
                _ => End::of(Cause::Restart),
            }),
            None => Ok(()),
        }
    }
}
