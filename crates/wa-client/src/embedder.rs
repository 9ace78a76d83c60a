use tokio::sync::{mpsc, watch};
use wa_store::Limits;

use crate::batch::Outlet;
use crate::cause::Cause;
use crate::command::Command;
use crate::state::State;

/// The embedder as the driver sees it: commands come from there, events and the state go there.
#[derive(Debug)]
pub(crate) struct Embedder {
    pub(crate) commands: Commands,
    pub(crate) outlet: Outlet,
    state: watch::Sender<State>,
    limits: watch::Sender<Limits>,
}

/// What the embedder asks for.
#[derive(Debug)]
pub(crate) struct Commands {
    queue: mpsc::Receiver<Command>,
    /// One that was taken and not carried out: it comes before the others.
    postponed: Option<Command>,
}

impl Embedder {
    pub(crate) fn new(
        commands: mpsc::Receiver<Command>,
        outlet: Outlet,
        state: watch::Sender<State>,
        limits: watch::Sender<Limits>,
    ) -> Self {
        Self { commands: Commands { queue: commands, postponed: None }, outlet, state, limits }
    }

    pub(crate) fn set_state(&self, state: State) {
        self.state.send_if_modified(|present| {
            let changed = *present != state;
            *present = state;
            changed
        });
    }

    pub(crate) fn set_limits(&self, limits: &Limits) {
        self.limits.send_if_modified(|present| {
            let changed = present != limits;
            if changed {
                present.clone_from(limits);
            }
            changed
        });
    }

    pub(crate) fn is_online(&self) -> bool {
        *self.state.borrow() == State::Online
    }
}

impl Commands {
    /// The next one; `None` once nobody can ask any more. Can be dropped at any time.
    pub(crate) async fn next(&mut self) -> Option<Command> {
        match self.postponed.take() {
            Some(command) => Some(command),
            None => self.queue.recv().await,
        }
    }

    /// Waits for one and takes what is there, at most `most`; none once nobody can ask any more. Can be dropped at any
    /// time.
    pub(crate) async fn next_many(&mut self, most: usize) -> Vec<Command> {
        let mut commands = Vec::from_iter(self.postponed.take());
        if commands.is_empty() {
            self.queue.recv_many(&mut commands, most).await;
        }
        commands
    }

    /// Keeps one for later.
    pub(crate) fn postpone(&mut self, command: Command) {
        self.postponed = Some(command);
    }

    /// Takes no more, and refuses those that wait.
    pub(crate) fn close(&mut self, cause: &Cause) {
        self.queue.close();
        while let Ok(command) = self.queue.try_recv() {
            command.refuse(cause);
        }
    }
}
