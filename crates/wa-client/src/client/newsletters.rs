//! Newsletters: looked at, followed, made, reacted to. What is posted is sent like any message, to the newsletter.

use std::time::Duration;

use wa_binary::{Jid, Node};

use super::Client;
use crate::iq;
use crate::newsletter::{Newsletter, NewsletterPost};
use crate::request::RequestError;

/// Longest name of a newsletter that WhatsApp takes, in characters.
pub const MAX_NEWSLETTER_NAME: usize = 100;
/// Longest description, in characters.
pub const MAX_NEWSLETTER_DESCRIPTION: usize = 2_048;
/// Posts that one call asks for at most.
pub const MAX_NEWSLETTER_POSTS: u32 = 100;

impl Client {
    /// The newsletters that the account follows or runs.
    pub async fn newsletters(&self) -> Result<Vec<Newsletter>, RequestError> {
        iq::newsletter::read_list(&self.iq(iq::newsletter::list()).await?)
    }

    /// A newsletter.
    ///
    /// # Errors
    /// `Refused` with 404 where there is none.
    pub async fn newsletter(&self, newsletter: &Jid) -> Result<Newsletter, RequestError> {
        iq::newsletter::read(&self.iq(iq::newsletter::find(checked(newsletter)?)).await?)
    }

    /// The newsletter that a link leads to, by its code.
    ///
    /// # Errors
    /// As for [`Self::newsletter`].
    pub async fn newsletter_of_link(&self, code: &str) -> Result<Newsletter, RequestError> {
        iq::newsletter::read(&self.iq(iq::newsletter::find_by_invite(code)).await?)
    }

    /// Makes a newsletter, and says that the account's owner agrees to the terms that WhatsApp has for them.
    ///
    /// # Errors
    /// `Invalid` for a name or a description that WhatsApp won't take.
    pub async fn create_newsletter(
        &self,
        name: &str,
        description: Option<&str>,
    ) -> Result<Newsletter, RequestError> {
        let invalid = |why: String| Err(RequestError::Invalid(why));
        if name.trim().is_empty() || name.chars().count() > MAX_NEWSLETTER_NAME {
            return invalid(format!("a name has 1 to {MAX_NEWSLETTER_NAME} characters"));
        }
        if description.is_some_and(|text| text.chars().count() > MAX_NEWSLETTER_DESCRIPTION) {
            return invalid(format!("a description has at most {MAX_NEWSLETTER_DESCRIPTION} characters"));
        }
        self.iq(iq::newsletter::accept_terms()).await?;
        iq::newsletter::read(&self.iq(iq::newsletter::create(name, description)).await?)
    }

    /// Follows a newsletter, or no longer.
    ///
    /// # Errors
    /// As for [`Self::newsletter`].
    pub async fn follow_newsletter(&self, newsletter: &Jid, follows: bool) -> Result<(), RequestError> {
        let request = iq::newsletter::follow(checked(newsletter)?, follows);
        iq::newsletter::read_done(&self.iq(request).await?)
    }

    /// The latest posts of a newsletter, or those before the one of this number: 1 to 100 of them, the newest last.
    ///
    /// # Errors
    /// As for [`Self::newsletter`]; `Invalid` for another count.
    pub async fn newsletter_posts(
        &self,
        newsletter: &Jid,
        count: u32,
        before: Option<u32>,
    ) -> Result<Vec<NewsletterPost>, RequestError> {
        if !(1..=MAX_NEWSLETTER_POSTS).contains(&count) {
            return Err(RequestError::Invalid(format!("1 to {MAX_NEWSLETTER_POSTS} posts are asked for")));
        }
        let request = iq::newsletter::posts(checked(newsletter)?, count, before);
        iq::newsletter::read_posts(&self.iq(request).await?)
    }

    /// Has views and reactions told ([`crate::NewsletterNews::Counted`]) for the time that is answered.
    ///
    /// # Errors
    /// As for [`Self::newsletter`].
    pub async fn watch_newsletter(&self, newsletter: &Jid) -> Result<Duration, RequestError> {
        let answer = self.iq(iq::newsletter::watch(checked(newsletter)?)).await?;
        iq::newsletter::read_duration(&answer).map(Duration::from_secs)
    }

    /// Puts an emoji to a post, by its number; an empty one takes it away.
    ///
    /// # Errors
    /// As for [`Self::newsletter`]; `Refused` with what WhatsApp says else.
    pub async fn react_to_post(
        &self,
        newsletter: &Jid,
        server_id: u32,
        emoji: &str,
    ) -> Result<(), RequestError> {
        let ack = self.iq(iq::newsletter::react(checked(newsletter)?, server_id, emoji)).await?;
        refused(&ack).map_or(Ok(()), Err)
    }
}

fn checked(newsletter: &Jid) -> Result<&Jid, RequestError> {
    if newsletter.is_newsletter() {
        Ok(newsletter)
    } else {
        Err(RequestError::Invalid("this is no newsletter".into()))
    }
}

/// What an `<ack>` says against a message.
fn refused(ack: &Node<'_>) -> Option<RequestError> {
    let code = ack.attrs.number("error")?.unwrap_or(0);
    (code != 0).then(|| RequestError::Refused { code, text: String::new() })
}
