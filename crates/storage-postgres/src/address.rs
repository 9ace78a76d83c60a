use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};
use url::Url;

/// Where a PostgreSQL database is: `postgres://user:password@host:5432/database`, with the parameters that libpq knows as far
/// as `tokio-postgres` does. `Debug` and `Display` show no password.
///
/// TLS is asked for wherever the server isn't on this machine, and its certificate is checked, by the authorities that
/// browsers know, or by those in the file that `sslrootcert` names. `sslmode=disable` goes without.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseAddress {
    config: Config,
    shown: String,
    root_certificates: Option<PathBuf>,
}

/// A text that doesn't say where a PostgreSQL database is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAddress {
    /// It can't be read at all, or names another kind of database.
    #[error("the database URL isn't one of PostgreSQL: postgres://user:password@host:5432/database")]
    Scheme,
    /// A part of it can't be read, or isn't known.
    #[error("the database URL can't be read: {why}")]
    Malformed {
        /// What is wrong, without the URL itself.
        why: String,
    },
    /// It says too little.
    #[error("the database URL names no {what}")]
    Lacks {
        /// What is missing.
        what: &'static str,
    },
    /// TLS without looking at the certificate protects from nobody.
    #[error("sslmode=prefer isn't supported; use require, which checks the certificate, or disable")]
    Prefer,
}

impl DatabaseAddress {
    /// Without the password and the parameters.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// The file with the authorities whose certificates are believed, if it isn't the usual ones.
    pub(crate) fn root_certificates(&self) -> Option<&Path> {
        self.root_certificates.as_deref()
    }
}

impl FromStr for DatabaseAddress {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut url = Url::parse(text).map_err(|_| InvalidAddress::Scheme)?;
        if !matches!(url.scheme(), "postgres" | "postgresql") {
            return Err(InvalidAddress::Scheme);
        }
        let parameters: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        let parameter = |wanted: &str| parameters.iter().find(|(name, _)| name == wanted);
        let root_certificates = parameter("sslrootcert").map(|(_, file)| PathBuf::from(file));
        let mode = parameter("sslmode").map(|(_, mode)| mode.clone());
        let left = parameters.iter().filter(|(name, _)| name != "sslrootcert");
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(left).finish();
        // `+` is a space in forms alone.
        let query = query.replace('+', "%20");
        url.set_query((!query.is_empty()).then_some(query.as_str()));
        let malformed = |error: tokio_postgres::Error| InvalidAddress::Malformed { why: error.to_string() };
        let mut config: Config = url.as_str().parse().map_err(malformed)?;
        check(&config)?;
        match mode.as_deref() {
            Some("prefer") => return Err(InvalidAddress::Prefer),
            Some(_) => {}
            None => {
                let mode = if is_near(&config) { SslMode::Disable } else { SslMode::Require };
                config.ssl_mode(mode);
            }
        }
        Ok(Self { config, shown: shown(url), root_certificates })
    }
}

fn check(config: &Config) -> Result<(), InvalidAddress> {
    if config.get_hosts().is_empty() {
        return Err(InvalidAddress::Lacks { what: "host" });
    }
    if config.get_user().is_none() {
        return Err(InvalidAddress::Lacks { what: "user" });
    }
    match config.get_dbname() {
        Some(_) => Ok(()),
        None => Err(InvalidAddress::Lacks { what: "database" }),
    }
}

/// Whether nothing but this machine lies between.
fn is_near(config: &Config) -> bool {
    let is_near = |host: &Host| match host {
        Host::Tcp(name) => matches!(name.as_str(), "localhost" | "127.0.0.1" | "::1" | "[::1]"),
        #[cfg(unix)]
        Host::Unix(_) => true,
    };
    config.get_hosts().iter().all(is_near)
}

fn shown(mut url: Url) -> String {
    url.set_query(None);
    // Fails only for URLs without a host, which have no password either.
    let _ = url.set_password(None);
    url.into()
}

impl fmt::Display for DatabaseAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for DatabaseAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseAddress({})", self.shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> DatabaseAddress {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_is_read_and_its_password_never_shown() {
        let address = read(
            "postgres://zoe:s%2Bcret@db.example.com:6432/gateway?application_name=a%20b&sslrootcert=/x.pem",
        );
        assert_eq!(address.to_string(), "postgres://zoe@db.example.com:6432/gateway");
        assert!(!format!("{address:?}").contains("cret"));
        assert_eq!(address.config().get_password(), Some(&b"s+cret"[..]));
        assert_eq!(address.config().get_application_name(), Some("a b"));
        assert_eq!(address.root_certificates(), Some(Path::new("/x.pem")));
        assert_eq!(read("postgres://zoe:a+b@h/x").config().get_password(), Some(&b"a+b"[..]));
    }

    #[test]
    fn tls_is_asked_for_where_the_server_is_elsewhere() {
        let mode = |text| read(text).config().get_ssl_mode();
        assert_eq!(mode("postgres://u@db.example.com/x"), SslMode::Require);
        assert_eq!(mode("postgres://u@db.example.com/x?sslmode=disable"), SslMode::Disable);
        assert_eq!(mode("postgres://u@127.0.0.1/x"), SslMode::Disable);
        assert_eq!(mode("postgres://u@localhost/x?sslmode=require"), SslMode::Require);
        let prefer = "postgres://u@localhost/x?sslmode=prefer".parse::<DatabaseAddress>();
        assert_eq!(prefer, Err(InvalidAddress::Prefer));
    }

    #[test]
    fn what_says_too_little_or_something_else_is_refused() {
        let refused = |text: &str| text.parse::<DatabaseAddress>().unwrap_err();
        assert_eq!(refused("mysql://u@h/x"), InvalidAddress::Scheme);
        assert_eq!(refused("data/x.db"), InvalidAddress::Scheme);
        assert_eq!(refused("postgres://h/x"), InvalidAddress::Lacks { what: "user" });
        assert_eq!(refused("postgres://u@h"), InvalidAddress::Lacks { what: "database" });
        assert!(matches!(refused("postgres://u@h/x?nonsense=1"), InvalidAddress::Malformed { .. }));
    }
}
