/// What the answer of a media host to an upload means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UploadVerdict {
    /// It is there; the body names its path.
    Stored,
    /// `auth` isn't taken: ask for a new `<media_conn>`, and try again.
    RefreshAuth,
    /// No host takes a file as large as this.
    TooLarge,
    /// The body isn't what its token says. Encrypt it anew: the file may have changed.
    WrongHash,
    /// The account uploads too much: wait, for as long as `Retry-After` says if it does.
    Throttled,
    /// Another host may do better.
    NextHost,
}

impl UploadVerdict {
    /// The meaning of a status.
    ///
    /// 401, 413, 415 and 507 are WhatsApp Web's (its module `WAWebMmsClientMmsUpload`); whatsapp-rust renews `auth`
    /// with 403 as well; with anything else other clients try the next host (PROTOCOL.md 19.3).
    pub const fn of(status: u16) -> Self {
        match status {
            200..=299 => Self::Stored,
            401 | 403 => Self::RefreshAuth,
            413 => Self::TooLarge,
            415 => Self::WrongHash,
            429 | 507 => Self::Throttled,
            _ => Self::NextHost,
        }
    }
}

/// What the answer of a media host to a download means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DownloadVerdict {
    /// The body is the blob from its first byte, whatever range was asked for.
    Whole,
    /// The body is the range that `Content-Range` names.
    Range,
    /// There is no such range: begin at the first byte.
    StartOver,
    /// No host has it any more, or the path isn't good any more: ask the phone to upload it again
    /// ([`ReuploadRequest`](crate::ReuploadRequest)).
    AskPhone,
    /// Ask for a new `<media_conn>`, and try again.
    RefreshAuth,
    /// Too many downloads: wait, for as long as `Retry-After` says if it does.
    Throttled,
    /// Another host may do better.
    NextHost,
}

impl DownloadVerdict {
    /// The meaning of a status.
    ///
    /// 403, 404 and 410 end a download for other clients, too (PROTOCOL.md 19.4); 403 is what an expired signature of
    /// the path is answered with (WhatsApp Web, `WAWebMmsClientMmsDownload`, where 401 and 507 are from).
    pub const fn of(status: u16) -> Self {
        match status {
            206 => Self::Range,
            200..=299 => Self::Whole,
            401 => Self::RefreshAuth,
            403 | 404 | 410 => Self::AskPhone,
            416 => Self::StartOver,
            429 | 507 => Self::Throttled,
            _ => Self::NextHost,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_status_is_without_meaning() {
        let uploads =
            [(200, UploadVerdict::Stored), (401, UploadVerdict::RefreshAuth), (413, UploadVerdict::TooLarge)];
        for (status, verdict) in uploads {
            assert_eq!(UploadVerdict::of(status), verdict);
        }
        for status in [301, 408, 500, 503, 0, u16::MAX] {
            assert_eq!(UploadVerdict::of(status), UploadVerdict::NextHost);
            assert_eq!(DownloadVerdict::of(status), DownloadVerdict::NextHost);
        }
        for status in [403, 404, 410] {
            assert_eq!(DownloadVerdict::of(status), DownloadVerdict::AskPhone);
        }
        assert_eq!(DownloadVerdict::of(206), DownloadVerdict::Range);
        assert_eq!(DownloadVerdict::of(416), DownloadVerdict::StartOver);
    }
}
