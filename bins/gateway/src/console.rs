//! The console: a page for people. Its files are in the binary as they stand in `console/`; nothing makes them.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::Write as _;
use std::sync::{LazyLock, OnceLock};

use actix_web::web::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

/// Name and content of every file: a test holds the list and the folder together.
macro_rules! files {
    ($($name:literal)+) => {
        const FILES: &[(&str, &str)] = &[$(($name, include_str!(concat!("../console/", $name)))),+];
    };
}

files! {
    "api.js"
    "app.js"
    "chats.js"
    "console.css"
    "dialog.js"
    "dom.js"
    "files.js"
    "i18n.js"
    "icons.js"
    "index.html"
    "instances.js"
    "live.js"
    "message.js"
    "parts.js"
    "qr.js"
    "receivers.js"
    "router.js"
    "session.js"
    "states.js"
    "view-audit.js"
    "view-chats.js"
    "view-database.js"
    "view-events.js"
    "view-instance.js"
    "view-instances.js"
    "view-keys.js"
    "view-link.js"
    "view-more.js"
    "view-signin.js"
    "view-start.js"
    "view-stats.js"
    "view-users.js"
    "view-webhook.js"
    "view-webhooks.js"
    "virtual.js"
    "webhook.js"
    "words-en.json"
    "words-pt.json"
    "words-ru.json"
    "words-zh.json"
}

/// Where its page names its files.
const BASE: &str = "{{base}}";
/// The page itself; all others are served below their version.
const PAGE: &str = "index.html";

/// All of it, as this binary has it.
static CONSOLE: LazyLock<Console> = LazyLock::new(Console::new);

/// A file, and the same compressed.
pub(crate) struct File {
    name: &'static str,
    /// As it is.
    pub(crate) plain: Bytes,
    compressed: OnceLock<Bytes>,
}

struct Console {
    version: String,
    files: Vec<File>,
}

impl Console {
    fn new() -> Self {
        let version = version();
        let base = format!("console/{version}/");
        let file = |(name, content): &(&'static str, &'static str)| {
            let plain = match *name {
                PAGE => Bytes::from(content.replace(BASE, &base)),
                _ => Bytes::from_static(content.as_bytes()),
            };
            File { name, plain, compressed: OnceLock::new() }
        };
        Self { files: FILES.iter().map(file).collect(), version }
    }
}

/// Another one for other contents, so that what has a version can be kept for ever.
fn version() -> String {
    let mut hasher = DefaultHasher::new();
    FILES.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

impl File {
    /// The same for whoever takes gzip; made once.
    pub(crate) fn compressed(&self) -> Bytes {
        self.compressed.get_or_init(|| gzip(&self.plain)).clone()
    }

    pub(crate) fn content_type(&self) -> &'static str {
        match self.name.rsplit('.').next() {
            Some("html") => "text/html; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            Some("json") => "application/json",
            _ => "text/javascript; charset=utf-8",
        }
    }
}

/// The version of what this binary has.
pub(crate) fn present() -> &'static str {
    &CONSOLE.version
}

/// The page that names all else.
pub(crate) fn page() -> Option<&'static File> {
    CONSOLE.files.iter().find(|file| file.name == PAGE)
}

/// A file of this version; of another one there is nothing, since its files don't go with these.
pub(crate) fn file(version: &str, name: &str) -> Option<&'static File> {
    let is_present = version == CONSOLE.version && name != PAGE;
    CONSOLE.files.iter().find(|file| is_present && file.name == name)
}

fn gzip(plain: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    // Memory takes every write.
    let _ = encoder.write_all(plain);
    encoder.finish().map(Bytes::from).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    /// What a browser may fetch before the first screen is there. It fetches a part of all of this.
    const FIRST_LOAD: usize = 150 * 1024;

    #[test]
    fn every_file_of_the_folder_is_served() {
        let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/console"));
        let there: BTreeSet<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        let listed: Vec<String> = FILES.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(there.iter().cloned().collect::<Vec<_>>(), listed);
    }

    #[test]
    fn all_of_it_together_is_smaller_than_a_first_load_may_be() {
        let all: usize = CONSOLE.files.iter().map(|file| file.compressed().len()).sum();
        assert!(all < FIRST_LOAD, "{all} bytes");
    }

    #[test]
    fn the_page_names_files_of_its_version_alone() {
        let page = std::str::from_utf8(&page().unwrap().plain).unwrap();
        assert!(!page.contains("{{"));
        let named: Vec<&str> =
            page.split("console/").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
        assert!(named.len() > 5, "{named:?}");
        for path in named {
            let (version, name) = path.split_once('/').unwrap();
            assert!(file(version, name).is_some(), "{path}");
        }
        assert!(file("0", "app.js").is_none() && file(present(), PAGE).is_none());
    }
}
