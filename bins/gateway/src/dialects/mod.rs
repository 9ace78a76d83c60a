//! The APIs of others, in whose words the gateway can be spoken to. Each is a folder with its routes, what they take and
//! answer, its words, its description and its contract test; how it tells events is `crates/webhook/src/dialect/`. Adding
//! one touches nothing but its lines here.

#[macro_use]
mod table;

mod evolution;
mod waha;
mod whatsgate;
mod witi;

use actix_web::web::ServiceConfig;
use utoipa::openapi::OpenApi;

const ALL: &[Dialect] = &[witi::DIALECT, whatsgate::DIALECT, waha::DIALECT, evolution::DIALECT];

/// What a folder brings.
struct Dialect {
    configure: fn(&mut ServiceConfig),
    described: fn() -> OpenApi,
    /// Paths whose bodies may hold a file.
    files: &'static [&'static str],
    #[cfg(test)]
    routes: &'static [(&'static str, &'static str)],
}

/// The paths of all dialects.
pub(crate) fn configure(config: &mut ServiceConfig) {
    for dialect in ALL {
        config.configure(dialect.configure);
    }
}

/// What they say of themselves.
pub(crate) fn described() -> impl Iterator<Item = OpenApi> {
    ALL.iter().map(|dialect| (dialect.described)())
}

/// Their paths whose bodies may hold a file.
pub(crate) fn paths_with_files() -> Vec<&'static str> {
    ALL.iter().flat_map(|dialect| dialect.files.iter().copied()).collect()
}

/// Path and method of each of their routes.
#[cfg(test)]
pub(crate) fn routes() -> impl Iterator<Item = &'static (&'static str, &'static str)> {
    ALL.iter().flat_map(|dialect| dialect.routes)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::*;

    /// What a dialect's folder may use of this crate, beside itself: what reads requests and writes answers, and nothing of
    /// other dialects or of the routes.
    const OF_THIS_CRATE: &[&str] = &[
        "connection",
        "dialects",
        "error",
        "extract",
        "field",
        "forms",
        "language",
        "listing",
        "middleware",
        "public",
        "qr_code",
        "qr_link",
        "state",
    ];
    /// What it may use of others: values, and no store, no database, no runtime of its own.
    const OF_OTHERS: &[&str] = &[
        "actix_web",
        "base64",
        "futures_util",
        "rand",
        "serde",
        "serde_json",
        "services",
        "std",
        "storage",
        "tokio",
        "utoipa",
        "uuid",
        "webhook",
    ];

    fn folders() -> Vec<PathBuf> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/dialects");
        let entries = fs::read_dir(here).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.is_dir()).collect()
    }

    #[test]
    fn every_route_says_the_path_and_method_that_it_has_in_its_table() {
        for dialect in ALL {
            let document = serde_json::to_value((dialect.described)()).unwrap();
            let described: BTreeSet<(String, String)> = document["paths"]
                .as_object()
                .unwrap()
                .iter()
                .flat_map(|(path, methods)| {
                    methods.as_object().unwrap().keys().map(|method| (path.clone(), method.clone()))
                })
                .collect();
            let routed = dialect.routes.iter();
            let routed = routed.map(|(path, method)| ((*path).to_owned(), (*method).to_owned())).collect();
            assert_eq!(described, routed);
        }
    }

    #[test]
    fn a_folder_uses_only_what_a_dialect_needs() {
        let folders = folders();
        assert_eq!(folders.len(), ALL.len());
        for folder in &folders {
            let own = folder.file_name().unwrap().to_str().unwrap();
            let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
            let sources: Vec<_> = files.filter(|path| path.file_name().unwrap() != "tests.rs").collect();
            assert!(sources.len() > 2, "{folder:?}");
            for source in sources {
                check(&source, own);
            }
        }
    }

    fn check(source: &Path, own: &str) {
        let text = fs::read_to_string(source).unwrap();
        for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
            for path in line.split("crate::").skip(1) {
                let module: String =
                    path.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
                assert!(OF_THIS_CRATE.contains(&&*module), "{source:?} uses crate::{module}");
                if let Some(dialect) = path.strip_prefix("dialects::") {
                    assert!(dialect.starts_with(own), "{source:?} uses another dialect: {line}");
                }
            }
            let used = line.strip_prefix("use ").and_then(|path| path.split(&[':', ';'][..]).next());
            let is_here = |name: &str| {
                ["crate", "self", "super"].contains(&name)
                    || OF_OTHERS.contains(&name)
                    || text.contains(&format!("mod {name};"))
            };
            assert!(used.is_none_or(is_here), "{source:?}: {line}");
        }
    }

    /// The contract test of each folder is run by `tests/api`.
    #[test]
    fn every_dialect_has_a_contract_test() {
        let listed = include_str!("../../tests/api/dialects.rs");
        for folder in folders() {
            let name = folder.file_name().unwrap().to_str().unwrap();
            assert!(folder.join("tests.rs").is_file(), "{name}");
            assert!(listed.contains(&format!("src/dialects/{name}/tests.rs")), "{name}");
        }
    }
}
