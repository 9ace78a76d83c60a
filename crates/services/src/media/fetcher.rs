//! Fetches the files of messages, beside everything else.

use std::io;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use parking_lot::Mutex;
use storage::{
    EventData, InstanceId, Journal, Listener, MediaData, MediaDownload, MediaFault, MediaState, Message,
    Record, Recorded, Storage, StoredMedia,
};
use tokio::sync::{Notify, broadcast};
use tokio::time::{Instant, sleep_until};
use wa_client::content::Content;
use wa_client::media_files::DecryptError;
use wa_client::media_files::file::document_name;
use wa_client::{DownloadError, MediaOrigin, RemoteFile, RequestError};

use super::content::described;
use super::queue::{Job, Queue, pause};
use super::{MediaObjects, MediaOptions, MediaRoom, Spool};
use crate::mapping;
use crate::recipient::{STATUS, is_shared};
use crate::running::RunningInstance;
use crate::supervisor::Supervisor;

/// Tries before a file is given up: over half a day, see [`pause`]. Who asks for it then has it tried again.
const TRIES: u32 = 6;
/// Messages that are looked for at once.
const PAGE: u64 = 500;
/// Those who hear how files fared: more than ever wait at a time; who falls behind looks into the store.
const HEARD: usize = 256;
/// While nothing is delayed, it is looked at the queue as often.
const IDLE: Duration = Duration::from_secs(3600);

/// Fetches files of messages, some at a time. Clones are the same fetcher.
#[derive(Clone)]
pub(crate) struct MediaFetcher {
    inner: Arc<Inner>,
}

struct Inner {
    storage: Arc<dyn Storage>,
    objects: Arc<dyn MediaObjects>,
    spool: Spool,
    room: MediaRoom,
    /// When files are fetched where the instance doesn't say otherwise.
    download: MediaDownload,
    /// Set before the first event.
    context: OnceLock<(Supervisor, Journal)>,
    queue: Mutex<Queue>,
    /// Instances whose pending files are to be looked for.
    to_look: Mutex<Vec<InstanceId>>,
    wake: Notify,
    settled: broadcast::Sender<Settled>,
}

/// The file of a message has come as far as it will for now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Settled {
    pub(super) instance: InstanceId,
    pub(super) message_id: String,
}

/// How a try ended.
enum Tried {
    /// The store says how.
    Settled,
    /// It is tried again.
    Later,
    /// It is looked for again when the instance is connected.
    Offline,
}

