//! People: what can be seen of them, what they may see of the account, and what they are shown of it.

use storage::{InstanceId, Message, Missing, StatusUpdate, Timestamp};
use wa_client::{
    BlockList, BusinessProfile, ChatState, Client, Jid, MessageId, Mute, OnWhatsApp, Person, Picture,
    Presence, PrivacySettings, RequestError,
};

use crate::auth::Caller;
use crate::error::ServiceError;
use crate::field::Field;
use crate::mapping::read_by_us;
use crate::reach::{Reach, addressee, picture, recipient};
use crate::recipient::{is_shared, parse_recipient};

/// Numbers that one call may ask about.
pub const MAX_NUMBERS: usize = 1_000;
/// Messages that one call may mark as read.
pub const MAX_READ: usize = 1_000;

/// What can be seen of somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Who it is, by both addresses as far as they are known.
    pub person: Person,
    /// What they say about themself.
    pub about: Option<String>,
    /// Their picture.
    pub picture: Option<Picture>,
    /// What the business says of itself, if it is one.
    pub business: Option<BusinessProfile>,
}

/// What the account marks a chat with, on all of its devices. What is `None` stays as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChatMarks {
    /// Whether it is put away, which unpins it.
    pub archived: Option<bool>,
    /// Whether it is kept on top, which takes it out of the archive.
    pub pinned: Option<bool>,
    /// Until when it makes no noise; `Some(None)` lets it be heard.
    pub muted_until: Option<Option<Timestamp>>,
}

/// Use cases about people. Clones are the same service.
#[derive(Clone)]
pub struct PeopleService {
    reach: Reach,
}

impl PeopleService {
    /// A service over the instances.
    pub(crate) fn new(reach: Reach) -> Self {
        Self { reach }
    }

    /// Which of these numbers have WhatsApp, in their order: one question to WhatsApp, however many they are.
    ///
    /// # Errors
    /// `NotFound`; `NotConnected`; `Invalid` for what is no number; `RateLimited` when WhatsApp has heard too many.
    pub async fn check(
        &self,
        caller: &Caller,
        instance: InstanceId,
        numbers: &[String],
    ) -> Result<Vec<OnWhatsApp>, ServiceError> {
        if numbers.is_empty() || numbers.len() > MAX_NUMBERS {
            let why = format!("must have 1 to {MAX_NUMBERS} numbers");
            return Err(ServiceError::invalid(Field::Numbers, why));
        }
        let number = |text: &String| match parse_recipient(text) {
            Ok(jid) if jid.is_pn() => Ok(jid.user.to_string()),
            Ok(_) => Err(ServiceError::invalid(Field::Numbers, "must be phone numbers")),
            Err(error) => Err(ServiceError::invalid(Field::Numbers, format!("has one that {error}"))),
        };
        let digits = numbers.iter().map(number).collect::<Result<Vec<_>, _>>()?;
        let client = self.reach.client(caller, instance).await?;
        let found = client.resolve(&digits).await.map_err(ServiceError::request)?;
        let as_asked = |(number, mut found): (&String, OnWhatsApp)| {
            found.number.clone_from(number);
            found
        };
        Ok(numbers.iter().zip(found).map(as_asked).collect())
    }

    /// What can be seen of somebody.
    ///
    /// # Errors
    /// `NotFound` for the instance; `NotConnected`; `Invalid` for who has no WhatsApp.
    pub async fn profile(
        &self,
        caller: &Caller,
        instance: InstanceId,
        phone: &str,
    ) -> Result<Profile, ServiceError> {
        let whom = recipient(phone)?;
        let client = self.reach.client(caller, instance).await?;
        let person = client.who_is(&whom).await.map_err(|error| unknown(error.into()))?;
        let (about, picture, business) =
            futures_util::join!(client.about(&whom), client.picture(&whom, false), business(&client, &whom));
        Ok(Profile {
            person,
            about: about.map_err(ServiceError::request)?,
            picture: picture.map_err(ServiceError::request)?,
            business,
        })
    }

    /// Says this about the own account.
    ///
    /// # Errors
    /// `NotFound`; `NotConnected`; `Invalid` for a text that is too long.
    pub async fn set_about(
        &self,
        caller: &Caller,
        instance: InstanceId,
        about: &str,
    ) -> Result<(), ServiceError> {
        let client = self.reach.client(caller, instance).await?;
        client.set_about(about).await.map_err(|error| of_field(error, Field::About))
    }

    /// Shows this JPEG, given as base64, as the own picture; `None` shows none. Answers its id.
    ///
    /// # Errors
    /// `NotFound`; `NotConnected`; `Invalid` for what WhatsApp doesn't take.
    pub async fn set_picture(
        &self,
        caller: &Caller,
        instance: InstanceId,
        jpeg: Option<&str>,
    ) -> Result<Option<String>, ServiceError> {
        let jpeg = jpeg.map(picture).transpose()?;
        let client = self.reach.client(caller, instance).await?;
        client.set_picture(jpeg.as_deref()).await.map_err(|error| of_field(error, Field::Jpeg))
    }

