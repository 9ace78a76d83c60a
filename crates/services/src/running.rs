//! A running instance: its companion and its recorder, in one task.

use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, FusedFuture, join};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use parking_lot::Mutex;
use storage::{
    Backoff, Epoch, Failure, FailureCause, Instance, InstanceId, Journal, MediaDownload, Message,
    MessageStatus, UserId,
};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};
use wa_binary::Jid;
use wa_client::content::Draft;
use wa_client::{Cause, Client, Limit, MessageId, Outgoing, State};

use crate::cause::{Remedy, is_about_look_up, remedy};
use crate::companion::{Acked, Companion, Companions, Started};
use crate::error::ServiceError;
use crate::mapping;
use crate::pending::{Fate, Settled};
use crate::recorder::InstanceRecorder;
use crate::status::ConnectionStatus;

/// After a message could not be sent because the connection is gone, the next try is at least this much later.
const BREATH: Duration = Duration::from_millis(100);
/// How often held messages are offered to the companion, which knows without asking anybody whether they may leave.
const OFFER_PAUSE: Duration = Duration::from_secs(60);
/// How long a companion that is no longer wanted may take to end.
pub(crate) const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// An instance that runs.
pub(crate) struct RunningInstance {
    pub(crate) instance: InstanceId,
    pub(crate) owner: UserId,
    pub(crate) companion: Arc<dyn Companion>,
    pub(crate) recorder: Arc<InstanceRecorder>,
    media_download: Mutex<Option<MediaDownload>>,
    state: watch::Receiver<State>,
}

/// Drives a [`RunningInstance`]; runs in the one task that it has.
pub(crate) struct Run {
    running: Arc<RunningInstance>,
    companion: BoxFuture<'static, ()>,
}

/// Why an instance no longer runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The companion stopped by itself and says why.
    Stopped(Cause),
    /// The companion is gone: it was told to stop, or it panicked.
    Vanished,
    /// Another process holds the instance: nothing more may be written for it.
    Fenced,
}

/// Messages that are with the companion.
type UnderWay<'a> = FuturesUnordered<BoxFuture<'a, Handed>>;

/// What became of a message that was handed to the companion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Handed {
    Settled,
    Postponed,
}

impl RunningInstance {
    /// Starts the companion of an instance that this process holds under `epoch`. It does nothing before it is driven.
    pub(crate) fn start(
        instance: &Instance,
        epoch: Epoch,
        companions: &Arc<dyn Companions>,
        journal: Journal,
    ) -> Run {
        let recorder = Arc::new(InstanceRecorder::new(instance, epoch, journal, Arc::clone(companions)));
        let Started { companion, run } =
            companions.start(instance.id, &instance.connection, &instance.look, epoch, recorder.clone());
        recorder.accompany(Arc::clone(&companion));
        let state = companion.watch();
        let media_download = Mutex::new(instance.media_download);
        let (instance, owner) = (instance.id, instance.owner);
        let running = Self { instance, owner, companion, recorder, media_download, state };
        Run { running: Arc::new(running), companion: run }
    }

    /// When the files of its messages are fetched, if it has a setting of its own.
    pub(crate) fn media_download(&self) -> Option<MediaDownload> {
        *self.media_download.lock()
    }

    /// Its files are fetched then from now on.
    pub(crate) fn set_media_download(&self, download: Option<MediaDownload>) {
        *self.media_download.lock() = download;
    }

    /// Follows the companion's state; its end is that of the companion.
    pub(crate) fn watch(&self) -> watch::Receiver<State> {
        self.state.clone()
    }

    /// Where the companion stands now. One whose task is gone is about to be started again.
    pub(crate) fn state(&self) -> State {
        match self.state.has_changed() {
            Ok(_) => self.state.borrow().clone(),
            Err(_) => State::Idle,
        }
    }

    /// Whether messages can be sent now.
    pub(crate) fn is_online(&self) -> bool {
        self.state.has_changed().is_ok() && *self.state.borrow() == State::Online
    }

    /// Has the companion close its connection and end; resolves when all that it had to tell is recorded.
    pub(crate) async fn pause(&self) {
        self.companion.pause().await;
        let mut state = self.state.clone();
        while state.changed().await.is_ok() {}
    }

