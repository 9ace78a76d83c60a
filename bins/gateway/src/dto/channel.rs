use serde::{Deserialize, Serialize};
use services::MAX_CHANNEL_POSTS;
use storage::Timestamp;
use utoipa::{IntoParams, ToSchema};
use wa_client::{Newsletter, NewsletterPost};

use super::time::Time;
use crate::error::ApiError;
use crate::extract::{FromQuery, Parameters};
use crate::forms::{ChannelDescription, ChannelName, Count, Emoji};

/// `POST /api/whatsapp/{id}/channels`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewChannelRequest {
    /// What it is called.
    #[schema(value_type = ChannelName)]
    pub(crate) name: String,
    #[schema(value_type = Option<ChannelDescription>)]
    pub(crate) description: Option<String>,
}

/// `POST /api/whatsapp/{id}/channels/{channel}/react`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct PostReactionRequest {
    /// The post's number.
    #[schema(value_type = Count)]
    pub(crate) server_id: u32,
    /// Empty takes it away.
    #[schema(value_type = Emoji)]
    pub(crate) emoji: String,
}

/// `GET …/posts?limit&before`.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PostsQuery {
    /// How many at most.
    #[param(required = false, minimum = 1, maximum = 100, default = 50)]
    pub(crate) limit: u32,
    /// Only posts before the one with this `serverId`.
    #[param(inline, value_type = Option<Count>)]
    pub(crate) before: Option<u32>,
}

impl FromQuery for PostsQuery {
    fn from_query(parameters: &mut Parameters) -> Result<Self, ApiError> {
        Ok(Self {
            limit: parameters.number("limit", 1..=MAX_CHANNEL_POSTS, 50)?,
            before: parameters.parsed("before", "must be the serverId of a post")?,
        })
    }
}

/// A channel as WhatsApp shows it now.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ChannelResponse {
    /// Its JID: the `phone` of what is posted to it.
    id: String,
    name: String,
    description: Option<String>,
    /// How many follow it, where WhatsApp says so.
    subscribers: Option<u64>,
    /// `https://whatsapp.com/channel/…`, where WhatsApp says so.
    link: Option<String>,
    created_at: Option<Time>,
    /// Whether WhatsApp has verified who runs it.
    verified: bool,
    /// What the account is in it: `guest`, `subscriber`, `admin` or `owner`.
    role: &'static str,
    /// Whether the account's devices make no noise for it.
    muted: bool,
}

impl From<Newsletter> for ChannelResponse {
    fn from(channel: Newsletter) -> Self {
        let created_at = Some(channel.created_at).filter(|at| *at > 0);
        Self {
            id: channel.jid.to_string(),
            name: channel.name,
            description: channel.description,
            subscribers: channel.subscribers,
            link: channel.invite.map(|code| format!("https://whatsapp.com/channel/{code}")),
            created_at: created_at.map(|at| Timestamp::from_seconds(at).into()),
            verified: channel.is_verified,
            role: channel.role.as_str(),
            muted: channel.is_muted,
        }
    }
}

/// The channels that an account follows or runs.
#[derive(Serialize, ToSchema)]
pub(crate) struct ChannelsResponse {
    channels: Vec<ChannelResponse>,
}

impl From<Vec<Newsletter>> for ChannelsResponse {
    fn from(channels: Vec<Newsletter>) -> Self {
        Self { channels: channels.into_iter().map(ChannelResponse::from).collect() }
    }
}

/// Posts of a channel, the newest last.
#[derive(Serialize, ToSchema)]
pub(crate) struct PostsResponse {
    posts: Vec<PostResponse>,
}

/// A post, as WhatsApp has it now.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct PostResponse {
    /// Its number in the channel.
    server_id: u32,
    /// WhatsApp's id of it as a message.
    message_id: Option<String>,
    created_at: Time,
    from_me: bool,
    /// As with messages; `null` for one that was taken back.
    #[serde(rename = "type")]
    kind: Option<&'static str>,
    /// Its text, or that under a file.
    body: Option<String>,
    views: Option<u64>,
    reactions: Vec<ReactionResponse>,
}

/// How often an emoji was put to a post.
#[derive(Serialize, ToSchema)]
struct ReactionResponse {
    emoji: String,
    count: u64,
}

impl From<Vec<NewsletterPost>> for PostsResponse {
    fn from(posts: Vec<NewsletterPost>) -> Self {
        Self { posts: posts.into_iter().map(PostResponse::from).collect() }
    }
}

impl From<NewsletterPost> for PostResponse {
    fn from(post: NewsletterPost) -> Self {
        let view = post.content.as_ref().map(wa_client::content::Content::view);
        let reaction = |(emoji, count)| ReactionResponse { emoji, count };
        Self {
            server_id: post.server_id,
            message_id: post.id.map(|id| id.to_string()),
            created_at: Timestamp::from_seconds(post.timestamp).into(),
            from_me: post.from_me,
            kind: view.as_ref().map(|view| view.kind().as_str()),
            body: view.as_ref().and_then(|view| view.text_or_caption()).map(str::to_owned),
            views: post.views,
            reactions: post.reactions.into_iter().map(reaction).collect(),
        }
    }
}

/// For how long views and reactions are told.
#[derive(Serialize, ToSchema)]
pub(crate) struct LiveResponse {
    /// Seconds.
    pub(crate) duration: u64,
}
