//! One webhook that is switched on: at rest, or with a worker.

use std::mem;
use std::sync::Arc;

use parking_lot::Mutex;
use storage::{Consumer, Epoch, Event, Recorded, Settlement};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::ledger::Position;
use crate::standing::Standing;
use crate::target::Target;

/// Events that wait in memory for a busy worker. What comes on top it reads from the log.
const MAX_NEWS: usize = 256;

/// A webhook of an instance that this node holds. It hears of every event; only while there is something to do does a task
/// serve it.
pub(crate) struct Post {
    pub(crate) consumer: Consumer,
    pub(crate) epoch: Epoch,
    pub(crate) target: Target,
    /// Whether its receiver takes what it is called with.
    pub(crate) standing: Mutex<Standing>,
    /// Cancelled when the post that served this webhook before, under other settings, has ended.
    predecessor: Option<CancellationToken>,
    state: Mutex<State>,
    bell: Notify,
    /// Cancelled when no further call is to begin.
    finishing: CancellationToken,
    ended: CancellationToken,
}

enum State {
    /// Nothing is to be done, as far as is known. Where it stands is known after the first work.
    Resting(Option<Position>),
    /// A worker serves it.
    Working(Mail),
    /// It serves nothing any more.
    Ended,
}

/// Where a worker begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// With what is stored.
    Stored,
    /// Here, with nothing pending.
    At(Position),
}

/// What a worker is told.
#[derive(Default)]
pub(crate) struct Mail {
    /// Events, in the order in which they were heard of.
    pub(crate) news: Vec<News>,
    /// There were more than are kept here.
    pub(crate) missed: bool,
    /// Let calls under way end, commit, begin nothing new.
    pub(crate) finish: bool,
    held: usize,
}

/// The events of one record.
pub(crate) struct News {
    /// Position of the last event before them.
    pub(crate) after: i64,
    pub(crate) events: Vec<Heard>,
}

/// An event as a post hears of it.
pub(crate) enum Heard {
    Wanted(Arc<Event>),
    /// Nobody wants the event at this position.
    Unwanted(i64),
}

impl Post {
    pub(crate) fn new(
        consumer: Consumer,
        epoch: Epoch,
        target: Target,
        standing: Standing,
        predecessor: Option<CancellationToken>,
    ) -> Self {
        Self {
            consumer,
            epoch,
            target,
            standing: Mutex::new(standing),
            predecessor,
            state: Mutex::new(State::Resting(None)),
            bell: Notify::new(),
            finishing: CancellationToken::new(),
            ended: CancellationToken::new(),
        }
    }

    /// Hears of events; `copies` are the same ones to keep. Answers where a worker is to begin, if one is needed and there
    /// is none.
    pub(crate) fn hear(&self, recorded: &Recorded, copies: &dyn Fn() -> Arc<[Arc<Event>]>) -> Option<Start> {
        let last = recorded.events.last()?.seq;
        let wanted = recorded.events.iter().any(|event| self.target.wants(event));
        let mut state = self.state.lock();
        match &mut *state {
            State::Ended => None,
            State::Working(mail) => {
                let full = mail.add(|| self.news(recorded, wanted, copies));
                drop(state);
                if wanted || full {
                    self.bell.notify_one();
                }
                None
            }
            State::Resting(Some(position)) if last <= position.cursor => None,
            State::Resting(Some(position)) if !wanted && position.cursor == recorded.after => {
                position.cursor = last;
                let start = position.lags().then_some(Start::At(*position))?;
                *state = State::Working(Mail::default());
                Some(start)
            }
            State::Resting(position) => {
                let start = position.map_or(Start::Stored, Start::At);
                let mut mail = Mail::default();
                mail.add(|| self.news(recorded, wanted, copies));
                *state = State::Working(mail);
                Some(start)
            }
        }
    }

    /// Calls for a worker that begins with what is stored, unless there is one.
    pub(crate) fn begin(&self) -> Option<Start> {
        let mut state = self.state.lock();
        if !matches!(*state, State::Resting(_)) {
            return None;
        }
        *state = State::Working(Mail::default());
        Some(Start::Stored)
    }

