//! What waited at the server while this companion was away (PROTOCOL.md 7.2).

use std::time::Duration;

use tokio::time::Instant;
use wa_binary::Node;

use super::Receiver;
use crate::context::Context;
use crate::end::End;
use crate::event::Event;

/// Stanzas that are asked for at once, as WhatsApp Web does.
const BATCH: u32 = 200;
/// Without any of what was asked for within this time, it is asked for again.
const PATIENCE: Duration = Duration::from_secs(20);
/// So often in a row nothing may come before the server is left alone.
const TRIES: u32 = 3;

/// How much of what waited has come. The server hands out more of it only as it is asked.
#[derive(Debug, Default)]
pub(super) enum Backlog {
    /// Nothing is known to wait.
    #[default]
    Done,
    /// It is under way.
    Awaited {
        /// Stanzas that may still come before more must be asked for.
        left: u32,
        /// When it is asked for again if nothing comes.
        deadline: Instant,
        /// How often it has been asked for since something came.
        tries: u32,
    },
}

impl Backlog {
    fn asked(tries: u32) -> Self {
        Self::Awaited { left: BATCH, deadline: Instant::now() + PATIENCE, tries }
    }

    /// A stanza of it has been read. Whether it was the last that had been asked for.
    fn came(&mut self) -> bool {
        let Self::Awaited { left, deadline, tries } = self else { return false };
        *left = left.saturating_sub(1);
        *deadline = Instant::now() + PATIENCE;
        *tries = 1;
        *left == 0
    }

    /// The deadline, if there is one.
    fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Done => None,
            Self::Awaited { deadline, .. } => Some(*deadline),
        }
    }
}

impl Receiver {
    /// The server says that something waits.
    pub(super) async fn on_backlog(&mut self, context: &mut Context<'_>) -> Result<(), End> {
        self.ask_for_backlog(context, 1).await
    }

    /// A stanza that waited has been read.
    pub(super) async fn on_waited(&mut self, context: &mut Context<'_>) -> Result<(), End> {
        if self.backlog.came() { self.ask_for_backlog(context, 1).await } else { Ok(()) }
    }

    /// The server says that all of it has come.
    pub(super) fn on_backlog_end(&mut self, context: &mut Context<'_>, end: &Node<'_>) {
        self.backlog = Backlog::Done;
        let count = end.attrs.number("count").and_then(Result::ok).unwrap_or(0);
        context.mirror.inbox.push(Event::OfflineDone { count });
    }

    /// Asks again for what doesn't come.
    pub(crate) async fn on_time(&mut self, context: &mut Context<'_>, now: Instant) -> Result<(), End> {
        if let Backlog::Awaited { deadline, tries, .. } = self.backlog
            && now >= deadline
        {
            if !self.is_up_to_date() {
                // It is us who don't read.
                self.backlog = Backlog::asked(tries);
            } else if tries < TRIES {
                tracing::info!(tries, "what waited at the server does not come; asking again");
                self.ask_for_backlog(context, tries + 1).await?;
            } else {
                tracing::warn!("the server does not hand out what it says is waiting");
                self.backlog = Backlog::Done;
            }
        }
        if let Some(deadline) = self.backlog.deadline() {
            context.timers.until(deadline);
        }
        Ok(())
    }

    async fn ask_for_backlog(&mut self, context: &mut Context<'_>, tries: u32) -> Result<(), End> {
        self.backlog = Backlog::asked(tries);
        context.timers.until(Instant::now() + PATIENCE);
        let wanted = Node::new("offline_batch").attr("count", BATCH);
        Ok(context.link.send(&Node::new("ib").child(wanted)).await?)
    }
}
