use super::word::words;

words! {
    /// What a message is. One vocabulary for the store, for events and for every API that has no words of its own.
    MessageKind, "message type" {
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
        /// An answer to a poll.
        PollVote = "poll_vote",
        /// An invitation to a meeting.
        Event = "event",
        /// An answer to such an invitation.
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
        /// Decrypted, and of a kind that this version doesn't know. The bytes are kept.
        Unknown = "unknown",
        /// Came without content or in an encryption that this version doesn't read (groups, lists, channels, bots).
        Unsupported = "unsupported",
        /// Stored in a word that can't be read. Never written.
        Unreadable = "unreadable",
        /// Could not be decrypted. Amended when a resend can be read.
        Undecryptable = "undecryptable",
    }
}

impl MessageKind {
    /// Whether such a message says something about another one ([`Message::target`](crate::Message::target)) and isn't shown by itself.
    pub const fn amends(self) -> bool {
        matches!(self, Self::Reaction | Self::Edit | Self::Revoke | Self::Pin | Self::Keep)
    }

    /// Whether the content of such a message is not known, so that a resend may still bring it.
    pub const fn is_unread(self) -> bool {
        matches!(self, Self::Unsupported | Self::Undecryptable)
    }

    /// Whether a file belongs to it.
    pub const fn has_media(self) -> bool {
        use MessageKind::{Audio, Document, Gif, Image, Sticker, Video, VideoNote, Voice};
        matches!(self, Image | Video | Gif | VideoNote | Audio | Voice | Document | Sticker)
    }
}