    /// The client itself, for what is asked of WhatsApp besides sending.
    ///
    /// # Errors
    /// `NotConnected` while it isn't online.
    pub(crate) fn client(&self) -> Result<Client, ServiceError> {
        let client = self.companion.client().filter(|_| self.is_online());
        client.ok_or_else(|| ServiceError::not_connected(&ConnectionStatus::of_state(&self.state())))
    }

    /// The limit that forbids to write to this person now, if any.
    pub(crate) async fn limit_on(&self, to: &Jid) -> Option<Limit> {
        let limits = self.companion.limits();
        if limits.time_lock.is_none() && limits.new_chats.is_none() {
            return None;
        }
        // Whoever can't say is asked again when the message is handed over.
        self.companion.limit_on(to).await.ok().flatten()
    }

    /// Records and sends, until the companion ends.
    async fn work(&self) -> End {
        self.recorder.load().await;
        let sending = async {
            let end = self.keep_sending().await;
            self.recorder.close();
            end
        };
        // In this order, what was just stored is sent in the same turn of the task.
        let ((), end) = join(self.recorder.keep_recording(), sending).await;
        end
    }

    /// Hands messages to the companion until it ends, and hears all its answers.
    async fn keep_sending(&self) -> End {
        let mut under_way = FuturesUnordered::new();
        let end = self.send_while_it_runs(&mut under_way).await;
        let told_to_stop = async {
            if matches!(end, End::Stopped(_)) {
                self.companion.stop().await;
            }
        };
        let answers = async { while under_way.next().await.is_some() {} };
        // One that hangs is left to its fate: nobody can reach it any more.
        let _ = timeout(STOP_TIMEOUT, join(told_to_stop, answers)).await;
        end
    }

