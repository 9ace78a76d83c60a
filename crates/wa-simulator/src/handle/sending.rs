//! What a phone sends.

use crate::{
    Addressing, CallInfo, ControlError,
    account::Account,
    phone::{Letter, Poll, Rich, Say, Task, message_id},
    simulator::canonical,
    world::Chat,
};
use std::{sync::Arc, time::Duration};
use tokio::sync::oneshot;
use wa_binary::Jid;

use super::Phone;

/// Most messages of one call.
const MAX_COUNT: usize = 100_000;

/// Longest text of a message, and longest emoji, in bytes.
const MAX_TEXT: usize = 1 << 20;

/// What a phone is to send.
#[derive(Clone, Debug, PartialEq)]
pub struct Outgoing {
    /// The recipient: a phone number, a user's JID of either form, or a group's.
    pub to: String,
    /// The content of each message.
    pub say: Say,
    /// Number of messages.
    pub count: usize,
    /// Time from one message to the next.
    pub interval: Duration,
    /// The form of address; that of the options if none.
    pub addressing: Option<Addressing>,
}

impl Outgoing {
    /// One message to a phone number, without delay.
    pub fn new(to: impl Into<String>, say: Say) -> Self {
        Self { to: to.into(), say, count: 1, interval: Duration::ZERO, addressing: None }
    }

    /// One text to a phone number, without delay.
    pub fn text(to: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(to, Say::Text(text.into()))
    }
}

impl Phone {
    /// Sends a text, and returns its id once the server has taken it.
    pub async fn send(&self, to: &str, text: &str) -> Result<String, ControlError> {
        self.say(to, Say::Text(text.to_owned())).await
    }

    /// Gives a message that the account sent to somebody a new text; returns the id of the edit.
    pub async fn edit(&self, to: &str, id: &str, text: &str) -> Result<String, ControlError> {
        self.say(to, Say::Edit { id: id.to_owned(), text: text.to_owned(), sealed: false }).await
    }

    /// Takes back a message that the account sent to somebody; returns the id of the revocation.
    pub async fn revoke(&self, to: &str, id: &str) -> Result<String, ControlError> {
        self.say(to, Say::Revoke { id: id.to_owned() }).await
    }

    /// Puts an emoji to a message of a chat, or with an empty one takes it away; returns the id of the reaction.
    pub async fn react(&self, to: &str, id: &str, emoji: &str) -> Result<String, ControlError> {
        self.say(to, Say::React { id: id.to_owned(), emoji: emoji.to_owned(), sealed: false }).await
    }

    /// Sends a message, and returns its id once the server has taken it.
    pub async fn say(&self, to: &str, say: Say) -> Result<String, ControlError> {
        let sent = self.send_all(Outgoing::new(to, say)).await?;
        sent.into_iter().next().ok_or(ControlError::Reset)
    }

    /// Sends messages, and returns their ids. Without an interval the server has taken all of them by then; with
    /// one, they are sent in the background.
    pub async fn send_all(&self, outgoing: Outgoing) -> Result<Vec<String>, ControlError> {
        let letters = self.prepared(&outgoing)?;
        let ids = letters.iter().map(|letter| letter.id.to_string()).collect();
        if outgoing.interval.is_zero() {
            for letter in letters {
                self.send_one(letter).await?;
            }
            return Ok(ids);
        }
        let (phone, age) = (self.clone(), self.world.age());
        let sending = async move {
            let mut ticks = tokio::time::interval(outgoing.interval);
            for letter in letters {
                ticks.tick().await;
                if let Err(error) = phone.send_one(letter).await {
                    tracing::debug!(%error, "a phone can't send");
                }
            }
        };
        self.world.runtime.spawn(async move {
            tokio::select! {
                () = age.cancelled() => {}
                () = sending => {}
            }
        });
        Ok(ids)
    }

    pub(super) fn prepared(&self, outgoing: &Outgoing) -> Result<Vec<Letter>, ControlError> {
        if outgoing.count == 0 || outgoing.count > MAX_COUNT {
            return Err(ControlError::InvalidRequest(format!("`count` is from 1 to {MAX_COUNT}")));
        }
        check_length(&outgoing.say)?;
        let to = self.chat(&outgoing.to)?;
        let is_migrated = self.account.directory().lid_migrated;
        let usual = if is_migrated { self.world.options.addressing } else { Addressing::Pn };
        let addressing = outgoing.addressing.unwrap_or(usual);
        let mut rng = self.world.fork_rng();
        let letters = (1..=outgoing.count).map(|number| Letter {
            id: message_id(&mut rng),
            to: to.clone(),
            say: numbered(&outgoing.say, number),
            addressing,
        });
        Ok(letters.collect())
    }

