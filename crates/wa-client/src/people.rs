//! What there is to know about people, and what they may know of the account.

use std::fmt;

use wa_binary::Jid;

/// A profile picture. `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Picture {
    /// WhatsApp's id of it: another one after each change.
    pub id: String,
    /// Where it can be fetched for some time.
    pub url: String,
}

/// What a business says of itself. `Debug` shows nothing of it.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BusinessProfile {
    /// What it does.
    pub description: Option<String>,
    /// Where it is.
    pub address: Option<String>,
    /// Where mail reaches it.
    pub email: Option<String>,
    /// Its websites.
    pub websites: Vec<String>,
    /// Names of the categories that it is in.
    pub categories: Vec<String>,
    /// Time zone of its hours, such as `Europe/Berlin`.
    pub timezone: Option<String>,
    /// When it is open.
    pub hours: Vec<BusinessHours>,
}

/// When a business is open on a day.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BusinessHours {
    /// The day, as the server names it: `mon`, `tue`, ….
    pub day: String,
    /// How it is open, as the server names it: `specific_hours`, `open_24h`, `appointment_only`.
    pub mode: String,
    /// From when, in minutes since midnight.
    pub opens: Option<u32>,
    /// Until when, in minutes since midnight.
    pub closes: Option<u32>,
}

/// What others may see of the account, and do to it: pairs of the server's words for a setting (`last`, `online`, `profile`,
/// `status`, `readreceipts`, `groupadd`, `calladd`, …) and for its value (`all`, `contacts`, `none`, …).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PrivacySettings(pub Vec<(String, String)>);

impl PrivacySettings {
    /// The value of a setting.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Whom the account blocks, without device. `Debug` shows nobody.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct BlockList(pub Vec<Jid>);

/// Whether somebody is online, as far as they let the account see it.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PresenceUpdate {
    /// Who, without device.
    pub from: Jid,
    /// The same by phone number, where that is known.
    pub pn: Option<Jid>,
    /// The same by LID, where that is known.
    pub lid: Option<Jid>,
    /// Whether they are online.
    pub is_available: bool,
    /// When they were last, Unix seconds; `None` where they don't say.
    pub last_seen: Option<i64>,
}

/// Whether somebody is about to write.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChatStateUpdate {
    /// The conversation: the person, or the group.
    pub chat: Jid,
    /// Who, without device.
    pub from: Jid,
    /// The same by phone number, where that is known.
    pub pn: Option<Jid>,
    /// The same by LID, where that is known.
    pub lid: Option<Jid>,
    /// What they do.
    pub state: ChatState,
}

/// What somebody does in a chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChatState {
    /// They type.
    Typing,
    /// They record a voice note.
    Recording,
    /// They do neither any more.
    Paused,
}

impl ChatState {
    /// The state as a word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Typing => "typing",
            Self::Recording => "recording",
            Self::Paused => "paused",
        }
    }
}

/// What happens to a call. `Debug` shows nobody.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallUpdate {
    /// The device that says so.
    pub from: Jid,
    /// The call.
    pub id: String,
    /// Who called, with device.
    pub creator: Jid,
    /// The same by phone number, without device, where that is known.
    pub creator_pn: Option<Jid>,
    /// The same by LID, without device, where that is known.
    pub creator_lid: Option<Jid>,
    /// The group that is called.
    pub group: Option<Jid>,
    /// Whether it is with pictures.
    pub is_video: bool,
    /// When: Unix seconds.
    pub timestamp: i64,
    /// What happens, as the server names it: `offer`, `offer_notice`, `accept`, `reject`, `terminate`, ….
    pub what: String,
    /// Why it ended, where it did and the server says so.
    pub reason: Option<String>,
}

macro_rules! private {
    ($($name:ident),+) => {
        $(
            impl fmt::Debug for $name {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.debug_struct(stringify!($name)).finish_non_exhaustive()
                }
            }
        )+
    };
}

private!(Picture, BusinessProfile, BlockList, PresenceUpdate, ChatStateUpdate, CallUpdate);
