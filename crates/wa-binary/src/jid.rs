//! Addresses of everything WhatsApp can address.

use std::fmt;
use std::str::FromStr;

use compact_str::CompactString;

/// The part of a [`Jid`] after the `@`: which name space the user is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Server {
    /// `s.whatsapp.net`: users by phone number; without a user, the service itself.
    Pn,
    /// `lid`: users by the number that hides their phone number.
    Lid,
    /// `g.us`: groups and communities.
    Group,
    /// `c.us`: users by phone number, as older parts of the protocol write them.
    Legacy,
    /// `broadcast`: broadcast lists and `status@broadcast`.
    Broadcast,
    /// `newsletter`: channels.
    Newsletter,
    /// `msgr`: Messenger users.
    Messenger,
    /// `interop`: users of other networks, each reached through an integrator.
    Interop,
    /// `hosted`: devices of a phone number that run in Meta's cloud.
    Hosted,
    /// `hosted.lid`: the same by LID.
    HostedLid,
    /// `bot`: Meta's assistants.
    Bot,
}

impl Server {
    /// Name on the wire and in text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pn => "s.whatsapp.net",
            Self::Lid => "lid",
            Self::Group => "g.us",
            Self::Legacy => "c.us",
            Self::Broadcast => "broadcast",
            Self::Newsletter => "newsletter",
            Self::Messenger => "msgr",
            Self::Interop => "interop",
            Self::Hosted => "hosted",
            Self::HostedLid => "hosted.lid",
            Self::Bot => "bot",
        }
    }

    /// The domain byte of the wire's AD form, for the four servers that have one.
    pub(crate) const fn domain(self) -> Option<u8> {
        match self {
            Self::Pn => Some(0),
            Self::Lid => Some(1),
            Self::Hosted => Some(128),
            Self::HostedLid => Some(129),
            _ => None,
        }
    }

    /// The domain byte with an agent. Agents share the byte with the servers, so only phone numbers
    /// (domain 0) can have one, and none that stands for another server.
    pub(crate) const fn domain_of(self, agent: u8) -> Option<u8> {
        match (self.domain(), agent) {
            (domain, 0) => domain,
            (Some(0), 1 | 128 | 129) => None,
            (Some(0), agent) => Some(agent),
            _ => None,
        }
    }

    /// Highest device number an address of this server can carry.
    const fn max_device(self) -> u16 {
        match self {
            Self::Pn | Self::Lid | Self::Hosted | Self::HostedLid => u8::MAX as u16,
            Self::Messenger | Self::Interop => u16::MAX,
            _ => 0,
        }
    }
}

impl FromStr for Server {
    type Err = JidError;

    fn from_str(text: &str) -> Result<Self, JidError> {
        Ok(match text {
            "s.whatsapp.net" => Self::Pn,
            "lid" => Self::Lid,
            "g.us" => Self::Group,
            "c.us" => Self::Legacy,
            "broadcast" => Self::Broadcast,
            "newsletter" => Self::Newsletter,
            "msgr" => Self::Messenger,
            "interop" => Self::Interop,
            "hosted" => Self::Hosted,
            "hosted.lid" => Self::HostedLid,
            "bot" => Self::Bot,
            _ => return Err(JidError::UnknownServer),
        })
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An address: a user, one of their devices, a group, a channel or the service itself.
///
/// Text forms, read by [`FromStr`] and written by [`Display`](fmt::Display):
///
/// | text | meaning |
/// |---|---|
/// | `15550000001@s.whatsapp.net` | user, or their primary device (device 0) |
/// | `15550000001:2@s.whatsapp.net` | companion device 2 |
/// | `15550000001.7:2@s.whatsapp.net` | the same with an agent; AD strings, which always say the agent, are read too |
/// | `s.whatsapp.net` | a server (`@s.whatsapp.net` is read too) |
/// | `3-alice:1@interop` | integrator 3, device 1 (`alice:1@interop` is read too: integrator 0) |
///
/// Whatever was read from text or from the wire, prints as text that reads as the same value again, and can
/// be sent. Fields set by hand can be at odds with each other, such as a device of a group: that is an
/// [`EncodeError`](crate::EncodeError).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Jid {
    /// Phone number, LID, group id, …; empty for a server.
    pub user: CompactString,
    /// Name space of the user.
    pub server: Server,
    /// Agent of a phone number's device; zero in all that was ever seen, and everywhere but on [`Server::Pn`].
    pub agent: u8,
    /// Device number: 0 is the primary (the phone). At most 255, but 65,535 on Messenger and interop.
    pub device: u16,
    /// Integrator of an interop user, zero elsewhere.
    pub integrator: u16,
}

/// Why a text is no [`Jid`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JidError {
    /// The part after `@` (or all of it, without `@`) is no server of WhatsApp.
    #[error("unknown server in a JID")]
    UnknownServer,
    /// The part before `@` has characters that separate parts, or is missing where a device is given.
    #[error("malformed user in a JID")]
    User,
    /// The device is no number, too large, or given on a server without devices.
    #[error("malformed device in a JID")]
    Device,
    /// The agent is no number, given on a server without agents, or one that stands for another server.
    #[error("malformed agent in a JID")]
    Agent,
}

