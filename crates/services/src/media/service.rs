use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use storage::{InstanceId, MediaDownload, MediaFault, MediaState, Message, Missing, Storage, StoredMedia};
use tokio::io::AsyncRead;
use tokio::sync::OnceCell;
use tokio::time::{Instant, timeout_at};

use super::fetcher::Settled;
use super::link::{LONGEST_LIFE, Linked, Links};
use super::{MediaFetcher, MediaLink, MediaObjects, MediaOptions, Usage};
use crate::auth::Caller;
use crate::clock::now;
use crate::error::ServiceError;
use crate::field::Field;

/// How long a call waits for a file that has to be fetched first.
const PATIENCE: Duration = Duration::from_secs(20);

/// Use cases about the files of messages. Clones are the same service.
#[derive(Clone)]
pub struct MediaService {
    storage: Arc<dyn Storage>,
    objects: Arc<dyn MediaObjects>,
    fetcher: MediaFetcher,
    download: MediaDownload,
    links: Arc<OnceCell<Links>>,
}

/// Which file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileOf {
    /// The instance of its message.
    pub instance: InstanceId,
    /// WhatsApp's id of its message.
    pub message_id: String,
}

/// A file that is open for reading.
pub struct OpenFile {
    /// The file, from the offset on that was asked for.
    pub reader: Box<dyn AsyncRead + Send + Unpin>,
    /// Length of the whole file in bytes.
    pub length: u64,
    /// Its MIME type.
    pub mime_type: String,
    /// Its name.
    pub file_name: String,
    /// The same as long as the file is the same.
    pub tag: String,
}

impl MediaService {
    pub(crate) fn new(storage: Arc<dyn Storage>, fetcher: MediaFetcher, options: &MediaOptions) -> Self {
        let (objects, download) = (Arc::clone(&options.objects), options.download);
        Self { storage, objects, fetcher, download, links: Arc::default() }
    }

    /// Opens the file of a message at an offset. One that isn't there yet is fetched, and waited for a little while.
    ///
    /// # Errors
    /// `NotFound` for the instance, the message, or one without a file; `FilePending` while it is being fetched;
    /// `FileUnavailable` when it can't be had.
    pub async fn open(&self, caller: &Caller, of: &FileOf, offset: u64) -> Result<OpenFile, ServiceError> {
        let messages = self.storage.messages_by_id(caller.user, of.instance, &of.message_id).await?;
        let message = with_file(messages).ok_or(ServiceError::NotFound { what: Missing::Message })?;
        let message = if is_ready(&message) { message } else { self.fetched(message).await? };
        self.read(&message, offset).await
    }

    /// Opens the file that a link leads to.
    ///
    /// # Errors
    /// `NotFound` when the link isn't good, or not any more, or while the owner is disabled.
    pub async fn open_link(&self, token: &str, offset: u64) -> Result<OpenFile, ServiceError> {
        let nothing = ServiceError::NotFound { what: Missing::Message };
        let Some(linked) = self.links().await?.read(token, now()) else { return Err(nothing) };
        if !self.is_served(linked.instance).await? {
            return Err(nothing);
        }
        let messages = self.storage.fleet_messages_by_id(linked.instance, &linked.message_id).await?;
        let message = messages.into_iter().find(|message| message.id == linked.message && is_ready(message));
        self.read(&message.ok_or(nothing)?, offset).await
    }

    /// An address of a message's file that whoever has it may use, for so long.
    ///
    /// # Errors
    /// As [`Self::open`]; `Invalid` for a life of more than a week.
    pub async fn link(
        &self,
        caller: &Caller,
        of: &FileOf,
        life: Duration,
    ) -> Result<MediaLink, ServiceError> {
        if life.is_zero() || life > LONGEST_LIFE {
            let message = format!("must be 1 to {} seconds", LONGEST_LIFE.as_secs());
            return Err(ServiceError::invalid(Field::Wait, message));
        }
        let messages = self.storage.messages_by_id(caller.user, of.instance, &of.message_id).await?;
        let message = with_file(messages).ok_or(ServiceError::NotFound { what: Missing::Message })?;
        let message = if is_ready(&message) { message } else { self.fetched(message).await? };
        let linked =
            Linked { instance: message.instance, message: message.id, message_id: message.message_id };
        Ok(self.links().await?.make(&linked, now().after(life)))
    }

    /// An address of a message's file, as [`Self::link`] makes it, for as long as one may be good.
    ///
    /// # Errors
    /// As there.
    pub async fn link_of(
        &self,
        caller: &Caller,
        instance: InstanceId,
        message_id: &str,
    ) -> Result<MediaLink, ServiceError> {
        let of = FileOf { instance, message_id: message_id.to_owned() };
        self.link(caller, &of, LONGEST_LIFE).await
    }

