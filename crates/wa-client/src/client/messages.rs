//! What is sent about messages of a chat, for the usual cases. Everything else is a [`Draft`] for [`Client::send`].

use wa_binary::Jid;

use super::Client;
use crate::command::{Added, AdditionRequest, Command};
use crate::content::{Draft, Going, Target};
use crate::event::MessageInfo;
use crate::message::{Ack, MessageId, Outgoing, SendError};
use crate::request::RequestError;

impl Client {
    /// Puts an emoji to a message; an empty one takes it away.
    pub async fn react(&self, to: &MessageInfo, emoji: &str) -> Result<Ack, SendError> {
        let (chat, author) = (to.chat.to_string(), to.sender.to_user().to_string());
        let reaction = Draft::reaction(&target(to, &chat, &author), emoji, self.server_millis());
        self.send(Outgoing::new(to.chat.clone(), reaction)).await
    }

    /// Gives a message of this account new content. The server takes edits for about 20 minutes after the message.
    pub async fn edit(
        &self,
        chat: &Jid,
        id: &MessageId,
        content: impl Into<Draft>,
    ) -> Result<Ack, SendError> {
        let named = chat.to_user().to_string();
        let target = Target::of(&named, id.as_str(), true);
        let edit = Draft::edit(&target, content.into(), self.server_millis());
        self.send(Outgoing::new(chat.clone(), edit)).await
    }

    /// Takes a message of this account back.
    pub async fn revoke(&self, chat: &Jid, id: &MessageId) -> Result<Ack, SendError> {
        let named = chat.to_user().to_string();
        self.send(Outgoing::new(chat.clone(), Draft::revoke(&Target::of(&named, id.as_str(), true)))).await
    }

    /// Takes back what another has written in a group that this account administers.
    ///
    /// # Errors
    /// [`SendError::Refused`] with 403 where it doesn't.
    pub async fn revoke_of(&self, message: &MessageInfo) -> Result<Ack, SendError> {
        let (chat, author) = (message.chat.to_string(), message.sender.to_user().to_string());
        let revoke = Draft::revoke(&target(message, &chat, &author));
        self.send(Outgoing::new(message.chat.clone(), revoke)).await
    }

    /// A vote on a poll of this chat, to be sent there: for these options, none of which takes an earlier vote back. Polls
    /// that this companion has seen or sent are known, and those that the embedder keeps
    /// ([`crate::ReceivedMessages::content`], [`crate::SentMessages`]).
    ///
    /// # Errors
    /// `Invalid` where the poll isn't known, doesn't offer an option, or doesn't let so many be chosen.
    pub async fn vote(
        &self,
        chat: &Jid,
        poll: &MessageId,
        choices: &[String],
    ) -> Result<Draft, RequestError> {
        self.addition(chat, poll, Added::Vote(choices.to_vec())).await
    }

    /// An answer to an event of this chat, to be sent there.
    ///
    /// # Errors
    /// `Invalid` where the event isn't known.
    pub async fn answer_event(
        &self,
        chat: &Jid,
        event: &MessageId,
        going: Going,
        guests: u32,
    ) -> Result<Draft, RequestError> {
        self.addition(chat, event, Added::Answer(going, guests)).await
    }

    async fn addition(&self, chat: &Jid, id: &MessageId, what: Added) -> Result<Draft, RequestError> {
        let request = AdditionRequest { chat: chat.to_user(), id: id.clone(), what };
        self.request(|reply| Command::Add(Box::new(request), reply)).await
    }
}

/// A message as this account refers to it.
fn target<'a>(message: &'a MessageInfo, chat: &'a str, author: &'a str) -> Target<'a> {
    let target = Target::of(chat, message.id.as_str(), message.from_me);
    if message.chat.is_group() && !message.from_me { target.by(author) } else { target }
}
