use std::collections::HashMap;

use tokio::sync::oneshot;
use wa_binary::{Jid, Node};
use wa_media::{MessageRef, ReuploadAnswer, ReuploadRequest};

use crate::event::MessageInfo;
use crate::group::has_sender_keys;
use crate::message::MessageId;
use crate::request::RequestError;

/// Files that may be asked for again at a time; more are refused until some are answered.
const MOST: usize = 256;

/// The message that a file belongs to: what the own phone is asked by to upload it again.
#[derive(Clone)]
#[non_exhaustive]
pub struct MediaOrigin {
    /// WhatsApp's id of the message.
    pub id: MessageId,
    /// Its chat.
    pub chat: Jid,
    /// Whether the account itself wrote it.
    pub from_me: bool,
    /// Who wrote it in a group, without device.
    pub participant: Option<Jid>,
}

impl MediaOrigin {
    /// A message in a direct chat, or one of this account's.
    pub fn new(id: impl Into<MessageId>, chat: Jid, from_me: bool) -> Self {
        Self { id: id.into(), chat, from_me, participant: None }
    }

    /// The same, written by a member of a group.
    #[must_use]
    pub fn by(self, participant: &Jid) -> Self {
        Self { participant: Some(participant.to_user()), ..self }
    }
}

impl From<&MessageInfo> for MediaOrigin {
    fn from(info: &MessageInfo) -> Self {
        let origin = Self::new(info.id.clone(), info.chat.clone(), info.from_me);
        if has_sender_keys(&info.chat) && !info.from_me { origin.by(&info.sender) } else { origin }
    }
}

impl std::fmt::Debug for MediaOrigin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MediaOrigin").field("id", &self.id).finish_non_exhaustive()
    }
}

/// What the pump is to send to the own phone.
#[derive(Debug)]
pub(crate) struct ReuploadCall {
    pub(crate) request: ReuploadRequest,
    pub(crate) origin: MediaOrigin,
}

impl ReuploadCall {
    /// The receipt (PROTOCOL.md 19.6); `own` is the account's number.
    pub(crate) fn receipt(&self, own: &Jid) -> Node<'static> {
        let MediaOrigin { chat, from_me, participant, .. } = &self.origin;
        self.request.receipt(own, MessageRef { chat, from_me: *from_me, participant: participant.as_ref() })
    }
}

/// Tells whoever waits what the phone answers.
type Waiter = oneshot::Sender<Result<ReuploadAnswer, RequestError>>;

/// Who waits for the own phone's answer on this connection, by the message's id.
#[derive(Debug, Default)]
pub(crate) struct Reuploads {
    waiting: HashMap<String, Vec<Waiter>>,
}

impl Reuploads {
    /// Somebody waits for the answer about a message. Whether there is room for one more.
    pub(crate) fn wait(&mut self, id: &str, waiter: Waiter) -> bool {
        self.waiting.retain(|_, waiting| {
            waiting.retain(|waiter| !waiter.is_closed());
            !waiting.is_empty()
        });
        if self.waiting.len() >= MOST {
            let text = "too many files are being asked for".to_owned();
            let _ = waiter.send(Err(RequestError::Invalid(text)));
            return false;
        }
        self.waiting.entry(id.to_owned()).or_default().push(waiter);
        true
    }

    /// The phone's answer; whether anybody has waited for it.
    pub(crate) fn answer(&mut self, answer: &ReuploadAnswer) -> bool {
        let waiting = self.waiting.remove(answer.message_id()).unwrap_or_default();
        let heard = waiting.into_iter().map(|waiter| waiter.send(Ok(answer.clone()))).filter(Result::is_ok);
        heard.count() > 0
    }
}