    /// Hands messages to the companion while it is online, in their order, until it ends.
    async fn send_while_it_runs<'a>(&'a self, under_way: &mut UnderWay<'a>) -> End {
        let mut state = self.state.clone();
        let mut next = Instant::now();
        let mut next_offer = Instant::now();
        loop {
            let online = match &*state.borrow_and_update() {
                State::Stopped(Cause::Fenced) => {
                    self.recorder.fence();
                    return End::Fenced;
                }
                State::Stopped(cause) => return End::Stopped(cause.clone()),
                state => *state == State::Online,
            };
            if online && next_offer <= Instant::now() {
                self.recorder.release();
                next_offer = Instant::now() + OFFER_PAUSE;
            }
            if online && next <= Instant::now() && self.send_ready(under_way) == Handed::Postponed {
                next = Instant::now() + BREATH;
            }
            let waits = online && next > Instant::now();
            tokio::select! {
                changed = state.changed() => if changed.is_err() { return End::Vanished },
                () = self.recorder.until_ready() => {}
                Some(handed) = under_way.next() => if matches!(handed, Handed::Postponed) {
                    next = Instant::now() + BREATH;
                },
                () = sleep_until(next), if waits => {}
                () = sleep_until(next_offer), if online && self.recorder.has_held() => {}
            }
        }
    }

    /// Hands over all messages whose turn it is. Answers `Postponed` if that is what happened to one of them at once.
    fn send_ready<'a>(&'a self, under_way: &mut UnderWay<'a>) -> Handed {
        let mut all = Handed::Settled;
        for message in self.recorder.take_ready() {
            // Polled once here, so that messages leave in the order of these calls.
            let mut handing = self.hand_over(message).boxed();
            match (&mut handing).now_or_never() {
                Some(Handed::Postponed) => all = Handed::Postponed,
                Some(Handed::Settled) => {}
                None => under_way.push(handing),
            }
        }
        all
    }

    /// Sends one message, again and again as far as that helps.
    async fn hand_over(&self, message: Arc<Message>) -> Handed {
        let (Ok(to), Ok(content)) = (message.wire_chat.parse::<Jid>(), Draft::from_raw(message.raw.clone()))
        else {
            let text = "what was stored can't be read".to_owned();
            return self.fail(
                &message,
                Failure { cause: FailureCause::Unreadable, code: None, message: text, until: None },
            );
        };
        let (id, chat) = (message.message_id.as_str(), &message.chat);
        let mut backoff = Backoff::default();
        let mut look_ups = 0;
        loop {
            let outgoing = Outgoing { id: MessageId::from(id), to: to.clone(), content: content.clone() };
            let error = match self.companion.send(outgoing).await {
                Ok(Acked { timestamp, devices, to }) => {
                    let moved = mapping::moved(&message, &to);
                    let message = moved.as_ref().unwrap_or(&message);
                    let update = mapping::sent(message, Some(content.view()), timestamp);
                    let amends = mapping::amends(message, update.at);
                    let moves = moved.as_ref().map(|moved| (chat.clone(), moved.chat.clone()));
                    self.recorder.settle(Settled { moves, update, amends }, Fate::Sent(devices));
                    return Handed::Settled;
                }
                // A receipt has proved it meanwhile, or it was given up.
                Err(_) if !self.recorder.is_under_way(id) => return Handed::Settled,
                Err(error) => error,
            };
            if matches!(error, wa_client::SendError::Store(_)) {
                // It was perhaps refused because another process holds the instance.
                self.recorder.check_hold().await;
            }
            if matches!(error, wa_client::SendError::Limited(_)) && message.status == MessageStatus::Held {
                self.recorder.hold(id);
                return Handed::Settled;
            }
            look_ups += u32::from(is_about_look_up(&error));
            match remedy(&error, look_ups) {
                Remedy::GiveUp(failure) => return self.fail(&message, failure),
                Remedy::Again if self.is_online_after(backoff.pause()).await => {}
                Remedy::Again | Remedy::WhenOnline => {
                    tracing::debug!(instance = %self.instance, %error, "a message stays pending");
                    self.recorder.postpone(id);
                    return Handed::Postponed;
                }
            }
        }
    }

    fn fail(&self, message: &Message, failure: Failure) -> Handed {
        self.recorder
            .settle(mapping::failed(message, &failure, self.recorder.server_now()), Fate::Failed(failure));
        Handed::Settled
    }

    /// Lets the companion end, and records all that is known then.
    async fn farewell(&self, companion: &mut (impl FusedFuture + Unpin)) {
        if !companion.is_terminated() {
            let _ = timeout(STOP_TIMEOUT, &mut *companion).await;
        }
        // One that hangs may be making a record, which has to be finished first.
        beside(companion, pin!(self.recorder.flush())).await;
    }

    /// Whether it is online by then.
    pub(crate) async fn is_online_within(&self, patience: Duration) -> bool {
        let mut state = self.state.clone();
        let online = state.wait_for(|state| *state == State::Online);
        matches!(timeout(patience, online).await, Ok(Ok(_)))
    }

    /// Waits this long, or until the instance is no longer online. Returns whether it still is.
    async fn is_online_after(&self, pause: Duration) -> bool {
        let mut state = self.state.clone();
        let offline = state.wait_for(|state| *state != State::Online);
        timeout(pause, offline).await.is_err()
    }
}

impl Run {
    /// The same run, its companion driven by something around it.
    pub(crate) fn companion_through(
        self,
        around: impl FnOnce(BoxFuture<'static, ()>) -> BoxFuture<'static, ()>,
    ) -> Self {
        Self { companion: around(self.companion), ..self }
    }

    /// The instance that this run drives, as callers find it while it runs.
    pub(crate) fn running(&self) -> &Arc<RunningInstance> {
        &self.running
    }

    /// Runs the instance until its companion ends. Afterwards nobody waits for it any more, and all that is known is
    /// recorded, unless that is another process's by now.
    pub(crate) async fn run(self) -> End {
        let Self { running, companion } = self;
        // A panic of the companion must not reach the supervisor, which starts it again.
        let mut companion = AssertUnwindSafe(companion).catch_unwind().fuse();
        let end = {
            let mut work = pin!(running.work());
            tokio::select! {
                biased;
                () = running.recorder.until_fenced() => End::Fenced,
                end = beside(&mut companion, work.as_mut()) => end,
            }
        };
        if end != End::Fenced {
            running.farewell(&mut companion).await;
        }
        running.recorder.abandon();
        end
    }
}

/// Polls the companion while some work is done. The companion comes first, so that what it answers is worked on in the
/// same turn of the task.
async fn beside<T>(
    companion: &mut (impl FusedFuture + Unpin),
    mut work: Pin<&mut impl Future<Output = T>>,
) -> T {
    tokio::select! {
        biased;
        _ = companion => work.await,
        done = &mut work => done,
    }
}