    /// Ends it: at once, or when its worker has finished. Answers what is still to be committed in the first case.
    pub(crate) fn finish(&self) -> Option<Settlement> {
        let mut state = self.state.lock();
        match &mut *state {
            State::Working(mail) => {
                mail.finish = true;
                drop(state);
                self.finishing.cancel();
                self.bell.notify_one();
                None
            }
            State::Ended => None,
            State::Resting(position) => {
                let moved = position.filter(|position| position.cursor > position.committed);
                *state = State::Ended;
                self.ended.cancel();
                let cursor = moved?.cursor;
                let settlement = Settlement::new(self.consumer.clone(), self.epoch);
                Some(Settlement { cursor: Some(cursor), ..settlement })
            }
        }
    }

    /// Cancelled when it serves nothing any more.
    pub(crate) fn ended(&self) -> &CancellationToken {
        &self.ended
    }

    /// Waits for the end of the post that served this webhook before.
    pub(crate) async fn succeed(&self) {
        if let Some(predecessor) = &self.predecessor {
            predecessor.cancelled().await;
        }
    }

    /// Whether the post that served this webhook before may still commit something.
    pub(crate) fn has_predecessor(&self) -> bool {
        self.predecessor.as_ref().is_some_and(|predecessor| !predecessor.is_cancelled())
    }

    /// The worker takes what it was told.
    pub(crate) fn take_mail(&self) -> Mail {
        match &mut *self.state.lock() {
            State::Working(mail) => {
                let finish = mail.finish;
                mem::replace(mail, Mail { finish, ..Mail::default() })
            }
            State::Resting(_) | State::Ended => Mail { finish: true, ..Mail::default() },
        }
    }

    /// Resolves when the worker is to look into its mail.
    pub(crate) async fn rung(&self) {
        self.bell.notified().await;
    }

    /// Resolves when the worker is to finish: what waits then, no longer does.
    pub(crate) async fn finishing(&self) {
        self.finishing.cancelled().await;
    }

    /// The worker has nothing to do and stands at `position`. Answers whether it may go: it may not when it was told
    /// something in the meantime.
    pub(crate) fn rest(&self, position: Position) -> bool {
        let mut state = self.state.lock();
        match &*state {
            State::Working(mail) if !mail.is_empty() => false,
            State::Working(_) => {
                *state = State::Resting(Some(position));
                true
            }
            State::Resting(_) | State::Ended => true,
        }
    }

    /// The worker has finished.
    pub(crate) fn end(&self) {
        *self.state.lock() = State::Ended;
        self.ended.cancel();
    }

    fn news(&self, recorded: &Recorded, wanted: bool, copies: &dyn Fn() -> Arc<[Arc<Event>]>) -> News {
        let events = if wanted {
            let heard = |event: &Arc<Event>| match self.target.wants(event) {
                true => Heard::Wanted(Arc::clone(event)),
                false => Heard::Unwanted(event.seq),
            };
            copies().iter().map(heard).collect()
        } else {
            recorded.events.iter().map(|event| Heard::Unwanted(event.seq)).collect()
        };
        News { after: recorded.after, events }
    }
}

impl Mail {
    /// Adds news, or forgets them and all others when they become too many. Answers the latter.
    fn add(&mut self, news: impl FnOnce() -> News) -> bool {
        if self.missed {
            return false;
        }
        let news = news();
        self.held += news.events.len();
        if self.held > MAX_NEWS {
            self.news.clear();
            self.missed = true;
            return true;
        }
        self.news.push(news);
        false
    }

    fn is_empty(&self) -> bool {
        self.news.is_empty() && !self.missed && !self.finish
    }
}

impl Heard {
    pub(crate) fn seq(&self) -> i64 {
        match self {
            Self::Wanted(event) => event.seq,
            Self::Unwanted(seq) => *seq,
        }
    }
}
