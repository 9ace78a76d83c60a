/// What WhatsApp lets an account do towards people whom it doesn't know, as it last said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// The account may write only to people who gave it a token.
    pub time_lock: Option<TimeLock>,
    /// So many people may be written to for the first time.
    pub new_chats: Option<NewChats>,
    /// When WhatsApp was last asked, in Unix milliseconds; 0 if never.
    pub asked_at: i64,
}

/// The account may write only to people who gave it a token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TimeLock {
    /// When it ends, in Unix milliseconds; `None` if WhatsApp doesn't say.
    pub until: Option<i64>,
    /// WhatsApp's name for it, such as `WEB_COMPANION_ONLY`; empty if it has none.
    pub kind: String,
}

/// A cap on how many people may be written to for the first time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewChats {
    /// How many there may be until [`until`](Self::until); `None` if WhatsApp doesn't say.
    pub total: Option<u32>,
    /// How many there were.
    pub used: Option<u32>,
    /// When they are counted anew, in Unix milliseconds; `None` if WhatsApp doesn't say.
    pub until: Option<i64>,
    /// Whether there may be no more.
    pub is_reached: bool,
}
