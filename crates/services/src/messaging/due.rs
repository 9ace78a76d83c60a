//! Scheduled messages whose time has come.

use storage::{Failure, FailureCause, Message, Scheduled, StorageError, Timestamp};
use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;
use wa_binary::Jid;

use super::compose::{Drafted, quoting};
use super::later::{Plan, Planned, PlannedFile};
use super::media::{Said, uploaded};
use super::{ACK_TIMEOUT, MediaGiven, MessagingService, limit, pending};
use crate::error::ServiceError;
use crate::mapping::{self, ChatNames};
use crate::media::{GivenFile, SpoolError, SpooledFile};
use crate::pending::{Answer, Condition, Full};
use crate::running::RunningInstance;

/// Bytes of a file that are copied at a time.
const PIECE: usize = 64 * 1024;

/// What became of a scheduled message whose time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Departure {
    /// It goes its way like any other, or has failed, or was changed or cancelled meanwhile.
    Done,
    /// It can't leave at the moment.
    NotNow,
}

impl MessagingService {
    /// Sends a scheduled message: it is stored as pending, and no longer scheduled, in one commit.
    pub(crate) async fn send_due(
        &self,
        running: &RunningInstance,
        due: &Scheduled,
        now: Timestamp,
    ) -> Departure {
        if running.recorder.holds(&due.message_id) {
            return Departure::Done;
        }
        if due.expire_at.is_some_and(|end| end <= now) {
            let message = "the instance could not send it before its time was over".to_owned();
            let failure = Failure { cause: FailureCause::Expired, code: None, message, until: None };
            return self.give_up(running, due, failure).await;
        }
        if !running.is_online() {
            return Departure::NotNow;
        }
        match self.leave(running, due).await {
            Ok(()) | Err(ServiceError::Stale) => Departure::Done,
            Err(error) => match failure(&error) {
                Some(failure) => self.give_up(running, due, failure).await,
                None => Departure::NotNow,
            },
        }
    }

    /// Makes a message of it and hands that in.
    async fn leave(&self, running: &RunningInstance, due: &Scheduled) -> Result<(), ServiceError> {
        let unreadable = || StorageError::corrupt("scheduled message", "it can't be read");
        let to: Jid = due.recipient.parse().map_err(|_| unreadable())?;
        let Plan { what, on_limit } = Plan::of(due).ok_or_else(unreadable)?;
        let limit = limit(running, &to, on_limit).await?;
        let names = self.names_to_write_to(running, &to, limit).await?;
        let mut message = match what {
            Planned::Message(compose) => {
                let drafted = self.draft(running.owner, running, &names, compose).await?;
                pending(running, &names, drafted)
            }
            Planned::File(file) => self.file_message(running, due, &names, &file).await?,
        };
        message.message_id.clone_from(&due.message_id);
        if limit.is_some() {
            message.status = storage::MessageStatus::Held;
        }
        let admitted = self.admit(running, &message).await?;
        let answer = running.recorder.submit(message, Some(Condition::Due(due.due())), true);
        drop(admitted);
        let answer =
            answer.map_err(|Full| ServiceError::Unavailable { message: "too many messages wait" })?;
        match timeout(ACK_TIMEOUT, answer).await {
            Ok(Ok(Answer::NotStored(error))) if matches!(*error, StorageError::Stale) => {
                Err(ServiceError::Stale)
            }
            Ok(Ok(Answer::NotStored(error))) => Err(ServiceError::not_stored(error)),
            // What becomes of it from here on is told by its events.
            _ => Ok(()),
        }
    }

    /// Brings the file that was kept for it to WhatsApp.
    async fn file_message(
        &self,
        running: &RunningInstance,
        due: &Scheduled,
        names: &ChatNames,
        planned: &PlannedFile,
    ) -> Result<Message, ServiceError> {
        let object = due.file.ok_or_else(|| StorageError::corrupt("scheduled message", "it has no file"))?;
        let file = self.kept_file(running, &object.to_string()).await?;
        let given = MediaGiven::Given(Box::new(GivenFile::New(file)));
        let said = Said {
            name: Some(&planned.name),
            mime_type: Some(&planned.mime_type),
            kind: Some(planned.media_kind()),
        };
        let mut prepared = self.prepared(running.owner, given, said).await?;
        let draft = uploaded(running, &mut prepared, &planned.caption).await?;
        let draft = match &planned.quoted {
            Some(id) => quoting(draft, &self.referred(running.owner, running.instance, names, id).await?),
            None => draft,
        };
        let mut message = pending(running, names, Drafted { draft, text: None });
        message.id = object;
        message.media = Some(self.kept(&message, &prepared).await?);
        Ok(message)
    }

    /// A copy of a file that is kept: what is uploaded is a file of this machine, wherever others are kept.
    async fn kept_file(&self, running: &RunningInstance, object: &str) -> Result<SpooledFile, ServiceError> {
        let mut kept =
            self.objects.open(running.instance, object, 0).await.map_err(ServiceError::internal)?;
        let mut file = self.spool.create().await.map_err(SpoolError::from)?;
        let mut piece = vec![0; PIECE];
        loop {
            match kept.reader.read(&mut piece).await.map_err(ServiceError::internal)? {
                0 => return Ok(file),
                length => file.write(piece.get(..length).unwrap_or_default()).await?,
            }
        }
    }

    /// It is never sent: stored and told as failed.
    async fn give_up(&self, running: &RunningInstance, due: &Scheduled, failure: Failure) -> Departure {
        let plan = Plan::of(due);
        let kind = plan.as_ref().map_or(storage::MessageKind::Unknown, Plan::kind);
        let text = plan.as_ref().and_then(Plan::text).map(str::to_owned);
        let own_jid = running.recorder.own_jid().unwrap_or_default();
        let message = mapping::unsent(due, own_jid, (kind, text), running.recorder.server_now());
        match running.recorder.record_unsent(due.due(), message, &failure).await {
            Ok(()) | Err(StorageError::Stale) => Departure::Done,
            Err(error) => {
                tracing::warn!(instance = %running.instance, %error, "a scheduled message can't be given up yet");
                Departure::NotNow
            }
        }
    }
}

/// Why a message can never be sent; nothing if another try makes sense.
fn failure(error: &ServiceError) -> Option<Failure> {
    let message = error.to_string();
    let cause = match error {
        ServiceError::Limited { cause, until, .. } => {
            let until = until.map(Timestamp::millis);
            return Some(Failure { cause: *cause, code: None, message, until });
        }
        ServiceError::Refused { cause, code, .. } => {
            let cause = cause.unwrap_or(FailureCause::Refused);
            return Some(Failure { cause, code: *code, message, until: None });
        }
        ServiceError::Invalid { .. }
        | ServiceError::NotFound { .. }
        | ServiceError::Forbidden { .. }
        | ServiceError::Conflict { .. }
        | ServiceError::TooLarge { .. } => FailureCause::Invalid,
        ServiceError::Unreadable(_) => FailureCause::Unreadable,
        _ => return None,
    };
    Some(Failure { cause, code: None, message, until: None })
}
