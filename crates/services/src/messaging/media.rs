//! Sending files.

use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use storage::{InstanceId, MediaState, StoredMedia, StoredMessageId, UserId};
use tokio::time::Instant;
use voice::{Voice, VoiceError};
use wa_binary::Jid;
use wa_client::content::Draft;
use wa_client::media_files::file::document_name;
use wa_client::{Attachment, MediaKind, RequestError, UploadError};

use super::compose::{CHANNEL_TAKES, Drafted, STATUS_SHOWS, quoting};
use super::keyed::{Keyed, check_key, scope};
use super::later::{Planned, PlannedFile, Scheduling};
use super::{Later, MAX_TEXT, MessagingService, SendTerms, Sent, limit, pending};
use crate::auth::Caller;
use crate::clock::now;
use crate::error::ServiceError;
use crate::field::Field;
use crate::media::{
    Described, FetchError, GivenFile, Pictured, Preview, SpoolError, SpooledFile, described, kind_of,
    preview, preview_by, voice_note, voice_of,
};
use crate::running::RunningInstance;
use crate::shares::Full;
use crate::status::ConnectionStatus;

/// Longest name of a file, in bytes.
pub const MAX_FILE_NAME: usize = 255;

/// When a caller may have another file fetched who has as many fetched as may be.
const FETCH_PAUSE: Duration = Duration::from_secs(5);

/// A file to send.
#[derive(Debug)]
pub struct SendMedia {
    /// Phone number in any usual notation, or the JID of somebody or of a group.
    pub phone: String,
    /// Where it comes from.
    pub source: MediaGiven,
    /// The text under it.
    pub caption: Option<String>,
    /// Its name, where the caller gives one.
    pub file_name: Option<String>,
    /// Its type, where somebody says it; its content is believed rather.
    pub mime_type: Option<String>,
    /// As what it is sent; `None` leaves that to its content.
    pub kind: Option<MediaKind>,
    /// WhatsApp's id of the message of the chat that it answers.
    pub quoted: Option<String>,
    /// How it is sent.
    pub terms: SendTerms,
}

/// Where a file comes from that is to be sent.
pub enum MediaGiven {
    /// The caller has brought it, into what [`MessagingService::receive`] gave.
    Given(Box<GivenFile>),
    /// It is fetched from this address, if that may be called.
    Url(String),
}

/// What a caller says of a file.
#[derive(Clone, Copy)]
pub(super) struct Said<'a> {
    pub(super) name: Option<&'a str>,
    pub(super) mime_type: Option<&'a str>,
    pub(super) kind: Option<MediaKind>,
}

/// A file that is ready to be sent.
pub(super) struct Prepared {
    file: SpooledFile,
    described: Described,
    preview: Option<Preview>,
    voice: Option<Voice>,
    name: String,
    kind: MediaKind,
}

impl MessagingService {
    /// Room for a file that a caller brings, to be written to. One that comes again under its idempotency key is only
    /// looked at.
    ///
    /// # Errors
    /// `NotFound` for the instance, `Invalid` for the key, and an internal one when this machine can't keep the file.
    pub async fn receive(
        &self,
        caller: &Caller,
        instance: InstanceId,
        key: Option<&str>,
    ) -> Result<GivenFile, ServiceError> {
        self.find(caller, instance).await?;
        if let Some(key) = key {
            check_key(key)?;
            if self.storage.claim(&scope(instance), key).await?.is_some() {
                return Ok(GivenFile::Again(self.spool.look()));
            }
        }
        self.room.check(caller.user, 1).await?;
        Ok(GivenFile::New(self.spool.create().await.map_err(SpoolError::from)?))
    }

