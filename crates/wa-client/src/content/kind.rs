use std::fmt;

/// Declares the kinds with their words, so that neither can be forgotten.
macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $word:literal,)+) => {
        /// What a message is.
        ///
        /// The words are this workspace's one vocabulary for content: stores and APIs use them as they are.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Kind {
            $($(#[$doc])* $variant,)+
        }

        impl Kind {
            /// All kinds, in the order of their declaration.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The kind as a word, snake case.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }
    };
}

kinds! {
    /// A text, with or without a link preview.
    Text = "text",
    /// A picture.
    Image = "image",
    /// A video.
    Video = "video",
    /// A silent video that repeats.
    Gif = "gif",
    /// A round video note.
    VideoNote = "video_note",
    /// A sound file.
    Audio = "audio",
    /// A recorded voice note.
    Voice = "voice",
    /// Any file.
    Document = "document",
    /// A sticker, still or animated.
    Sticker = "sticker",
    /// A contact card.
    Contact = "contact",
    /// Several contact cards.
    Contacts = "contacts",
    /// A place.
    Location = "location",
    /// A place that moves.
    LiveLocation = "live_location",
    /// Pictures and videos that belong together; they follow as messages of their own.
    Album = "album",
    /// A question with answers to choose from.
    Poll = "poll",
    /// An answer to a poll, encrypted with the poll's secret.
    PollVote = "poll_vote",
    /// An invitation to a meeting.
    Event = "event",
    /// An answer to such an invitation, encrypted with its secret.
    EventResponse = "event_response",
    /// An invitation to a group.
    GroupInvite = "group_invite",
    /// A product of a business.
    Product = "product",
    /// An order at a business.
    Order = "order",
    /// A list to choose from.
    List = "list",
    /// A choice from a list.
    ListResponse = "list_response",
    /// Buttons to press.
    Buttons = "buttons",
    /// A button that was pressed.
    ButtonsResponse = "buttons_response",
    /// A business template.
    Template = "template",
    /// A form or the like of a business.
    Interactive = "interactive",
    /// An answer to such a form.
    InteractiveResponse = "interactive_response",
    /// An emoji put to another message, or taken away.
    Reaction = "reaction",
    /// New content of another message.
    Edit = "edit",
    /// Takes another message back.
    Revoke = "revoke",
    /// Pins another message, or unpins it.
    Pin = "pin",
    /// Keeps a disappearing message, or lets go of it.
    Keep = "keep",
    /// Sets after how long what is written in the chat disappears.
    Timer = "timer",
    /// A call that was logged in the chat.
    Call = "call",
    /// Of a kind that this version doesn't know, or empty.
    Unknown = "unknown",
    /// Nothing for people: keys, settings and what devices tell each other. Never shown, never stored as a message.
    Machinery = "machinery",
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
