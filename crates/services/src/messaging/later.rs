//! Messages that are to be sent later: scheduled, shown, changed and cancelled.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use storage::{
    Claim, Cursor, InstanceId, Json, MessageKind, Missing, Page, ScheduleLimits, Scheduled, ScheduledPatch,
    StoredMessageId, Timestamp,
};
use wa_binary::Jid;
use wa_client::{MediaKind, MessageId};

use super::compose::check_text;
use super::keyed::{Keyed, answered};
use super::media::check_caption;
use super::{Compose, MessagingService, OnLimit, Progress, SendTerms, Sent};
use crate::auth::Caller;
use crate::clock::now;
use crate::error::ServiceError;
use crate::field::Field;
use crate::page::{MAX_PAGE, check_limit};

/// Most messages of one instance that are scheduled at once.
pub const MAX_SCHEDULED: u64 = 1_000;
/// Most of them with a file: their files lie on the disk meanwhile.
pub const MAX_SCHEDULED_FILES: u64 = 50;
/// How far ahead a message may be scheduled.
pub const MAX_AHEAD: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// How often a change is made anew that met another one.
const TRIES: usize = 5;
const LIMITS: ScheduleLimits = ScheduleLimits { messages: MAX_SCHEDULED, files: MAX_SCHEDULED_FILES };

/// When a message is to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Later {
    /// Not before this time; at once if it is over.
    pub send_at: Timestamp,
    /// Not after this one: then it has failed.
    pub expire_at: Option<Timestamp>,
}

impl Later {
    pub(super) fn check(self, now: Timestamp) -> Result<(), ServiceError> {
        if self.send_at > now.after(MAX_AHEAD) {
            return Err(ServiceError::invalid(Field::SendAt, "must be within a year"));
        }
        if self.expire_at.is_some_and(|end| end <= self.send_at || end <= now) {
            return Err(ServiceError::invalid(Field::ExpireAt, "must be later than the time of sending"));
        }
        Ok(())
    }
}

/// A scheduled message, as its owner sees it.
#[derive(Clone, Debug)]
pub struct ScheduledMessage {
    /// Its id, its recipient and its times.
    pub scheduled: Scheduled,
    /// What it is; `Unreadable` if what was stored can't be read.
    pub kind: MessageKind,
    /// Its text, or the text under its file.
    pub text: Option<String>,
    /// The name of its file.
    pub file_name: Option<String>,
}

/// Changes to a scheduled message; `None` leaves a field as it is.
#[derive(Clone, Debug, Default)]
pub struct Reschedule {
    /// Another time.
    pub send_at: Option<Timestamp>,
    /// Another end; `Some(None)` removes it.
    pub expire_at: Option<Option<Timestamp>>,
    /// Another text, where it has one that can be changed.
    pub text: Option<String>,
}

/// What is stored of a message that is to be sent later.
#[derive(Serialize, Deserialize)]
pub(super) struct Plan {
    pub(super) what: Planned,
    pub(super) on_limit: OnLimit,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Planned {
    Message(Compose),
    File(PlannedFile),
}

/// A file, which is kept under the name that [`Scheduled::file`] says.
#[derive(Serialize, Deserialize)]
pub(super) struct PlannedFile {
    pub(super) kind: MessageKind,
    pub(super) name: String,
    pub(super) mime_type: String,
    pub(super) caption: String,
    pub(super) quoted: Option<String>,
}

/// As what files are sent, in the words of messages.
const FILE_KINDS: [(MediaKind, MessageKind); 7] = [
    (MediaKind::Image, MessageKind::Image),
    (MediaKind::Video, MessageKind::Video),
    (MediaKind::RoundVideo, MessageKind::VideoNote),
    (MediaKind::Audio, MessageKind::Audio),
    (MediaKind::Voice, MessageKind::Voice),
    (MediaKind::Document, MessageKind::Document),
    (MediaKind::Sticker, MessageKind::Sticker),
];

impl PlannedFile {
    /// The word for a kind of file.
    pub(super) fn word(kind: MediaKind) -> MessageKind {
        FILE_KINDS.iter().find(|(media, _)| *media == kind).map_or(MessageKind::Document, |(_, word)| *word)
    }

    /// As what it is sent.
    pub(super) fn media_kind(&self) -> MediaKind {
        FILE_KINDS
            .iter()
            .find(|(_, word)| *word == self.kind)
            .map_or(MediaKind::Document, |(media, _)| *media)
    }
}

impl Plan {
    pub(super) fn of(scheduled: &Scheduled) -> Option<Self> {
        scheduled.content.parse().ok()
    }

    fn json(&self) -> Result<Json, ServiceError> {
        Json::of(self).map_err(ServiceError::internal)
    }