impl MediaFetcher {
    pub(crate) fn new(
        storage: Arc<dyn Storage>,
        options: &MediaOptions,
        spool: Spool,
        room: MediaRoom,
    ) -> Self {
        let inner = Inner {
            storage,
            objects: Arc::clone(&options.objects),
            spool,
            room,
            download: options.download,
            context: OnceLock::new(),
            queue: Mutex::default(),
            to_look: Mutex::default(),
            wake: Notify::new(),
            settled: broadcast::Sender::new(HEARD),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Whose companions fetch, and where it is recorded.
    pub(crate) fn accompany(&self, supervisor: Supervisor, journal: Journal) {
        // There is one of each.
        let _ = self.inner.context.set((supervisor, journal));
    }

    /// Fetches until it is dropped.
    pub(crate) async fn keep(self) {
        let mut running: FuturesUnordered<BoxFuture<'_, (Job, Tried)>> = FuturesUnordered::new();
        loop {
            self.look().await;
            while let Some(job) = self.next() {
                running.push(Box::pin(self.fetch(job)));
            }
            let due = self.inner.queue.lock().due().unwrap_or_else(|| Instant::now() + IDLE);
            tokio::select! {
                () = self.inner.wake.notified() => {}
                () = sleep_until(due) => {}
                Some((job, tried)) = running.next() => self.done(job, &tried),
            }
        }
    }

    /// Has a file fetched now, whatever the settings say; tells how files fare from now on.
    pub(super) fn hasten(&self, message: &Message) -> broadcast::Receiver<Settled> {
        let settled = self.inner.settled.subscribe();
        if let Some(running) = self.run_of(message.instance) {
            self.add(&running, message.message_id.clone());
        }
        settled
    }

    fn next(&self) -> Option<Job> {
        self.inner.queue.lock().take(Instant::now())
    }

    fn run_of(&self, instance: InstanceId) -> Option<Arc<RunningInstance>> {
        self.inner.context.get().and_then(|(supervisor, _)| supervisor.run_of(instance))
    }

    /// The instance, if it runs and its files are fetched as they come. What isn't running finds its pending files when it is
    /// connected.
    fn eager(&self, instance: InstanceId) -> Option<Arc<RunningInstance>> {
        let download = |running: &RunningInstance| running.media_download().unwrap_or(self.inner.download);
        self.run_of(instance).filter(|running| download(running) == MediaDownload::Arrival)
    }

    fn add(&self, running: &RunningInstance, message_id: String) {
        let (owner, instance) = (running.owner, running.instance);
        self.inner.queue.lock().add(Job { owner, instance, message_id, attempts: 0 });
        self.inner.wake.notify_one();
    }

    /// Has the pending files of an instance looked for.
    fn look_soon(&self, instance: InstanceId) {
        self.inner.to_look.lock().push(instance);
        self.inner.wake.notify_one();
    }

    /// Finds what earlier connections, and earlier processes, have left.
    async fn look(&self) {
        let instances = std::mem::take(&mut *self.inner.to_look.lock());
        for running in instances.into_iter().filter_map(|instance| self.eager(instance)) {
            let instance = running.instance;
            let mut after = 0;
            loop {
                let page = match self.inner.storage.pending_media(instance, after, PAGE).await {
                    Ok(page) => page,
                    Err(error) => {
                        tracing::warn!(%instance, %error, "pending files can't be looked for");
                        break;
                    }
                };
                let Some((last, _)) = page.last() else { break };
                after = *last;
                // Posts are many and seen by few: their files are fetched when somebody asks for them.
                let messages = page.into_iter().map(|(_, message)| message);
                let wanted = messages.filter(|message| message.chat != STATUS);
                wanted.for_each(|message| self.add(&running, message.message_id));
            }
        }
    }

    fn done(&self, job: Job, tried: &Tried) {
        let settled = Settled { instance: job.instance, message_id: job.message_id.clone() };
        match tried {
            Tried::Later => {
                let until = Instant::now() + pause(job.attempts);
                self.inner.queue.lock().delay(job, until);
            }
            Tried::Settled | Tried::Offline => {
                let look = self.inner.queue.lock().done(&job);
                self.inner.to_look.lock().extend(look);
            }
        }
        // Nobody may be listening.
        let _ = self.inner.settled.send(settled);
    }

    async fn fetch(&self, job: Job) -> (Job, Tried) {
        let tried = self.try_fetch(&job).await;
        (job, tried)
    }

    async fn try_fetch(&self, job: &Job) -> Tried {
        let Some((supervisor, journal)) = self.inner.context.get() else { return Tried::Offline };
        let running = supervisor.run_of(job.instance).filter(|running| running.is_online());
        let Some(running) = running else { return Tried::Offline };
        let messages = match self.inner.storage.fleet_messages_by_id(job.instance, &job.message_id).await {
            Ok(messages) => messages,
            Err(error) => {
                tracing::warn!(instance = %job.instance, %error, "a message can't be read for its file");
                return Tried::Later;
            }
        };
        let mut all = Tried::Settled;
        for message in messages.into_iter().filter(is_missing) {
            let (tried, media) = self.fetch_one(&running, &message, job.attempts).await;
            if let Some(media) = media {
                let update = mapping::came_to(&message, media, running.recorder.server_now());
                let record = Record::new(job.instance, running.recorder.epoch()).media(update);
                if let Err(error) = journal.record(record).await {
                    tracing::warn!(instance = %job.instance, %error, "what became of a file can't be recorded");
                    all = Tried::Later;
                }
            }
            if !matches!(tried, Tried::Settled) {
                all = tried;
            }
        }
        all
    }

    async fn fetch_one(
        &self,
        running: &RunningInstance,
        message: &Message,
        attempts: u32,
    ) -> (Tried, Option<StoredMedia>) {
        let Some(known) = message.media.clone() else { return (Tried::Settled, None) };
        let failed = |fault| StoredMedia { state: MediaState::Failed, fault: Some(fault), ..known.clone() };
        let Some((file, origin)) = named(message) else {
            return (Tried::Settled, Some(failed(MediaFault::Incomplete)));
        };
        if !self.has_room(running, &known).await {
            let is_told = known.state == MediaState::Failed && known.fault == Some(MediaFault::NotStored);
            return (Tried::Settled, (!is_told).then(|| failed(MediaFault::NotStored)));
        }
        match self.download(running, message, &known, &file, &origin).await {
            Ok(media) => (Tried::Settled, Some(media)),
            Err(DownloadError::Request(RequestError::NotConnected { .. } | RequestError::Stopped)) => {
                (Tried::Offline, None)
            }
            Err(error) => {
                let instance = message.instance;
                tracing::debug!(%instance, id = %message.message_id, %error, "a file can't be fetched");
                let is_over = !error.is_temporary() || attempts + 1 >= TRIES;
                let is_told = known.state == MediaState::Failed && known.fault == Some(fault(&error));
                let media = (is_over && !is_told).then(|| failed(fault(&error)));
                (if is_over { Tried::Settled } else { Tried::Later }, media)
            }
        }
    }

    /// Whether the owner may have another file kept, as long as the sender says that it is. Who asks for it once there is
    /// room has it fetched.
    async fn has_room(&self, running: &RunningInstance, known: &StoredMedia) -> bool {
        match self.inner.room.has(running.owner, known.size.unwrap_or(1)).await {
            Ok(has) => has,
            Err(error) => {
                tracing::warn!(instance = %running.instance, %error, "it can't be said how many files there are");
                true
            }
        }
    }

    async fn download(
        &self,
        running: &RunningInstance,
        message: &Message,
        known: &StoredMedia,
        file: &RemoteFile,
        origin: &MediaOrigin,
    ) -> Result<StoredMedia, DownloadError> {
        let object = message.id.to_string();
        let (path, mut partial) = self.inner.spool.partial(&object).await?;
        let downloaded = running.companion.download(file, origin, &mut partial).await;
        if downloaded.as_ref().is_err_and(|error| !error.is_temporary()) {
            tokio::fs::remove_file(&path).await?;
        }
        let size = downloaded?.verified.length();
        let media = self.arrived(known, &path, size).await?;
        self.inner.objects.put(message.instance, &object, &path).await?;
        self.inner.room.took(running.owner, size);
        Ok(StoredMedia { object: Some(object), ..media })
    }

    /// What is known of a file once it is there: its content says what it is.
    async fn arrived(&self, known: &StoredMedia, path: &Path, size: u64) -> io::Result<StoredMedia> {
        let described = described(path, Some(&known.file_name), known.mime_type.as_deref()).await?;
        // Voice notes keep what says how they are coded.
        let is_same = known.mime_type.as_deref().is_some_and(|said| essence(said) == described.mime_type);
        let mime_type = if is_same { known.mime_type.clone() } else { Some(described.mime_type.clone()) };
        Ok(StoredMedia {
            state: MediaState::Ready,
            fault: None,
            file_name: document_name(Some(&known.file_name), &described.mime_type),
            mime_type,
            size: Some(size),
            object: None,
        })
    }
}

/// A type without its parameters.
fn essence(mime_type: &str) -> &str {
    mime_type.split(';').next().unwrap_or_default().trim()
}

/// Whether the gateway hasn't got the message's file.
fn is_missing(message: &Message) -> bool {
    message.media.as_ref().is_some_and(|media| media.state != MediaState::Ready)
}

/// The file that a stored message names, and what the own phone knows the message by.
fn named(message: &Message) -> Option<(RemoteFile, MediaOrigin)> {
    let content = Content::decode(message.raw.clone()).ok()?;
    let file = RemoteFile::of(&content.view().media()?).ok()?;
    let chat: wa_client::Jid = message.wire_chat.parse().ok()?;
    let is_shared = is_shared(&chat);
    let origin = MediaOrigin::new(message.message_id.as_str(), chat, message.from_me);
    let author = message.sender.parse().ok().filter(|_| is_shared && !message.from_me);
    let origin = author.map_or_else(|| origin.clone(), |author| origin.clone().by(&author));
    Some((file, origin))
}

fn fault(error: &DownloadError) -> MediaFault {
    match error {
        DownloadError::Gone { .. } | DownloadError::NotUploaded(_) => MediaFault::Expired,
        DownloadError::Content(DecryptError::Oversized { .. }) => MediaFault::TooLarge,
        DownloadError::Content(_) => MediaFault::Damaged,
        DownloadError::File(_) => MediaFault::NotStored,
        _ => MediaFault::Unreachable,
    }
}

impl Listener for MediaFetcher {
    fn rang(&self, instance: InstanceId, recorded: &Recorded) {
        for event in &recorded.events {
            match &event.data {
                EventData::MessageReceived(told) | EventData::MessageSent(told) => {
                    let is_pending = |media: &MediaData| media.state == Some(MediaState::Pending);
                    if told.media.as_ref().is_some_and(is_pending)
                        && let Some(running) = self.eager(instance)
                    {
                        self.add(&running, told.message_id.clone());
                    }
                }
                EventData::Connected(_) => self.look_soon(instance),
                // What is pending may have to be fetched now.
                EventData::InstanceChanged(told)
                    if told.fields.iter().any(|name| name == "mediaDownload") =>
                {
                    self.look_soon(instance);
                }
                _ => {}
            }
        }
    }
}

impl std::fmt::Debug for MediaFetcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MediaFetcher").finish_non_exhaustive()
    }
}
