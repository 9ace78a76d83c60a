use std::fmt;

/// What was looked for and isn't there, or belongs to somebody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Missing {
    /// A user, by id.
    User,
    /// A scoped key, by id, among those of its owner.
    Key,
    /// An instance, by id, among those of its owner.
    Instance,
    /// A webhook, by name, among those of its instance.
    Webhook,
    /// A named consumer of the log, by name, among those of its instance.
    Consumer,
    /// A message, by id, among those of its instance.
    Message,
    /// An event, by its position or id, in the log of its instance.
    Event,
    /// A message that is to be sent later, by its id, among those of its instance.
    Scheduled,
    /// A group, by its JID.
    Group,
    /// A channel, by its JID or the code of its link.
    Channel,
    /// What an invite link leads to, by its code.
    Invite,
}

impl fmt::Display for Missing {
    /// A noun in lower case.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::User => "user",
            Self::Key => "key",
            Self::Instance => "instance",
            Self::Webhook => "webhook",
            Self::Consumer => "consumer",
            Self::Message => "message",
            Self::Event => "event",
            Self::Scheduled => "scheduled message",
            Self::Group => "group",
            Self::Channel => "channel",
            Self::Invite => "invite link",
        })
    }
}