    /// Sends a file: fetched if it is named by its address, uploaded to WhatsApp, kept with the message, and then as
    /// [`send_text`](Self::send_text) does. Nothing is fetched for a call that comes again under its key.
    ///
    /// # Errors
    /// As [`send_text`](Self::send_text); also `Invalid` for an address that may not be called or gives nothing,
    /// `TooLarge`, and `Unavailable` when WhatsApp's media hosts can't be reached.
    pub async fn send_media(
        &self,
        caller: &Caller,
        instance: InstanceId,
        send: SendMedia,
    ) -> Result<Sent, ServiceError> {
        let (running, to) = self.addressed(caller, instance, &send.phone).await?;
        check(&send)?;
        check_kind(&to, send.kind)?;
        let keyed = Keyed::of(instance, &send.terms, &to, || send.fingerprint())?;
        if let Some(earlier) = self.earlier(caller, instance, &to, keyed.as_ref(), &send.terms).await? {
            return Ok(earlier);
        }
        if let Some(later) = send.terms.later {
            return self.schedule_media(caller, instance, &to, send, keyed, later).await;
        }
        // Whoever isn't connected need not bring the file at all.
        let running = self.online(caller, instance, running).await?;
        let limit = limit(&running, &to, send.terms.on_limit).await?;
        let SendMedia { source, caption, file_name, mime_type, kind, quoted, terms, .. } = send;
        let said = Said { name: file_name.as_deref(), mime_type: mime_type.as_deref(), kind };
        let mut prepared = self.prepared(caller.user, source, said).await?;
        check_kind(&to, Some(prepared.kind))?;
        self.room.check(caller.user, prepared.file.length()).await?;
        // Asked again when the message is about to leave: this is for what needn't be uploaded.
        drop(self.quotas.admit(&running, prepared.file.length()).await?);
        let names = self.names_to_write_to(&running, &to, limit).await?;
        let quoted = match &quoted {
            Some(id) => Some(self.referred(caller.user, instance, &names, id).await?),
            None => None,
        };
        let draft = uploaded(&running, &mut prepared, &caption.unwrap_or_default()).await?;
        let draft = match &quoted {
            Some(quoted) => quoting(draft, quoted),
            None => draft,
        };
        let mut message = pending(&running, &names, Drafted { draft, text: None });
        if let Some(first) = self.left_before(caller, &running, &message, &terms).await? {
            return Ok(first);
        }
        message.media = Some(self.kept(&message, &prepared).await?);
        self.room.took(caller.user, prepared.file.length());
        let deadline = Instant::now() + terms.patience;
        self.hand_in(caller, &running, &to, message, keyed, limit, (deadline, terms.queued)).await
    }

    /// Keeps a file that is to be sent later.
    async fn schedule_media(
        &self,
        caller: &Caller,
        instance: InstanceId,
        to: &Jid,
        send: SendMedia,
        keyed: Option<Keyed>,
        later: Later,
    ) -> Result<Sent, ServiceError> {
        // Nothing is fetched for what can't be scheduled anyway.
        later.check(now())?;
        let SendMedia { source, caption, file_name, mime_type, kind, quoted, terms, .. } = send;
        let said = Said { name: file_name.as_deref(), mime_type: mime_type.as_deref(), kind };
        let prepared = self.prepared(caller.user, source, said).await?;
        check_kind(to, Some(prepared.kind))?;
        self.room.check(caller.user, prepared.file.length()).await?;
        let (object, caption) = (StoredMessageId::generate(), caption.unwrap_or_default());
        let name = object.to_string();
        let put = self.objects.put(instance, &name, prepared.file.path()).await;
        put.map_err(ServiceError::internal)?;
        self.room.took(caller.user, prepared.file.length());
        let what = Planned::File(PlannedFile {
            kind: PlannedFile::word(prepared.kind),
            mime_type: mime_type_of(&prepared),
            name: prepared.name,
            caption,
            quoted,
        });
        let scheduling = Scheduling { to, what, file: Some(object), later };
        let scheduled = self.schedule(caller, instance, scheduling, keyed, &terms).await;
        if !matches!(&scheduled, Ok(Sent { replayed: false, .. }))
            && let Err(error) = self.objects.delete(instance, &name).await
        {
            tracing::warn!(%instance, %error, "a file that is not wanted stays for now");
        }
        scheduled
    }

    /// Brings the file of this owner into the spool, and reads what it is.
    pub(super) async fn prepared(
        &self,
        owner: UserId,
        source: MediaGiven,
        Said { name, mime_type: said, kind }: Said<'_>,
    ) -> Result<Prepared, ServiceError> {
        let (mut file, said, url_name) = match source {
            MediaGiven::Given(file) => match *file {
                GivenFile::New(file) => (file, said.map(str::to_owned), None),
                // The claim that it was only looked at for has gone meanwhile.
                GivenFile::Again(_) => {
                    return Err(ServiceError::Unavailable { message: "the file has to be sent once more" });
                }
            },
            MediaGiven::Url(url) => {
                let fetched = self.fetch.fetch(owner, &url, &self.spool).await.map_err(not_fetched)?;
                (fetched.file, said.map(str::to_owned).or(fetched.said), fetched.name)
            }
        };
        file.finish().await.map_err(ServiceError::internal)?;
        if file.length() == 0 {
            return Err(ServiceError::invalid(Field::File, "is empty"));
        }
        let name = name.or(url_name.as_deref());
        let described =
            described(file.path(), name, said.as_deref()).await.map_err(ServiceError::internal)?;
        let kind = kind.unwrap_or_else(|| kind_of(&described.mime_type));
        let name = file_name(name, kind, &described.mime_type);
        if kind == MediaKind::Voice {
            return self.prepared_voice(file, described, name).await;
        }
        let preview = self.previewed(kind, &described.mime_type, file.path()).await;
        Ok(Prepared { file, described, preview, voice: None, name, kind })
    }