impl Jid {
    /// An address without device.
    pub fn new(user: impl AsRef<str>, server: Server) -> Self {
        Self { user: CompactString::new(user), server, agent: 0, device: 0, integrator: 0 }
    }

    /// A user by phone number (digits only, with country code).
    pub fn pn(user: impl AsRef<str>) -> Self {
        Self::new(user, Server::Pn)
    }

    /// A user by LID.
    pub fn lid(user: impl AsRef<str>) -> Self {
        Self::new(user, Server::Lid)
    }

    /// A group.
    pub fn group(user: impl AsRef<str>) -> Self {
        Self::new(user, Server::Group)
    }

    /// `s.whatsapp.net`, the service itself.
    pub const fn server() -> Self {
        Self::of_server(Server::Pn)
    }

    /// A server without user, such as `g.us`.
    pub const fn of_server(server: Server) -> Self {
        Self { user: CompactString::const_new(""), server, agent: 0, device: 0, integrator: 0 }
    }

    /// `status@broadcast`: where status updates are posted.
    pub const fn status() -> Self {
        let user = CompactString::const_new("status");
        Self { user, server: Server::Broadcast, agent: 0, device: 0, integrator: 0 }
    }

    /// The same user's device `device`.
    #[must_use]
    pub fn with_device(mut self, device: u16) -> Self {
        self.device = device;
        self
    }

    /// The user without device and agent.
    #[must_use]
    pub fn to_user(&self) -> Self {
        Self { agent: 0, device: 0, ..self.clone() }
    }

    /// The same device, or user, without regard to whether it runs in Meta's cloud: its account's address.
    #[must_use]
    pub fn unhosted(self) -> Self {
        let server = match self.server {
            Server::Hosted => Server::Pn,
            Server::HostedLid => Server::Lid,
            server => server,
        };
        Self { server, ..self }
    }

    /// Whether this is a server without user.
    pub fn is_server(&self) -> bool {
        self.user.is_empty()
    }

    /// Whether this is a user (or device) by phone number.
    pub fn is_pn(&self) -> bool {
        self.server == Server::Pn && !self.is_server()
    }

    /// Whether this is a user (or device) by LID.
    pub fn is_lid(&self) -> bool {
        self.server == Server::Lid && !self.is_server()
    }

    /// Whether this is a group.
    pub fn is_group(&self) -> bool {
        self.server == Server::Group && !self.is_server()
    }

    /// Whether this is a device in Meta's cloud.
    pub fn is_hosted(&self) -> bool {
        matches!(self.server, Server::Hosted | Server::HostedLid) && !self.is_server()
    }

    /// Whether this is a channel.
    pub fn is_newsletter(&self) -> bool {
        self.server == Server::Newsletter && !self.is_server()
    }

    /// Whether this is `status@broadcast`.
    pub fn is_status(&self) -> bool {
        self.server == Server::Broadcast && self.user == "status"
    }

    /// Whether this is a person who has Signal devices: a phone number, a LID or a hosted form of either.
    pub fn is_user(&self) -> bool {
        self.server.domain().is_some() && !self.is_server()
    }

