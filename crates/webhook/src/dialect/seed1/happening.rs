//! What happens in chats besides messages.

use serde::Serialize;
use storage::{
    CallData, ChannelData, Chat, ChatStateData, Event, GroupData, InstanceId, PersonData, PostFigures,
    PresenceData, Timestamp,
};

/// `group_updated`, `presence_updated`, `chat_state`, `call` or `channel_updated`: which chat it is, and what happens there.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Happening<'a> {
    instance_id: InstanceId,
    remote_jid: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pn: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lid: Option<&'a str>,
    #[serde(flatten)]
    what: What<'a>,
}

#[derive(Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
enum What<'a> {
    Group(Box<Group<'a>>),
    Presence {
        available: bool,
        /// `null` where they don't say.
        last_seen: Option<Timestamp>,
    },
    ChatState {
        state: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        participant: Option<&'a str>,
    },
    Channel {
        action: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<&'a str>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        posts: Vec<Post<'a>>,
        timestamp: i64,
    },
    Call {
        call_id: &'a str,
        action: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        group: Option<&'a str>,
        video: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<&'a str>,
        timestamp: i64,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Group<'a> {
    action: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<&'a str>,
    participants: Vec<Participant<'a>>,
    /// Whether the own account is among them.
    concerns_me: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    enabled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expiration: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    other_group: Option<&'a str>,
    timestamp: i64,
}

/// How a post is received.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Post<'a> {
    server_id: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    views: Option<u64>,
    reactions: Vec<Reaction<'a>>,
}

#[derive(Serialize)]
struct Reaction<'a> {
    emoji: &'a str,
    count: u64,
}

#[derive(Serialize)]
struct Participant<'a> {
    jid: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pn: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lid: Option<&'a str>,
}

impl<'a> Happening<'a> {
    pub(super) fn group(event: &'a Event, data: &'a GroupData) -> Self {
        let participant = |person: &'a PersonData| Participant {
            jid: &person.jid,
            pn: person.pn.as_deref(),
            lid: person.lid.as_deref(),
        };
        let group = Group {
            action: &data.action,
            by: data.by.as_deref(),
            participants: data.participants.iter().map(participant).collect(),
            concerns_me: data.concerns_us,
            subject: data.subject.as_deref(),
            description: data.description.as_deref(),
            enabled: data.enabled,
            expiration: data.expiration,
            code: data.code.as_deref(),
            reason: data.reason.as_deref(),
            other_group: data.other_group.as_deref(),
            timestamp: data.timestamp,
        };
        Self::new(event, What::Group(Box::new(group)))
    }

    pub(super) fn presence(event: &'a Event, data: &PresenceData) -> Self {
        let last_seen = data.last_seen.map(Timestamp::from_seconds);
        Self::new(event, What::Presence { available: data.available, last_seen })
    }

    pub(super) fn chat_state(event: &'a Event, data: &'a ChatStateData) -> Self {
        let participant = data.participant.as_deref();
        Self::new(event, What::ChatState { state: &data.state, participant })
    }

    pub(super) fn call(event: &'a Event, data: &'a CallData) -> Self {
        let what = What::Call {
            call_id: &data.call_id,
            action: &data.action,
            group: data.group.as_deref(),
            video: data.video,
            reason: data.reason.as_deref(),
            timestamp: data.timestamp,
        };
        Self::new(event, what)
    }

    pub(super) fn channel(event: &'a Event, data: &'a ChannelData) -> Self {
        let post = |post: &'a PostFigures| Post {
            server_id: post.server_id,
            message_id: post.message_id.as_deref(),
            views: post.views,
            reactions: post
                .reactions
                .iter()
                .map(|(emoji, count)| Reaction { emoji, count: *count })
                .collect(),
        };
        let what = What::Channel {
            action: &data.action,
            name: data.name.as_deref(),
            posts: data.posts.iter().map(post).collect(),
            timestamp: data.timestamp,
        };
        Self::new(event, what)
    }

    fn new(event: &'a Event, what: What<'a>) -> Self {
        let of = |name: fn(&Chat) -> Option<&String>| event.chat.as_ref().and_then(name).map(String::as_str);
        Self {
            instance_id: event.instance,
            remote_jid: event.lane().unwrap_or_default(),
            pn: of(|chat| chat.pn.as_ref()),
            lid: of(|chat| chat.lid.as_ref()),
            what,
        }
    }
}