    /// The small picture of a file, if one can be made.
    async fn previewed(&self, kind: MediaKind, mime_type: &str, file: &Path) -> Option<Preview> {
        let what = Pictured::of(mime_type);
        match (kind, what) {
            (MediaKind::Image, _) => preview(file).await,
            (MediaKind::Video | MediaKind::RoundVideo, Some(what @ Pictured::Video(_)))
            | (MediaKind::Document, Some(what @ Pictured::Pdf)) => {
                let picture = self.programs.picture(what, file).await?;
                preview_by(what, picture).await
            }
            _ => None,
        }
    }

    /// A voice note: what is Ogg with Opus already stays as it is, other sounds become it.
    async fn prepared_voice(
        &self,
        file: SpooledFile,
        described: Described,
        name: String,
    ) -> Result<Prepared, ServiceError> {
        let kind = MediaKind::Voice;
        if described.opus_seconds.is_some() {
            let voice = voice_of(file.path()).await;
            return Ok(Prepared { file, described, preview: None, voice, name, kind });
        }
        let note = voice_note(file.path()).await.map_err(|error| match error {
            VoiceError::Io(error) => ServiceError::internal(error),
            error => ServiceError::invalid(Field::File, error.to_string()),
        })?;
        let mut file = self.spool.create().await.map_err(SpoolError::from)?;
        file.write(&note.file).await?;
        file.finish().await.map_err(ServiceError::internal)?;
        let described = Described {
            mime_type: "audio/ogg".to_owned(),
            opus_seconds: Some(note.voice.seconds),
            ..described
        };
        let stem = name.rsplit_once('.').map_or(&*name, |(stem, _)| stem);
        let name = format!("{stem}.ogg");
        Ok(Prepared { file, described, preview: None, voice: Some(note.voice), name, kind })
    }

    /// The gateway keeps what it has sent, so that its owner can look at it.
    pub(super) async fn kept(
        &self,
        message: &storage::Message,
        prepared: &Prepared,
    ) -> Result<StoredMedia, ServiceError> {
        let object = message.id.to_string();
        let put = self.objects.put(message.instance, &object, prepared.file.path()).await;
        put.map_err(ServiceError::internal)?;
        Ok(StoredMedia {
            state: MediaState::Ready,
            fault: None,
            mime_type: Some(mime_type_of(prepared)),
            file_name: prepared.name.clone(),
            size: Some(prepared.file.length()),
            object: Some(object),
        })
    }
}

impl SendMedia {
    /// What tells one file under a key from another: all that the caller says of it, so that it is known before the file is
    /// fetched. No text begins like this.
    fn fingerprint(&self) -> String {
        let source = match &self.source {
            MediaGiven::Given(file) => file.sha256().map(|byte| format!("{byte:02x}")).concat(),
            MediaGiven::Url(url) => url.clone(),
        };
        let (name, caption) = (self.file_name.as_deref(), self.caption.as_deref().unwrap_or_default());
        let quoted = self.quoted.as_ref().map(|id| format!("\n\0{id}")).unwrap_or_default();
        format!("\0file\n{source}\n{:?}\n{name:?}\n{caption}{quoted}", self.kind)
    }
}

/// What the status shows of files; where nobody says what a file is, its content decides later.
fn check_kind(to: &Jid, kind: Option<MediaKind>) -> Result<(), ServiceError> {
    let is_shown = |kind| matches!(kind, MediaKind::Image | MediaKind::Video | MediaKind::Voice);
    if to.is_newsletter() {
        return Err(ServiceError::invalid(Field::Recipient, CHANNEL_TAKES));
    }
    if to.is_status() && !kind.is_none_or(is_shown) {
        return Err(ServiceError::invalid(Field::Recipient, STATUS_SHOWS));
    }
    Ok(())
}

