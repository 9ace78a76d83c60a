//! Channels: looked at, followed, made, reacted to. What is posted goes the way of messages.

use std::time::Duration;

use storage::{InstanceId, Missing};
use wa_client::{Client, Jid, MAX_NEWSLETTER_POSTS, Newsletter, NewsletterPost, RequestError};

use crate::auth::Caller;
use crate::error::{ConflictCause, ServiceError};
use crate::field::Field;
use crate::messaging::MAX_EMOJI;
use crate::reach::Reach;
use crate::text::is_blank;

pub use wa_client::{
    MAX_NEWSLETTER_DESCRIPTION as MAX_CHANNEL_DESCRIPTION, MAX_NEWSLETTER_NAME as MAX_CHANNEL_NAME,
    MAX_NEWSLETTER_POSTS as MAX_CHANNEL_POSTS,
};

/// Use cases about channels. Clones are the same service.
#[derive(Clone)]
pub struct ChannelService {
    reach: Reach,
}

impl ChannelService {
    pub(crate) fn new(reach: Reach) -> Self {
        Self { reach }
    }

    /// The channels that the account follows or runs.
    ///
    /// # Errors
    /// `NotFound` for the instance; `NotConnected`.
    pub async fn list(&self, caller: &Caller, instance: InstanceId) -> Result<Vec<Newsletter>, ServiceError> {
        self.reach.client(caller, instance).await?.newsletters().await.map_err(refused)
    }

    /// A channel, by its JID, its number, its link or the code of that.
    ///
    /// # Errors
    /// `NotFound` for the instance or the channel; `NotConnected`.
    pub async fn find(
        &self,
        caller: &Caller,
        instance: InstanceId,
        channel: &str,
    ) -> Result<Newsletter, ServiceError> {
        let client = self.reach.client(caller, instance).await?;
        match jid_of(channel) {
            Some(jid) => client.newsletter(&jid).await,
            None => client.newsletter_of_link(code_of(channel)).await,
        }
        .map_err(refused)
    }

    /// Makes a channel. With that the account's owner agrees to WhatsApp's terms for them.
    ///
    /// # Errors
    /// `Invalid` for name or description; `NotFound` for the instance; `NotConnected`.
    pub async fn create(
        &self,
        caller: &Caller,
        instance: InstanceId,
        name: &str,
        description: Option<&str>,
    ) -> Result<Newsletter, ServiceError> {
        if is_blank(name) {
            return Err(ServiceError::invalid(Field::Name, "must not be empty"));
        }
        check(Field::Name, name, MAX_CHANNEL_NAME)?;
        check(Field::Description, description.unwrap_or_default(), MAX_CHANNEL_DESCRIPTION)?;
        let client = self.reach.client(caller, instance).await?;
        client.create_newsletter(name, description).await.map_err(refused)
    }

    /// Follows a channel, or no longer.
    ///
    /// # Errors
    /// As for [`Self::find`]; `Conflict` for one that the account has made.
    pub async fn follow(
        &self,
        caller: &Caller,
        instance: InstanceId,
        channel: &str,
        follows: bool,
    ) -> Result<(), ServiceError> {
        let (client, jid) = self.at(caller, instance, channel).await?;
        client.follow_newsletter(&jid, follows).await.map_err(refused)
    }

    /// The latest posts of a channel, or those before one, by its number; the newest last.
    ///
    /// # Errors
    /// As for [`Self::find`]; `Invalid` for the count.
    pub async fn posts(
        &self,
        caller: &Caller,
        instance: InstanceId,
        channel: &str,
        count: u32,
        before: Option<u32>,
    ) -> Result<Vec<NewsletterPost>, ServiceError> {
        if !(1..=MAX_NEWSLETTER_POSTS).contains(&count) {
            let why = format!("must be from 1 to {MAX_NEWSLETTER_POSTS}");
            return Err(ServiceError::invalid(Field::Limit, why));
        }
        let (client, jid) = self.at(caller, instance, channel).await?;
        client.newsletter_posts(&jid, count, before).await.map_err(refused)
    }

