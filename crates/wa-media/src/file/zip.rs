use super::content::begins;

/// What each file of an archive begins with.
const LOCAL: &[u8] = b"PK\x03\x04";
/// Length of that header, up to the file's name.
const LOCAL_LEN: usize = 30;
/// Files of an archive that are looked at: what tells the type is among the first.
const MAX_FILES: usize = 64;

/// The type of document that a ZIP archive is: by the folder that each sort has, or by what calls itself `mimetype`.
pub(super) fn content_type(head: &[u8]) -> Option<&'static str> {
    let mut names = Names { head, at: 0 };
    if names.clone().next()? == b"mimetype" {
        return declared(head.get(LOCAL_LEN + b"mimetype".len()..)?);
    }
    let mut is_java = false;
    for name in names.by_ref().take(MAX_FILES) {
        match name {
            _ if name.starts_with(b"word/") => return Some(OFFICE[0]),
            _ if name.starts_with(b"xl/") => return Some(OFFICE[1]),
            _ if name.starts_with(b"ppt/") => return Some(OFFICE[2]),
            b"AndroidManifest.xml" => return Some("application/vnd.android.package-archive"),
            b"META-INF/MANIFEST.MF" => is_java = true,
            _ => {}
        }
    }
    is_java.then_some("application/java-archive")
}

const OFFICE: [&str; 3] = [
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation",
];

/// Types that archives declare; longer ones before those that they begin with.
const DECLARED: [&str; 5] = [
    "application/epub+zip",
    "application/vnd.oasis.opendocument.graphics",
    "application/vnd.oasis.opendocument.presentation",
    "application/vnd.oasis.opendocument.spreadsheet",
    "application/vnd.oasis.opendocument.text",
];

fn declared(content: &[u8]) -> Option<&'static str> {
    DECLARED.into_iter().find(|mime| content.starts_with(mime.as_bytes()))
}

/// The names of the files of an archive. Their lengths aren't always in front of them, so each is looked for.
#[derive(Clone)]
struct Names<'a> {
    head: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Names<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.head.get(self.at..)?;
        let start = rest.windows(LOCAL.len()).position(|window| window == LOCAL)?;
        let header = &rest[start..];
        debug_assert!(begins(header, 0, LOCAL));
        let length = usize::from(u16::from_le_bytes(*header.get(26..28)?.first_chunk()?));
        let name = header.get(LOCAL_LEN..LOCAL_LEN + length)?;
        self.at += start + LOCAL_LEN + length;
        Some(name)
    }
}