fn check(send: &SendMedia) -> Result<(), ServiceError> {
    check_caption(send.caption.as_deref().unwrap_or_default())?;
    if send.file_name.as_ref().is_some_and(|name| name.len() > MAX_FILE_NAME) {
        return Err(ServiceError::invalid(
            Field::FileName,
            format!("must have at most {MAX_FILE_NAME} bytes"),
        ));
    }
    Ok(())
}

pub(super) fn check_caption(caption: &str) -> Result<(), ServiceError> {
    if caption.len() > MAX_TEXT && caption.chars().count() > MAX_TEXT {
        let problem = format!("must have at most {MAX_TEXT} characters");
        return Err(ServiceError::invalid(Field::Caption, problem));
    }
    Ok(())
}

/// Brings the file to WhatsApp, and makes a message of it.
pub(super) async fn uploaded(
    running: &RunningInstance,
    prepared: &mut Prepared,
    caption: &str,
) -> Result<Draft, ServiceError> {
    let path = prepared.file.path().to_owned();
    let uploaded = running.companion.upload(prepared.kind, &path).await.map_err(|error| match error {
        UploadError::TooLarge => ServiceError::TooLarge { longest: None },
        UploadError::Request(RequestError::NotConnected { .. } | RequestError::Stopped) => {
            ServiceError::not_connected(&ConnectionStatus::of_state(&running.state()))
        }
        UploadError::Source(error) => ServiceError::internal(error),
        error => {
            tracing::warn!(instance = %running.instance, %error, "a file could not be uploaded");
            ServiceError::Unavailable { message: "WhatsApp's media hosts don't take the file at the moment" }
        }
    })?;
    let mut attachment =
        Attachment::new(uploaded, mime_type_of(prepared)).caption(caption).file_name(prepared.name.as_str());
    if let Some(Preview { width, height, jpeg }) = prepared.preview.take() {
        attachment = attachment.dimensions(width, height).thumbnail(jpeg);
    } else if let Some(size) = prepared.described.dimensions {
        attachment = attachment.dimensions(size.width, size.height);
    }
    if let Some(voice) = &prepared.voice {
        attachment = attachment.seconds(voice.seconds).waveform(&voice.waveform);
    } else if let Some(seconds) = prepared.described.opus_seconds {
        attachment = attachment.seconds(seconds);
    }
    if prepared.described.is_animated {
        attachment = attachment.animated();
    }
    Ok(attachment.into())
}

/// The name of a file that is sent: every one has one.
fn file_name(name: Option<&str>, kind: MediaKind, mime_type: &str) -> String {
    let usual = match kind {
        MediaKind::Document => "document",
        MediaKind::Image => "image",
        MediaKind::Sticker => "sticker",
        MediaKind::Video | MediaKind::RoundVideo => "video",
        _ => "audio",
    };
    document_name(name.or(Some(usual)), mime_type)
}

/// Voice notes say how they are coded.
fn mime_type_of(prepared: &Prepared) -> String {
    match prepared.kind {
        MediaKind::Voice => "audio/ogg; codecs=opus".to_owned(),
        _ => prepared.described.mime_type.clone(),
    }
}

fn not_fetched(error: FetchError) -> ServiceError {
    match error {
        FetchError::Spool(error) => not_spooled(error),
        FetchError::Busy(Full::Own) => ServiceError::RateLimited { retry_after: FETCH_PAUSE },
        FetchError::Busy(Full::All) => {
            ServiceError::Unavailable { message: "too many files are being fetched; ask again in a moment" }
        }
        error => ServiceError::invalid(Field::Url, format!("can't be fetched: {error}")),
    }
}

/// The answer where a file that a caller brings can't be taken.
pub(crate) fn not_spooled(error: SpoolError) -> ServiceError {
    match error {
        SpoolError::TooLarge { longest } => ServiceError::TooLarge { longest: Some(longest) },
        SpoolError::Io(error) if error.kind() == ErrorKind::StorageFull => {
            ServiceError::Unavailable { message: "there is no room for files at the moment" }
        }
        SpoolError::Io(error) => ServiceError::internal(error),
    }
}

impl From<SpoolError> for ServiceError {
    fn from(error: SpoolError) -> Self {
        not_spooled(error)
    }
}

impl std::fmt::Debug for MediaGiven {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Given(_) => "Given",
            Self::Url(_) => "Url",
        })
    }
}
