//! The app state (PROTOCOL.md 18): what is new in it is fetched, verified and told; what the embedder changes is written.
//! One thing at a time, beside everything else.

mod writing;

mod flow;

mod step;

use std::collections::{BTreeMap, VecDeque};
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
use flow::{Flow, News};
use writing::Wanted;

/// How long the phone has to answer before it is asked for a key or a collection once more, in milliseconds: as whatsmeow.
const ASKED_EVERY: i64 = 24 * 60 * 60 * 1000;
/// After how long what could not be fetched is fetched again.
const PAUSE: Duration = Duration::from_secs(60);
/// Changes that wait for their turn; further ones are refused.
const MAX_WAITING: usize = 256;
/// Changes that go out together, so that a patch stays far below what others may refuse.
const MAX_TOGETHER: usize = 64;

/// Keeps the app state in step.
#[derive(Debug, Default)]
pub(crate) struct AppState {
    is_busy: bool,
    waiting: VecDeque<Wanted>,
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

    /// Writes these changes, together with all others that wait: in one patch for each collection.
    pub(crate) fn write(&mut self, context: &mut Context<'_>, drafts: Vec<Draft>, reply: Reply<()>) {
        if self.waiting.len() >= MAX_WAITING {
            let text = "too many changes of the app state wait".to_owned();
            let _ = reply.send(Err(RequestError::Invalid(text)));
            return;
        }
        self.waiting.push_back(Wanted { drafts, reply });
        self.go_on(context);
    }

    /// Begins what comes next, if there is something: what is new is fetched and what waits is written in one go, so that
    /// neither has to wait for the other to have an end.
    pub(crate) fn go_on(&mut self, context: &mut Context<'_>) {
        // Keys that came along are stored first.
        if self.is_busy || !context.mirror.changes.app_state_keys.is_empty() {
            return;
        }
        let news = self.news(context);
        let count = self.waiting.len().min(MAX_TOGETHER);
        let wanted: Vec<Wanted> = self.waiting.drain(..count).collect();
        if news.is_empty() && wanted.is_empty() {
            return;
        }
        self.is_busy = true;
        let (store, transfers) = (context.shared.store.clone(), Arc::clone(&context.shared.transfers));
        let (computing, random) =
            (context.shared.config.computing.app_state.clone(), Random::from_rng(context.random));
        context.look_up(|asker| async move {
            let flow = Flow::new(asker, store, transfers, computing, random);
            Answered::AppState(Box::new(flow.run(news, wanted).await))
        });
    }

    /// What there is to fetch now.
    fn news(&self, context: &mut Context<'_>) -> News {
        if self.retry_at.is_some_and(|retry_at| Instant::now() < retry_at) {
            return News::default();
        }
        News {
            stale: std::mem::take(&mut context.mirror.stale_collections),
            recoveries: std::mem::take(&mut context.mirror.recoveries),
        }
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
        for (reply, written) in outcome.written {
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
        for Wanted { reply, .. } in self.waiting.drain(..) {
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
