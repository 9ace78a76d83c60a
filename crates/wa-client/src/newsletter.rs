//! Newsletters, which people call channels (PROTOCOL.md 24).

mod post;

use std::fmt;

use serde::Deserialize;
use wa_binary::Jid;

pub use post::{NewsletterPost, Reactions};

/// A newsletter, as the account sees it. `Debug` shows nothing of what it says.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Newsletter {
    /// Its address.
    pub jid: Jid,
    /// What it is called.
    pub name: String,
    /// What it is about.
    pub description: Option<String>,
    /// How many follow it, where the server says so.
    pub subscribers: Option<u64>,
    /// The code of its link, `https://whatsapp.com/channel/<code>`.
    pub invite: Option<String>,
    /// When it was made: Unix seconds; 0 where the server doesn't say.
    pub created_at: i64,
    /// Whether WhatsApp has verified who runs it.
    pub is_verified: bool,
    /// What the account is in it.
    pub role: NewsletterRole,
    /// Whether the account's devices make no noise for it.
    pub is_muted: bool,
}

/// What an account is in a newsletter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewsletterRole {
    /// It looks at it, and doesn't follow it.
    Guest,
    /// It follows it.
    Subscriber,
    /// It posts.
    Admin,
    /// It has made it.
    Owner,
}

/// Something that happened in a newsletter.
#[derive(Clone)]
#[non_exhaustive]
pub struct NewsletterUpdate {
    /// The newsletter.
    pub newsletter: Jid,
    /// When: Unix seconds.
    pub timestamp: i64,
    /// What happened.
    pub what: NewsletterNews,
}

/// What happened in a newsletter.
#[derive(Clone)]
#[non_exhaustive]
pub enum NewsletterNews {
    /// The account follows it, on whichever of its devices that was said.
    Followed(Box<Newsletter>),
    /// The account follows it no longer.
    Unfollowed,
    /// So many have looked at posts and reacted to them by now; their content isn't told again.
    Counted(Vec<NewsletterPost>),
}

impl NewsletterRole {
    /// The role as a word, snake case.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Guest => "guest",
            Self::Subscriber => "subscriber",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }

    /// Whether it lets the account post.
    pub fn posts(self) -> bool {
        matches!(self, Self::Admin | Self::Owner)
    }
}

impl fmt::Debug for Newsletter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Newsletter").field("role", &self.role).finish_non_exhaustive()
    }
}

impl fmt::Debug for NewsletterUpdate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewsletterUpdate").field("what", &self.what).finish_non_exhaustive()
    }
}

impl fmt::Debug for NewsletterNews {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Followed(_) => "Followed",
            Self::Unfollowed => "Unfollowed",
            Self::Counted(_) => "Counted",
        })
    }
}

/// A newsletter in the server's words.
#[derive(Deserialize)]
pub(crate) struct Told {
    id: String,
    thread_metadata: Option<Thread>,
    viewer_metadata: Option<Viewer>,
}

#[derive(Deserialize)]
struct Thread {
    name: Option<Text>,
    description: Option<Text>,
    subscribers_count: Option<Number>,
    invite: Option<String>,
    creation_time: Option<Number>,
    verification: Option<String>,
}

#[derive(Deserialize)]
struct Text {
    text: Option<String>,
}

#[derive(Deserialize)]
struct Viewer {
    role: Option<String>,
    mute: Option<String>,
}

/// A number, which the server writes as text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Number(u64),
    Text(String),
}

impl Number {
    fn value(&self) -> Option<u64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => text.parse().ok(),
        }
    }
}

impl Told {
    /// `None` for something else than a newsletter.
    pub(crate) fn read(self) -> Option<Newsletter> {
        let jid = self.id.parse::<Jid>().ok().filter(Jid::is_newsletter)?;
        let thread = self.thread_metadata;
        let thread = thread.as_ref();
        let text =
            |text: Option<&Text>| text.and_then(|text| text.text.clone()).filter(|text| !text.is_empty());
        let number = |number: Option<&Number>| number.and_then(Number::value);
        let viewer = self.viewer_metadata.as_ref();
        let created_at = number(thread.and_then(|thread| thread.creation_time.as_ref()));
        Some(Newsletter {
            jid,
            name: text(thread.and_then(|thread| thread.name.as_ref())).unwrap_or_default(),
            description: text(thread.and_then(|thread| thread.description.as_ref())),
            subscribers: number(thread.and_then(|thread| thread.subscribers_count.as_ref())),
            invite: thread.and_then(|thread| thread.invite.clone()),
            created_at: created_at.and_then(|at| i64::try_from(at).ok()).unwrap_or(0),
            is_verified: thread.and_then(|thread| thread.verification.as_deref()) == Some("VERIFIED"),
            role: role(viewer.and_then(|viewer| viewer.role.as_deref())),
            is_muted: viewer.and_then(|viewer| viewer.mute.as_deref()) == Some("ON"),
        })
    }
}

fn role(word: Option<&str>) -> NewsletterRole {
    match word {
        Some("OWNER") => NewsletterRole::Owner,
        Some("ADMIN") => NewsletterRole::Admin,
        Some("SUBSCRIBER") => NewsletterRole::Subscriber,
        _ => NewsletterRole::Guest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(json: serde_json::Value) -> Option<Newsletter> {
        serde_json::from_value::<Told>(json).ok()?.read()
    }

    #[test]
    fn a_newsletter_is_read_with_what_the_account_is_in_it() {
        let full = told(serde_json::json!({
            "id": "120363001@newsletter", "state": {"type": "ACTIVE"},
            "thread_metadata": {
                "name": {"text": "Tea", "id": "1", "update_time": "17"}, "description": {"text": ""},
                "subscribers_count": "12", "invite": "0029Va", "creation_time": "17", "verification": "VERIFIED",
            },
            "viewer_metadata": {"role": "OWNER", "mute": "ON"},
        }));
        let full = full.unwrap();
        assert_eq!((full.name.as_str(), &full.description, full.subscribers), ("Tea", &None, Some(12)));
        assert_eq!(
            (full.invite.as_deref(), full.created_at, full.role),
            (Some("0029Va"), 17, NewsletterRole::Owner)
        );
        assert!(full.is_verified && full.is_muted && full.role.posts());
        assert!(!format!("{full:?}").contains("Tea"));
        let bare = told(serde_json::json!({"id": "1@newsletter"})).unwrap();
        assert_eq!((bare.role, bare.created_at, bare.is_verified), (NewsletterRole::Guest, 0, false));
        for other in ["1@g.us", "", "@newsletter"] {
            assert!(told(serde_json::json!({"id": other})).is_none(), "{other}");
        }
    }
}
