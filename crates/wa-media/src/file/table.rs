//! The types that people send, with what they begin with and what their files are called.

/// Bytes at a place in the file, and the type that they mean. The first that fits counts.
pub(super) const SIGNATURES: &[(usize, &[u8], &str)] = &[
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (0, b"II*\0", "image/tiff"),
    (0, b"MM\0*", "image/tiff"),
    (0, b"8BPS\0\x01", "image/vnd.adobe.photoshop"),
    (0, b"#!AMR\n", "audio/amr"),
    (0, b"#!AMR-WB\n", "audio/amr-wb"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"fLaC", "audio/flac"),
    (0, b"MThd\0\0\0\x06", "audio/midi"),
    (0, b"caff\0\x01", "audio/x-caf"),
    (0, b"FLV\x01", "video/x-flv"),
    (0, b"\0\0\x01\xba", "video/mpeg"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "video/x-ms-wmv"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", OLE),
    (0, b"{\\rtf", "application/rtf"),
    (0, b"%!PS-Adobe-", "application/postscript"),
    (0, b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (0, b"Rar!\x1a\x07", "application/vnd.rar"),
    (0, b"\x1f\x8b\x08", "application/gzip"),
    (0, b"BZh", "application/x-bzip2"),
    (0, b"\xfd7zXZ\0", "application/x-xz"),
    (0, b"\x28\xb5\x2f\xfd", "application/zstd"),
    (257, b"ustar", "application/x-tar"),
    (0, b"SQLite format 3\0", "application/vnd.sqlite3"),
    (0, b"BEGIN:VCARD\r\n", "text/vcard"),
    (0, b"BEGIN:VCARD\n", "text/vcard"),
    (0, b"BEGIN:VCALENDAR", "text/calendar"),
];

pub(super) const ZIP: &str = "application/zip";
pub(super) const MP4: &str = "video/mp4";
const OLE: &str = "application/x-ole-storage";

/// Types with the ending of their files' names, without the dot.
pub(super) const ENDINGS: &[(&str, &str)] = &[
    ("image/jpeg", "jpg"),
    ("image/png", "png"),
    ("image/gif", "gif"),
    ("image/webp", "webp"),
    ("image/heic", "heic"),
    ("image/avif", "avif"),
    ("image/tiff", "tiff"),
    ("image/bmp", "bmp"),
    ("image/svg+xml", "svg"),
    ("image/vnd.adobe.photoshop", "psd"),
    ("video/mp4", "mp4"),
    ("video/3gpp", "3gp"),
    ("video/3gpp2", "3g2"),
    ("video/quicktime", "mov"),
    ("video/webm", "webm"),
    ("video/x-matroska", "mkv"),
    ("video/x-msvideo", "avi"),
    ("video/x-ms-wmv", "wmv"),
    ("video/mpeg", "mpg"),
    ("video/mp2t", "ts"),
    ("video/x-flv", "flv"),
    ("video/ogg", "ogv"),
    ("audio/ogg", "ogg"),
    ("audio/mpeg", "mp3"),
    ("audio/mp4", "m4a"),
    ("audio/aac", "aac"),
    ("audio/amr", "amr"),
    ("audio/amr-wb", "awb"),
    ("audio/wav", "wav"),
    ("audio/flac", "flac"),
    ("audio/midi", "mid"),
    ("audio/aiff", "aiff"),
    ("audio/x-caf", "caf"),
    ("audio/webm", "weba"),
    ("application/pdf", "pdf"),
    ("application/zip", "zip"),
    ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", "docx"),
    ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx"),
    ("application/vnd.openxmlformats-officedocument.presentationml.presentation", "pptx"),
    ("application/vnd.oasis.opendocument.text", "odt"),
    ("application/vnd.oasis.opendocument.spreadsheet", "ods"),
    ("application/vnd.oasis.opendocument.presentation", "odp"),
    ("application/vnd.oasis.opendocument.graphics", "odg"),
    ("application/epub+zip", "epub"),
    ("application/vnd.android.package-archive", "apk"),
    ("application/java-archive", "jar"),
    ("application/msword", "doc"),
    ("application/vnd.ms-excel", "xls"),
    ("application/vnd.ms-powerpoint", "ppt"),
    ("application/rtf", "rtf"),
    ("application/postscript", "ps"),
    ("application/x-7z-compressed", "7z"),
    ("application/vnd.rar", "rar"),
    ("application/gzip", "gz"),
    ("application/x-bzip2", "bz2"),
    ("application/x-xz", "xz"),
    ("application/zstd", "zst"),
    ("application/x-tar", "tar"),
    ("application/vnd.sqlite3", "sqlite"),
    ("application/json", "json"),
    ("application/xml", "xml"),
    ("text/xml", "xml"),
    ("text/plain", "txt"),
    ("text/csv", "csv"),
    ("text/html", "html"),
    ("text/vcard", "vcf"),
    ("text/calendar", "ics"),
];

/// Whether files of a type are, seen from the outside, of the type `container`.
pub(super) fn comes_in(mime: &str, container: &str) -> bool {
    match container {
        ZIP => {
            mime.starts_with("application/vnd.openxmlformats-officedocument.")
                || mime.starts_with("application/vnd.oasis.opendocument.")
                || mime.starts_with("application/vnd.ms-") && mime.contains(".macro")
                || matches!(
                    mime,
                    "application/epub+zip"
                        | "application/java-archive"
                        | "application/vnd.android.package-archive"
                )
        }
        OLE => {
            mime == "application/msword"
                || mime.starts_with("application/vnd.ms-")
                || matches!(mime, "application/x-msi" | "application/x-msdownload" | "application/vnd.visio")
        }
        // Recorders name the format of their file, not that there is no picture in it.
        MP4 => matches!(mime, "audio/mp4" | "video/3gpp" | "video/quicktime"),
        "video/webm" => mime == "audio/webm",
        "video/x-ms-wmv" => mime == "audio/x-ms-wma",
        _ => false,
    }
}