    /// Whether this is one of Meta's bots, which also have phone numbers of two reserved ranges.
    pub fn is_bot(&self) -> bool {
        let reserved = |prefix: &str, digits: usize| {
            self.user
                .strip_prefix(prefix)
                .is_some_and(|rest| rest.len() == digits && rest.bytes().all(|byte| byte.is_ascii_digit()))
        };
        match self.server {
            Server::Bot => !self.is_server(),
            Server::Pn => self.device == 0 && (reserved("1313555", 4) || reserved("131655500", 2)),
            _ => false,
        }
    }

    /// Whether both are the same user, whatever the devices.
    pub fn is_same_user(&self, other: &Self) -> bool {
        self.user == other.user && self.server == other.server && self.integrator == other.integrator
    }

    /// Name of the Signal address, to which the device number belongs: `user` by phone number, `user_1` by
    /// LID, `user_128` and `user_129` for their hosted forms.
    pub fn signal_name(&self) -> String {
        match self.server.domain().unwrap_or(self.agent) {
            0 => self.user.to_string(),
            domain => format!("{}_{domain}", self.user),
        }
    }

    /// The long form `user.agent:device@server` that participant hashes are made of, for instance
    /// `100000000000001.0:1@lid`.
    pub fn ad_string(&self) -> String {
        format!("{}.{}:{}@{}", self.user, self.agent, self.device, self.server)
    }

    /// Whether a user of this spelling can be told apart from the rest of the text form.
    pub(crate) fn is_plain_user(user: &str, server: Server) -> bool {
        !user.contains(['@', ':']) && (server.domain().is_none() || !user.contains('.'))
    }
}

impl FromStr for Jid {
    type Err = JidError;

    fn from_str(text: &str) -> Result<Self, JidError> {
        let Some((name, server)) = text.split_once('@') else {
            return Ok(Self::of_server(text.parse()?));
        };
        let server: Server = server.parse()?;
        let (name, device) = split_device(name, server)?;
        let (name, integrator) = split_integrator(name, server);
        let (user, agent) = split_agent(name, server)?;
        let is_bare = device == 0 && agent == 0 && integrator == 0;
        if !Self::is_plain_user(user, server) || (user.is_empty() && !is_bare) {
            return Err(JidError::User);
        }
        Ok(Self { user: CompactString::new(user), server, agent, device, integrator })
    }
}

fn split_device(name: &str, server: Server) -> Result<(&str, u16), JidError> {
    let Some((name, device)) = name.split_once(':') else { return Ok((name, 0)) };
    let device = number::<u16>(device).ok_or(JidError::Device)?;
    if device > server.max_device() {
        return Err(JidError::Device);
    }
    Ok((name, device))
}

fn split_agent(name: &str, server: Server) -> Result<(&str, u8), JidError> {
    if server.domain().is_none() {
        // Their users may have dots.
        return Ok((name, 0));
    }
    let Some((name, agent)) = name.split_once('.') else { return Ok((name, 0)) };
    match number::<u8>(agent) {
        Some(agent) if server.domain_of(agent).is_some() => Ok((name, agent)),
        _ => Err(JidError::Agent),
    }
}

fn split_integrator(name: &str, server: Server) -> (&str, u16) {
    if server != Server::Interop {
        return (name, 0);
    }
    match name.split_once('-').map(|(integrator, user)| (number::<u16>(integrator), user)) {
        Some((Some(integrator), user)) => (user, integrator),
        _ => (name, 0),
    }
}

/// Decimal digits only: `parse` alone would take a leading `+`.
fn number<T: FromStr>(text: &str) -> Option<T> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

impl fmt::Display for Jid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.user.is_empty() && self.device == 0 && self.agent == 0 {
            return f.write_str(self.server.as_str());
        }
        if self.server == Server::Interop {
            write!(f, "{}-", self.integrator)?;
        }
        f.write_str(&self.user)?;
        if self.agent > 0 {
            write!(f, ".{}", self.agent)?;
        }
        if self.device > 0 || self.agent > 0 {
            write!(f, ":{}", self.device)?;
        }
        write!(f, "@{}", self.server)
    }
}

impl fmt::Debug for Jid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Jid({self})")
    }
}

#[cfg(test)]
mod tests;