    /// What others may see of the account, and do to it.
    ///
    /// # Errors
    /// `NotFound`; `NotConnected`.
    pub async fn privacy(
        &self,
        caller: &Caller,
        instance: InstanceId,
    ) -> Result<PrivacySettings, ServiceError> {
        self.reach.client(caller, instance).await?.privacy().await.map_err(ServiceError::request)
    }

    /// Changes some of these settings; answers all.
    ///
    /// # Errors
    /// `NotFound`; `NotConnected`; `Invalid` for a setting or a value that WhatsApp doesn't know.
    pub async fn set_privacy(
        &self,
        caller: &Caller,
        instance: InstanceId,
        settings: &[(String, String)],
    ) -> Result<PrivacySettings, ServiceError> {
        let client = self.reach.client(caller, instance).await?;
        let mut all = None;
        for (name, value) in settings {
            let changed = client.set_privacy(name, value).await;
            all = Some(changed.map_err(|error| of_field(error, Field::Privacy))?);
        }
        match all {
            Some(all) => Ok(all),
            None => client.privacy().await.map_err(ServiceError::request),
        }
    }

    /// Whom the account blocks.
    ///
    /// # Errors
    /// `NotFound`; `NotConnected`.
    pub async fn block_list(&self, caller: &Caller, instance: InstanceId) -> Result<BlockList, ServiceError> {
        self.reach.client(caller, instance).await?.block_list().await.map_err(ServiceError::request)
    }

    /// Blocks somebody, or no longer; answers all who are blocked then.
    ///
    /// # Errors
    /// `NotFound`; `NotConnected`; `Invalid` for who has no WhatsApp.
    pub async fn block(
        &self,
        caller: &Caller,
        instance: InstanceId,
        phone: &str,
        blocks: bool,
    ) -> Result<BlockList, ServiceError> {
        let whom = recipient(phone)?;
        let client = self.reach.client(caller, instance).await?;
        client.block(&whom, blocks).await.map_err(unknown)
    }

    /// Shows the account as online, or not.
    ///
    /// # Errors
    /// `NotFound`; `NotConnected`.
    pub async fn set_presence(
        &self,
        caller: &Caller,
        instance: InstanceId,
        is_available: bool,
    ) -> Result<(), ServiceError> {
        let client = self.reach.client(caller, instance).await?;
        let presence = if is_available { Presence::Available } else { Presence::Unavailable };
        client.set_presence(presence).await.map_err(ServiceError::request)
    }

    /// Has it told by events whether somebody is online, until the connection ends.
    ///
    /// # Errors
    /// `NotFound`; `NotConnected`; `Invalid` for who has no WhatsApp.
    pub async fn subscribe(
        &self,
        caller: &Caller,
        instance: InstanceId,
        phone: &str,
    ) -> Result<(), ServiceError> {
        let whom = recipient(phone)?;
        let client = self.reach.client(caller, instance).await?;
        client.subscribe_presence(&whom).await.map_err(unknown)
    }

    /// Shows in a chat that the account is about to write, or no longer.
    ///
    /// # Errors
    /// `NotFound`; `NotConnected`; `Invalid` for who has no WhatsApp.
    pub async fn set_chat_state(
        &self,
        caller: &Caller,
        instance: InstanceId,
        phone: &str,
        state: ChatState,
    ) -> Result<(), ServiceError> {
        let chat = recipient(phone)?;
        let client = self.reach.client(caller, instance).await?;
        client.set_chat_state(&chat, state).await.map_err(unknown)
    }

    /// Marks a chat, with a person or a group, on all devices of the account.
    ///
    /// # Errors
    /// `NotFound`; `NotConnected`; `Invalid` for who has no WhatsApp, and before the phone has shared its keys.
    pub async fn mark_chat(
        &self,
        caller: &Caller,
        instance: InstanceId,
        phone: &str,
        marks: ChatMarks,
    ) -> Result<(), ServiceError> {
        let wanted = recipient(phone)?;
        let client = self.reach.client(caller, instance).await?;
        let chat = named_by_account(&client, wanted).await?;
        let ChatMarks { archived, pinned, muted_until } = marks;
        if let Some(archived) = archived {
            client.archive(&chat, archived, None).await.map_err(ServiceError::request)?;
        }
        if let Some(pinned) = pinned {
            client.pin(&chat, pinned).await.map_err(ServiceError::request)?;
        }
        if let Some(until) = muted_until {
            let mute = until.map_or(Mute::Off, |until| Mute::Until(until.millis()));
            client.mute(&chat, mute).await.map_err(ServiceError::request)?;
        }
        Ok(())
    }