    pub(super) fn kind(&self) -> MessageKind {
        match &self.what {
            Planned::File(file) => file.kind,
            Planned::Message(compose) => compose.kind(),
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        match &self.what {
            Planned::File(file) => Some(file.caption.as_str()).filter(|caption| !caption.is_empty()),
            Planned::Message(compose) => compose.said(),
        }
    }

    /// Gives it another text.
    fn say(&mut self, text: String) -> Result<(), ServiceError> {
        match &mut self.what {
            Planned::File(file) => {
                check_caption(&text)?;
                file.caption = text;
            }
            Planned::Message(Compose::Text(content)) => {
                check_text(&text)?;
                content.text = text;
            }
            Planned::Message(Compose::Edit(_, content)) => {
                check_text(&text)?;
                *content = text;
            }
            Planned::Message(_) => {
                let why = "can't be changed in a message of this kind; cancel it and schedule another";
                return Err(ServiceError::invalid(Field::Text, why));
            }
        }
        Ok(())
    }
}

impl From<Scheduled> for ScheduledMessage {
    fn from(scheduled: Scheduled) -> Self {
        let plan = Plan::of(&scheduled);
        let file_name = match plan.as_ref().map(|plan| &plan.what) {
            Some(Planned::File(file)) => Some(file.name.clone()),
            _ => None,
        };
        Self {
            kind: plan.as_ref().map_or(MessageKind::Unreadable, Plan::kind),
            text: plan.as_ref().and_then(|plan| plan.text().map(str::to_owned)),
            file_name,
            scheduled,
        }
    }
}

/// What a call wants to have sent later.
pub(super) struct Scheduling<'a> {
    pub(super) to: &'a Jid,
    pub(super) what: Planned,
    pub(super) file: Option<StoredMessageId>,
    pub(super) later: Later,
}

impl MessagingService {
    /// Rings when something is scheduled or changed.
    #[cfg(test)]
    pub(crate) fn alarm(&self) -> crate::alarm::Alarm {
        self.alarm.clone()
    }

    /// Stores a message that is to be sent later. The instance needn't be connected.
    pub(super) async fn schedule(
        &self,
        caller: &Caller,
        instance: InstanceId,
        scheduling: Scheduling<'_>,
        keyed: Option<Keyed>,
        terms: &SendTerms,
    ) -> Result<Sent, ServiceError> {
        let Scheduling { to, what, file, later } = scheduling;
        let now = now();
        later.check(now)?;
        let (id, chat) = (MessageId::generate().to_string(), to.to_string());
        let answer = answered(&id, to, Some(&chat));
        let claim = keyed.as_ref().map(|keyed| Claim { answer, ..keyed.claim.clone() });
        let scheduled = Scheduled {
            instance,
            message_id: id.clone(),
            recipient: chat.clone(),
            content: Plan { what, on_limit: terms.on_limit }.json()?,
            file,
            send_at: later.send_at,
            expire_at: later.expire_at,
            version: 1,
            created_at: now,
            updated_at: now,
        };
        if let Some(earlier) = self.storage.schedule(caller.user, scheduled, claim, LIMITS).await? {
            return self.replay(caller, instance, to, keyed.as_ref(), &earlier, terms.patience).await;
        }
        self.alarm.ring();
        Ok(Sent::so_far(id, Some(chat), Progress::Scheduled { send_at: later.send_at }, false))
    }

    /// A page of the messages that are to be sent later, by their time.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` for a limit of 0 or above [`crate::MAX_PAGE`].
    pub async fn scheduled(
        &self,
        caller: &Caller,
        instance: InstanceId,
        after: Option<Cursor>,
        limit: u64,
    ) -> Result<Page<ScheduledMessage>, ServiceError> {
        check_limit(limit, MAX_PAGE)?;
        let page = self.storage.scheduled(caller.user, instance, after, limit).await?;
        Ok(page.map(ScheduledMessage::from))
    }

    /// One of them, by WhatsApp's id.
    ///
    /// # Errors
    /// `NotFound`, also when it has left.
    pub async fn scheduled_message(
        &self,
        caller: &Caller,
        instance: InstanceId,
        id: &str,
    ) -> Result<ScheduledMessage, ServiceError> {
        let found = self.storage.scheduled_message(caller.user, instance, id).await?;
        let found = found.ok_or(ServiceError::NotFound { what: Missing::Scheduled })?;
        Ok(found.into())
    }

    /// Changes time or text of one of them.
    ///
    /// # Errors
    /// `NotFound`, also when it has left; `Invalid` for times and texts; `Stale` when others change it all the time.
    pub async fn reschedule(
        &self,
        caller: &Caller,
        instance: InstanceId,
        id: &str,
        change: Reschedule,
    ) -> Result<ScheduledMessage, ServiceError> {
        for _ in 1..TRIES {
            match self.reschedule_once(caller, instance, id, change.clone()).await {
                Err(ServiceError::Stale) => {}
                changed => return changed,
            }
        }
        self.reschedule_once(caller, instance, id, change).await
    }

    async fn reschedule_once(
        &self,
        caller: &Caller,
        instance: InstanceId,
        id: &str,
        change: Reschedule,
    ) -> Result<ScheduledMessage, ServiceError> {
        let present = self.scheduled_message(caller, instance, id).await?.scheduled;
        let Reschedule { send_at, expire_at, text } = change;
        let later = Later {
            send_at: send_at.unwrap_or(present.send_at),
            expire_at: expire_at.unwrap_or(present.expire_at),
        };
        later.check(now())?;
        let content = match text {
            None => None,
            Some(text) => {
                let unreadable =
                    || ServiceError::invalid(Field::Text, "can't be changed: what is stored is unreadable");
                let mut plan = Plan::of(&present).ok_or_else(unreadable)?;
                plan.say(text)?;
                Some(plan.json()?)
            }
        };
        let patch = ScheduledPatch { content, send_at, expire_at };
        let changed = self.storage.reschedule(caller.user, instance, present.due(), patch, now()).await?;
        self.alarm.ring();
        Ok(changed.into())
    }

    /// Cancels one of them: it is not sent.
    ///
    /// # Errors
    /// `NotFound`, also when it has left.
    pub async fn unschedule(
        &self,
        caller: &Caller,
        instance: InstanceId,
        id: &str,
    ) -> Result<(), ServiceError> {
        let gone = self.storage.unschedule(caller.user, instance, id.to_owned()).await?;
        if let Some(file) = gone.file
            && let Err(error) = self.objects.delete(instance, &file.to_string()).await
        {
            tracing::warn!(%instance, %error, "the file of a cancelled message stays for now");
        }
        Ok(())
    }
}
