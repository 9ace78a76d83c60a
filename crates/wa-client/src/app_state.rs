//! The app state (PROTOCOL.md 18): what is new in it is fetched, verified and told; what the embedder changes is written.
//! One thing at a time, beside everything else.

mod flow;
mod step;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rand::SeedableRng;
use tokio::time::Instant;
use wa_appstate::{Collection, Draft};

use crate::command::Reply;
use crate::context::Context;
use crate::look_up::{Answered, AppStateOutcome};
use crate::request::RequestError;
use crate::shared::Random;
use flow::Flow;

/// How long the phone has to answer before it is asked for a key or a collection once more, in milliseconds: as whatsmeow.
const ASKED_EVERY: i64 = 24 * 60 * 60 * 1000;
/// After how long what could not be fetched is fetched again.
const PAUSE: Duration = Duration::from_secs(60);
/// Changes that wait for their turn; further ones are refused.
const MAX_WAITING: usize = 256;

/// Keeps the app state in step.
#[derive(Debug, Default)]
pub(crate) struct AppState {
    is_busy: bool,
    waiting: VecDeque<(Vec<Draft>, Reply<()>)>,
    /// When what failed is tried again.
    retry_at: Option<Instant>,
    /// When the phone was asked last for keys and for collections, in Unix milliseconds, by their ids and names.
    asked: BTreeMap<Bytes, i64>,
}

impl AppState {
    /// After a login everything may have changed.
    pub(crate) fn after_login(&mut self, context: &mut Context<'_>) {
        context.mirror.stale_collections.extend(Collection::ALL);
        self.go_on(context);
    }

    /// Writes these changes, in one patch for each collection.
    pub(crate) fn write(&mut self, context: &mut Context<'_>, drafts: Vec<Draft>, reply: Reply<()>) {
        if self.waiting.len() >= MAX_WAITING {
            let text = "too many changes of the app state wait".to_owned();
            let _ = reply.send(Err(RequestError::Invalid(text)));
            return;
        }
        self.waiting.push_back((drafts, reply));
        self.go_on(context);
    }

    /// Begins what comes next, if there is something.
    pub(crate) fn go_on(&mut self, context: &mut Context<'_>) {
        // Keys that came along are stored first.
        if self.is_busy || !context.mirror.changes.app_state_keys.is_empty() {
            return;
        }
        let is_pausing = self.retry_at.is_some_and(|retry_at| Instant::now() < retry_at);
        let mirror = &mut *context.mirror;
        let is_stale = !mirror.stale_collections.is_empty() || !mirror.recoveries.is_empty();
        let has_news = is_stale && !is_pausing;
        let next = if has_news { None } else { self.waiting.pop_front() };
        if !has_news && next.is_none() {
            return;
        }
        let wanted = if has_news { std::mem::take(&mut mirror.stale_collections) } else { BTreeSet::new() };
        let recoveries = if has_news { std::mem::take(&mut mirror.recoveries) } else { Vec::new() };
        self.is_busy = true;
        let (store, transfers) = (context.shared.store.clone(), Arc::clone(&context.shared.transfers));
        let (computing, random) =
            (context.shared.config.computing.app_state.clone(), Random::from_rng(context.random));
        context.look_up(|asker| async move {
            let flow = Flow::new(asker, store, transfers, computing, random);
            Answered::AppState(Box::new(match next {
                Some((drafts, reply)) => flow.write(drafts, reply).await,
                None => flow.update(wanted, recoveries).await,
            }))
        });
    }

    /// Work has ended: asks the phone for what is missing, and begins what comes next.
    pub(crate) fn on_outcome(&mut self, context: &mut Context<'_>, outcome: AppStateOutcome) {
        self.is_busy = false;
        let now = context.shared.clock.unix_millis();
        let missing: Vec<Bytes> =
            outcome.missing.into_iter().filter(|id| self.may_ask(id.clone(), now)).collect();
        if !missing.is_empty() {
            tracing::info!(keys = missing.len(), "the phone is asked for keys of the app state");
            context.mirror.letters.ask_for_keys(&missing);
        }
        for collection in outcome.broken {
            if self.may_ask(Bytes::from_static(collection.name().as_bytes()), now) {
                tracing::warn!(%collection, "the phone is asked for a collection that can't be verified");
                context.mirror.letters.ask_for_collection(collection.name(), now / 1000);
            }
        }
        if let Some(error) = outcome.failure {
            tracing::info!(%error, "the app state could not be brought up to date");
            let retry_at = Instant::now() + PAUSE;
            self.retry_at = Some(retry_at);
            context.mirror.stale_collections.extend(Collection::ALL);
            context.timers.until(retry_at);
        }
        if let Some((reply, written)) = outcome.written {
            let _ = reply.send(written);
        }
        self.go_on(context);
    }

    /// Tries again what failed, once it is time.
    pub(crate) fn on_time(&mut self, context: &mut Context<'_>) {
        match self.retry_at {
            Some(retry_at) if Instant::now() < retry_at => context.timers.until(retry_at),
            Some(_) => {
                self.retry_at = None;
                self.go_on(context);
            }
            None => {}
        }
    }

    /// The connection is gone: nobody waits any longer.
    pub(crate) fn abandon(&mut self, error: &RequestError) {
        for (_, reply) in self.waiting.drain(..) {
            let _ = reply.send(Err(error.clone()));
        }
    }

    /// Whether the phone was not asked for this lately; then it is now.
    fn may_ask(&mut self, what: Bytes, now: i64) -> bool {
        let may = self.asked.get(&what).is_none_or(|asked| !(0..ASKED_EVERY).contains(&(now - asked)));
        if may {
            self.asked.insert(what, now);
        }
        may
    }
}