    /// Declines a call, by who called and its id.
    ///
    /// # Errors
    /// `NotFound`; `NotConnected`; `Invalid` for the caller.
    pub async fn reject_call(
        &self,
        caller: &Caller,
        instance: InstanceId,
        from: &str,
        call: &str,
    ) -> Result<(), ServiceError> {
        let from = recipient(from)?;
        let client = self.reach.client(caller, instance).await?;
        client.reject_call_of(&from, call).await.map_err(unknown)
    }

    /// Tells who wrote these messages of a chat, by WhatsApp's ids, that they were read, or with `played` that they were
    /// listened to.
    ///
    /// # Errors
    /// `NotFound` for the instance, or for a message that the chat doesn't have; `NotConnected`; `Invalid` for the chat.
    pub async fn mark_read(
        &self,
        caller: &Caller,
        instance: InstanceId,
        phone: &str,
        ids: &[String],
        played: bool,
    ) -> Result<(), ServiceError> {
        let chat = addressee(phone)?;
        if chat.is_newsletter() {
            return Err(ServiceError::invalid(
                Field::Recipient,
                "is a channel, which isn't told what was read",
            ));
        }
        if ids.is_empty() || ids.len() > MAX_READ {
            let why = format!("must have 1 to {MAX_READ} ids");
            return Err(ServiceError::invalid(Field::MessageIds, why));
        }
        let running = self.reach.running(caller, instance).await?;
        let client = running.client()?;
        let messages = self.received(caller, instance, &client, &chat, ids).await?;
        for (chat, author, ids) in by_author(&messages)? {
            let marked = client.mark_read_as(&chat, author.as_ref(), &ids, played).await;
            marked.map_err(ServiceError::request)?;
        }
        let now = running.recorder.server_now();
        let updates = messages.iter().map(|message| read_by_us(message, played, now));
        running.recorder.tell(updates.collect::<Vec<StatusUpdate>>());
        Ok(())
    }

    /// Messages of others in a chat.
    async fn received(
        &self,
        caller: &Caller,
        instance: InstanceId,
        client: &Client,
        chat: &Jid,
        ids: &[String],
    ) -> Result<Vec<Message>, ServiceError> {
        let mut names = vec![chat.to_string()];
        if !is_shared(chat) {
            let Person { pn, lid } = client.who_is(chat).await.unwrap_or_default();
            names.extend(pn.into_iter().chain(lid).map(|jid| jid.to_string()));
        }
        let mut found = Vec::with_capacity(ids.len());
        for id in ids {
            let messages = self.reach.storage().messages_by_id(caller.user, instance, id).await?;
            let is_it = |message: &Message| {
                !message.from_me && (names.contains(&message.chat) || names.contains(&message.wire_chat))
            };
            let message = messages.into_iter().find(is_it);
            found.push(message.ok_or(ServiceError::NotFound { what: Missing::Message })?);
        }
        Ok(found)
    }
}

impl std::fmt::Debug for PeopleService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PeopleService").finish_non_exhaustive()
    }
}

/// Messages by where their receipt goes: chat, and in a group who wrote them.
type ByAuthor = Vec<(Jid, Option<Jid>, Vec<MessageId>)>;

fn by_author(messages: &[Message]) -> Result<ByAuthor, ServiceError> {
    let mut all: ByAuthor = Vec::new();
    for message in messages {
        let chat: Jid = message.wire_chat.parse().map_err(ServiceError::internal)?;
        let author = if is_shared(&chat) { message.sender.parse().ok() } else { None };
        let id = MessageId::from(message.message_id.as_str());
        match all.iter_mut().find(|(known, by, _)| *known == chat && *by == author) {
            Some((_, _, ids)) => ids.push(id),
            None => all.push((chat, author, vec![id])),
        }
    }
    Ok(all)
}

/// What the account's devices call a chat: a person by their LID, where it is known.
async fn named_by_account(client: &Client, chat: Jid) -> Result<Jid, ServiceError> {
    if chat.is_group() {
        return Ok(chat);
    }
    let person = client.who_is(&chat).await.map_err(|error| unknown(error.into()))?;
    Ok(person.lid.or(person.pn).unwrap_or(chat))
}

/// A profile that isn't there is no reason to show nothing.
async fn business(client: &Client, whom: &Jid) -> Option<BusinessProfile> {
    client.business_profile(whom).await.ok().flatten()
}

/// Who was asked about may have no account.
fn unknown(error: RequestError) -> ServiceError {
    match error {
        RequestError::Refused { code: 404, .. } => {
            ServiceError::invalid(Field::Recipient, "is not on WhatsApp")
        }
        error => of_field(error, Field::Recipient),
    }
}

fn of_field(error: RequestError, field: Field) -> ServiceError {
    match error {
        RequestError::Invalid(why) => ServiceError::invalid(field, format!("can't be taken: {why}")),
        RequestError::Refused { code: 400 | 406, .. } => {
            ServiceError::invalid(field, "is refused by WhatsApp")
        }
        error => ServiceError::request(error),
    }
}
