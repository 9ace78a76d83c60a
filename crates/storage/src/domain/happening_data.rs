use serde::{Deserialize, Serialize};

/// What happened to a group.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupData {
    /// As a word: `joined`, `added`, `removed`, `promoted`, `demoted`, `subject`, `description`, `announcement`, `locked`,
    /// `approval`, `all_add`, `expiration`, `invite`, `linked`, `unlinked`, `deleted`, or `other`.
    pub action: String,
    /// Who did it, under the name that the API uses, where WhatsApp says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Whom it concerns.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub participants: Vec<PersonData>,
    /// Whether the own account is among them.
    pub concerns_us: bool,
    /// What the group is called now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// What it is about now; absent where it is about nothing any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether the setting that the action names is on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// How long its messages are kept from now on, in seconds; 0 is for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiration: Option<u32>,
    /// The code of its invite link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// WhatsApp's word for how people came in, or for what else happened; of `linked` and `unlinked` what the other group is
    /// to this one: its `community`, a group `in_it`, or its `sibling`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// JID of the group that this one was linked to, or is so no longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_group: Option<String>,
    /// When: Unix seconds.
    pub timestamp: i64,
}

/// Somebody, by all names.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonData {
    /// The name that the API uses.
    pub jid: String,
    /// By phone number, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pn: Option<String>,
    /// By LID, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lid: Option<String>,
}

/// Whether somebody is online.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PresenceData {
    /// Whether they are.
    pub available: bool,
    /// When they were last, where they say: Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<i64>,
}

/// Whether somebody is about to write.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatStateData {
    /// `typing`, `recording` or `paused`.
    pub state: String,
    /// Who, in a group, under the name that the API uses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub participant: Option<String>,
}

/// What happens to a call.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallData {
    /// WhatsApp's id of the call.
    pub call_id: String,
    /// What happens, in WhatsApp's word: `offer`, `accept`, `reject`, `terminate`, …
    pub action: String,
    /// The group that is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Whether it is with pictures.
    pub video: bool,
    /// Why it ended, in WhatsApp's word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When: Unix seconds.
    pub timestamp: i64,
}

/// What happened in a channel.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelData {
    /// As a word: `followed`, `unfollowed`, or `counted`.
    pub action: String,
    /// What the channel is called, where that is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// How these posts are received.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub posts: Vec<PostFigures>,
    /// When: Unix seconds.
    pub timestamp: i64,
}

/// How a post is received.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostFigures {
    /// Its number in the channel.
    pub server_id: u32,
    /// WhatsApp's id of it as a message, where that is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// How many have looked at it, where that is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub views: Option<u64>,
    /// Emojis, and how often each was put to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reactions: Vec<(String, u64)>,
}