    /// Has views and reactions told by events; for how long.
    ///
    /// # Errors
    /// As for [`Self::find`].
    pub async fn watch(
        &self,
        caller: &Caller,
        instance: InstanceId,
        channel: &str,
    ) -> Result<Duration, ServiceError> {
        let (client, jid) = self.at(caller, instance, channel).await?;
        client.watch_newsletter(&jid).await.map_err(refused)
    }

    /// Puts an emoji to a post, by its number; an empty one takes it away.
    ///
    /// # Errors
    /// As for [`Self::find`], which a post may lack as well; `Invalid` for the emoji; `Forbidden` for a channel that the
    /// account doesn't follow.
    pub async fn react(
        &self,
        caller: &Caller,
        instance: InstanceId,
        channel: &str,
        server_id: u32,
        emoji: &str,
    ) -> Result<(), ServiceError> {
        check(Field::Emoji, emoji, MAX_EMOJI)?;
        let (client, jid) = self.at(caller, instance, channel).await?;
        client.react_to_post(&jid, server_id, emoji).await.map_err(refused)
    }

    async fn at(
        &self,
        caller: &Caller,
        instance: InstanceId,
        channel: &str,
    ) -> Result<(Client, Jid), ServiceError> {
        let client = self.reach.client(caller, instance).await?;
        let jid = jid_of(channel).ok_or(ServiceError::NotFound { what: Missing::Channel })?;
        Ok((client, jid))
    }
}

impl std::fmt::Debug for ChannelService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChannelService").finish_non_exhaustive()
    }
}

fn check(field: Field, text: &str, most: usize) -> Result<(), ServiceError> {
    if text.chars().count() > most {
        return Err(ServiceError::invalid(field, format!("must have at most {most} characters")));
    }
    Ok(())
}

/// A JID, or the number in it.
fn jid_of(channel: &str) -> Option<Jid> {
    let is_number = !channel.is_empty() && channel.bytes().all(|byte| byte.is_ascii_digit());
    let named = if is_number { format!("{channel}@newsletter").parse() } else { channel.parse() };
    named.ok().filter(Jid::is_newsletter)
}

/// The code in `https://whatsapp.com/channel/<code>`.
fn code_of(link: &str) -> &str {
    let code = link.trim().rsplit('/').next().unwrap_or_default();
    code.split('?').next().unwrap_or_default()
}

/// What WhatsApp says about a channel that it doesn't show or change (PROTOCOL.md 24).
fn refused(error: RequestError) -> ServiceError {
    match error {
        RequestError::Refused { code: 404, .. } => ServiceError::NotFound { what: Missing::Channel },
        RequestError::Refused { code: 401 | 403, .. } => {
            ServiceError::Forbidden { message: "the account may not do this in the channel" }
        }
        RequestError::Refused { code: 405 | 409, .. } => ServiceError::Conflict {
            cause: ConflictCause::ChannelState,
            message: "the account has made the channel, or it is so already".to_owned(),
        },
        error => ServiceError::request(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_is_named_by_jid_number_link_or_code() {
        let tea = Some("120363001@newsletter".parse::<Jid>().unwrap());
        assert_eq!([jid_of("120363001@newsletter"), jid_of("120363001")], [tea.clone(), tea]);
        for other in ["1@g.us", "0029Va", "", "https://whatsapp.com/channel/0029Va?x=1"] {
            assert_eq!(jid_of(other), None, "{other}");
        }
        assert_eq!(code_of("https://whatsapp.com/channel/0029Va?x=1"), "0029Va");
    }

    #[test]
    fn what_whatsapp_says_of_a_channel_has_a_kind() {
        let of = |code| refused(RequestError::Refused { code, text: String::new() });
        assert!(matches!(of(404), ServiceError::NotFound { what: Missing::Channel }));
        assert!(matches!(of(403), ServiceError::Forbidden { .. }));
        assert!(matches!(of(405), ServiceError::Conflict { .. }));
        assert!(matches!(of(500), ServiceError::Refused { .. }));
    }
}
