use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Where an SQLite database lies: `file:./data/gateway.db`, `sqlite://data/gateway.db`, or a path alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseUrl {
    path: PathBuf,
}

impl DatabaseUrl {
    /// The file that it names, relative to the working directory unless it says otherwise.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// A text that doesn't say where a database file lies.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUrl {
    /// There is no path in it.
    #[error("the database URL names no file")]
    NoPath,
    /// Another kind of database, or none.
    #[error("{scheme:?} is not a scheme of SQLite; use file:, sqlite: or a path")]
    Scheme {
        /// What stood before the colon.
        scheme: String,
    },
    /// Query parameters change how SQLite opens a file, which is decided here.
    #[error("parameters after '?' are not supported in a database URL")]
    Parameters,
    /// A database in memory would not be durable.
    #[error("a database in memory is not durable; name a file")]
    InMemory,
}

impl FromStr for DatabaseUrl {
    type Err = InvalidUrl;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let path = match text.split_once(':') {
            // A single letter is a drive of Windows.
            Some((scheme, rest)) if scheme.len() > 1 && is_scheme(scheme) => match scheme {
                "file" | "sqlite" | "sqlite3" => rest.strip_prefix("//").unwrap_or(rest),
                _ => return Err(InvalidUrl::Scheme { scheme: scheme.to_owned() }),
            },
            _ => text,
        };
        match path {
            "" | "/" => Err(InvalidUrl::NoPath),
            ":memory:" => Err(InvalidUrl::InMemory),
            path if path.contains('?') => Err(InvalidUrl::Parameters),
            path => Ok(Self { path: path.into() }),
        }
    }
}

fn is_scheme(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_names_its_file() {
        let cases = [
            ("file:./data/whatsapp-api.db", "./data/whatsapp-api.db"),
            ("file:///var/lib/x.db", "/var/lib/x.db"),
            ("sqlite://data/x.db", "data/x.db"),
            ("sqlite:x.db", "x.db"),
            ("sqlite:////x.db", "//x.db"),
            ("./x.db", "./x.db"),
            ("/srv/a:b.db", "/srv/a:b.db"),
            ("C:\\data\\x.db", "C:\\data\\x.db"),
        ];
        for (url, path) in cases {
            assert_eq!(url.parse::<DatabaseUrl>().unwrap().path(), Path::new(path), "{url}");
        }
    }

    #[test]
    fn what_names_no_file_is_refused() {
        assert_eq!("".parse::<DatabaseUrl>(), Err(InvalidUrl::NoPath));
        assert_eq!("sqlite://".parse::<DatabaseUrl>(), Err(InvalidUrl::NoPath));
        assert_eq!("file::memory:".parse::<DatabaseUrl>(), Err(InvalidUrl::InMemory));
        assert_eq!(":memory:".parse::<DatabaseUrl>(), Err(InvalidUrl::InMemory));
        assert_eq!("file:x.db?mode=ro".parse::<DatabaseUrl>(), Err(InvalidUrl::Parameters));
        let scheme = "postgres".to_owned();
        assert_eq!("postgres://localhost/x".parse::<DatabaseUrl>(), Err(InvalidUrl::Scheme { scheme }));
    }
}
