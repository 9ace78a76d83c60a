//! What a phone does with newsletters.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use prost::Message as _;
use wa_binary::Jid;
use wa_protobuf::e2e::Message;

use super::Phone;
use crate::{
    ControlError,
    newsletter::{Newsletter, Post},
    phone::message_id,
    routing::Sender,
};

/// A post, as the server keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewsletterPost {
    /// Its number.
    pub server_id: u32,
    /// Its id as a message.
    pub id: String,
    /// Its text, if it has one.
    pub text: Option<String>,
    /// Emojis, by the numbers of the accounts that put them to it.
    pub reactions: BTreeMap<String, String>,
}

impl Phone {
    /// Makes a newsletter; returns its address.
    pub fn create_newsletter(&self, name: &str) -> String {
        self.world.make_newsletter(self.as_sender(), name, "").jid().to_string()
    }

    /// Follows a newsletter, or no longer.
    ///
    /// # Errors
    /// When there is none.
    pub fn follow_newsletter(&self, newsletter: &str, follows: bool) -> Result<(), ControlError> {
        self.world.follow(self.as_sender(), &self.newsletter(newsletter)?, follows);
        Ok(())
    }

    /// Posts a text to a newsletter; returns its id and its number.
    ///
    /// # Errors
    /// When there is no such newsletter.
    pub fn post_in_newsletter(&self, newsletter: &str, text: &str) -> Result<(String, u32), ControlError> {
        let newsletter = self.newsletter(newsletter)?;
        let id = message_id(&mut self.world.fork_rng());
        let content = Message { conversation: Some(text.to_owned()), ..Message::default() };
        let post = Post {
            id: id.clone(),
            kind: "text".into(),
            content: content.encode_to_vec().into(),
            timestamp: self.now(),
            viewers: BTreeSet::new(),
            reactions: BTreeMap::new(),
        };
        let server_id = self.world.post_in(self.as_sender(), &newsletter, post);
        Ok((id.into_string(), server_id))
    }

    /// Puts an emoji to a post, or takes it away with an empty one.
    ///
    /// # Errors
    /// When there is no such newsletter, or no such post.
    pub fn react_in_newsletter(
        &self,
        newsletter: &str,
        server_id: u32,
        emoji: &str,
    ) -> Result<(), ControlError> {
        let found = self.newsletter(newsletter)?;
        let is_done = self.world.react_in(&self.account, &found, server_id, emoji);
        if is_done { Ok(()) } else { Err(ControlError::UnknownMessage(server_id.to_string())) }
    }

    /// Looks at a post.
    ///
    /// # Errors
    /// When there is no such newsletter.
    pub fn view_in_newsletter(&self, newsletter: &str, server_id: u32) -> Result<(), ControlError> {
        self.world.view_in(&self.account, &self.newsletter(newsletter)?, &[server_id]);
        Ok(())
    }

    /// What was posted, oldest first.
    ///
    /// # Errors
    /// When there is no such newsletter.
    pub fn newsletter_posts(&self, newsletter: &str) -> Result<Vec<NewsletterPost>, ControlError> {
        let newsletter = self.newsletter(newsletter)?;
        let record = newsletter.record();
        let posts = record.posts.iter().map(|(server_id, post)| {
            let message = Message::decode(post.content.clone()).unwrap_or_default();
            let extended = message.extended_text_message.and_then(|extended| extended.text);
            let reactions = post.reactions.iter();
            NewsletterPost {
                server_id: *server_id,
                id: post.id.to_string(),
                text: message.conversation.or(extended),
                reactions: reactions.map(|(number, emoji)| (number.to_string(), emoji.to_string())).collect(),
            }
        });
        Ok(posts.collect())
    }

    fn newsletter(&self, newsletter: &str) -> Result<Arc<Newsletter>, ControlError> {
        let found = newsletter.parse::<Jid>().ok().and_then(|jid| self.world.newsletter(&jid));
        found.ok_or_else(|| ControlError::UnknownGroup(newsletter.to_owned()))
    }

    fn as_sender(&self) -> Sender<'_> {
        Sender { account: &self.account, device: 0 }
    }
}
