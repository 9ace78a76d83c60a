use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};
use url::form_urlencoded;

/// Where a PostgreSQL database is: `postgres://user:password@host:5432/database`, with the parameters that libpq knows as far
/// as `tokio-postgres` does. `Debug` and `Display` show no password.
///
/// TLS is asked for wherever the server isn't on this machine, and its certificate is checked, by the authorities that
/// browsers know, or by those in the file that `sslrootcert` names. `sslmode=disable` goes without.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseAddress {
    config: Config,
    /// The same without its hosts, where the URL names them and not a parameter.
    without_hosts: Option<Config>,
    shown: String,
    place: String,
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
    /// A `/`, `?` or `#` of the password ends what would be read as the server: the rest would be shown.
    #[error("the database URL has special characters in its user or password, which must be percent-encoded")]
    Unencoded,
    /// It says too little.
    #[error("the database URL names no {what}")]
    Lacks {
        /// What is missing.
        what: &'static str,
    },
    /// TLS without looking at the certificate, or only where the server likes, protects from nobody.
    #[error(
        "its sslmode isn't supported; use require, which checks the certificate and its name, or disable"
    )]
    SslMode,
}

impl DatabaseAddress {
    /// Without the password and the parameters.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// Host, port and database alone.
    pub fn place(&self) -> &str {
        &self.place
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    pub(crate) fn without_hosts(&self) -> Option<&Config> {
        self.without_hosts.as_ref()
    }

    /// The file with the authorities whose certificates are believed, if it isn't the usual ones.
    pub(crate) fn root_certificates(&self) -> Option<&Path> {
        self.root_certificates.as_deref()
    }
}

impl FromStr for DatabaseAddress {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (scheme, rest) = text.split_once("://").ok_or(InvalidAddress::Scheme)?;
        if !matches!(scheme, "postgres" | "postgresql") {
            return Err(InvalidAddress::Scheme);
        }
        let (base, query) = rest.split_once('?').unwrap_or((rest, ""));
        let Parameters { mode, root_certificates, left } = Parameters::read(query)?;
        let (authority, database) = base.split_once('/').unwrap_or((base, ""));
        let (credentials, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
        if credentials.contains(['@', '#']) || hosts.contains('#') || database.contains(['@', '#', '/']) {
            return Err(InvalidAddress::Unencoded);
        }
        let malformed = |error: tokio_postgres::Error| InvalidAddress::Malformed { why: error.to_string() };
        let mut config: Config = format!("{scheme}://{base}?{left}").parse().map_err(malformed)?;
        check(&config)?;
        let user = if credentials.is_empty() { String::new() } else { format!("{credentials}@") };
        let mut without_hosts: Config =
            format!("{scheme}://{user}/{database}?{left}").parse().map_err(malformed)?;
        let usual = if is_near(&config) { SslMode::Disable } else { SslMode::Require };
        for config in [&mut config, &mut without_hosts] {
            config.ssl_mode(mode.unwrap_or(usual));
        }
        let without_hosts = Some(without_hosts).filter(|config| config.get_hosts().is_empty());
        let place = format!("{scheme}://{hosts}/{database}");
        let shown = match credentials.split(':').next() {
            None | Some("") => place.clone(),
            Some(user) => format!("{scheme}://{user}@{hosts}/{database}"),
        };
        Ok(Self { config, without_hosts, shown, place, root_certificates })
    }
}

/// What stands behind the `?`.
struct Parameters {
    mode: Option<SslMode>,
    root_certificates: Option<PathBuf>,
    /// The others, as they are written in a URL.
    left: String,
}

impl Parameters {
    fn read(query: &str) -> Result<Self, InvalidAddress> {
        let all: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let is_name = |text: &str| text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        if !all.iter().all(|(name, _)| is_name(name)) {
            return Err(InvalidAddress::Unencoded);
        }
        let value =
            |wanted: &str| all.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
        let mode = value("sslmode").map(ssl_mode).transpose()?;
        let root_certificates = value("sslrootcert").map(PathBuf::from);
        let left = all.iter().filter(|(name, _)| !matches!(name.as_str(), "sslrootcert" | "sslmode"));
        let left = form_urlencoded::Serializer::new(String::new()).extend_pairs(left).finish();
        // `+` is a space in forms alone.
        Ok(Self { mode, root_certificates, left: left.replace('+', "%20") })
    }
}

fn ssl_mode(word: &str) -> Result<SslMode, InvalidAddress> {
    match word {
        "disable" => Ok(SslMode::Disable),
        // More than libpq's `require` promises: what its `verify-full` does.
        "require" | "verify-ca" | "verify-full" => Ok(SslMode::Require),
        _ => Err(InvalidAddress::SslMode),
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
        assert_eq!(address.place(), "postgres://db.example.com:6432/gateway");
        assert!(!format!("{address:?}").contains("cret"));
        assert_eq!(address.config().get_password(), Some(&b"s+cret"[..]));
        assert_eq!(address.config().get_application_name(), Some("a b"));
        assert_eq!(address.root_certificates(), Some(Path::new("/x.pem")));
        assert_eq!(read("postgres://zoe:a+b@h/x").config().get_password(), Some(&b"a+b"[..]));
        let by_parameter = read("postgres://h/x?user=zoe&password=battery");
        assert_eq!(by_parameter.to_string(), "postgres://h/x");
    }

    #[test]
    fn several_hosts_are_named_for_a_fail_over() {
        let address = read("postgresql://zoe:battery@one:5432,two:6432/x?target_session_attrs=any");
        assert_eq!(address.to_string(), "postgresql://zoe@one:5432,two:6432/x");
        assert_eq!(
            (address.config().get_hosts().len(), address.config().get_ports()),
            (2, &[5432, 6432][..])
        );
    }

    #[test]
    fn tls_is_asked_for_where_the_server_is_elsewhere() {
        let mode = |text| read(text).config().get_ssl_mode();
        assert_eq!(mode("postgres://u@db.example.com/x"), SslMode::Require);
        assert_eq!(mode("postgres://u@db.example.com/x?sslmode=disable"), SslMode::Disable);
        assert_eq!(mode("postgres://u@127.0.0.1/x"), SslMode::Disable);
        assert_eq!(mode("postgres://u@localhost/x?sslmode=require"), SslMode::Require);
        assert_eq!(mode("postgres://u@localhost/x?sslmode=verify-full"), SslMode::Require);
        for mode in ["prefer", "allow", ""] {
            let refused = format!("postgres://u@localhost/x?sslmode={mode}").parse::<DatabaseAddress>();
            assert_eq!(refused, Err(InvalidAddress::SslMode));
        }
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

    #[test]
    fn passwords_that_are_not_encoded_are_not_told() {
        for text in [
            "postgres://zoe:12/battery@h/x",
            "postgres://zoe:12#battery@h/x",
            "postgres://zoe:12?battery@h/x",
            "postgres://zoe:battery/@h/x",
            "postgres://zoe:battery@h:port/x",
            "postgres://zoe:a@battery@h/x",
        ] {
            let error = text.parse::<DatabaseAddress>().unwrap_err();
            assert!(!format!("{error} {error:?}").contains("battery"), "{error}");
        }
    }
}