    /// How much is kept of the files of an instance.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn usage(&self, caller: &Caller, instance: InstanceId) -> Result<Usage, ServiceError> {
        let found = self.storage.instance(caller.user, instance).await?;
        found.ok_or(ServiceError::NotFound { what: Missing::Instance })?;
        self.objects.usage(instance).await.map_err(ServiceError::internal)
    }

    /// Whether the owner of the instance may use the gateway.
    async fn is_served(&self, instance: InstanceId) -> Result<bool, ServiceError> {
        let Some(instance) = self.storage.fleet_instance(instance).await? else { return Ok(false) };
        let owner = self.storage.user(instance.owner).await?;
        Ok(owner.is_some_and(|owner| owner.disabled_at.is_none()))
    }

    /// Whether the instance's files are fetched at all.
    async fn may_fetch(&self, instance: InstanceId) -> Result<bool, ServiceError> {
        let instance = self.storage.fleet_instance(instance).await?;
        let own = instance.and_then(|instance| instance.media_download);
        Ok(own.unwrap_or(self.download) != MediaDownload::Never)
    }

    async fn links(&self) -> Result<&Links, ServiceError> {
        Ok(self.links.get_or_try_init(|| Links::load(&*self.storage)).await?)
    }

    /// The same message once its file is there.
    async fn fetched(&self, message: Message) -> Result<Message, ServiceError> {
        let known = message.media.as_ref().and_then(|media| media.fault);
        if known.is_some_and(is_hopeless) || !self.may_fetch(message.instance).await? {
            return Err(ServiceError::FileUnavailable { fault: known });
        }
        let deadline = Instant::now() + PATIENCE;
        let mut settled = self.fetcher.hasten(&message);
        let wanted = Settled { instance: message.instance, message_id: message.message_id.clone() };
        let waiting = async { while settled.recv().await.is_ok_and(|settled| settled != wanted) {} };
        let _ = timeout_at(deadline, waiting).await;
        let messages = self.storage.fleet_messages_by_id(message.instance, &message.message_id).await?;
        let message = messages.into_iter().find(|found| found.id == message.id);
        let message = message.ok_or(ServiceError::NotFound { what: Missing::Message })?;
        match &message.media {
            Some(StoredMedia { state: MediaState::Ready, .. }) => Ok(message),
            Some(StoredMedia { state: MediaState::Failed, fault, .. }) => {
                Err(ServiceError::FileUnavailable { fault: *fault })
            }
            Some(_) => Err(ServiceError::FilePending),
            None => Err(ServiceError::NotFound { what: Missing::Message }),
        }
    }

    async fn read(&self, message: &Message, offset: u64) -> Result<OpenFile, ServiceError> {
        let media = message.media.as_ref();
        let object = media.and_then(|media| Some((media, media.object.as_deref()?)));
        let (media, object) = object.ok_or(ServiceError::NotFound { what: Missing::Message })?;
        let opened = self.objects.open(message.instance, object, offset).await;
        let opened = opened.map_err(|error| match error.kind() {
            ErrorKind::NotFound => ServiceError::FileUnavailable { fault: Some(MediaFault::NotStored) },
            ErrorKind::NotConnected => {
                tracing::warn!(instance = %message.instance, %error, "a file can't be read");
                ServiceError::Unavailable { message: "the store of files can't be reached at the moment" }
            }
            _ => ServiceError::internal(error),
        })?;
        Ok(OpenFile {
            reader: opened.reader,
            length: opened.length,
            mime_type: media.mime_type.clone().unwrap_or_else(|| "application/octet-stream".to_owned()),
            file_name: media.file_name.clone(),
            tag: object.to_owned(),
        })
    }
}

/// The message that has a file, one that is there rather than another.
fn with_file(messages: Vec<Message>) -> Option<Message> {
    let mut with_file: Vec<_> = messages.into_iter().filter(|message| message.media.is_some()).collect();
    let place = with_file.iter().position(is_ready).unwrap_or(0);
    (place < with_file.len()).then(|| with_file.swap_remove(place))
}

/// What is damaged or incomplete stays so, and what was kept for long enough isn't fetched again.
fn is_hopeless(fault: MediaFault) -> bool {
    match fault {
        MediaFault::Damaged | MediaFault::Incomplete | MediaFault::TooLarge | MediaFault::Forgotten => true,
        MediaFault::Expired | MediaFault::Unreachable | MediaFault::NotStored => false,
    }
}

fn is_ready(message: &Message) -> bool {
    message.media.as_ref().is_some_and(|media| media.state == MediaState::Ready)
}

impl std::fmt::Debug for MediaService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MediaService").field("download", &self.download).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for OpenFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenFile").field("length", &self.length).finish_non_exhaustive()
    }
}
