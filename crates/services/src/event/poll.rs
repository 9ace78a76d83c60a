//! What polls have come to.

use storage::{InstanceId, Message, MessageKind, MessageQuery, Missing};
use wa_client::content::{Content, Tally};

use super::EventService;
use crate::auth::Caller;
use crate::error::ServiceError;
use crate::field::Field;
use crate::mapping::{ChatNames, one_line};
use crate::page::MAX_PAGE;
use crate::recipient::parse_chat;

/// Pages of a chat that are looked through for votes: what was written long after a poll is seldom about it.
const MOST_PAGES: usize = 100;

/// What a poll has come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PollResult {
    /// What was asked.
    pub question: String,
    /// How many options one person may choose; 0 means all.
    pub choices: u32,
    /// Each option with the JIDs of those who chose it, in the order of the poll.
    pub options: Vec<(String, Vec<String>)>,
    /// How many people have chosen anything.
    pub voters: usize,
}

impl EventService {
    /// What a poll has come to, as far as its votes could be read. The last vote of each person counts.
    ///
    /// # Errors
    /// `NotFound` for the instance, or where there is no such poll in the chat; `Invalid` for a chat that can't be read.
    pub async fn poll(
        &self,
        caller: &Caller,
        instance: InstanceId,
        chat: &str,
        message_id: &str,
    ) -> Result<PollResult, ServiceError> {
        let jid = parse_chat(chat).map_err(|error| ServiceError::invalid(Field::Chat, error.to_string()))?;
        self.catch_up(caller, instance).await;
        let asked = jid.to_string();
        let found = self.storage.messages_by_id(caller.user, instance, message_id).await?;
        let is_it = |message: &Message| {
            message.kind == MessageKind::Poll && [&message.chat, &message.wire_chat].contains(&&asked)
        };
        let poll = found.into_iter().find(is_it).ok_or(ServiceError::NotFound { what: Missing::Message })?;
        let content = Content::decode(poll.raw.clone()).map_err(ServiceError::internal)?;
        let view = content.view();
        let asked = view.poll().ok_or(ServiceError::NotFound { what: Missing::Message })?;
        let mut tally = Tally::of(asked.options().map(one_line));
        for vote in self.votes(caller, &poll).await? {
            let choices: Vec<_> = vote.text.iter().flat_map(|text| text.lines()).map(str::to_owned).collect();
            tally.count(voter(&vote), vote.created_at.millis(), choices);
        }
        let counted: Vec<Vec<String>> =
            tally.options().map(|(_, voters)| voters.into_iter().cloned().collect()).collect();
        Ok(PollResult {
            question: asked.question().to_owned(),
            choices: asked.choices(),
            options: asked.options().map(str::to_owned).zip(counted).collect(),
            voters: tally.voters(),
        })
    }

    /// The votes on a poll, oldest first.
    async fn votes(&self, caller: &Caller, poll: &Message) -> Result<Vec<Message>, ServiceError> {
        let newest = MessageQuery::newest(&poll.chat, MAX_PAGE);
        let mut query = MessageQuery { start: Some(poll.created_at), ..newest };
        let mut votes = Vec::new();
        for _ in 0..MOST_PAGES {
            let page = self.storage.messages(caller.user, poll.instance, &query).await?;
            let is_vote = |message: &Message| {
                message.kind == MessageKind::PollVote
                    && message.target.as_deref() == Some(poll.message_id.as_str())
                    && (message.text.is_some() || message.from_me)
            };
            votes.extend(page.items.into_iter().filter(is_vote));
            match page.next {
                Some(next) if page.has_more => query.before = Some(next),
                _ => break,
            }
        }
        votes.reverse();
        Ok(votes)
    }
}

/// Who cast a vote, under the name that the API uses.
fn voter(vote: &Message) -> String {
    match &vote.participant {
        Some(participant) => participant.clone(),
        None if vote.from_me => vote.sender.clone(),
        None => ChatNames::of_stored(&vote.chat, &vote.wire_chat).chat.jid,
    }
}
