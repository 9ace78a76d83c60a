use super::word::words;

words! {
    /// A part of what is stored of an instance or a webhook that may be unreadable on its own: damaged, sealed with another
    /// key, or written in words that this version doesn't know. The row is told without it, it stays as it is until somebody
    /// sets it anew, and what depends on it rests until then.
    Part, "part" {
        /// What an instance was last known to do, and why. Set anew by its next start.
        State = "state",
        /// The proxy of an instance.
        Proxy = "proxy",
        /// The icon of an instance on the phone.
        DeviceIcon = "device_icon",
        /// The limits of an instance. None holds until they are set anew.
        Limits = "limits",
        /// When the files of an instance's messages are fetched. When somebody asks for them, until it is set anew.
        MediaDownload = "media_download",
        /// In whose words a webhook is told.
        Format = "format",
        /// The kinds of events that a webhook is told of.
        Kinds = "kinds",
        /// The key of a webhook's signature.
        Secret = "secret",
        /// The headers of a webhook's calls.
        Headers = "headers",
    }
}

/// Takes a part out of those that are unreadable.
pub(super) fn repaired(unreadable: &mut Vec<Part>, part: Part) {
    unreadable.retain(|other| *other != part);
}