    /// The chat with somebody, or in a group.
    fn chat(&self, to: &str) -> Result<Chat, ControlError> {
        match to.parse::<Jid>() {
            Ok(jid) if jid.is_group() => {
                let group = self.world.group(&jid).map(Chat::Group);
                group.ok_or_else(|| ControlError::UnknownGroup(to.to_owned()))
            }
            _ => self.recipient(to).map(Chat::Person),
        }
    }

    pub(super) fn recipient(&self, to: &str) -> Result<Arc<Account>, ControlError> {
        let jid = match to.parse::<Jid>() {
            Ok(jid) if jid.is_user() || Addressing::of(&jid).is_some() => jid,
            Ok(_) => return Err(ControlError::InvalidRecipient(to.to_owned())),
            Err(_) => Jid::pn(canonical(to).map_err(|_| ControlError::InvalidRecipient(to.to_owned()))?),
        };
        let found = match Addressing::of(&jid) {
            Some(Addressing::Pn) => self.world.contact(&jid.user),
            _ => self.world.resolve(&jid),
        };
        found.ok_or_else(|| ControlError::UnknownRecipient(to.to_owned()))
    }

    pub(super) async fn send_one(&self, letter: Letter) -> Result<(), ControlError> {
        let (reply, sent) = oneshot::channel();
        self.account.phone.order(Task::Send { letter, reply });
        sent.await.unwrap_or(Err(ControlError::Reset))
    }

    /// Tells the senders of messages that they were read. Without a chat, that of each message is taken.
    pub async fn read(&self, chat: Option<&str>, ids: &[String]) -> Result<(), ControlError> {
        let chat = chat.map(|chat| self.chat(chat)).transpose()?;
        let (reply, done) = oneshot::channel();
        self.account.phone.order(Task::MarkRead { chat, ids: ids.to_vec(), reply });
        done.await.unwrap_or(Err(ControlError::Reset))
    }

    /// Calls somebody: rings on their companions; returns the call's id.
    ///
    /// # Errors
    /// When there is no such phone.
    pub fn call(&self, to: &str, video: bool) -> Result<String, ControlError> {
        let callee = self.world.phone(&canonical(to)?)?;
        Ok(self.world.ring(&self.account, &callee, video))
    }

    /// The calls that it has made, newest first.
    pub fn calls(&self) -> Vec<CallInfo> {
        self.world.calls_of(&self.account)
    }
}

fn check_length(say: &Say) -> Result<(), ControlError> {
    let (name, text, least) = match say {
        Say::Text(text) | Say::Edit { text, .. } | Say::Rich(Rich { text, .. }) => ("text", text.as_str(), 1),
        Say::React { emoji, .. } => ("emoji", emoji.as_str(), 0),
        Say::Raw(raw) if raw.len() <= MAX_TEXT => return Ok(()),
        Say::Raw(_) => {
            return Err(ControlError::InvalidRequest(format!("`raw` has at most {MAX_TEXT} bytes")));
        }
        Say::Poll(poll) => return check_poll(poll),
        Say::Contacts(cards) if cards.is_empty() => {
            return Err(ControlError::InvalidRequest("`contacts` has at least one".to_owned()));
        }
        _ => return Ok(()),
    };
    if (least..=MAX_TEXT).contains(&text.len()) {
        return Ok(());
    }
    Err(ControlError::InvalidRequest(format!("`{name}` has {least} to {MAX_TEXT} bytes")))
}

/// What phones let their owners make of a poll.
fn check_poll(poll: &Poll) -> Result<(), ControlError> {
    let is_sound = (2..=12).contains(&poll.options.len())
        && poll.options.iter().all(|option| !option.is_empty())
        && usize::try_from(poll.choices).is_ok_and(|choices| choices <= poll.options.len());
    if is_sound {
        return Ok(());
    }
    Err(ControlError::InvalidRequest("a poll has 2 to 12 options, and not more choices".to_owned()))
}

/// `{n}` in a text becomes the number of the message.
fn numbered(say: &Say, number: usize) -> Say {
    match say {
        Say::Text(text) => Say::Text(text.replace("{n}", &number.to_string())),
        say => say.clone(),
    }
}
