use std::fmt;

/// What was looked for and isn't there, or belongs to somebody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Missing {
    /// A user, by id.
    User,
    /// An instance, by id, among those of its owner.
    Instance,
    /// A webhook, by name, among those of its instance.
    Webhook,
    /// A message, by id, among those of its instance.
    Message,
}

impl fmt::Display for Missing {
    /// A noun in lower case.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::User => "user",
            Self::Instance => "instance",
            Self::Webhook => "webhook",
            Self::Message => "message",
        })
    }
}
